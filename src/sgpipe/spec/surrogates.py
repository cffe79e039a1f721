"""Surrogate derivatives of the spike: every shape once, for the networks, the figures, the tables and the theory.

A shape is the function h(x) of the centred membrane x = U - threshold that stands in for the derivative of the
spike. All have one form,

    h(x) = dampening * f(slope * x),

with a profile f that is largest at 0. Zenke & Vogels 2021 (section 4.2.6) call the slope beta; Herranz-Celotti &
Rouat (Table S1) call it sharpness and scale each profile to a peak and an area of 1. The formulas take the array
module as an argument, so that the torch networks and the numpy figures share one definition.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Surrogate:
    """One shape: its profile, how to print it, and which knobs of the spec it uses."""

    name: str
    label: str
    tex: str
    profile: Callable[[Any, float | None, Any], Any]  # (v, tail, array module) -> f(v)
    slope: str | None = "beta"  # the knob that scales x: beta, sharpness or none
    tails: bool = False  # whether f has a tail exponent
    peak_is_slope: bool = False  # h(0) = dampening * slope: a peak that grows as the shape narrows
    dampens: bool = True
    note: str = ""

    @property
    def knobs(self) -> tuple[str, ...]:
        """Names of the knobs that h depends on."""
        used = {"dampening": self.dampens, self.slope: self.slope is not None, "tail": self.tails}
        return tuple(name for name, uses in used.items() if uses)

    def __call__(self, x, xp=np, *, beta=None, sharpness=None, dampening=None, tail=None):
        """Return h(x), of the shape and type of `x`, an array of `xp` (numpy or torch).

        `beta` and `sharpness` are slopes in units of 1/threshold; a knob that the shape does not use is ignored,
        and `dampening` and `sharpness` are 1 unless given.
        """
        slope = {"beta": beta, "sharpness": 1.0 if sharpness is None else sharpness}.get(self.slope, 1.0)
        height = 1.0 if dampening is None else dampening
        return (height * slope if self.peak_is_slope else height) * self.profile(slope * x, tail, xp)


def _inverse_square(v, tail, xp):
    return 1.0 / (abs(v) + 1.0) ** 2


def _logistic(v, tail, xp):
    # s (1 - s) written in exp(-|v|) <= 1: no overflow, and no digit lost far from the threshold, where the
    # gradient lives that wakes silent neurons (1 - s or 1 - tanh^2 is 0 in float32 from |v| = 17 on).
    e = xp.exp(-abs(v))
    return e / (1.0 + e) ** 2


def _triangle(v, tail, xp):
    return xp.clip(1.0 - abs(v), 0.0, None)


def _one(v, tail, xp):
    return xp.ones_like(v)


def _zero(v, tail, xp):
    return xp.zeros_like(v)


def _rectangle(v, tail, xp):
    return xp.where(abs(v) < 0.5, xp.ones_like(v), xp.zeros_like(v))


def _exponential(v, tail, xp):
    return xp.exp(-2.0 * abs(v))


def _gaussian(v, tail, xp):
    return xp.exp(-np.pi * v * v)


def _dsigmoid(v, tail, xp):
    return 4.0 * _logistic(4.0 * v, tail, xp)


def _dfast_sigmoid(v, tail, xp):
    return _inverse_square(2.0 * v, tail, xp)


def _q_pseudospike(v, tail, xp):
    # exp(-q log1p(...)): for q close to 1 the argument of the power is large and its plain form loses digits.
    return xp.exp(-tail * xp.log1p(2.0 / (tail - 1.0) * abs(v)))


SURROGATES: dict[str, Surrogate] = {
    shape.name: shape
    for shape in (
        # Zenke & Vogels 2021, section 4.2.6
        Surrogate("superspike", "SuperSpike", r"$1/(\beta|x|+1)^2$", _inverse_square),
        Surrogate("sigmoid", "Sigmoid′", r"$s(x)(1-s(x)),\ s(x)=1/(1+e^{-\beta x})$", _logistic, note="peak 1/4"),
        Surrogate("esser", "Esser et al.", r"$\max(0,\,1-\beta|x|)$", _triangle),
        Surrogate(
            "asymptotic_superspike",
            "asymptotic SuperSpike",
            r"$\beta/(\beta|x|+1)^2$",
            _inverse_square,
            peak_is_slope=True,
            note="peak beta; tends to the true derivative",
        ),
        Surrogate("constant", "constant (β = 0)", r"$1$", _one, slope=None),
        Surrogate(
            "true_derivative",
            "true derivative",
            r"$0$",
            _zero,
            slope=None,
            dampens=False,
            note="zero wherever it is defined",
        ),
        # Herranz-Celotti & Rouat, Table S1, in its order
        Surrogate("triangular", "triangular", r"$\max(1-|v|,\,0)$", _triangle, slope="sharpness"),
        Surrogate("exponential", "exponential", r"$e^{-2|v|}$", _exponential, slope="sharpness"),
        Surrogate("gaussian", "Gaussian", r"$e^{-\pi v^2}$", _gaussian, slope="sharpness"),
        Surrogate(
            "dsigmoid",
            "∂ sigmoid",
            r"$4\,\mathrm{sigmoid}(4v)(1-\mathrm{sigmoid}(4v))$",
            _dsigmoid,
            slope="sharpness",
        ),
        Surrogate("dfast_sigmoid", "∂ fast-sigmoid", r"$1/(1+|2v|)^2$", _dfast_sigmoid, slope="sharpness"),
        Surrogate("rectangular", "rectangular", r"$1_{|v|<1/2}$", _rectangle, slope="sharpness"),
        Surrogate(
            "q_pseudospike",
            "q-PseudoSpike",
            r"$1/(1+\frac{2}{q-1}|v|)^q$",
            _q_pseudospike,
            slope="sharpness",
            tails=True,
        ),
    )
}


# ---- Moments of the profiles, in closed form (herranz2022, eq. 2 and appendix B.5) ----
#
# For each profile, the integral of f^power from 0 to v >= 0. They are written in expm1 and log1p where that keeps
# the digits of a small v: the theory looks for slopes at which the profile is nearly flat over all voltages.


def _inverse_square_integral(v, power, tail):
    return -np.expm1((1 - 2 * power) * np.log1p(v)) / (2 * power - 1)


def _logistic_integral(v, power, tail):
    t = np.tanh(v / 2)
    return t / 2 if power == 1 else t * (1 - t * t / 3) / 8


def _triangle_integral(v, power, tail):
    v = np.minimum(v, 1.0)
    return v * (1 - v / 2) if power == 1 else v * (1 - v * (1 - v / 3))


def _exponential_integral(v, power, tail):
    return -np.expm1(-2 * power * v) / (2 * power)


def _gaussian_integral(v, power, tail):
    from scipy.special import erf  # here: whoever only reads the shapes' names need not wait for scipy

    return erf(np.sqrt(np.pi * power) * v) / (2 * np.sqrt(power))


def _q_pseudospike_integral(v, power, tail):
    scale = 2.0 / (tail - 1.0)
    return -np.expm1((1 - tail * power) * np.log1p(scale * v)) / (scale * (tail * power - 1))


_INTEGRALS: dict[Callable, Callable] = {
    _inverse_square: _inverse_square_integral,
    _logistic: _logistic_integral,
    _triangle: _triangle_integral,
    _one: lambda v, power, tail: v,
    _zero: lambda v, power, tail: np.zeros_like(v),
    _rectangle: lambda v, power, tail: np.minimum(v, 0.5),
    _exponential: _exponential_integral,
    _gaussian: _gaussian_integral,
    _dsigmoid: lambda v, power, tail: 4.0 ** (power - 1) * _logistic_integral(4 * v, power, tail),
    _dfast_sigmoid: lambda v, power, tail: _inverse_square_integral(2 * v, power, tail) / 2,
    _q_pseudospike: _q_pseudospike_integral,
}


def moment(shape: str | Surrogate, power: int, low, high, tail: float | None = None):
    """Return the integral of f(v)^power over [low, high], for the profile f of a shape and power 1 or 2.

    The limits are numbers or arrays, `low <= high`, and may be infinite; `tail` is the exponent q > 1 of a shape
    that has one. Herranz-Celotti & Rouat, eqs. 2 and 64: the second moment of the surrogate derivative is
    dampening^2 / (s (y_max - y_min)) times the integral for power 2 between s (y_min - thr) and s (y_max - thr).
    """
    if power not in (1, 2):
        raise ValueError(f"power: {power!r} is not 1 or 2")
    integral = _INTEGRALS[(SURROGATES[shape] if isinstance(shape, str) else shape).profile]
    low, high = np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)
    # f is even, so its integral from 0 is odd.
    upper, lower = (np.sign(v) * integral(np.abs(v), power, tail) for v in (high, low))
    return (upper - lower)[()]
