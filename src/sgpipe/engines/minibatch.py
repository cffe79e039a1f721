"""What sessions of one run share that update after every minibatch: those of the reference and of the C++ engine."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sgpipe.data.samples import Events, Task
from sgpipe.engines.interface import Measures, Weights
from sgpipe.engines.optimisers import OPTIMISERS
from sgpipe.spec.run import RunSpec


@dataclass
class Sums:
    """Totals over samples, from which Measures are made."""

    samples: int = 0
    loss: float = 0.0
    penalty: float = 0.0
    correct: float = 0.0  # exact: see `objectives.right`
    spikes: np.ndarray | float = 0.0  # float64 (hidden layers,)
    # Head max: whether a class has its maximum past the readout's start in any of the samples, (classes,).
    moved: np.ndarray | None = None

    def add(self, other: "Sums") -> None:
        """Add the totals of more samples."""
        for name in ("samples", "loss", "penalty", "correct", "spikes"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        if other.moved is not None:
            self.moved = other.moved if self.moved is None else self.moved | other.moved

    def measures(self) -> Measures:
        """Return the means."""
        n, dead = self.samples, None if self.moved is None else 1 - float(np.mean(self.moved))
        spikes = tuple(np.asarray(self.spikes / n).tolist())
        return Measures(self.loss / n, self.penalty / n, self.correct / n, spikes, dead)


class MinibatchSession(ABC):
    """A session of one run that updates after every minibatch; an engine supplies `batch`."""

    evaluation_batch = 1000
    optimisers = OPTIMISERS

    def __init__(self, spec: RunSpec, task: Task, weights: Weights):
        self.spec, self.task, self.weights = spec, task, weights
        self.optimiser = self.optimisers[spec.optimiser.name](spec.optimiser, weights)

    @property
    def epoch(self) -> int:
        """The number of the epoch under way, from 1; a resumed run knows it too."""
        return self.optimiser.step_count // self.updates() + 1

    def updates(self) -> int:
        """Return the number of updates in an epoch."""
        return -(-len(self.task.train) // self.spec.training.batch_size)

    @abstractmethod
    def batch(self, events: Events, indices: np.ndarray, train: bool) -> tuple[Sums, Mapping[str, np.ndarray]]:
        """Return the totals over the samples at `indices` and, if training, gradients of the mean loss."""

    def train_epoch(self, orders: Sequence[np.ndarray]) -> list[Measures]:
        (order,) = orders
        total = Sums()
        for start in range(0, len(order), self.spec.training.batch_size):
            sums, gradients = self.batch(self.task.train, order[start : start + self.spec.training.batch_size], True)
            total.add(sums)
            if not np.isfinite(sums.loss + sums.penalty):
                break
            self.optimiser.step(gradients)
        return [total.measures()]

    def evaluate(self, split: str) -> list[Measures]:
        with self.optimiser.averaged():
            return [self._measure(split)]

    def _measure(self, split: str) -> Measures:
        events, total = getattr(self.task, split), Sums()
        for start in range(0, len(events), self.evaluation_batch):
            stop = min(start + self.evaluation_batch, len(events))
            total.add(self.batch(events, np.arange(start, stop), False)[0])
        return total.measures()

    def states(self) -> list[Weights]:
        optimiser = {f"optimiser.{name}": array for name, array in self.optimiser.state().items()}
        return [{name: array.copy() for name, array in {**self.weights, **optimiser}.items()}]

    def load(self, states: Sequence[Weights]) -> None:
        (state,) = states
        for name, weight in self.weights.items():
            weight[...] = state[name]
        self.optimiser.load({name.removeprefix("optimiser."): array for name, array in state.items()})
