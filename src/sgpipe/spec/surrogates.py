"""Surrogate derivatives of the spike: each shape defined once, for networks, engines, figures, tables and the theory.

A shape is the function h(x) of the centred membrane x = U - threshold that replaces the derivative of the spike. All
shapes have one form,

    h(x) = height * F(slope * x; tail),

where F is one of a few families, even and largest at 0. A shape in the table is a family, a factor on the run's slope,
and a height. `lower` turns it into a family and numbers, which is all that an engine knows about a shape. A user's
formula (`sgpipe.spec.formulas`) is a family of its own, and its text is the name of its shape.

Zenke & Vogels 2021 (section 4.2.6) call the slope beta; Herranz-Celotti & Rouat (Table S1) call it sharpness and scale
each shape to a peak and an area of 1. The formulas take the array module as an argument, so that the torch networks
and the numpy figures share one definition.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, Optional

import numpy as np

if TYPE_CHECKING:  # a job without a formula need not load the parser
    from sgpipe.spec.formulas.formula import Formula

FORMULA = "formula"  # the shape, and the family, of a run's `surrogate.formula`


@dataclass(frozen=True)
class Family:
    """A function F of the stretched membrane v, and the integral of its powers.

    Attributes:
        profile: (v, tail, array module) -> F(v; tail), with the shape and type of v.
        integral: (v, power, tail) -> the integral of F^power from 0 to v, for numpy arrays v >= 0 and power 1 or 2.
    """

    profile: Callable[[Any, Any, Any], Any]
    integral: Callable[[np.ndarray, int, float | None], np.ndarray]


# ---- The families ----
#
# The integrals (herranz2022, eq. 2 and appendix B.5) use expm1 and log1p where that preserves the digits of a small v:
# the theory searches for slopes at which a shape is nearly flat over all voltages.


def _inverse_square(v, tail, xp):
    return 1.0 / (abs(v) + 1.0) ** 2


def _inverse_square_integral(v, power, tail):
    return -np.expm1((1 - 2 * power) * np.log1p(v)) / (2 * power - 1)


def _logistic(v, tail, xp):
    # s (1 - s) written in exp(-|v|) <= 1: no overflow, and no loss of digits far from the threshold, where the
    # gradient can still wake silent neurons (1 - s or 1 - tanh^2 is 0 in float32 from |v| = 17 on).
    e = xp.exp(-abs(v))
    return e / (1.0 + e) ** 2


def _logistic_integral(v, power, tail):
    t = np.tanh(v / 2)
    return t / 2 if power == 1 else t * (1 - t * t / 3) / 8


def _exponential(v, tail, xp):
    return xp.exp(-abs(v))


def _exponential_integral(v, power, tail):
    return -np.expm1(-power * v) / power


def _gaussian(v, tail, xp):
    return xp.exp(-np.pi * v * v)


def _gaussian_integral(v, power, tail):
    from scipy.special import erf  # imported here: code that only needs the shapes' names need not wait for scipy

    return erf(np.sqrt(np.pi * power) * v) / (2 * np.sqrt(power))


def _triangle(v, tail, xp):
    return xp.clip(1.0 - abs(v), 0.0, None)


def _triangle_integral(v, power, tail):
    v = np.minimum(v, 1.0)
    return v * (1 - v / 2) if power == 1 else v * (1 - v * (1 - v / 3))


def _rectangle(v, tail, xp):
    return xp.where(abs(v) < 0.5, xp.ones_like(v), xp.zeros_like(v))


def _rectangle_integral(v, power, tail):
    return np.minimum(v, 0.5)


def _power(v, tail, xp):
    # exp(-q log1p(...)): for q close to 1 the base of the power is large, and the plain form loses digits.
    return xp.exp(-tail * xp.log1p(2.0 / (tail - 1.0) * abs(v)))


def _power_integral(v, power, tail):
    scale = 2.0 / (tail - 1.0)
    return -np.expm1((1 - tail * power) * np.log1p(scale * v)) / (scale * (tail * power - 1))


FAMILIES: dict[str, Family] = {
    "inverse_square": Family(_inverse_square, _inverse_square_integral),  # 1/(1 + |v|)^2
    "logistic": Family(_logistic, _logistic_integral),  # s(v) (1 - s(v)), s(v) = 1/(1 + e^-v)
    "exponential": Family(_exponential, _exponential_integral),  # e^-|v|
    "gaussian": Family(_gaussian, _gaussian_integral),  # e^(-pi v^2)
    "triangle": Family(_triangle, _triangle_integral),  # max(0, 1 - |v|)
    "rectangle": Family(_rectangle, _rectangle_integral),  # 1 where |v| < 1/2, else 0
    "power": Family(_power, _power_integral),  # 1/(1 + 2 |v| / (tail - 1))^tail
}


# ---- The shapes ----


@dataclass(frozen=True)
class Surrogate:
    """One shape: its family and numbers, how to print it, and which of a run's knobs it uses."""

    name: str
    label: str
    tex: str
    family: str  # a key of FAMILIES, or FORMULA
    stretch: float = 1.0  # factor on the slope; 0 makes the shape flat
    height: float = 1.0
    slope: str | None = "beta"  # the knob that scales x: beta or sharpness, None if none does
    tails: bool = False  # whether it has a tail exponent
    peak_is_slope: bool = False  # its peak equals its slope, so it grows as the shape narrows
    dampens: bool = True
    note: str = ""
    version: int = 1  # numerics version (`sgpipe.spec.numerics`); raised when its results change
    formula: Optional["Formula"] = None  # for the family FORMULA

    @property
    def peak(self) -> float:
        """The largest value of h at slope and dampening 1; it is 1 for the shapes of Table S1."""
        return self.formula.peak if self.formula else float(self(np.zeros(1), beta=1.0, tail=2.0)[0])

    @property
    def knobs(self) -> tuple[str, ...]:
        """Names of the knobs that h depends on."""
        used = {"dampening": self.dampens, self.slope: self.slope is not None, "tail": self.tails}
        return tuple(name for name, uses in used.items() if uses)

    def __call__(self, x, xp=np, **knobs):
        """Return h(x) like `x`, an array of `xp` (numpy or torch), for the knobs that `lower` takes."""
        return lower(self, **knobs)(x, xp)


class Lowered(NamedTuple):
    """h(x) = height * F(slope * x; tail), with F from a family. The numbers may be arrays, one value per neuron."""

    family: str  # a key of FAMILIES, or FORMULA
    slope: Any
    height: Any
    tail: Any  # None for a family without a tail
    formula: Optional["Formula"] = None  # F for the family FORMULA

    def __call__(self, x, xp=np):
        """Return h(x) like `x`, an array of `xp` (numpy or torch)."""
        if self.formula:
            return self.height * self.formula(self.slope * x, xp)
        return self.height * FAMILIES[self.family].profile(self.slope * x, self.tail, xp)


def lower(shape: str | Surrogate, *, beta=None, sharpness=None, dampening=None, tail=None) -> Lowered:
    """Lower a shape with its knobs to a family and numbers.

    Args:
        shape: A shape, or its name. The slope of a formula is beta if given, else the sharpness.
        beta: Slope of a shape of zenke2021, in units of 1/threshold.
        sharpness: Slope of a shape of herranz2022, in the same units; 1 unless given.
        dampening: Factor on the height; 1 unless given.
        tail: Exponent q > 1 of a shape that has one.

    Returns:
        What an engine needs to evaluate h. Knobs may be numbers or arrays; one that the shape does not use is ignored.
    """
    shape = SURROGATES[shape] if isinstance(shape, str) else shape
    named = "beta" if shape.formula and beta is not None else shape.slope
    slope = {"beta": beta, "sharpness": 1.0 if sharpness is None else sharpness}.get(named, 1.0)
    height = shape.height * (1.0 if dampening is None else dampening)
    if shape.peak_is_slope:
        height = height * slope
    return Lowered(shape.family, shape.stretch * slope, height, tail if shape.tails else None, shape.formula)


class _Shapes(dict[str, Surrogate]):
    """The named shapes. Any other name is read as a formula, perhaps after a label: `mine: 1/(1 + v**2)`."""

    def __missing__(self, name: str) -> Surrogate:
        return _of_formula(name)


@cache
def _of_formula(name: str) -> Surrogate:
    from sgpipe.spec.formulas.formula import formula

    label, _, text = name.rpartition(": ")
    f = formula(text)
    return Surrogate(name, label or f.tex, f.tex, FORMULA, slope="sharpness", formula=f)


SURROGATES: dict[str, Surrogate] = _Shapes(
    (shape.name, shape)
    for shape in (
        # Zenke & Vogels 2021, section 4.2.6
        Surrogate("superspike", "SuperSpike", r"$1/(\beta|x|+1)^2$", "inverse_square"),
        Surrogate("sigmoid", "Sigmoid′", r"$s(x)(1-s(x)),\ s(x)=1/(1+e^{-\beta x})$", "logistic", note="peak 1/4"),
        Surrogate("esser", "Esser et al.", r"$\max(0,\,1-\beta|x|)$", "triangle"),
        Surrogate(
            "asymptotic_superspike",
            "asymptotic SuperSpike",
            r"$\beta/(\beta|x|+1)^2$",
            "inverse_square",
            peak_is_slope=True,
            note="peak beta; tends to the true derivative",
        ),
        Surrogate("constant", "constant (β = 0)", r"$1$", "rectangle", stretch=0.0, slope=None),
        Surrogate(
            "true_derivative",
            "true derivative",
            r"$0$",
            "rectangle",
            stretch=0.0,
            height=0.0,
            slope=None,
            dampens=False,
            note="zero wherever it is defined",
        ),
        # Herranz-Celotti & Rouat, Table S1, in its order
        Surrogate("triangular", "triangular", r"$\max(1-|v|,\,0)$", "triangle", slope="sharpness"),
        Surrogate("exponential", "exponential", r"$e^{-2|v|}$", "exponential", stretch=2.0, slope="sharpness"),
        Surrogate("gaussian", "Gaussian", r"$e^{-\pi v^2}$", "gaussian", slope="sharpness"),
        Surrogate(
            "dsigmoid",
            "∂ sigmoid",
            r"$4\,\mathrm{sigmoid}(4v)(1-\mathrm{sigmoid}(4v))$",
            "logistic",
            stretch=4.0,
            height=4.0,
            slope="sharpness",
        ),
        Surrogate(
            "dfast_sigmoid",
            "∂ fast-sigmoid",
            r"$1/(1+|2v|)^2$",
            "inverse_square",
            stretch=2.0,
            slope="sharpness",
        ),
        Surrogate("rectangular", "rectangular", r"$1_{|v|<1/2}$", "rectangle", slope="sharpness"),
        Surrogate(
            "q_pseudospike",
            "q-PseudoSpike",
            r"$1/(1+\frac{2}{q-1}|v|)^q$",
            "power",
            slope="sharpness",
            tails=True,
        ),
    )
)


def moment(shape: str | Surrogate, power: int, low, high, tail: float | None = None):
    """Return the integral of f(v)^power over [low, high], for f = h of a shape with slope and dampening 1.

    The limits are numbers or arrays with `low <= high`, and may be infinite. `power` is 1 or 2, and `tail` the exponent
    q > 1 of a shape that has one. Herranz-Celotti & Rouat, eqs. 2 and 64: the second moment of the surrogate derivative
    is dampening^2 / (s (y_max - y_min)) times the integral for power 2 from s (y_min - thr) to s (y_max - thr).
    """
    if power not in (1, 2):
        raise ValueError(f"power: {power!r} is not 1 or 2")
    shape = SURROGATES[shape] if isinstance(shape, str) else shape
    low, high = np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)
    if shape.formula:
        from sgpipe.spec.formulas.integral import integral as integral_of

        return (integral_of(shape.formula, high, power) - integral_of(shape.formula, low, power))[()]
    if shape.height == 0:
        return np.zeros(np.broadcast_shapes(low.shape, high.shape))[()]
    if shape.stretch == 0:
        return (shape.height**power * (high - low))[()]
    integral = FAMILIES[shape.family].integral
    # f is even, so its integral from 0 is odd.
    above, below = (np.sign(v) * integral(np.abs(shape.stretch * v), power, tail) for v in (high, low))
    return (shape.height**power / shape.stretch * (above - below))[()]
