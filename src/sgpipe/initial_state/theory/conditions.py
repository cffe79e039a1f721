"""Conditions I-IV on the initial state of a recurrent spiking layer: each equation once, in each of its readings.

Herranz-Celotti & Rouat, section 2.6 and appendix B. With half of the neurons firing (I) the theory fixes
the mean (I) and variance (II) of the recurrent weights, the dampening (III) and, through the second moment of the
surrogate derivative, its sharpness (IV). III and IV are written here as growth factors of the gradient from one step to
the next, which the conditions ask to be 1.

The text, the authors' code and the mathematics differ at several points (`docs/errata.md`); `Readings` chooses at each.
"""

from dataclasses import dataclass, fields, replace

import numpy as np

from sgpipe.base.errors import one_of
from sgpipe.initial_state.theory.extrema import Sums, Value
from sgpipe.initial_state.theory.layer import Layer
from sgpipe.spec.condition_choices import CONDITIONS as CONDITIONS

RATE = 0.5  # share of neurons that fire in a step, under condition I
# Interval of the authors' search for the sharpness. A slip in its indexing returns draws independent of the cost.
AUTHORS_INTERVAL = (0.3, 1.6)

_VALUES = {
    "mean": ("printed", "eq19", "authors", "corrected"),
    "variance": ("printed", "authors", "corrected"),
    "maxima": ("printed", "authors", "corrected"),
    "moment": ("printed", "eq57", "authors", "corrected"),
    "voltage": ("printed", "authors", "corrected"),
}


@dataclass(frozen=True)
class Readings:
    """Which reading of each equation to take.

    mean: CI, eqs. 20 and 82 (`eq19`: as that line is typeset). variance: CII, eq. 28. maxima: CIII, eqs. 44 and 84.
    moment: CIV of the main text, eqs. 57 and 85 (`eq57`: with the square that the main text lacks).
    voltage: eqs. 72 and 73.
    """

    mean: str = "corrected"
    variance: str = "corrected"
    maxima: str = "corrected"
    moment: str = "corrected"
    voltage: str = "corrected"

    def __post_init__(self):
        for point in fields(self):
            if getattr(self, point.name) not in _VALUES[point.name]:
                raise one_of(f"readings.{point.name}", getattr(self, point.name), _VALUES[point.name])

    @classmethod
    def of(cls, name: str, **points: str) -> "Readings":
        """Take the readings that share one name, except for the points given with their own."""
        if name not in _VALUES["variance"]:
            raise one_of("variant", name, _VALUES["variance"])
        return replace(cls(**{point.name: name for point in fields(cls)}), **points)


def recurrent_mean(layer: Layer, reading: str = "corrected") -> float:
    """Solve condition I for Mean[w_rec]: E[y] = thr while half of the neurons fire (eqs. 20 and 82).

    `corrected` solves thr = keep thr + pass (n_rec - 1) Mean[w] / 2 - thr / 2 [subtractive] for the layer's own reset,
    with its gates taken as independent of the voltage, as everywhere in appendix B.

    Args:
        layer: The layer.
        reading: The reading of eq. 20: printed, eq19, authors or corrected.
    """
    a, n, form = layer.alpha_decay, layer.afferents, layer.form
    if reading == "eq19":
        return (1 - a) / RATE * layer.thr / n + layer.thr
    if reading == "corrected":
        leak = 1 - a * form.open + RATE * form.subtracts
        return layer.thr * leak / (RATE * n * layer.drive_factor * form.drive_open)
    if form.subtracts:
        factor = 3 - 2 * a
    elif reading == "printed":
        factor = 1 - a  # eq. 82, whichever form eq. 80 has
    else:
        factor = 2 - a if layer.reset == "multiplicative" else 2 * (1 - a)
    return factor * layer.thr / n


def recurrent_variance(layer: Layer, mean: float, reading: str = "corrected") -> float:
    """Solve condition II for Var[w_rec] (eq. 28), the same for every reset.

    `authors`: the code lacks the factor 2, and hands the square root to an initialiser that divides it by n_rec.

    Args:
        layer: The layer.
        mean: Mean[w_rec].
        reading: The reading of eq. 28: printed, authors or corrected.

    Returns:
        The variance, negative where there is no solution.
    """
    share = layer.input_square / layer.afferents
    if reading != "authors":
        return 2 * share - mean**2 / 2
    coded = share - mean**2 / 2
    return float(np.sqrt(coded)) / layer.n_rec if coded >= 0 else coded


def growth_of_maxima(layer: Layer, sums: Sums, gamma: Value, reading: str = "corrected") -> Value:
    """Compute Max[dy_t] / Max[dy_{t-1}], which condition III asks to be 1.

    `printed` is eq. 42 (84 with a multiplicative reset), `authors` the same without the layer below. `corrected`
    is the largest row sum of absolute values of the Jacobian: gradients have either sign, so |w| counts, and a neuron's
    own terms alpha and -thr sigma' multiply the same gradient.

    Args:
        layer: The layer.
        sums: What the weights of a neuron can add up to.
        gamma: The peak of the surrogate derivative, one value or (n_rec,).
        reading: The reading of eq. 44: printed, authors or corrected.
    """
    a, c = layer.alpha_decay, layer.drive_factor
    if reading == "corrected":
        own = np.maximum(a, np.abs(a - layer.thr * gamma)) if layer.reset_in_gradient else a
        return own + c * (sums.rec_size * gamma + layer.xi * sums.in_size * layer.gamma_in)
    below = layer.xi * sums.in_top * layer.gamma_in if reading == "printed" else 0.0
    reset = _reset_of_maxima(layer, sums, gamma) if layer.form.subtracts else 0.0
    return a + sums.rec_top * gamma + below - reset


def _reset_of_maxima(layer: Layer, sums: Sums, gamma: Value) -> Value:
    """Return thr gamma Max[w] / Min[w] of eq. 41; without negative weights its limit, -inf for any gamma above 0."""
    top, bottom, gamma = np.broadcast_arrays(*map(np.asarray, (sums.rec_top, sums.rec_bottom, gamma)))
    ratio = np.full(top.shape, -np.inf)
    np.divide(top, bottom, out=ratio, where=bottom != 0)
    return np.multiply(layer.thr * gamma, ratio, out=np.zeros(top.shape), where=gamma != 0)[()]


def dampening(layer: Layer, sums: Sums, reading: str = "corrected") -> Value:
    """Solve `growth_of_maxima` = 1 for the surrogate derivative's peak (eq. 44).

    Args:
        layer: The layer.
        sums: What the weights of a neuron can add up to.
        reading: The reading of eq. 44: printed, authors or corrected.

    Returns:
        One value or (n_rec,); negative where there is no solution.
    """
    zero = growth_of_maxima(layer, sums, 0.0, reading)
    if reading == "corrected":
        slope = layer.drive_factor * sums.rec_size
        gamma = (1 - zero) / slope
        # From thr gamma = 2 alpha on, a neuron's own term is thr gamma - alpha and no longer alpha.
        steep = (1 - zero + 2 * layer.alpha_decay) / (slope + layer.thr)
        own = layer.reset_in_gradient & (layer.thr * gamma > 2 * layer.alpha_decay)
        return np.where(own, steep, gamma)[()]
    return (1 - zero) / (growth_of_maxima(layer, sums, 1.0, reading) - zero)


def growth_of_variance(layer: Layer, sums: Sums, first: Value, second: Value, reading: str = "corrected") -> Value:
    """Compute Var[dy_t] / Var[dy_{t-1}], which condition IV asks to be 1.

    `eq57` is eq. 56 (85 with a multiplicative reset); `printed` has E[sigma'_in] in place of the second moment of
    the layer below, as main-text CIV; `authors` leaves that layer out. `corrected` keeps the covariance of a neuron's
    own terms, -2 alpha thr E[sigma'], and the factors of the reset.

    Args:
        layer: The layer.
        sums: What the weights of a neuron can add up to.
        first: E[sigma'], one value or (n_rec,).
        second: E[sigma'^2], likewise.
        reading: The reading of eq. 57: printed, eq57, authors or corrected.
    """
    form, a = layer.form, layer.alpha_decay
    if reading == "corrected":
        c = layer.drive_factor**2 * form.drive_open
        drive = c * (sums.rec_square * second + layer.xi * sums.in_square * layer.square_in)
        own = layer.thr**2 * second - 2 * a * layer.thr * first if layer.reset_in_gradient else 0.0
        return form.open * a**2 + drive + own
    below = {"printed": layer.mean_in, "eq57": layer.square_in, "authors": 0.0}[reading]
    if reading == "authors" and form.gates_drive:  # the code's `multreset1`, where it agrees with `corrected`
        return (a**2 + sums.rec_square * second) / 2
    thr = layer.thr if form.subtracts else 0.0
    return form.open * a**2 + (sums.rec_square + thr**2) * second + layer.xi * sums.in_square * below


def target_moment(layer: Layer, sums: Sums, reading: str = "corrected", first: Value = 0.0) -> Value:
    """Solve condition IV for E[sigma'^2] (eq. 57).

    Args:
        layer: The layer.
        sums: What the weights of a neuron can add up to.
        reading: The reading of eq. 57: printed, eq57, authors or corrected.
        first: E[sigma'], on which only `corrected` may depend.
    """
    zero = growth_of_variance(layer, sums, first, 0.0, reading)
    return (1 - zero) / (growth_of_variance(layer, sums, first, 1.0, reading) - zero)
