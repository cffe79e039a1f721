"""A formula as a polynomial of |v|, or 1 over one: the C++ engine's fastest form, for formulas that have it.

1/(1 + abs(v))**3, 1/(1 + v**2) and max(0, 1 - abs(v)) are such formulas. The fraction follows by algebra, with the
branches of abs, min, max and where that hold for v > 0; nothing is fitted.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.polynomial import polynomial

from sgpipe.spec.formulas.evaluate import evaluator
from sgpipe.spec.formulas.formula import Formula, formula
from sgpipe.spec.formulas.nodes import Call, Node, Power, Product, Sum, Variable, Where, depends
from sgpipe.spec.formulas.places import breaks, grid

OVER, UNDER = 3, 5  # coefficients of numerator and denominator, at most
ROUNDINGS = 16  # how many roundings of the formula's value a fraction may differ from it by

Polynomials = tuple[np.ndarray, np.ndarray]  # coefficients of numerator and denominator, from the constant term on


@dataclass(frozen=True, eq=False)
class Fraction:
    """f(v) = over(|v|) / under(|v|), and 0 from |v| = `end` on.

    Attributes:
        over: Coefficients from the constant term on, (OVER,); only a constant if f does not end.
        under: Likewise, (UNDER,), and none is negative; the constant 1 if f ends.
        end: The |v| at which f ends; infinite if it does not end.
    """

    over: np.ndarray
    under: np.ndarray
    end: float

    @property
    def compact(self) -> bool:
        """Whether f is 0 from a certain |v| on."""
        return bool(np.isfinite(self.end))

    def __call__(self, v: np.ndarray) -> np.ndarray:
        """Compute f(v)."""
        size = np.abs(v)
        over, under = (polynomial.polyval(size, one.astype(v.dtype)) for one in (self.over, self.under))
        return np.where(size < v.dtype.type(self.end), over / under, 0)


@cache
def fraction_of(text: str, precision: str) -> Fraction | None:
    """Write a formula as a fraction of polynomials.

    Args:
        text: The formula.
        precision: `float32` or `float64`.

    Returns:
        The fraction; None if the formula is not even, is not such a fraction of low degree, or loses digits as one.
    """
    f, dtype = formula(text), np.dtype(precision).type
    even, edges, compact = layout(f, precision)
    if not even or len(edges) > compact:
        return None
    end = edges[0] if edges else np.inf
    found = _fraction(f.root, end / 2 if edges else 1.0)
    if found is None:
        return None
    over, under = (np.trim_zeros(side, "b") for side in found)
    most = (OVER, 1) if edges else (1, UNDER)
    if len(over) > most[0] or len(under) > most[1] or under[0] == 0:
        return None
    over, under = over / under[0], under / under[0]
    if min(under) < 0:
        return None
    made = Fraction(np.pad(over, (0, OVER - len(over))), np.pad(under, (0, UNDER - len(under))), end)
    v = grid(f.root).astype(dtype)
    v = v[np.abs(v) < 1e6]
    v = v[~(np.abs(np.abs(v) - end) <= 1e-6 * end)] if edges else v  # the end lies elsewhere in float64
    with np.errstate(all="ignore"):
        exact = f(v.astype(np.float64))
        good = np.abs(made(v) - exact) <= ROUNDINGS * np.finfo(dtype).eps * exact
    return made if np.all(good) else None


def layout(f: Formula, precision: str) -> tuple[bool, list[float], bool]:
    """Find whether a formula is even, where its pieces begin, and whether it vanishes outside the last of them."""
    v = grid(f.root)
    even = bool(np.array_equal(f(v), f(-v)))
    found = breaks(f.root, np.dtype(precision).type)
    edges = [edge for edge in found if edge > 0] if even else sorted({0.0, *found})
    outside = np.abs(v) > max(map(abs, found), default=np.inf)
    return even, edges, bool(outside.any() and not f(v[outside]).any())


def _fraction(node: Node, inside: float) -> Polynomials | None:
    """Return a node as a fraction, in the piece that contains `inside`; None if it is no fraction of polynomials."""
    if not depends(node):
        return np.array([evaluator(node)(None, None)]), np.ones(1)
    match node:
        case Variable():
            return np.array([0.0, 1.0]), np.ones(1)
        case Sum(terms):
            parts = [(sign, _fraction(term, inside)) for sign, term in terms]
            if any(part is None for _, part in parts):
                return None
            over, under = np.zeros(1), np.ones(1)
            for sign, (above, below) in parts:
                if np.array_equal(below, under):
                    over = polynomial.polyadd(over, sign * above)
                else:
                    over = polynomial.polyadd(polynomial.polymul(over, below), sign * polynomial.polymul(above, under))
                    under = polynomial.polymul(under, below)
            return over, under
        case Product(over, under):
            above, below = (
                _times([_fraction(one, inside) for one in over]),
                _times([_fraction(one, inside) for one in under]),
            )
            return _times([above, below and below[::-1]])
        case Power(base, exponent) if not depends(exponent):
            power, of = evaluator(exponent)(None, None), _fraction(base, inside)
            if of is None or power != int(power) or abs(power) > UNDER:
                return None
            return _times([of if power > 0 else of[::-1]] * int(abs(power)))
        case Call("abs", (argument,)):
            of = _fraction(argument, inside)
            return of and ((-of[0], of[1]) if _at(argument, inside) < 0 else of)
        case Call("min" | "max" as name, arguments):
            return _fraction((min if name == "min" else max)(arguments, key=lambda one: _at(one, inside)), inside)
        case Where(conditions, yes, no):
            return _fraction(yes if all(_at(one, inside) for one in conditions) else no, inside)
    return None


def _times(fractions: list[Polynomials | None]) -> Polynomials | None:
    over, under = np.ones(1), np.ones(1)
    for fraction in fractions:
        if fraction is None or len(over) + len(under) > 4 * UNDER:
            return None
        over, under = polynomial.polymul(over, fraction[0]), polynomial.polymul(under, fraction[1])
    return over, under


def _at(node: Node, v: float) -> float:
    with np.errstate(all="ignore"):
        return evaluator(node)(np.array([v]), np)[0] if depends(node) else evaluator(node)(None, None)
