"""Sessions that read a text: what engines share of it."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sgpipe.base.errors import SgpipeError
from sgpipe.engines.interface import Measures
from sgpipe.engines.minibatch import MinibatchSession, Sums


class WordSession(MinibatchSession):
    """A text: `training.batch_size` strands of it side by side, each batch going on in the state of the one before.

    Gradients end with their batch. Every epoch and every evaluation starts at rest, so no state needs to be kept
    from one epoch to the next.
    """

    @abstractmethod
    def read(
        self, words: np.ndarray, targets: np.ndarray, samples: np.ndarray, train: bool, state: Any
    ) -> tuple[Sums, Mapping[str, np.ndarray], Any]:
        """Return totals over the words, gradients of the mean loss if training, and the state at the end.

        `words` and `targets` are ids (steps, strands), of which the last batch may have fewer steps; `samples` the
        strands' numbers for dropout; `state` what the batch before returned, None at rest.
        """

    def train_epoch(self, orders: Sequence[np.ndarray]) -> list[Measures]:
        """Pass once over the training text, which has one order only."""
        return [self._read("train", True)]

    def _measure(self, split: str) -> Measures:
        return self._read(split, False)

    def updates(self) -> int:
        strand = (len(self.task.train) - 1) // self.spec.training.batch_size
        return -(-strand // self.task.steps)

    def _read(self, split: str, train: bool) -> Measures:
        rows, steps = self.spec.training.batch_size, self.task.steps
        text, total, state = getattr(self.task, split), Sums(), None
        if len(text) <= rows:
            raise SgpipeError(
                f"training.batch_size: {rows} strands need more than the {len(text)} words of the {split} split"
            )
        for number, (words, targets) in enumerate(text.batches(rows, steps)):
            samples = np.arange(rows) + rows * number
            sums, gradients, state = self.read(words, targets, samples, train, state)
            total.add(sums)
            if train:
                if not np.isfinite(sums.loss + sums.penalty):
                    break
                self.optimiser.step(gradients)
        return total.measures()
