"""The gain on the input weights at which conditions I and II hold by themselves, and the phase diagram around it.

Var[w_in] is free in the theory. With few input spikes and Glorot's variance, condition I's fixed point is not the only
one: the layer falls silent, because fewer spikes mean less recurrent drive. Above a critical gain the state with half
of the neurons firing wins.
"""

from dataclasses import dataclass, replace
from math import exp, log

import pandas as pd
from scipy.optimize import brentq

from sgpipe.base.errors import SgpipeError
from sgpipe.base.rng import stream
from sgpipe.initial_state.theory.asked import Asked
from sgpipe.initial_state.theory.conditions import Readings
from sgpipe.initial_state.theory.draws import drawn, standard_weights
from sgpipe.initial_state.theory.layer import Layer, Weights
from sgpipe.initial_state.theory.simulate import input_drive, random_inputs, simulate
from sgpipe.initial_state.theory.solve import solve


@dataclass(frozen=True)
class Gain:
    """The factor on Var[w_in], and what the layer does with it (means over the second half of a simulation).

    `critical`: the gain at which the silent state gives way. `searched`: a row per simulated gain (gain, rate, median,
    var_rec, var_in, variance_ratio, variance_ratio_time).
    """

    gain: float
    rate: float
    median: float
    variance_ratio: float
    critical: float
    searched: pd.DataFrame
    message: str = ""


class Bench:
    """A layer with its random numbers drawn once, so that simulations differ only in the gain."""

    def __init__(self, layer: Layer, inputs, seed: int = 0, readings: str = "corrected"):
        self.layer, self.seed = layer, seed
        self.asked = Asked(("I", "II"), Readings.of(readings), infeasible="clip")
        self.standard = standard_weights(layer, stream(seed, "conditions/weights"))
        self.drive = input_drive(drawn(layer.w_in, self.standard[1]), inputs)

    def __call__(self, gain: float) -> dict[str, float]:
        """Return the summary of a simulation with conditions I and II met for `gain` times the layer's Var[w_in]."""
        layer = replace(self.layer, w_in=scaled(self.layer.w_in, gain))
        solution = solve(layer, "exponential", self.asked)
        w_rec = drawn(Weights(solution.variance, solution.mean, layer.w_rec.family), self.standard[0])
        return {"gain": gain} | simulate(layer, w_rec, gain**0.5 * self.drive, self.seed).summary()


def scaled(w_in: Weights, gain: float) -> Weights:
    """Multiply the variance of input weights by `gain`."""
    return Weights(w_in.variance * gain, w_in.mean * gain**0.5, w_in.family)


def input_gain(
    layer: Layer,
    inputs,
    *,
    seed: int = 0,
    readings: str = "corrected",
    rate: float = 0.5,
    margin: float = 2.0,
    least: float = 1.0,
    most: float = 256.0,
) -> Gain:
    """Search for the gain on Var[w_in] at which a simulated layer fires at about some rate once w_rec meets I and II.

    The rate jumps around the critical gain, and where it jumps differs between draws of the weights. So the critical
    gain, at which the layer fires at half of `rate`, is solved for, and `margin` times as much is returned.

    Args:
        layer: The layer; its z_mean and z_var must be those of `inputs`.
        inputs: z (trials, steps, n_in): a batch of the data or `random_inputs`.
        seed: The seed of the weights.
        readings: The name of the readings of I and II.
        rate: The share of neurons that is to fire in a step.
        margin: A factor on the critical gain.
        least: The smallest gain. A layer that fires enough with it needs no other, and its critical gain is nan.
        most: The largest gain. If it does not suffice, it is returned with a message.
    """
    bench, seen = Bench(layer, inputs, seed, readings), []

    def excess(log_gain: float) -> float:
        seen.append(bench(exp(log_gain)))
        return seen[-1]["rate"] - rate / 2

    high, critical, message = log(least), float("nan"), ""
    value = excess(high)
    while value < 0 and high < log(most):
        low, high = high, min(high + log(2), log(most))
        value = excess(high)
    if value < 0:
        message = f"input gain: at {most:g} the rate is {seen[-1]['rate']:.3g}, still below half of {rate:g}"
    elif len(seen) > 1:
        critical = exp(brentq(excess, low, high, xtol=1e-2))
        excess(min(log(margin * critical), log(most)))
    found = {name: seen[-1][name] for name in ("gain", "rate", "median", "variance_ratio")}
    table = pd.DataFrame(seen).sort_values("gain", ignore_index=True)
    return Gain(**found, critical=critical, searched=table, message=message)


def phase_diagram(
    layer: Layer, rates, gains, *, trials: int = 4, steps: int = 300, seed: int = 0, readings: str = "corrected"
) -> pd.DataFrame:
    """Simulate a layer over input rates and gains, with conditions I and II met and random numbers shared.

    Args:
        layer: The layer.
        rates: Probabilities of a spike per input and step; inputs are independent.
        gains: Factors on Var[w_in].
        trials: How many inputs to simulate at once.
        steps: For how many time steps.
        seed: The seed of weights and inputs.
        readings: The name of the readings of I and II.

    Returns:
        A row per pair, sorted. Columns: input_rate, gain, rate, median (unit of thr), var_rec, var_in, variance_ratio
        (over trials and neurons, as in condition II) and variance_ratio_time (its part over time).

    Raises:
        SgpipeError: A rate is not above 0 and at most 1.
    """
    rows = []
    for rate in sorted(rates):
        if not 0 < rate <= 1:
            raise SgpipeError(f"phase_diagram: rates: {rate!r} is not above 0 and at most 1")
        here = replace(layer, z_mean=rate, z_var=rate * (1 - rate))
        bench = Bench(here, random_inputs(rate, trials, steps, layer.n_in, seed), seed, readings)
        rows += [{"input_rate": rate} | bench(gain) for gain in sorted(gains)]
    return pd.DataFrame(rows)
