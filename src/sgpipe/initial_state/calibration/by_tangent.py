"""Meet conditions III and IV, on a tangent's growth, through the surrogate's dampening and its sharpness or tail.

The drives stay as conditions I and II left them. The sharpness is searched for, and at every sharpness the dampening is
the one that meets III.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import exp, inf, log

import torch

from sgpipe.initial_state.calibration.found import TOLERANCES, Found
from sgpipe.initial_state.calibration.measure import Bench
from sgpipe.initial_state.calibration.search import Search
from sgpipe.spec.layer_settings import LayerSettings
from sgpipe.spec.run import RunSpec

# Where III holds, IV nearly does, since both are about one Lyapunov exponent. What is left over some tens of steps is
# chance, 0.02 to 0.08 at any sharpness from a quarter to four. Minimising it led to sharpnesses of 1/100 and 100, which
# do not learn.
BESIDE_III = 0.1

Residuals = tuple[float, float]  # of III and IV


@dataclass(frozen=True)
class _Knob:
    """The sharpness or tail. The search is over the logarithm of its excess over the least possible value."""

    name: str
    value: float

    @property
    def least(self) -> float:
        return 1.0 if self.name == "tail" else 0.0

    def place(self) -> float:
        """Return the place where the search starts."""
        return log(self.value - self.least)

    def at(self, place: float) -> dict[str, float]:
        """Return the value at a place, by name."""
        return {self.name: exp(place) + self.least}


@dataclass(frozen=True)
class _Point:
    """A place of the search: the sharpness or tail there (empty if IV is not asked for), and what the layer does."""

    free: dict[str, float]
    gamma: float  # logarithm of the dampening
    maximum: float  # residual of III
    variance: float  # residual of IV


def meet_surrogate(spec: RunSpec, bench: Bench, v: torch.Tensor, found: Found) -> None:
    """Set dampening and sharpness (or tail) in `found`, as far as conditions III and IV are asked for.

    A condition that cannot be met and is not kept is left out; the other one is then met alone.

    Args:
        spec: The run.
        bench: The layer, and the batch to measure it on.
        v: Its recurrent weights, (gates x units, units).
        found: What is known of the layer, with its gain.

    Raises:
        SgpipeError: A condition cannot be met, and `init.infeasible` is `error`.
    """
    name = spec.init.free or "sharpness"
    knob, chosen = _Knob(name, getattr(spec.surrogate, name)), {"III", "IV"} & set(spec.conditions)
    while chosen:
        point = _searched(bench, v, knob, log(spec.surrogate.dampening), chosen, found)
        left_out = _not_kept(point, name, chosen, found)
        if left_out is None:
            found.free = point.free
            found.dampening = exp(point.gamma) if "III" in chosen else None
            return
        chosen = chosen - {left_out}


def _searched(bench: Bench, v: torch.Tensor, knob: _Knob, gamma: float, chosen: set[str], found: Found) -> _Point:
    """Search for the sharpness or tail that IV asks for, at each with the dampening that III asks for."""
    points: dict[float, _Point] = {}

    def excess(place: float) -> float:
        free = knob.at(place) if "IV" in chosen else {}

        def residuals(gamma: float) -> Residuals:
            found.passes += 1
            rates = bench.growth(v, found.gain, LayerSettings(dampening=exp(gamma), **free))
            return tuple(exp(rate) - 1 for rate in rates)

        start = next(reversed(points.values())).gamma if points else gamma
        if "III" in chosen:
            points[place] = _Point(free, *_dampened(residuals, start, log(2.0 if points else 4.0)))
        else:
            points[place] = _Point(free, start, *residuals(start))
        return points[place].variance

    search = Search(excess, _tolerance(chosen) if "IV" in chosen else inf)
    search.run(knob.place() if "IV" in chosen else 0.0, log(2.0), most=3)
    if "III" not in chosen:
        return points[search.best]
    # Among the places where III holds best, take the one where IV does.
    return min(
        points.values(),
        key=lambda one: (max(abs(one.maximum) / TOLERANCES["III"], 1.0), max(abs(one.variance), _tolerance(chosen))),
    )


def _dampened(residuals: Callable[[float], Residuals], start: float, step: float) -> tuple[float, float, float]:
    """Search for the dampening that III asks for; return its logarithm and the residuals of III and IV there."""
    seen: dict[float, Residuals] = {}

    def excess(gamma: float) -> float:
        seen[gamma] = residuals(gamma)
        return seen[gamma][0]

    search = Search(excess, 0.5 * TOLERANCES["III"])
    search.run(start, step, most=5)
    return search.best, *seen[search.best]


def _tolerance(chosen: set[str]) -> float:
    """Return how far IV may be from holding: further if III is asked for too."""
    return BESIDE_III if "III" in chosen else TOLERANCES["IV"]


def _not_kept(point: _Point, free: str, chosen: set[str], found: Found) -> str | None:
    """Settle both conditions, and name the first that is to be left out."""
    if "III" in chosen:
        text = f"whatever the dampening, the gradient's maximum grows by {1 + point.maximum:.4g} a step at best"
        if not found.settle("III", abs(point.maximum), text):
            return "III"
    if "IV" in chosen:
        text = f"whatever the {free}, the gradient's variance grows by {1 + point.variance:.4g} a step at best"
        if not found.settle("IV", abs(point.variance) * TOLERANCES["IV"] / _tolerance(chosen), text):
            return "IV"
    return None
