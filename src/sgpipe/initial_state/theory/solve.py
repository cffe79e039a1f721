"""Solve conditions I-IV, or some of them, for one layer and one surrogate shape."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace

import numpy as np

from sgpipe.base.errors import SgpipeError, one_of
from sgpipe.initial_state.theory import conditions as theory
from sgpipe.initial_state.theory.conditions import AUTHORS_INTERVAL, Readings
from sgpipe.initial_state.theory.extrema import Value, ensemble, sample, voltage_range
from sgpipe.initial_state.theory.layer import Layer, Weights
from sgpipe.initial_state.theory.moments import (
    TAILS,
    find_sharpness,
    find_tail,
    sharpnesses,
    surrogate_moment,
    wide_limit,
)
from sgpipe.spec.conditions import CONDITIONS
from sgpipe.spec.surrogates import SURROGATES
from sgpipe.weights.distributions import family

INFEASIBLE = ("error", "clip", "skip")


@dataclass(frozen=True)
class Solution:
    """A layer's initial state and how well each condition is met.

    `mean`, `variance`: of w_rec. `dampening`, `sharpness`, `tail`: of the surrogate derivative. `target`: E[sigma'^2]
    that condition IV asks for, `second`: what the surrogate has, `first`: its mean, `wide`: eq. 2's limit, proportional
    to gamma^2 / s. `y_min`, `y_max`: the bounds of the voltage. `residuals`: of the equations solved, `deviations`:
    of the corrected ones, both 0 where a condition holds. `messages`: one line per condition without a solution.
    With sample extrema all but mean and variance are arrays (n_rec,).
    """

    mean: float
    variance: float
    dampening: Value
    sharpness: Value
    tail: Value
    target: Value
    first: Value
    second: Value
    wide: Value
    y_min: Value
    y_max: Value
    residuals: dict[str, Value]
    deviations: dict[str, Value]
    messages: tuple[str, ...]

    def row(self) -> dict[str, object]:
        """Return one flat row for a table; a value per neuron becomes its mean, a residual the largest one."""
        values = asdict(self)
        flat = {
            f"{part}.{name}": float(np.max(np.abs(value)))
            for part in ("residuals", "deviations")
            for name, value in values.pop(part).items()
        }
        messages = "; ".join(values.pop("messages"))
        return {name: float(np.mean(value)) for name, value in values.items()} | flat | {"messages": messages}


def standard_weights(layer: Layer, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return (n_rec, n_rec) and (n_rec, n_in) draws of mean 0 and variance 1 from the layer's two families."""
    shapes = ((layer.w_rec.family, layer.n_rec), (layer.w_in.family, layer.n_in))
    return tuple(family(name).draw((layer.n_rec, size), generator) for name, size in shapes)


def weights(weights: Weights, standard: np.ndarray) -> np.ndarray:
    """Return standard draws scaled to a mean and variance; eq. 1 leaves out the diagonal of recurrent ones."""
    return weights.mean + weights.variance**0.5 * standard


class _Failures:
    """Collects the conditions that have no solution, and does with them what was asked for."""

    def __init__(self, mode: str):
        if mode not in INFEASIBLE:
            raise one_of("infeasible", mode, INFEASIBLE)
        self.mode, self.messages = mode, []

    def settle(self, condition: str, bad, value, why: str, clipped, naive):
        """Return `value` where it is good; where it is `bad` what the mode says."""
        if not np.any(bad):
            return value
        share = "" if np.ndim(bad) == 0 else f" for {np.count_nonzero(bad)} of {np.size(bad)} neurons"
        line = f"condition {condition}: {why}{share}"
        if self.mode == "error":
            raise SgpipeError(f"{line}; choose infeasible: clip or skip, or other conditions")
        self.messages.append(f"{line}; {'clipped' if self.mode == 'clip' else 'left as without it'}")
        return np.where(bad, clipped if self.mode == "clip" else naive, value)[()]


def solve(
    layer: Layer,
    shape: str,
    conditions: Iterable[str] = CONDITIONS,
    *,
    readings: Readings | str = "corrected",
    extrema: str = "ensemble",
    infeasible: str = "error",
    free: str = "sharpness",
    standard: tuple[np.ndarray, np.ndarray] | None = None,
    generator: np.random.Generator | None = None,
) -> Solution:
    """Return the initial state of a layer under some of the conditions.

    What no condition fixes keeps the layer's own value. `free` is what condition IV is solved for, `sharpness` or
    `tail` (section 4; for a shape with a tail only: condition III says nothing of the tail, as every shape peaks at the
    dampening). `extrema: sample` needs `standard`, the draws of `standard_weights` from which the weights will be made,
    and gives each neuron its own dampening and sharpness (eqs. 76-79). The `authors` reading of IV draws its sharpness
    from `generator`, once per neuron, and is the mean of the draws; without a generator their expectation.
    Raises SgpipeError on a wrong name, and where a condition has no solution and `infeasible` is `error`; else the
    nearest admissible value is taken (`clip`) or the condition left out (`skip`), and `messages` says so.
    """
    readings = Readings.of(readings) if isinstance(readings, str) else readings
    chosen = _checked(conditions, shape, extrema, free, standard)
    failed = _Failures(infeasible)

    mean = theory.recurrent_mean(layer, readings.mean) if "I" in chosen else layer.w_rec.mean
    variance = layer.w_rec.variance
    if "II" in chosen:
        found = theory.recurrent_variance(layer, mean, readings.variance)
        why = f"Var[w_rec] would be {found:.4g}: Mean[w_rec]^2 / 2 exceeds the input's share; raise Var[w_in]"
        variance = float(failed.settle("II", found < 0, found, why, 0.0, variance))
    w_rec = Weights(variance, mean, layer.w_rec.family)
    if extrema == "sample":
        sums = sample(layer, weights(w_rec, standard[0]), weights(layer.w_in, standard[1]))
    else:
        sums = ensemble(layer, w_rec)

    gamma = layer.dampening
    if "III" in chosen:
        found = theory.dampening(layer, sums, readings.maxima)
        why = f"the dampening would be {np.min(found):.4g}: alpha_decay and the layer below already exceed 1"
        gamma = failed.settle("III", ~(np.asarray(found) > 0), found, why, 0.0, gamma)
        if free == "tail":
            failed.messages.append("condition III: solved for the dampening; it says nothing of the tail")

    ranges = {reading: voltage_range(layer, sums, reading) for reading in (readings.voltage, "corrected")}
    v_low, v_high = (np.asarray(y) - layer.thr for y in ranges[readings.voltage])
    knobs = {"sharpness": layer.sharpness, "tail": layer.tail}
    if "IV" in chosen and readings.moment == "authors":
        low, high = AUTHORS_INTERVAL
        draws = 0.5 if generator is None else generator.random(layer.n_rec)
        knobs["sharpness"] = low + (high - low) * float(np.mean(draws))
    elif "IV" in chosen:
        knobs[free] = _solve_moment(layer, shape, sums, gamma, v_low, v_high, readings, free, knobs, failed)

    def moments(y_min, y_max):
        given = (gamma, knobs["sharpness"], y_min - layer.thr, y_max - layer.thr, knobs["tail"])
        return [surrogate_moment(shape, power, *given) for power in (1, 2)]

    y_min, y_max = ranges[readings.voltage]
    first, second = moments(y_min, y_max)
    true = moments(*ranges["corrected"])
    return Solution(
        mean=mean,
        variance=variance,
        dampening=gamma,
        **knobs,
        target=theory.target_moment(layer, sums, readings.moment, first),
        first=first,
        second=second,
        wide=wide_limit(shape, gamma, knobs["sharpness"], v_low, v_high, knobs["tail"])[()],
        y_min=y_min,
        y_max=y_max,
        residuals=theory.residuals(layer, mean, variance, gamma, first, second, sums, readings),
        deviations=theory.residuals(layer, mean, variance, gamma, *true, sums, Readings()),
        messages=tuple(failed.messages),
    )


def _solve_moment(layer, shape, sums, gamma, v_low, v_high, readings, free, knobs, failed) -> Value:
    """Return the sharpness or tail at which the growth of the gradient's variance is 1, neuron by neuron."""
    given = np.broadcast_arrays(gamma, v_low, v_high, sums.rec_square, sums.in_square)
    found, nearest, why = np.empty(given[0].shape), np.empty(given[0].shape), ""
    for index in np.ndindex(found.shape):
        peak, low, high, rec_square, in_square = (float(value[index]) for value in given)
        own = replace(sums, rec_square=rec_square, in_square=in_square)

        def excess(values, peak=peak, low=low, high=high, own=own):
            at = {**knobs, free: values}
            first, second = (
                surrogate_moment(shape, power, peak, at["sharpness"], low, high, at["tail"]) for power in (1, 2)
            )
            return theory.growth_of_variance(layer, own, first, second, readings.moment) - 1

        root = find_tail(excess) if free == "tail" else find_sharpness(excess, low, high)
        found[index] = np.nan if root is None else root
        if root is None:
            values = TAILS if free == "tail" else sharpnesses(low, high, layer.thr)
            nearest[index] = values[np.argmin(np.abs(excess(values)))]
            why = _no_moment(layer, own, peak, 1 + excess(values), readings.moment, free)
    return failed.settle("IV", np.isnan(found)[()], found[()], why, nearest[()], knobs[free])


def _no_moment(layer, sums, peak, growth, reading, free) -> str:
    """Say why no sharpness or tail meets condition IV."""
    if reading == "corrected" and layer.reset_in_gradient:  # E[sigma'] matters too: there is no one target
        return f"whatever the {free}, the gradient's variance grows by {growth.min():.4g} to {growth.max():.4g} a step"
    target = float(theory.target_moment(layer, sums, reading))
    if target <= 0:
        return f"E[sigma'^2] would be {target:.4g}: the decay and the layer below already exceed 1"
    return f"E[sigma'^2] would be {target:.4g}, out of reach of any {free}: dampening^2 is {peak**2:.4g}"


def above(below: Layer, solution: Solution, n_rec: int | None = None) -> Layer:
    """Return the layer that sits on a solved one: its z are spikes of mean 1/2 and variance 1/4, and xi is 1.

    Its own weights start as Glorot's; everything else is as in the layer below. Where that has values per neuron, the
    largest dampening and the mean moments stand for it.
    """
    n_rec = below.n_rec if n_rec is None else n_rec
    return replace(
        below,
        n_rec=n_rec,
        n_in=below.n_rec,
        z_mean=0.5,
        z_var=0.25,
        z_low=0.0,
        z_high=1.0,
        w_in=Weights(2 / (below.n_rec + n_rec), family=below.w_in.family),
        w_rec=Weights(1 / n_rec, family=below.w_rec.family),
        xi=1,
        gamma_in=float(np.max(solution.dampening)),
        mean_in=float(np.mean(solution.first)),
        square_in=float(np.mean(solution.second)),
    )


def _checked(conditions, shape, extrema, free, standard) -> set[str]:
    chosen = set(conditions)
    for name in sorted(chosen - set(CONDITIONS)):
        raise one_of("conditions", name, CONDITIONS)
    shapes = [name for name, one in SURROGATES.items() if one.slope == "sharpness"]
    for where, value, allowed in (
        ("shape", shape, shapes),
        ("extrema", extrema, ("ensemble", "sample")),
        ("free", free, ("sharpness", "tail")),
    ):
        if value not in allowed:
            raise one_of(where, value, allowed)
    if free == "tail" and not SURROGATES[shape].tails:
        raise SgpipeError(f"free: {shape} has no tail; choose shape: q_pseudospike or free: sharpness")
    if extrema == "sample" and standard is None:
        raise SgpipeError("extrema: sample needs the draws of the weights; give standard=standard_weights(...)")
    return chosen
