"""Sessions that read a text: the part that all engines share."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from sgpipe.base.errors import SgpipeError
from sgpipe.engines.interface import Measures, Pause, Weights, go_on
from sgpipe.engines.minibatch import MinibatchSession, Sums


class WordSession(MinibatchSession):
    """A session on a text: `training.batch_size` strands side by side; each batch starts in the last one's end state.

    Gradients do not cross batches. Every epoch and every evaluation starts at rest, so a state needs to be kept only
    while an epoch is under way.
    """

    carried: Any = None  # the state that the last batch of the epoch under way returned

    @abstractmethod
    def read(
        self, words: np.ndarray, targets: np.ndarray, samples: np.ndarray, train: bool, state: Any
    ) -> tuple[Sums, Mapping[str, np.ndarray], Any]:
        """Return totals over the words, gradients of the mean loss if training, and the state at the end.

        `words` and `targets` are ids (steps, strands); the last batch may have fewer steps. `samples` are the strands'
        numbers for dropout. `state` is what the previous batch returned, or None at rest.
        """

    @abstractmethod
    def arrays_of(self, state: Any) -> list[np.ndarray]:
        """Turn a state that `read` returned into arrays."""

    @abstractmethod
    def state_of(self, arrays: Sequence[np.ndarray]) -> Any:
        """Return the state that `arrays_of` turned into arrays."""

    def train_epoch(self, orders: Sequence[np.ndarray], pause: Pause = go_on) -> list[Measures]:
        """Pass once over the training text, which has one order only."""
        batches = list(self._batches("train"))
        if not self.batches_done:
            self.carried = None

        def batch(number: int) -> tuple[Sums, Mapping[str, np.ndarray]]:
            sums, gradients, self.carried = self.read(*batches[number], True, self.carried)
            return sums, gradients

        return [self.updated(batch, len(batches), pause)]

    def _measure(self, split: str, pause: Pause) -> Measures:
        total, state = Sums(), None
        for batch in self._batches(split):
            sums, _, state = self.read(*batch, False, state)
            total.add(sums)
            pause()
        return total.measures()

    def _under_way(self) -> Weights:
        carried = {f"carried.{place}": array for place, array in enumerate(self.arrays_of(self.carried))}
        return {**super()._under_way(), **carried}

    def _go_on(self, known: Weights) -> None:
        super()._go_on(known)
        count = sum(name.startswith("carried.") for name in known)
        self.carried = self.state_of([known[f"carried.{place}"] for place in range(count)])

    def updates(self) -> int:
        strand = (len(self.task.train) - 1) // self.spec.training.batch_size
        return -(-strand // self.task.steps)

    def _batches(self, split: str) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Yield words, targets and numbers of the strands of each batch."""
        rows, text = self.spec.training.batch_size, getattr(self.task, split)
        if len(text) <= rows:
            raise SgpipeError(
                f"training.batch_size: {rows} strands need more than the {len(text)} words of the {split} split"
            )
        for number, (words, targets) in enumerate(text.batches(rows, self.task.steps)):
            yield words, targets, np.arange(rows) + rows * number
