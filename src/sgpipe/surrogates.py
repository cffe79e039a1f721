"""Surrogate derivatives of the spike: every shape once, for the networks, the figures and the tables.

A shape is the function h(x) of the centred membrane x = U - threshold that stands in for the derivative of the
spike (Zenke & Vogels 2021, section 4.2.6). The formulas take the array module as an argument, so that the torch
networks and the numpy figures share one definition.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Surrogate:
    """One shape: its formula, how to print it, and which knobs of the spec it uses."""

    name: str
    label: str
    tex: str
    function: Callable[[Any, float, Any], Any]  # (x, beta, array module) -> h(x)
    knobs: tuple[str, ...] = ("beta",)
    note: str = ""

    def __call__(self, x, beta: float | None = None, xp=np):
        """Return h(x), of the shape and type of `x`. `beta` is the slope, in units of 1/threshold."""
        return self.function(x, beta, xp)


def _superspike(x, beta, xp):
    return 1.0 / (beta * abs(x) + 1.0) ** 2


def _asymptotic_superspike(x, beta, xp):
    return beta / (beta * abs(x) + 1.0) ** 2


def _sigmoid(x, beta, xp):
    # s (1 - s) written in exp(-|beta x|) <= 1: no overflow, and no digit lost far from the threshold, where the
    # gradient lives that wakes silent neurons (1 - s or 1 - tanh^2 is 0 in float32 from beta |x| = 17 on).
    e = xp.exp(-beta * abs(x))
    return e / (1.0 + e) ** 2


def _esser(x, beta, xp):
    return xp.clip(1.0 - beta * abs(x), 0.0, None)


def _constant(x, beta, xp):
    return xp.ones_like(x)


def _true(x, beta, xp):
    return xp.zeros_like(x)


SURROGATES: dict[str, Surrogate] = {
    shape.name: shape
    for shape in (
        Surrogate("superspike", "SuperSpike", r"$1/(\beta|x|+1)^2$", _superspike),
        Surrogate("sigmoid", "Sigmoid′", r"$s(x)(1-s(x)),\ s(x)=1/(1+e^{-\beta x})$", _sigmoid, note="peak 1/4"),
        Surrogate("esser", "Esser et al.", r"$\max(0,\,1-\beta|x|)$", _esser),
        Surrogate(
            "asymptotic_superspike",
            "asymptotic SuperSpike",
            r"$\beta/(\beta|x|+1)^2$",
            _asymptotic_superspike,
            note="peak beta; tends to the true derivative",
        ),
        Surrogate("constant", "constant (β = 0)", r"$1$", _constant, knobs=()),
        Surrogate("true_derivative", "true derivative", r"$0$", _true, knobs=(), note="zero wherever it is defined"),
    )
}
