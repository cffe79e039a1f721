"""The integrals of a formula and of its square, by adaptive quadrature that is exact to rounding."""

from functools import cache

import numpy as np

from sgpipe.spec.formulas.formula import Formula
from sgpipe.spec.formulas.places import OCTAVES

NODES, WEIGHTS = np.polynomial.legendre.leggauss(12)
TOLERANCE, ROUNDS = 1e-14, 14  # error of one cell as a share of the whole integral; most halvings of a cell
FAR = 2.0**OCTAVES


def integral(f: Formula, v: np.ndarray, power: int) -> np.ndarray:
    """Compute the integral of f^power from 0 to v, which may be infinite.

    Beyond 2^40, f is taken to be a power law in v.

    Args:
        f: The formula.
        v: Limits of either sign.
        power: 1 or 2.
    """
    v = np.asarray(v, dtype=np.float64)
    return np.where(v < 0, -_from_zero(f, -1, power, np.maximum(-v, 0.0)), _from_zero(f, 1, power, np.maximum(v, 0.0)))


def _from_zero(f: Formula, side: int, power: int, v: np.ndarray) -> np.ndarray:
    edges, areas = _cells(f, side, power)
    inside = np.minimum(v, FAR)
    cell = np.clip(np.searchsorted(edges, inside, "right") - 1, 0, len(edges) - 2)
    return areas[cell] + _gauss(f, side, power, edges[cell], inside) + _tail(f, side, power, v)


@cache
def _cells(f: Formula, side: int, power: int) -> tuple[np.ndarray, np.ndarray]:
    """Return edges of cells from 0 to FAR, and the integral from 0 to each edge."""
    octaves = 2.0 ** (np.arange(-OCTAVES * 4, OCTAVES * 4 + 1) / 4)
    ends = [0.0, *octaves, *(side * edge for edge in f.breaks if 0 < side * edge < FAR)]
    edges = np.unique(ends)
    for _ in range(ROUNDS):
        low, high = edges[:-1], edges[1:]
        middle = low + (high - low) / 2
        whole = _gauss(f, side, power, low, high)
        halves = _gauss(f, side, power, low, middle) + _gauss(f, side, power, middle, high)
        coarse = np.abs(whole - halves) > TOLERANCE * np.abs(halves).sum()
        if not coarse.any():
            break
        edges = np.unique(np.concatenate([edges, middle[coarse]]))
    return edges, np.concatenate([[0.0], np.cumsum(_gauss(f, side, power, edges[:-1], edges[1:]))])


def _gauss(f: Formula, side: int, power: int, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Return the integrals of f(side v)^power over cells, by Gauss-Legendre quadrature."""
    half = (high - low) / 2
    v = low[..., None] + half[..., None] * (1 + NODES)
    return half * (f(side * v) ** power @ WEIGHTS)


def _tail(f: Formula, side: int, power: int, v: np.ndarray) -> np.ndarray:
    """Return the integrals from FAR to v of a power law fitted to f at FAR / 2 and at FAR."""
    near, far = f(side * np.array([FAR / 2, FAR])) ** power
    if far <= 0:
        return np.zeros(v.shape)
    with np.errstate(divide="ignore", over="ignore"):
        length = np.log(np.maximum(v, FAR) / FAR)
        rate = 1 + np.log2(far / near)
        return FAR * far * (length if abs(rate) < 1e-9 else np.expm1(rate * length) / rate)
