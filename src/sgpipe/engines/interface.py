"""What an engine is: it trains networks an epoch at a time. The trainer knows nothing else about it.

An engine opens a session for a list of runs on one task. CPU engines take one run a session, since independent
runs side by side beat a lockstep there; an engine for a GPU may take a whole pack and fill the card with it.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from sgpipe.data.samples import Events, Task
from sgpipe.engines.optimisers import OPTIMISERS
from sgpipe.spec.layer_settings import LayerSettings
from sgpipe.spec.run import RunSpec

Weights = dict[str, np.ndarray]
# An entry a run: what is set of each hidden layer, None without conditions on the initial state.
Theory = Sequence[Sequence[LayerSettings] | None]


@dataclass(frozen=True)
class Measures:
    """Means over samples: cross-entropy, regularisation loss, accuracy, and spikes of each hidden layer."""

    loss: float
    penalty: float
    accuracy: float
    spikes: tuple[float, ...]


class Session(Protocol):
    """Networks in training. Every list has one entry a run."""

    def train_epoch(self, orders: Sequence[np.ndarray]) -> list[Measures]:
        """Pass once over the training split in the given orders of its samples; measure while training."""

    def evaluate(self, split: str) -> list[Measures]:
        """Measure on a split without training."""

    def states(self) -> list[Weights]:
        """Return copies of the weights and, prefixed `optimiser.`, of the optimiser's state.

        Where evaluation uses averaged weights, they are among these as `optimiser.average.<weight>`.
        """

    def load(self, states: Sequence[Weights]) -> None:
        """Take up states that `states` returned."""


def evaluated(state: Weights) -> Weights:
    """Return the weights that a session in this state evaluates."""
    average = "optimiser.average."
    return {
        name: state.get(average + name, array) for name, array in state.items() if not name.startswith("optimiser.")
    }


class Engine(Protocol):
    """A way to train."""

    name: str
    device: str
    takes_packs: bool  # whether one session should hold many runs
    threads: int  # that one session may use; the trainer raises it as runs end, an engine need not heed it

    def refuses(self, spec: RunSpec) -> str | None:
        """Return why this engine cannot train a run, None if it can."""

    def open(
        self, specs: Sequence[RunSpec], task: Task, weights: Sequence[Weights], theory: Theory | None = None
    ) -> Session:
        """Return a session that starts from the given weights; it may change them in place.

        `theory` has the settings of each run's hidden layers, of which those of the surrogate hold throughout.
        """


def only_in_the_reference(spec: RunSpec) -> str | None:
    """Return what a run has that no fast engine knows yet, None if it has no such thing."""
    network, objective = spec.network, spec.objective
    if spec.words:
        return "it reads no words"
    if network.neuron in ("slstm", "relu"):
        return f"it has no {network.neuron} neurons"
    if network.neuron in (None, "lif") and objective.head not in ("max", "sum"):
        return f"it has no {objective.head} head for current-based neurons"
    return None


@dataclass
class Sums:
    """Totals over samples, from which Measures are made."""

    samples: int = 0
    loss: float = 0.0
    penalty: float = 0.0
    correct: float = 0.0  # exact: see `objectives.right`
    spikes: np.ndarray | float = 0.0  # float64 (hidden layers,)

    def add(self, other: "Sums") -> None:
        """Add the totals of more samples."""
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)

    def measures(self) -> Measures:
        """Return the means."""
        n = self.samples
        return Measures(self.loss / n, self.penalty / n, self.correct / n, tuple(np.asarray(self.spikes / n).tolist()))


class MinibatchSession(ABC):
    """A session of one run that updates after every minibatch; an engine supplies `batch`."""

    evaluation_batch = 1000

    def __init__(self, spec: RunSpec, task: Task, weights: Weights):
        self.spec, self.task, self.weights = spec, task, weights
        self.optimiser = OPTIMISERS[spec.optimiser.name](spec.optimiser, weights)

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
