"""The interface of an engine, which trains networks an epoch at a time. The trainer uses nothing else.

An engine opens a session for a list of runs on one task. CPU engines take one run per session, since on a CPU
independent runs side by side are faster than a lockstep. An engine for a GPU may take a whole pack and fill the card
with it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from sgpipe.data.samples import Task
from sgpipe.spec.layer_settings import LayerSettings
from sgpipe.spec.run import RunSpec

Weights = dict[str, np.ndarray]
# One entry per run: the settings of each hidden layer; None without conditions on the initial state.
Theory = Sequence[Sequence[LayerSettings] | None]
# How many threads a session may use at the moment. It is called for every batch: more are free as other runs end.
Threads = Callable[[], int]


# Called between two minibatches, where a session's states may be saved, or an exception may leave it, to go on later.
Pause = Callable[[], None]
UNDER_WAY = "under_way."  # prefix of a state's additional entries while an epoch is under way


def go_on() -> None:
    """Do nothing: no pause between minibatches."""


def one_thread() -> int:
    """Return 1, the number of threads of a session by default."""
    return 1


@dataclass(frozen=True)
class Measures:
    """Means over samples: cross-entropy, regularisation loss, accuracy, and spikes of each hidden layer."""

    loss: float
    penalty: float
    accuracy: float
    spikes: tuple[float, ...]
    # Head max: share of classes whose maximum is the readout's start, on which no weight acts, in all samples.
    dead: float | None = None


class Session(Protocol):
    """Networks in training. Every list has one entry per run."""

    def train_epoch(self, orders: Sequence[np.ndarray], pause: Pause = go_on) -> list[Measures]:
        """Pass once over the training split in the given orders of its samples; measure while training.

        A session that can stop within an epoch calls `pause` after each update; `states` then returns where it is. If
        `pause` raises, the next call goes on from there, with bit-identical results. So does a session that has loaded
        such states.
        """

    def evaluate(self, split: str, pause: Pause = go_on) -> list[Measures]:
        """Measure on a split without training. `pause` may be called in between, and may raise."""

    def states(self) -> list[Weights]:
        """Return copies of the weights and, prefixed `optimiser.`, of the optimiser's state.

        Where evaluation uses averaged weights, these are included as `optimiser.average.<weight>`. Within an epoch,
        entries prefixed `under_way.` say where in the epoch the session is.
        """

    def load(self, states: Sequence[Weights]) -> None:
        """Restore states that `states` returned."""


def evaluated(state: Weights) -> Weights:
    """Return the weights that a session in this state evaluates."""
    average = "optimiser.average."
    return {
        name: state.get(average + name, array)
        for name, array in state.items()
        if not name.startswith(("optimiser.", UNDER_WAY))
    }


class Engine(Protocol):
    """A way to train."""

    name: str
    device: str
    takes_packs: bool  # whether one session should hold many runs

    def refuses(self, spec: RunSpec) -> str | None:
        """Return why this engine cannot train a run; None if it can."""

    def open(
        self,
        specs: Sequence[RunSpec],
        task: Task,
        weights: Sequence[Weights],
        theory: Theory | None = None,
        threads: Threads = one_thread,
    ) -> Session:
        """Return a session that starts from the given weights; it may change them in place.

        `theory` has the settings of each run's hidden layers; those of the surrogate hold throughout training.
        `threads` returns how many threads the session may use at the moment; an engine may ignore it.
        """
