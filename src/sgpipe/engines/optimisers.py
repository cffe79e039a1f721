"""Optimisers on plain arrays, in place, without torch's start-up; the C++ engine makes their updates in one pass."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from sgpipe.spec.run import Optimiser

Arrays = dict[str, np.ndarray]


@dataclass
class Moments(ABC):
    """What all optimisers share: two moments of the gradient, and what is done before and after the update.

    In order: clip the gradient, shrink the weights (decoupled weight decay), update, average.
    """

    settings: Optimiser
    weights: Arrays
    step_count: int = 0
    moments: Arrays = field(default_factory=dict)

    def __post_init__(self):
        for name, weight in self.weights.items():
            self.moments.setdefault(f"first.{name}", np.zeros_like(weight))
            self.moments.setdefault(f"second.{name}", np.zeros_like(weight))
        self.average = Average(self.settings, self.weights) if self.settings.average == "swa" else None

    @abstractmethod
    def update(
        self, name: str, weight: np.ndarray, gradient: np.ndarray, first: np.ndarray, second: np.ndarray
    ) -> None:
        """Add a gradient to the moments of an array of weights, and update the weights, all in place."""

    @np.errstate(over="ignore", invalid="ignore")  # a run that diverges says so in its result
    def step(self, gradients: Mapping[str, np.ndarray]) -> None:
        """Update the weights, in place, with the gradients."""
        settings = self.settings
        factors = self.factors(gradients) if settings.clip else {}
        self.step_count += 1
        for name in self.weights:
            self.move(name, gradients[name], factors.get(name, 1.0))
        if self.average:
            self.average.take(self.step_count)

    def move(self, name: str, gradient: np.ndarray, factor: float) -> None:
        """Update an array of weights with its gradient, times the `factor` that clipping gives."""
        weight = self.weights[name]
        weight *= self.shrinking(weight)
        self.update(name, weight, factor * gradient, self.moments[f"first.{name}"], self.moments[f"second.{name}"])

    def shrinking(self, weight: np.ndarray) -> float:
        """Return the factor by which weight decay shrinks an array; neurons' constants do not decay."""
        decays = weight.ndim > 1  # a neuron whose threshold decays to 0 would fire for ever
        return 1 - self.settings.lr * self.settings.weight_decay if decays else 1.0

    def factors(self, gradients: Mapping[str, np.ndarray]) -> dict[str, float]:
        """Return the factor that clipping gives each gradient; see `clipping`."""
        squares = {name: float(np.sum(np.square(array, dtype=np.float64))) for name, array in gradients.items()}
        return clipping(squares, self.settings.clip, self.settings.clip_scope)

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Replace the weights by their averages, if there are any, and restore them at the end."""
        if not (self.average and self.average.count):
            yield
            return
        kept = {name: weight.copy() for name, weight in self.weights.items()}
        _copy(self.average.means, self.weights)
        try:
            yield
        finally:
            _copy(kept, self.weights)

    def state(self) -> Arrays:
        """Return what a checkpoint needs to go on with bit-identical results."""
        average = self.average.state() if self.average else {}
        return {**self.moments, "step_count": np.array(self.step_count), **average}

    def load(self, state: Mapping[str, np.ndarray]) -> None:
        """Restore a state that `state` returned."""
        _copy(state, self.moments)
        self.step_count = int(state["step_count"])
        if self.average:
            self.average.load(state)


class Decaying(Moments):
    """What Adam and AdaBelief share: moments that decay by beta1 and beta2, and their bias correction."""

    @abstractmethod
    def second_moment(self, gradient: np.ndarray, first: np.ndarray, second: np.ndarray) -> None:
        """Add a gradient to the second moment, in place; the first moment includes it already."""

    def update(self, name, weight, gradient, first, second):
        settings = self.settings
        rate, root = self.rates(self.step_count)
        first += (1 - settings.beta1) * (gradient - first)
        self.second_moment(gradient, first, second)
        weight -= rate * (first / (np.sqrt(second) / root + settings.eps))

    def rates(self, step: int) -> tuple[float, float]:
        """Return the step size of update `step` and the divisor of the second moment's root, both bias-corrected."""
        settings = self.settings
        return settings.lr / (1 - settings.beta1**step), (1 - settings.beta2**step) ** 0.5


class Adam(Decaying):
    """Adam (Kingma & Ba 2014, algorithm 1), as torch.optim.Adam computes it."""

    def second_moment(self, gradient, first, second):
        second *= self.settings.beta2
        second += (1 - self.settings.beta2) * gradient * gradient


class AdaBelief(Decaying):
    """AdaBelief (Zhuang et al. 2020, algorithm 2): steps shrink where the gradient differs from its mean.

    eps also enters the second moment in every step and stays there. No rectification.
    """

    def second_moment(self, gradient, first, second):
        surprise = gradient - first
        second *= self.settings.beta2
        second += (1 - self.settings.beta2) * surprise * surprise + self.settings.eps


class Smorms3(Moments):
    """SMORMS3 (Funk 2015): the gradient divided by its root mean square, each weight with a memory of its own.

    The memory is short where gradients disagree, and lr is the largest step. zenke2021's scripts use SMORMS3 where the
    text says Adam. beta1 and beta2 play no part.
    """

    def __post_init__(self):
        super().__post_init__()
        for name, weight in self.weights.items():
            self.moments.setdefault(f"memory.{name}", np.ones_like(weight))

    def update(self, name, weight, gradient, first, second):
        memory, eps = self.moments[f"memory.{name}"], self.settings.eps
        share = 1 / (memory + 1)
        first += share * (gradient - first)
        second += share * (gradient * gradient - second)
        agreement = first * first / (second + eps)
        memory *= 1 - agreement
        memory += 1
        weight -= gradient * (np.minimum(self.settings.lr, agreement) / (np.sqrt(second) + eps))


@dataclass
class Average:
    """Stochastic weight averaging (Izmailov et al. 2018): the mean of the weights after every so many updates.

    Update t counts (from 1) if it is not below `average_start` and `average_period` divides t - `average_start`.
    """

    settings: Optimiser
    weights: Arrays
    count: int = 0
    means: Arrays = field(default_factory=dict)

    def __post_init__(self):
        self.means = {name: np.zeros_like(weight) for name, weight in self.weights.items()}

    def take(self, step: int) -> None:
        """Include the weights after update `step`, if it counts."""
        since = step - self.settings.average_start
        if since < 0 or since % self.settings.average_period:
            return
        self.count += 1
        for name, mean in self.means.items():
            mean += (self.weights[name] - mean) / self.count

    def state(self) -> Arrays:
        """Return the means as `average.<weight>` and their `average_count`; nothing before the first that counts."""
        if not self.count:
            return {}
        means = {f"average.{name}": mean for name, mean in self.means.items()}
        return {**means, "average_count": np.array(self.count)}

    def load(self, state: Mapping[str, np.ndarray]) -> None:
        """Restore a state that `state` returned."""
        self.count = int(state.get("average_count", 0))
        if self.count:
            _copy({name: state[f"average.{name}"] for name in self.means}, self.means)


def clipping(squares: Mapping[str, float], most: float, scope: str | None) -> dict[str, float]:
    """Return the factors that bring gradients to a norm of at most `most`.

    Args:
        squares: The sum of the squares of each gradient.
        most: The largest norm allowed.
        scope: Whose norm: that of all gradients together (`global`), or each one's own (`variable`).
    """
    if scope == "global":
        squares = dict.fromkeys(squares, sum(squares.values()))
    return {name: most / max(square**0.5, most) for name, square in squares.items()}


def _copy(source: Mapping[str, np.ndarray], target: Mapping[str, np.ndarray]) -> None:
    for name, array in target.items():
        array[...] = source[name]


OPTIMISERS: dict[str, type[Moments]] = {"adam": Adam, "adabelief": AdaBelief, "smorms3": Smorms3}
