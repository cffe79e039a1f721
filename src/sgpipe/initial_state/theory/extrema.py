"""Sums of weights over a neuron's afferents, in the ensemble or in drawn matrices, and the voltages they allow.

Herranz-Celotti & Rouat, appendix B.3 and B.6: Max and Min over the ensemble multiply the largest and smallest weight by
the number of afferents (eqs. 36, 37, 72, 73); over a sample they add up the positive or the negative weights of each
neuron (eqs. 76-79).
"""

from dataclasses import dataclass

import numpy as np

from sgpipe.initial_state.theory.layer import Layer, Weights

Value = float | np.ndarray  # a number for the ensemble, (n_rec,) for a sample


@dataclass(frozen=True)
class Sums:
    """What n_rec - 1 recurrent and n_in input weights of a neuron can add up to.

    `top`, `bottom`: the largest and the smallest sum of a subset of weights, as the paper takes it; `size`: the sum of
    absolute values; `square`: the sum of squares. `drive_high`, `drive_low`: W_rec x + W_in z for the most and the
    least favourable x in {0, 1} and z between its bounds.
    """

    rec_top: Value
    rec_bottom: Value
    rec_size: Value
    rec_square: Value
    in_top: Value
    in_size: Value
    in_square: Value
    drive_high: Value
    drive_low: Value


def ensemble(layer: Layer, w_rec: Weights) -> Sums:
    """Add up weights over the ensemble, in which every afferent has the largest possible one (eqs. 36, 37).

    An unbounded distribution counts as bounded by the 1 - 1/count quantile of the matrix's `count` weights.
    """
    low, high = w_rec.limits(layer.n_rec * layer.afferents)
    in_low, in_high = layer.w_in.limits(layer.n_rec * layer.n_in)
    products = [weight * z for weight in (in_low, in_high) for z in (layer.z_low, layer.z_high)]
    return Sums(
        rec_top=layer.afferents * high,
        rec_bottom=layer.afferents * low,
        rec_size=layer.afferents * max(abs(low), abs(high)),
        rec_square=layer.afferents * w_rec.square,
        in_top=layer.n_in * in_high,
        in_size=layer.n_in * max(abs(in_low), abs(in_high)),
        in_square=layer.n_in * layer.w_in.square,
        drive_high=layer.afferents * max(high, 0.0) + layer.n_in * max(products),
        drive_low=layer.afferents * min(low, 0.0) + layer.n_in * min(products),
    )


def sample(layer: Layer, w_rec: np.ndarray, w_in: np.ndarray) -> Sums:
    """Add up each neuron's drawn weights (eqs. 76-79).

    Args:
        layer: The layer.
        w_rec: (n_rec, n_rec), a row for each receiver; its diagonal is left out.
        w_in: (n_rec, n_in).

    Returns:
        Sums of (n_rec,) values.
    """
    w_rec = without_self(w_rec)
    rec_top, rec_bottom = np.maximum(w_rec, 0).sum(1), np.minimum(w_rec, 0).sum(1)
    ends = w_in * layer.z_low, w_in * layer.z_high
    return Sums(
        rec_top=rec_top,
        rec_bottom=rec_bottom,
        rec_size=rec_top - rec_bottom,
        rec_square=(w_rec**2).sum(1),
        in_top=np.maximum(w_in, 0).sum(1),
        in_size=np.abs(w_in).sum(1),
        in_square=(w_in**2).sum(1),
        drive_high=rec_top + np.maximum(*ends).sum(1),
        drive_low=rec_bottom + np.minimum(*ends).sum(1),
    )


def without_self(w_rec: np.ndarray) -> np.ndarray:
    """Copy weights with a diagonal of zeros: no neuron connects to itself."""
    return w_rec * (1 - np.eye(len(w_rec)))


def voltage_range(layer: Layer, sums: Sums, reading: str = "corrected") -> tuple[Value, Value]:
    """Compute the bounds of the voltage.

    Args:
        layer: The layer.
        sums: What the weights of a neuron can add up to.
        reading: `printed` and `authors` are eqs. 72 and 73: a neuron that never fires however high its voltage, and one
            that is reset at every step however low it is. `corrected` lets a neuron's own spikes follow its own
            voltage, with the least favourable drive from the others; both are bounds, since the others cannot fire at
            will.

    Returns:
        y_min and y_max, each one value or (n_rec,).
    """
    form, alpha, thr = layer.form, layer.alpha_decay, layer.thr
    high, low = sums.drive_high, sums.drive_low
    if reading != "corrected":
        return (low - thr * form.subtracts) / (1 - alpha), high / (1 - alpha)
    high, low = layer.drive_factor * high, layer.drive_factor * low
    # The largest step from at most thr goes to alpha thr + high. From above thr a subtractive reset leads towards
    # its own fixed point, which may lie higher still; a multiplicative one starts again from zero.
    beyond = (high - thr) / (1 - alpha) if form.subtracts else high
    y_max = np.where(high <= (1 - alpha) * thr, high / (1 - alpha), np.maximum(alpha * thr + high, beyond))
    # Below thr nothing is reset; just above it a subtractive reset takes thr away.
    after_reset = low - (1 - alpha) * thr if form.subtracts else low
    return np.minimum(low / (1 - alpha), after_reset)[()], y_max[()]
