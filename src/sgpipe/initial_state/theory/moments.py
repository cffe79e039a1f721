"""Moments of the surrogate derivative over uniform voltages, and the sharpness or tail that gives them a wanted value.

Herranz-Celotti & Rouat, appendix B.5: with v uniform between v_low = y_min - thr and v_high = y_max - thr,

    E[sigma'^m] = gamma^m / (s (v_high - v_low)) * integral of f^m from s v_low to s v_high            (eq. 64)

with the profile f of Table S1 in closed form, so that its limits are the true ones for every shape.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

from sgpipe.initial_state.theory.extrema import Value
from sgpipe.spec.surrogates import SURROGATES, moment

# The grids to search: sharpness times the voltage range from "flat over all voltages" to "a delta", and tail - 1.
_SHARPNESS = np.logspace(-13, 17, 301)
_TAIL = np.logspace(-6, 6, 241)
TAILS = 1 + np.logspace(-2, 2, 81)  # candidates for a clipped tail


@dataclass(frozen=True)
class Derivative:
    """A surrogate derivative sigma' = gamma f(s v) of the centred voltage v (Table S1).

    Attributes:
        shape: The name of f, for a surrogate that has a sharpness, or its formula.
        dampening: gamma, the peak of sigma' if that of f is 1; one value or an array.
        sharpness: s, likewise.
        tail: q of the q-PseudoSpike, likewise.
    """

    shape: str
    dampening: Value = 1.0
    sharpness: Value = 1.0
    tail: Value = 2.0

    def __call__(self, v: np.ndarray) -> np.ndarray:
        """Compute sigma'(v)."""
        knobs = {"dampening": self.dampening, "sharpness": self.sharpness, "tail": self.tail}
        return SURROGATES[self.shape](v, **knobs)

    @property
    def peak(self) -> Value:
        """The largest value of sigma'."""
        return self.dampening * SURROGATES[self.shape].peak

    def moment(self, power: int, low: Value, high: Value) -> Value:
        """Compute E[sigma'^power] for v uniform over a range (eq. 64); arrays broadcast.

        Args:
            power: 1 or 2.
            low: The lowest centred voltage.
            high: The highest one.
        """
        area = moment(self.shape, power, self.sharpness * low, self.sharpness * high, self.tail)
        return self.dampening**power * area / (self.sharpness * (high - low))

    def wide_limit(self, low: Value, high: Value) -> Value:
        """Compute E[sigma'^2] for a range wide against 1 / s: proportional to gamma^2 / s (below eq. 2)."""
        area = moment(self.shape, 2, -np.inf, np.inf, self.tail)
        return self.dampening**2 * area / (self.sharpness * (high - low))


def find_sharpness(excess: Callable, v_low: float, v_high: float) -> float | None:
    """Find the largest sharpness at which `excess` is 0.

    Args:
        excess: A function of an array of sharpnesses.
        v_low: The lowest voltage, less the threshold.
        v_high: The highest one.

    Returns:
        The sharpness; None if there is none.
    """
    return _root(excess, _SHARPNESS[::-1] / (v_high - v_low))


def find_tail(excess: Callable) -> float | None:
    """Find the smallest tail q > 1 at which `excess`, a function of an array of tails, is 0; None if there is none."""
    found = _root(lambda over: excess(1 + over), _TAIL)
    return None if found is None else 1 + found


def sharpnesses(v_low: float, v_high: float, thr: float) -> np.ndarray:
    """List the candidates for a clipped sharpness: from flat over all voltages to a thousandth of thr wide."""
    return np.geomspace(1e-3 / max(abs(v_low), abs(v_high)), 1e3 / thr, 121)


def _root(excess, grid) -> float | None:
    """Bracket the first change of sign along a grid of positive numbers, then solve in the logarithm."""
    values = np.asarray(excess(grid))
    changes = np.flatnonzero((values[:-1] > 0) != (values[1:] > 0))
    if not len(changes):
        return None
    ends = np.log(grid[[changes[0], changes[0] + 1]])
    return float(np.exp(brentq(lambda log: float(excess(np.exp(log))), *ends, xtol=1e-14, rtol=1e-14)))
