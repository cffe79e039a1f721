"""Where a formula may have a kink, a jump or a pole, found by examining its parts."""

from collections.abc import Callable, Iterable
from itertools import combinations

import numpy as np

from sgpipe.spec.formulas.evaluate import evaluator
from sgpipe.spec.formulas.nodes import (
    Call,
    Comparison,
    Node,
    Number,
    Power,
    Product,
    Where,
    depends,
    walk,
)

OCTAVES, FINE = 40, 64  # |v| from 2^-40 to 2^40, with FINE values per octave
MOST_NUMBERS, MOST_FLIPS = 8, 16
_ABOVE = 2.0 ** (np.arange(-OCTAVES * FINE, OCTAVES * FINE + 1) / FINE)
_PLAIN = np.concatenate([-_ABOVE[::-1], [0.0], _ABOVE])


def grid(root: Node) -> np.ndarray:
    """List values of v, ascending: 0, a fine logarithmic grid on both sides, and values from the formula's numbers.

    A comparison that holds only between two neighbouring values goes unnoticed.
    """
    numbers = list(dict.fromkeys(part.value for part in walk(root) if isinstance(part, Number) and part.value))
    numbers = numbers[:MOST_NUMBERS]
    named = set(numbers)
    for a, b in combinations(numbers, 2):
        named |= {a / b, b / a, a + b, abs(a - b), a * b}
    near = [value for value in named if _ABOVE[0] <= value <= _ABOVE[-1]]
    return np.unique(np.concatenate([_PLAIN, near, np.negative(near)]))


def breaks(root: Node, dtype: type) -> tuple[float, ...]:
    """Find the places where a formula changes branches or may stop being smooth.

    Args:
        root: The formula.
        dtype: The floating-point type in which it is computed: comparisons round as they do there.

    Returns:
        The first number on the right side of each place, ascending.
    """
    v, found = np.unique(grid(root).astype(dtype)), set()
    for test in _tests(root):
        flips = np.flatnonzero(test(v)[1:] != test(v)[:-1])
        if len(flips) <= MOST_FLIPS:  # more means two sides that are equal except for rounding
            found |= {_bisected(test, v[place], v[place + 1]) for place in flips}
    return tuple(sorted(found))


def pole(f: Callable[[np.ndarray], np.ndarray], edges: Iterable[float]) -> float | None:
    """Find a pole among the places that `breaks` found; None if there is none."""
    for edge in sorted(edges, key=lambda edge: (round(abs(edge), 9), edge < 0)):
        at = f(np.array([np.nextafter(edge, -np.inf), edge, np.nextafter(edge, np.inf)]))
        size = max(abs(edge), 2.0**-30)
        beside = f(edge + size * np.array([-1e-6, 1e-6]))
        if not np.all(np.isfinite(at)) or at.max() > 1.5 * beside.max() + 1e-12:
            return edge
    return None


def _tests(root: Node) -> list[Callable[[np.ndarray], np.ndarray]]:
    """Return functions of v that change between true and false at the places of interest."""
    below = [
        Comparison("<", one, other)
        for part in walk(root)
        for one, other in _sides(part)
        if depends(one) or depends(other)
    ]
    asked = [*below, *(one for part in walk(root) if isinstance(part, Where) for one in part.conditions)]

    def made(comparison: Comparison) -> Callable[[np.ndarray], np.ndarray]:
        holds = evaluator(comparison)

        def test(v: np.ndarray) -> np.ndarray:
            with np.errstate(all="ignore"):
                return np.broadcast_to(holds(v, np), v.shape)

        return test

    return [made(one) for one in dict.fromkeys(asked)]


def _sides(part: Node | Comparison) -> list[tuple[Node, Node]]:
    """Return pairs of expressions where it matters that one passes the other."""
    zero = Number(0.0)
    match part:
        case Call("min" | "max", arguments):
            return list(combinations(arguments, 2))
        case Call("abs" | "log" | "sqrt", (argument,)):
            return [(argument, zero)]
        case Product(_, under):
            return [(one, zero) for one in under]
        case Power(base, _):
            return [(base, zero)]
    return []


def _bisected(test: Callable[[np.ndarray], np.ndarray], low: np.floating, high: np.floating) -> float:
    """Return the first number above `low` at which a test that flips before `high` has the value it has at `high`."""
    tiny = np.finfo(low.dtype).tiny
    if high == 0:
        return 0.0
    if low == 0:
        return float(tiny)
    after = test(np.array([high]))[0]
    while True:
        middle = low + (high - low) / 2
        if not low < middle < high:
            return float(high)
        if test(np.array([middle]))[0] == after:
            high = middle
        else:
            low = middle
