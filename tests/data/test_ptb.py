"""Penn Treebank: the published counts, batches that go on where the last one ended, and a stand-in worth remembering."""

from bisect import bisect_right
from collections import Counter

import numpy as np
import pytest

from sgpipe.base.errors import SgpipeError
from sgpipe.data.ptb import EOS, make, vocabulary
from sgpipe.data.standins.grammar import FIRST, KINDS, SIZES, TOPICS, VOCABULARY, text
from sgpipe.spec.tasks import PtbData

ORIGINAL = PtbData(source="original")


@pytest.fixture(scope="module")
def treebank(published):
    return make(ORIGINAL, published("ptb"))


@pytest.fixture(scope="module")
def ours():
    return make(PtbData())


def files(folder, train="a b <unk> \n b a \n", valid="a c \n", test="b b \n"):
    (folder / "ptb").mkdir(exist_ok=True)
    for name, content in (("train", train), ("valid", valid), ("test", test)):
        (folder / "ptb" / f"ptb.{name}.txt").write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


# ----------------------------------------------------------------------------------------------------------------
# The published text


def test_the_published_text_has_the_published_counts(treebank):
    assert [len(part) for part in (treebank.train, treebank.valid, treebank.test)] == [929_589, 73_760, 82_430]
    assert treebank.units == treebank.classes == 10_000
    assert len(np.unique(treebank.train.ids)) == 10_000
    # Every word of the other splits is one of the training text's.
    assert set(treebank.valid.ids) | set(treebank.test.ids) <= set(treebank.train.ids)
    assert treebank.check("ptb") is treebank


def test_words_are_numbered_by_frequency_and_can_be_read_back(treebank, published):
    content = (published("ptb") / "ptb/ptb.train.txt").read_text()
    known = vocabulary(content.replace("\n", f" {EOS} ").split())
    words = {number: word for word, number in known.items()}
    assert [words[number] for number in range(4)] == ["the", "<unk>", EOS, "N"]
    lines = " ".join(words[number] for number in treebank.train.ids[:2000]).split(f" {EOS} ")
    assert lines[:-1] == [line.strip() for line in content.splitlines()[: len(lines) - 1]]
    assert (treebank.train.ids == known[EOS]).sum() == 42_068


def test_batches_of_the_text_carry_on_row_by_row(treebank):
    batches = list(treebank.train.batches(20, 100))
    strand = (929_589 - 1) // 20
    assert len(batches) == -(-strand // 100)
    rows = np.concatenate([inputs for inputs, _ in batches])
    targets = np.concatenate([target for _, target in batches])
    np.testing.assert_array_equal(targets[:-1], rows[1:])
    np.testing.assert_array_equal(rows[:, 3], treebank.train.ids[3 * strand : 4 * strand])
    assert targets[-1, 19] == treebank.train.ids[20 * strand]


def test_a_limit_keeps_the_first_words_under_the_same_numbers(treebank, published):
    part = make(PtbData(source="original", limit=1000), published("ptb"))
    assert [len(split) for split in (part.train, part.valid, part.test)] == [1000] * 3
    np.testing.assert_array_equal(part.train.ids, treebank.train.ids[:1000])


def test_a_word_that_the_training_text_lacks_is_unknown(tmp_path):
    task = make(ORIGINAL, files(tmp_path))
    # a, b and <eos> twice each, in the order of the alphabet, then <unk>.
    assert task.train.ids.tolist() == [1, 2, 3, 0, 2, 1, 0]
    assert task.valid.ids.tolist() == [1, 3, 0]


@pytest.mark.parametrize(
    ("bad", "name", "message"),
    [
        ({"train": ""}, "train", "has no words"),
        ({"train": "a b \n"}, "valid", "the word 'c' is not in ptb.train.txt, which has no <unk> either"),
        ({"test": b"\xff\xfe\0"}, "test", "not a text in UTF-8"),
        (
            {"train": " ".join(f"w{n}" for n in range(10_000)) + "\n"},
            "train",
            "has 10,001 different words, expected 10,000",
        ),
    ],
)
def test_a_bad_file_is_one_line_that_names_it(tmp_path, bad, name, message):
    with pytest.raises(SgpipeError, match=message) as caught:
        make(ORIGINAL, files(tmp_path, **bad))
    assert str(caught.value).startswith(str(tmp_path / f"ptb/ptb.{name}.txt")) and "\n" not in str(caught.value)


# ----------------------------------------------------------------------------------------------------------------
# The stand-in


def test_the_stand_in_has_a_zipf_vocabulary(ours):
    assert [len(part) for part in (ours.train, ours.valid, ours.test)] == [200_000, 20_000, 20_000]
    assert ours.units == ours.classes == VOCABULARY == 1000
    counts = np.sort(np.bincount(ours.train.ids, minlength=1000))[::-1]
    assert counts.min() > 0, "every word occurs"
    slope = np.polyfit(np.log(np.arange(10, 900)), np.log(counts[10:900]), 1)[0]
    assert -1.3 < slope < -0.8


def test_the_stand_in_follows_from_its_seed(ours):
    np.testing.assert_array_equal(text(0, 5000), ours.train.ids[:5000])
    assert not np.array_equal(text(1, 5000), ours.train.ids[:5000])


NAMES, STARTS = list(SIZES), list(FIRST.values())


def one_before(ids):
    """Yield contexts, ever longer, of each word: nothing, then the word before."""
    for before in [0, *ids[:-1]]:
        yield (), (before,)


def what_lasts(ids):
    """Yield contexts of each word: the class of the word before, what agrees with it, and the topic.

    They are what a network has to keep: the number of the last determiner, number and kind of the subject, and the
    topic that the last noun belonged to.
    """
    before, number, topic, subject, fresh = "eos", 0, 0, (0, 0), True
    for word in ids:
        agrees = subject if before in ("noun0", "noun1", "adv", "rel") else number
        yield (), (before,), (before, agrees), (before, agrees, topic)
        before = NAMES[bisect_right(STARTS, word) - 1]
        if before.startswith("det"):
            number = int(before[3])
        elif before.startswith("noun"):
            stem = word - FIRST[before]
            topic = stem % TOPICS
            if fresh:
                subject, fresh = (int(before[4]), stem % KINDS), False
        elif before in ("eos", "conj"):
            fresh = True


def perplexity(task, contexts):
    """Return the test perplexity of word counts in contexts, each smoothed by the shorter one (Witten and Bell)."""
    train, test = task.train.ids.tolist(), task.test.ids.tolist()
    pairs, totals, kinds = Counter(), Counter(), Counter()
    for word, longer in zip(train, contexts(train), strict=True):
        for context in longer:
            kinds[context] += (context, word) not in pairs
            pairs[context, word] += 1
            totals[context] += 1
    nats = 0.0
    for word, longer in zip(test, contexts(test), strict=True):
        chance = 1 / task.classes
        for context in longer:
            if context in totals:
                chance = (pairs[context, word] + kinds[context] * chance) / (totals[context] + kinds[context])
        nats -= np.log(chance)
    return float(np.exp(nats / len(test)))


@pytest.mark.long
def test_the_word_before_tells_much_and_what_came_earlier_tells_more(ours):
    nothing = perplexity(ours, lambda ids: (((),) for _ in ids))
    pairs, memory = perplexity(ours, one_before), perplexity(ours, what_lasts)
    # docs/data.md quotes these.
    assert (round(nothing), round(pairs), round(memory)) == (209, 81, 43)
