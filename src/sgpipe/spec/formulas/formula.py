"""A checked formula: a function of v that is finite and at least 0 wherever a membrane potential may lie."""

from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np

from sgpipe.base.errors import SgpipeError
from sgpipe.spec.formulas import places
from sgpipe.spec.formulas.evaluate import evaluator
from sgpipe.spec.formulas.nodes import Node
from sgpipe.spec.formulas.parse import parse
from sgpipe.spec.formulas.text import canonical, tex

ROUNDING = 1e-9  # share of the peak: values below 0 by no more than this are rounding
SINGLE_REACH = 2.0**20  # up to this |v| a formula must be finite in single precision too


@dataclass(frozen=True)
class Formula:
    """f(v) of a surrogate derivative h(x) = height * f(slope * x), by its canonical text."""

    text: str
    root: Node

    def __call__(self, v: Any, xp: Any = np) -> Any:
        """Compute f(v) with the shape and type of `v`, an array of `xp` (numpy or torch)."""
        if xp is not np:
            return self._function(v, xp)
        with np.errstate(all="ignore"):
            return self._function(v, np)

    @cached_property
    def _function(self):
        return evaluator(self.root)

    @property
    def tex(self) -> str:
        """The formula as TeX mathematics."""
        return f"${tex(self.root)}$"

    @cached_property
    def peak(self) -> float:
        """The largest value of f."""
        v = places.grid(self.root)
        values = self(v)
        top = int(np.argmax(values))
        low, high = v[max(top - 1, 0)], v[min(top + 1, len(v) - 1)]
        for _ in range(40):  # ternary search, which keeps the top of a smooth hill between its limits
            thirds = low + (high - low) * np.array([1 / 3, 2 / 3])
            left, right = self(thirds)
            low, high = (low, thirds[1]) if left > right else (thirds[0], high)
        beside = np.array([place for edge in self.breaks for place in (edge, np.nextafter(edge, -np.inf))])
        return float(max(values[top], self(np.array([low, high])).max(), *self(beside)))

    @cached_property
    def breaks(self) -> tuple[float, ...]:
        """The kinks and jumps of f, ascending: for each, the first float64 on its right side."""
        return places.breaks(self.root, np.float64)


@cache
def formula(text: str) -> Formula:
    """Read and check a formula.

    Args:
        text: The formula; its spelling may differ from the canonical one.

    Raises:
        SgpipeError: It cannot be read, or is not finite and at least 0 everywhere. The message says where, and is meant
            to follow the formula.
    """
    root = parse(text)
    made = Formula(canonical(root), root)
    if reason := _fault(made):
        raise SgpipeError(reason)
    return made


def _fault(made: Formula) -> str | None:
    """Return what is wrong with the values of a formula, nearest to v = 0 first."""
    v = places.grid(made.root)
    v = v[np.lexsort((v < 0, np.abs(v)))]
    values = made(v)
    if len(bad := np.flatnonzero(~np.isfinite(values))):
        word = "is not a number" if np.isnan(values[bad[0]]) else "is infinite"
        return f"{word} at v = {v[bad[0]]:.6g}{_far(v[bad[0]])}"
    top = values.max()
    if (least := values.min()) < -ROUNDING * max(top, -least):
        first = np.flatnonzero(values < -ROUNDING * max(top, -least))[0]
        return f"is negative at v = {v[first]:.6g}, where it is {values[first]:.4g}; a surrogate derivative may not be"
    if top <= 0:
        return "is 0 everywhere, so that nothing would learn; see surrogate.shape: true_derivative"
    pole = places.pole(made, made.breaks)
    if pole is not None:
        return f"is infinite at v = {pole:.6g}"
    if values[np.abs(v) >= 2.0**39].max() > 1.5 * values[np.abs(v) <= 2.0**20].max():
        return "grows without bound far from v = 0"
    near = v[np.abs(v) <= SINGLE_REACH].astype(np.float32)
    if len(bad := np.flatnonzero(~np.isfinite(made(near)))):
        return f"overflows in single precision at v = {near[bad[0]]:.6g}{_far(near[bad[0]])}"
    return None


def _far(v: float) -> str:
    return "; write exp with what is never positive, as in exp(-abs(v))" if abs(v) > 1 else ""
