"""A formula as a table of polynomials, for engines that cannot call it: exact to rounding, and as fast as any shape.

The bits of y = |v| + one name a cell of the table: its exponent and the first digits after it. So cells are equally
wide up to |v| = one, and beyond that grow with |v|. Far from the threshold f is small, and a wide cell is as good as a
narrow one near the threshold. In its cell f is a polynomial of the distance from the cell's start.

Kinks and jumps divide v into regions, each with its own row of cells: no polynomial extends across one.
"""

from dataclasses import dataclass
from functools import cache, reduce
from itertools import pairwise
from math import comb

import numpy as np

from sgpipe.engines.fraction import layout
from sgpipe.spec.formulas.formula import Formula, formula
from sgpipe.spec.formulas.places import grid
from sgpipe.spec.run import RunSpec

REACH = 40  # octaves above 1; further out, f is taken to be what it is there
MOST_EDGES, MOST_CELLS = 8, 2**15
# Digits of a number after its first; its integer type; coefficients of a polynomial; its largest error over f's peak.
FORMATS = {"float32": (23, np.int32, 4, 3e-8), "float64": (52, np.int64, 6, 3e-11)}
# Far from the threshold, a gradient that is small everywhere still wakes silent neurons, since Adam scales it up. So
# outside its peak f is also accurate to a share RELATIVE of itself, down to FAINT times the peak.
FAINT, RELATIVE = 1e-12, 1e-4
# Octaves below 1, and digits that name a cell, from the coarsest table on.
SIZES = sorted(
    ((m, k) for m in (0, 8, 16, 40, 70) for k in range(4, 10)), key=lambda size: (REACH + size[0]) << size[1]
)


@dataclass(frozen=True, eq=False)
class Table:
    """f(v) for v of one precision.

    Attributes:
        rows: Coefficients from the constant term on, (regions, cells, coefficients).
        edges: Where regions 1, 2, ... begin, in |v| if `even`, else in v.
        even: Whether f(-v) = f(v).
        compact: Whether f is 0 from a certain |v| on.
        one: What is added to |v|.
        top: The largest |v|; a larger one counts as this.
        shift: How many bits of y come after those that name a cell.
        first: The bits that name a cell, for y = one.
    """

    rows: np.ndarray
    edges: np.ndarray
    even: bool
    compact: bool
    one: float
    top: float
    shift: int
    first: int

    def __call__(self, v: np.ndarray) -> np.ndarray:
        """Compute f(v) as the engines do; `v` has the precision of the table."""
        dtype = self.rows.dtype
        integer = FORMATS[dtype.name][1]
        one, size = dtype.type(self.one), np.minimum(np.abs(v), dtype.type(self.top))
        bits = (size + one).view(integer)
        cell = np.minimum((bits >> self.shift) - self.first, self.rows.shape[1] - 1)
        region = np.searchsorted(self.edges, size if self.even else v, "right")
        t = size - ((bits >> self.shift << self.shift).view(dtype) - one)
        found = np.zeros_like(v)
        for coefficient in self.rows[region, cell].T[::-1]:
            found = found * t + coefficient
        return np.maximum(found, 0)


@cache
def table_of(text: str, precision: str) -> Table | None:
    """Tabulate a formula, as coarsely as the accuracy allows (before rounding: see FORMATS).

    Args:
        text: The formula.
        precision: `float32` or `float64`.

    Returns:
        The table; None if the formula has too many edges, or is too steep somewhere for a table of this size.
    """
    f = formula(text)
    even, edges, compact = layout(f, precision)
    if len(edges) > MOST_EDGES:
        return None
    for below, digits in SIZES:
        if ((len(edges) + 1) * (REACH + below)) << digits > MOST_CELLS:
            continue
        table = _made(f, precision, edges, even, compact, below, digits)
        if table is not None:
            return table
    return None


def lacks_table(spec: RunSpec) -> str | None:
    """Return why a run's formula has no table; None if it has one or needs none."""
    if spec.surrogate.formula and table_of(spec.surrogate.formula, spec.training.dtype) is None:
        return "the formula of its surrogate has too many kinks, or is too steep, for a table"
    return None


def _made(
    f: Formula, precision: str, edges: list[float], even: bool, compact: bool, below: int, digits: int
) -> Table | None:
    """Return a table of a certain size; None if it is not accurate enough."""
    mantissa, integer, count, tolerance = FORMATS[precision]
    dtype, one = np.dtype(precision).type, 2.0**-below
    octaves = 2.0 ** np.arange(-below, REACH)
    starts = (octaves[:, None] * (1 + np.arange(2**digits) / 2**digits)).ravel() - one
    ends = np.append(starts[1:], 2.0**REACH)
    rows, v = np.zeros((len(edges) + 1, len(starts), count)), grid(f.root)
    outside = abs(v[np.argmax(f(v))])  # |v| of the peak
    for region, (low, high) in enumerate(_regions(edges, even)):
        side, (near, far) = (1, (low, high)) if low >= 0 else (-1, (-high, -low))
        a, b = np.maximum(starts, near), np.minimum(ends, far)
        whole, part = (starts >= near) & (ends <= far), a < b
        rows[region, whole] = _fitted(f, side, starts[whole], ends[whole], count)
        for cell in np.flatnonzero(part & ~whole):
            rows[region, cell] = _cut(f, side, starts[cell], a[cell], b[cell], count, tolerance * f.peak)
        inside = np.array([0.02, 0.15, 0.35, 0.5, 0.65, 0.85, 0.98])[:, None]
        size = a[part] + (b - a)[part] * inside
        exact, allowed = f(side * size), tolerance * f.peak
        with np.errstate(all="ignore"):
            found = reduce(lambda sum_, one: sum_ * (size - starts[part]) + one, rows[region, part].T[::-1])
        strict = (exact > FAINT * f.peak) & (size > outside)
        if not np.all(np.abs(found - exact) <= np.where(strict, np.minimum(allowed, RELATIVE * exact), allowed)):
            return None
    shift = mantissa - digits
    first = int(np.array(one, dtype).view(integer) >> shift)
    top = float(dtype(2.0**REACH * (1 - 2.0**-20)))
    return Table(rows.astype(dtype), np.array(edges, dtype), even, compact, one, top, shift, first)


def _regions(edges: list[float], even: bool) -> list[tuple[float, float]]:
    ends = [0.0 if even else -np.inf, *edges, np.inf]
    return list(pairwise(ends))


def _fitted(f: Formula, side: int, low: np.ndarray, high: np.ndarray, count: int) -> np.ndarray:
    """Interpolate f(side v) between low and high, at Chebyshev's nodes: coefficients in v - low, (cells, count)."""
    nodes = (1 - np.cos(np.pi * (np.arange(count) + 0.5) / count)) / 2
    width = (high - low)[:, None]
    values = f(side * (low[:, None] + width * nodes))
    return values @ np.linalg.inv(np.vander(nodes, increasing=True)).T / width ** np.arange(count)


def _cut(f: Formula, side: int, start: float, low: float, high: float, count: int, tolerance: float) -> np.ndarray:
    """Fit f(side v) between low and high only, with as few coefficients as suffice: coefficients in v - start."""
    v = low + (high - low) * np.linspace(0.01, 0.99, 25)
    row = np.zeros(count)
    for terms in range(1, count + 1):
        own = _fitted(f, side, np.array([low]), np.array([high]), terms)[0]
        for power in range(terms):
            row[power] = sum(own[k] * comb(k, power) * (start - low) ** (k - power) for k in range(power, terms))
        if np.all(np.abs(np.polyval(row[::-1], v - start) - f(side * v)) <= tolerance / 4):
            break
    return row
