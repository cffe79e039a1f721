"""What the sessions of the reference and the C++ engine have in common; both update after every minibatch."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sgpipe.data.samples import Events, Task
from sgpipe.engines.interface import UNDER_WAY, Measures, Pause, Weights, go_on
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

    def add_each(self, rows: np.ndarray, samples: int, moved: np.ndarray | None) -> None:
        """Add the totals of minibatches one after the other, with results bit-identical to `add`.

        Args:
            rows: Loss, penalty, correct answers and spikes of the hidden layers, (minibatches, 3 + hidden layers).
            samples: How many samples they have in all.
            moved: Which classes moved in any of them.
        """
        so_far = [self.loss, self.penalty, self.correct, *np.broadcast_to(self.spikes, rows.shape[1] - 3)]
        loss, penalty, correct, *spikes = np.add.accumulate(np.vstack([so_far, rows]))[-1].tolist()
        self.add(Sums(samples, moved=moved))
        self.loss, self.penalty, self.correct, self.spikes = loss, penalty, correct, np.array(spikes)

    def measures(self) -> Measures:
        """Return the means."""
        n, dead = self.samples, None if self.moved is None else 1 - float(np.mean(self.moved))
        spikes = tuple(np.asarray(self.spikes / n).tolist())
        return Measures(self.loss / n, self.penalty / n, self.correct / n, spikes, dead)

    def arrays(self) -> Weights:
        """Return the totals as arrays, bit for bit."""
        return {name: np.array(value) for name, value in vars(self).items() if value is not None}

    @classmethod
    def of(cls, arrays: Mapping[str, np.ndarray]) -> "Sums":
        """Restore totals from what `arrays` returned."""
        return cls(**{name: array if array.ndim else array.item() for name, array in arrays.items()})


class MinibatchSession(ABC):
    """A session of one run that updates after every minibatch; an engine supplies `batch`."""

    evaluation_batch = 1000
    optimisers = OPTIMISERS

    def __init__(self, spec: RunSpec, task: Task, weights: Weights):
        self.spec, self.task, self.weights = spec, task, weights
        self.optimiser = self.optimisers[spec.optimiser.name](spec.optimiser, weights)
        self.batches_done, self.total = 0, Sums()  # of the epoch under way

    @property
    def epoch(self) -> int:
        """The number of the epoch under way, from 1; also right in a resumed run."""
        return self.optimiser.step_count // self.updates() + 1

    def updates(self) -> int:
        """Return the number of updates in an epoch."""
        return -(-len(self.task.train) // self.spec.training.batch_size)

    @abstractmethod
    def batch(self, events: Events, indices: np.ndarray, train: bool) -> tuple[Sums, Mapping[str, np.ndarray]]:
        """Return the totals over the samples at `indices` and, if training, gradients of the mean loss."""

    def train_epoch(self, orders: Sequence[np.ndarray], pause: Pause = go_on) -> list[Measures]:
        (order,), size = orders, self.spec.training.batch_size

        def batch(number: int) -> tuple[Sums, Mapping[str, np.ndarray]]:
            return self.batch(self.task.train, order[number * size : (number + 1) * size], True)

        return [self.updated(batch, -(-len(order) // size), pause)]

    def updated(
        self, batch: Callable[[int], tuple[Sums, Mapping[str, np.ndarray]]], count: int, pause: Pause
    ) -> Measures:
        """Update after each batch of an epoch, or each that is left of the one under way.

        Args:
            batch: Returns totals and gradients of a batch, by its number from 0.
            count: How many batches there are.
            pause: Called after each update.

        Returns:
            The measures over the epoch.
        """
        for number in range(self.batches_done, count):
            sums, gradients = batch(number)
            self.total.add(sums)
            if not np.isfinite(sums.loss + sums.penalty):
                break
            self.optimiser.step(gradients)
            self.batches_done = number + 1
            pause()
        measures = self.total.measures()
        self.batches_done, self.total = 0, Sums()
        return measures

    def evaluate(self, split: str, pause: Pause = go_on) -> list[Measures]:
        with self.optimiser.averaged():
            return [self._measure(split, pause)]

    def _measure(self, split: str, pause: Pause) -> Measures:
        events, total = getattr(self.task, split), Sums()
        for start in range(0, len(events), self.evaluation_batch):
            stop = min(start + self.evaluation_batch, len(events))
            total.add(self.batch(events, np.arange(start, stop), False)[0])
            pause()
        return total.measures()

    def states(self) -> list[Weights]:
        optimiser = {f"optimiser.{name}": array for name, array in self.optimiser.state().items()}
        under_way = {UNDER_WAY + name: array for name, array in self._under_way().items()} if self.batches_done else {}
        return [{name: array.copy() for name, array in {**self.weights, **optimiser, **under_way}.items()}]

    def load(self, states: Sequence[Weights]) -> None:
        (state,) = states
        for name, weight in self.weights.items():
            weight[...] = state[name]
        self.optimiser.load({name.removeprefix("optimiser."): array for name, array in state.items()})
        known = {name.removeprefix(UNDER_WAY): array for name, array in state.items() if name.startswith(UNDER_WAY)}
        self.batches_done, self.total = 0, Sums()
        if known:
            self._go_on(known)

    def _under_way(self) -> Weights:
        """Return where in the epoch the session is."""
        return {"batches_done": np.array(self.batches_done), **self.total.arrays()}

    def _go_on(self, known: Weights) -> None:
        """Restore what `_under_way` returned."""
        self.batches_done = int(known["batches_done"])
        self.total = Sums.of({name: known[name] for name in vars(Sums()) if name in known})
