"""How far a given layer is from meeting conditions I-IV."""

from dataclasses import dataclass

import numpy as np

from sgpipe.initial_state.theory import conditions
from sgpipe.initial_state.theory.conditions import Readings
from sgpipe.initial_state.theory.extrema import Sums, Value
from sgpipe.initial_state.theory.layer import Layer, Weights


@dataclass(frozen=True)
class Moments:
    """The properties of a surrogate derivative that the conditions are about, each one value or (n_rec,).

    Attributes:
        peak: gamma, its largest value.
        first: E[sigma'] over the voltages of the layer.
        second: E[sigma'^2], likewise.
    """

    peak: Value
    first: Value
    second: Value


def residuals(layer: Layer, w_rec: Weights, found: Moments, sums: Sums, readings: Readings) -> dict[str, Value]:
    """Compute how far each condition is from holding: 0 where it does, as a fraction of its right-hand side.

    I: E[y] / thr - 1; II: recurrent over input variance - 1; III, IV: growth factors - 1. `authors` is judged by
    the printed equation, which the code is meant to solve.

    Args:
        layer: The layer.
        w_rec: Its recurrent weights.
        found: The properties of its surrogate derivative.
        sums: What the weights of a neuron can add up to.
        readings: Which reading of each equation to take.
    """
    n, meant = layer.afferents, {"authors": "printed"}
    recurrent = n * (w_rec.variance / 2 + w_rec.mean**2 / 4)  # eq. 25
    wanted = conditions.recurrent_mean(layer, meant.get(readings.mean, readings.mean))
    return {
        "I": (w_rec.mean - wanted) / wanted,
        "II": recurrent / layer.input_square - 1 if layer.input_square else np.inf,
        "III": conditions.growth_of_maxima(layer, sums, found.peak, readings.maxima) - 1,
        "IV": conditions.growth_of_variance(layer, sums, found.first, found.second, readings.moment) - 1,
    }
