"""Surrogate shapes lowered to a few families, so that a kernel can evaluate any shape from numbers of its run.

Every shape of `surrogates.py` is

    h(x) = height * F(slope * |x|)

with F of one family. A test holds the lowering against the formulas there, for every shape and knob.
"""

import math
from typing import NamedTuple

from sgpipe.spec.run import SurrogateChoice
from sgpipe.spec.surrogates import SURROGATES

# F(w) is 1/(1+w)^2, e^-w/(1+e^-w)^2, e^-w, e^-w^2, max(0, 1-w), 1 below w = 1 and 0 from there, 1/(1+w)^tail
FAMILIES = ("inverse_square", "logistic", "exponential", "gaussian", "triangle", "rectangle", "power")


class Form(NamedTuple):
    """A shape as a family of F, and the factors on its argument and its value."""

    family: str
    slope: float = 1.0
    height: float = 1.0


FORMS = {
    "superspike": Form("inverse_square"),
    "sigmoid": Form("logistic"),
    "esser": Form("triangle"),
    "asymptotic_superspike": Form("inverse_square"),
    "constant": Form("rectangle", slope=0.0),
    "true_derivative": Form("rectangle", slope=0.0, height=0.0),
    "triangular": Form("triangle"),
    "exponential": Form("exponential", slope=2.0),
    "gaussian": Form("gaussian", slope=math.sqrt(math.pi)),
    "dsigmoid": Form("logistic", slope=4.0, height=4.0),
    "dfast_sigmoid": Form("inverse_square", slope=2.0),
    "rectangular": Form("rectangle", slope=2.0),
    "q_pseudospike": Form("power", slope=2.0),  # and over q - 1
}


class Lowered(NamedTuple):
    """What a kernel needs to evaluate h: F's place in FAMILIES, and its numbers."""

    family: int
    slope: float
    height: float
    tail: float


def lower(choice: SurrogateChoice) -> Lowered:
    """Return the family and numbers of a run's surrogate; a knob that is None does not apply."""
    shape, form = SURROGATES[choice.shape], FORMS[choice.shape]
    slope = getattr(choice, shape.slope) if shape.slope else 1.0
    height = form.height * (1.0 if choice.dampening is None else choice.dampening)
    if shape.peak_is_slope:
        height *= slope
    if shape.tails:
        slope /= choice.tail - 1
    return Lowered(FAMILIES.index(form.family), slope * form.slope, height, choice.tail if shape.tails else 0.0)
