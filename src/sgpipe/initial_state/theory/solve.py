"""Solve conditions I-IV, or some of them, for one layer and one surrogate shape."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from sgpipe.base.errors import SgpipeError, one_of
from sgpipe.initial_state.theory import conditions as theory
from sgpipe.initial_state.theory.asked import Asked, Failures
from sgpipe.initial_state.theory.conditions import AUTHORS_INTERVAL, Readings
from sgpipe.initial_state.theory.draws import drawn
from sgpipe.initial_state.theory.extrema import Sums, Value, ensemble, sample, voltage_range
from sgpipe.initial_state.theory.layer import Layer, Weights
from sgpipe.initial_state.theory.moments import TAILS, Derivative, find_sharpness, find_tail, sharpnesses
from sgpipe.initial_state.theory.residuals import Moments, residuals
from sgpipe.initial_state.theory.solution import Solution
from sgpipe.spec.surrogates import SURROGATES

Draws = tuple[np.ndarray, np.ndarray]  # of w_rec (n_rec, n_rec) and w_in (n_rec, n_in), of mean 0 and variance 1
Bounds = tuple[Value, Value]  # the lowest and the highest voltage


def solve(
    layer: Layer,
    shape: str,
    asked: Asked,
    *,
    standard: Draws | None = None,
    generator: np.random.Generator | None = None,
) -> Solution:
    """Solve some of the conditions for the initial state of a layer (herranz2022, section 2.6 and appendix B).

    Args:
        layer: The layer as it is without conditions.
        shape: The shape of a surrogate that has a sharpness, or a formula.
        asked: Which conditions to solve, and how.
        standard: The draws of `standard_weights` from which the weights will be made; needed by `extrema: sample`.
        generator: Draws the sharpness for the `authors` reading of IV, once per neuron; the mean of the draws is used.
            Without a generator it is their expectation.

    Returns:
        What to set, how well each condition then holds, and a message for each that has no solution.

    Raises:
        SgpipeError: The shape does not have what is asked for, `standard` is missing, or a condition has no solution
            and `asked.infeasible` is `error`.
    """
    _check(shape, asked, standard)
    failed, readings = Failures(asked.infeasible), asked.readings
    w_rec = _recurrent(layer, asked, failed)
    if asked.extrema == "sample":
        sums = sample(layer, drawn(w_rec, standard[0]), drawn(layer.w_in, standard[1]))
    else:
        sums = ensemble(layer, w_rec)
    gamma = _dampening(layer, sums, SURROGATES[shape].peak, asked, failed)
    surrogate = Derivative(shape, gamma, layer.sharpness, layer.tail)
    if "IV" in asked.conditions and readings.moment == "authors":
        surrogate = replace(surrogate, sharpness=_authors_sharpness(layer, generator))
    elif "IV" in asked.conditions:
        centred = _centred(layer, voltage_range(layer, sums, readings.voltage))
        found = _solve_moment(layer, sums, surrogate, centred, asked, failed)
        surrogate = replace(surrogate, **{asked.free: found})
    return _solution(layer, w_rec, sums, surrogate, readings, failed.messages)


def _check(shape: str, asked: Asked, standard: Draws | None) -> None:
    shapes = [name for name, one in SURROGATES.items() if one.slope == "sharpness"]
    if shape.isidentifier() and shape not in shapes:  # a name, and so not a formula
        raise one_of("shape", shape, shapes)
    if asked.free == "tail" and not SURROGATES[shape].tails:
        raise SgpipeError(f"free: {shape} has no tail; choose shape: q_pseudospike or free: sharpness")
    if asked.extrema == "sample" and standard is None:
        raise SgpipeError("extrema: sample needs the draws of the weights; give standard=standard_weights(...)")


def _centred(layer: Layer, voltages: Bounds) -> Bounds:
    low, high = (np.asarray(y) - layer.thr for y in voltages)
    return low, high


def _recurrent(layer: Layer, asked: Asked, failed: Failures) -> Weights:
    """Solve I for the mean of w_rec, and II for its variance."""
    mean, variance = layer.w_rec.mean, layer.w_rec.variance
    if "I" in asked.conditions:
        mean = theory.recurrent_mean(layer, asked.readings.mean)
    if "II" in asked.conditions:
        found = theory.recurrent_variance(layer, mean, asked.readings.variance)
        why = f"Var[w_rec] would be {found:.4g}: Mean[w_rec]^2 / 2 exceeds the input's share; raise Var[w_in]"
        variance = float(failed.settle("II", found < 0, found, why, 0.0, variance))
    return Weights(variance, mean, layer.w_rec.family)


def _dampening(layer: Layer, sums: Sums, peak: float, asked: Asked, failed: Failures) -> Value:
    """Solve III for the dampening of a shape with some peak."""
    if "III" not in asked.conditions:
        return layer.dampening
    found = theory.dampening(layer, sums, asked.readings.maxima) / peak
    why = f"the dampening would be {np.min(found):.4g}: alpha_decay and the layer below already exceed 1"
    gamma = failed.settle("III", ~(np.asarray(found) > 0), found, why, 0.0, layer.dampening)
    if asked.free == "tail":
        failed.messages.append("condition III: solved for the dampening; it says nothing of the tail")
    return gamma


def _authors_sharpness(layer: Layer, generator: np.random.Generator | None) -> float:
    """Return the sharpness that the authors' code ends up with, whatever cost it minimises."""
    low, high = AUTHORS_INTERVAL
    draws = 0.5 if generator is None else generator.random(layer.n_rec)
    return low + (high - low) * float(np.mean(draws))


def _solve_moment(
    layer: Layer, sums: Sums, surrogate: Derivative, centred: Bounds, asked: Asked, failed: Failures
) -> Value:
    """Solve IV for the sharpness or tail at which the growth of the gradient's variance is 1, neuron by neuron."""
    given = np.broadcast_arrays(surrogate.dampening, *centred, sums.rec_square, sums.in_square)
    found, nearest, why = np.empty(given[0].shape), np.empty(given[0].shape), ""
    for index in np.ndindex(found.shape):
        peak, low, high, rec_square, in_square = (float(value[index]) for value in given)
        own = replace(sums, rec_square=rec_square, in_square=in_square)
        one = replace(surrogate, dampening=peak)
        root, near, reason = _solve_neuron(layer, own, one, (low, high), asked)
        found[index], nearest[index], why = root, near, reason or why
    own_value = getattr(surrogate, asked.free)
    return failed.settle("IV", np.isnan(found)[()], found[()], why, nearest[()], own_value)


def _solve_neuron(
    layer: Layer, sums: Sums, surrogate: Derivative, centred: tuple[float, float], asked: Asked
) -> tuple[float, float, str]:
    """Solve IV for one neuron; return the solution or nan, the value that comes nearest, and why there is none."""
    reading, free = asked.readings.moment, asked.free

    def excess(values):
        found = _moments(replace(surrogate, **{free: values}), centred)
        return theory.growth_of_variance(layer, sums, found.first, found.second, reading) - 1

    root = find_tail(excess) if free == "tail" else find_sharpness(excess, *centred)
    if root is not None:
        return root, np.nan, ""
    values = TAILS if free == "tail" else sharpnesses(*centred, layer.thr)
    missed = excess(values)
    nearest = values[np.argmin(np.abs(missed))]
    return np.nan, nearest, _no_moment(layer, sums, surrogate.dampening, 1 + missed, reading, free)


def _no_moment(layer: Layer, sums: Sums, peak: float, growth: np.ndarray, reading: str, free: str) -> str:
    """Say why no sharpness or tail meets condition IV."""
    if reading == "corrected" and layer.reset_in_gradient:  # E[sigma'] matters too: there is no single target
        return f"whatever the {free}, the gradient's variance grows by {growth.min():.4g} to {growth.max():.4g} a step"
    target = float(theory.target_moment(layer, sums, reading))
    if target <= 0:
        return f"E[sigma'^2] would be {target:.4g}: the decay and the layer below already exceed 1"
    return f"E[sigma'^2] would be {target:.4g}, out of reach of any {free}: dampening^2 is {peak**2:.4g}"


def _solution(
    layer: Layer, w_rec: Weights, sums: Sums, surrogate: Derivative, readings: Readings, messages: Iterable[str]
) -> Solution:
    """Gather the settings, and how far each condition is from holding: as it was solved, and as corrected."""
    voltages = voltage_range(layer, sums, readings.voltage)
    found = _moments(surrogate, _centred(layer, voltages))
    true = _moments(surrogate, _centred(layer, voltage_range(layer, sums, "corrected")))
    return Solution(
        mean=w_rec.mean,
        variance=w_rec.variance,
        dampening=surrogate.dampening,
        sharpness=surrogate.sharpness,
        tail=surrogate.tail,
        target=theory.target_moment(layer, sums, readings.moment, found.first),
        first=found.first,
        second=found.second,
        wide=surrogate.wide_limit(*_centred(layer, voltages))[()],
        y_min=voltages[0],
        y_max=voltages[1],
        residuals=residuals(layer, w_rec, found, sums, readings),
        deviations=residuals(layer, w_rec, true, sums, Readings()),
        messages=tuple(messages),
        peak=surrogate.peak,
    )


def _moments(surrogate: Derivative, centred: Bounds) -> Moments:
    return Moments(surrogate.peak, surrogate.moment(1, *centred), surrogate.moment(2, *centred))
