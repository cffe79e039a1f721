"""Knobs of the Penn Treebank at word level."""

from dataclasses import dataclass
from typing import ClassVar

from sgpipe.spec.knob import MOST_SEED, knob
from sgpipe.spec.tasks.data_knobs import DataKnobs


@dataclass(frozen=True)
class PtbData(DataKnobs):
    """A text as a stream of words, each to be predicted from the words before it (herranz2022 section 2.1)."""

    words: ClassVar[bool] = True  # a stream of words instead of labelled samples
    dt: ClassVar[float] = 1.0  # ms: words have no duration, so only the neurons' time constants give a step its length

    task: str = knob("ptb", "the data set", choices=("ptb",))
    source: str = knob(
        "embedded",
        "where the data come from: Mikolov's files, or text from a grammar of ours",
        choices=("original", "embedded"),
    )
    files: str | None = knob(None, "number and digest of the source files; the plan sets it")
    seed: int | None = knob(0, "seed of the grammar's text", least=0, most=MOST_SEED)
    steps: int = knob(
        100, "words of a sequence; the network's state is carried over to the next", least=1, most=1_000_000
    )
    limit: int = knob(0, "training words to keep, and at most as many of the others; 0 for all", least=0, most=10**9)

    @property
    def units(self) -> int:
        """The size of the vocabulary."""
        return 10_000 if self.source == "original" else 1_000

    @property
    def classes(self) -> int:
        """The number of classes: any word can come next."""
        return self.units

    @property
    def train_samples(self) -> int:
        """The number of training sequences, for the cost estimate."""
        whole = 929_589 if self.source == "original" else 200_000
        return max(min(self.limit or whole, whole) // self.steps, 1)

    @property
    def events(self) -> int:
        """Events per sequence, for the cost estimate: one word per step."""
        return self.steps

    def idle(self) -> list[str]:
        """List the knobs that have no effect."""
        return ["seed"] if self.source == "original" else []
