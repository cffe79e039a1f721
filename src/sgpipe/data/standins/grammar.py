"""A text from a small grammar, as a stand-in for the Penn Treebank: 1,000 words with Zipf-distributed frequencies.

    sentence -> noun phrase(n) [rel verb(n) noun phrase] verb phrase(n) [prep noun phrase] (conj sentence | <eos>)
    noun phrase(n) -> det(n) adj* noun(n, topic)
    verb phrase(n) -> [adv] verb(n, kind of the subject) [noun phrase]

The next word depends on more than the word before it: a noun and its verb agree in number n with a determiner some
words back, a verb suits the kind of its subject, and nouns suit the topic, which lasts for several sentences. So a
network with memory does better than any table of word pairs (docs/data.md has the numbers).
"""

from collections.abc import Iterator

import numpy as np

from sgpipe.base.rng import stream

TOPICS, KINDS = 10, 3
SIZES = {
    "eos": 1,
    "rel": 2,
    "conj": 5,
    "det0": 6,
    "det1": 6,
    "prep": 16,
    "adv": 60,
    "adj": 160,
    "noun0": 240,
    "noun1": 240,
    "verb0": 132,
    "verb1": 132,
}
FIRST = dict(zip(SIZES, np.cumsum([0, *SIZES.values()])[:-1].tolist(), strict=True))
VOCABULARY = sum(SIZES.values())
STAYS_ON_TOPIC, KEEPS_TO_TOPIC = 0.8, 0.7


def text(seed: int, words: int) -> np.ndarray:
    """Generate a text of `words` words; return their ids, int32 (words,)."""
    source = _Source(seed)
    ids: list[int] = []
    while len(ids) < words:
        ids.extend(source.sentence())
    return np.array(ids[:words], dtype=np.int32)


class _Source:
    """Draws sentences; only the topic carries over from one to the next."""

    def __init__(self, seed: int):
        self.numbers = _uniform(seed)
        self.topic = 0
        # The most frequent word of a class occurs k times as often as the k-th.
        self.zipf = {
            size: np.cumsum(1 / np.arange(1, size + 1)) / np.sum(1 / np.arange(1, size + 1))
            for size in {*SIZES.values(), SIZES["noun0"] // TOPICS, SIZES["verb0"] // KINDS}
        }

    def chance(self, share: float) -> bool:
        return next(self.numbers) < share

    def rank(self, size: int) -> int:
        return int(np.searchsorted(self.zipf[size], next(self.numbers), side="right"))

    def word(self, kind: str) -> int:
        return FIRST[kind] + self.rank(SIZES[kind])

    def sentence(self) -> list[int]:
        if not self.chance(STAYS_ON_TOPIC):
            self.topic = int(next(self.numbers) * TOPICS)
        ids = self.clause()
        while self.chance(0.2):
            ids += [self.word("conj"), *self.clause()]
        return [*ids, FIRST["eos"]]

    def clause(self) -> list[int]:
        plural = self.plural()
        ids, kind = self.noun_phrase(plural)
        if self.chance(0.2):
            ids += [self.word("rel"), self.verb(plural, kind), *self.noun_phrase(self.plural())[0]]
        if self.chance(0.25):
            ids.append(self.word("adv"))
        ids.append(self.verb(plural, kind))
        if self.chance(0.7):
            ids += self.noun_phrase(self.plural())[0]
        if self.chance(0.4):
            ids += [self.word("prep"), *self.noun_phrase(self.plural())[0]]
        return ids

    def plural(self) -> int:
        return int(self.chance(0.4))

    def noun_phrase(self, plural: int) -> tuple[list[int], int]:
        """Return a noun phrase and the kind of its noun."""
        ids = [self.word(f"det{plural}")]
        while self.chance(0.35):
            ids.append(self.word("adj"))
        if self.chance(KEEPS_TO_TOPIC):
            stem = self.rank(SIZES["noun0"] // TOPICS) * TOPICS + self.topic
        else:
            stem = self.rank(SIZES["noun0"])
        return [*ids, FIRST[f"noun{plural}"] + stem], stem % KINDS

    def verb(self, plural: int, kind: int) -> int:
        return FIRST[f"verb{plural}"] + self.rank(SIZES["verb0"] // KINDS) * KINDS + kind


def _uniform(seed: int) -> Iterator[float]:
    generator = stream(seed, "data/ptb/grammar")
    while True:
        yield from generator.random(4096).tolist()
