"""The parts of a formula, in a form that does not depend on spaces, parentheses or nested sums and products.

Sums are lists of signed terms and products are fractions of two lists of factors, so a + (b + c) is a + b + c, and
a / b / c is a / (b c). Everything is evaluated from left to right in that form.
"""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Number:
    """A number of at least 0; `name` is set for a named constant."""

    value: float
    name: str = ""


@dataclass(frozen=True)
class Variable:
    """The membrane v, centred on the threshold and scaled by the slope."""


@dataclass(frozen=True)
class Sum:
    """Terms with a sign of 1 or -1: two or more, or a single negative one."""

    terms: tuple[tuple[int, "Node"], ...]


@dataclass(frozen=True)
class Product:
    """A product of factors over a product of others."""

    over: tuple["Node", ...]
    under: tuple["Node", ...]


@dataclass(frozen=True)
class Power:
    """`base` to the power of `exponent`."""

    base: "Node"
    exponent: "Node"


@dataclass(frozen=True)
class Call:
    """A function of `sgpipe.spec.formulas.evaluate.FUNCTIONS`, or min or max."""

    name: str
    arguments: tuple["Node", ...]


@dataclass(frozen=True)
class Comparison:
    """`left` compared with `right` by one of <, <=, > and >=."""

    sign: str
    left: "Node"
    right: "Node"


@dataclass(frozen=True)
class Where:
    """`yes` where all comparisons hold, else `no`."""

    conditions: tuple[Comparison, ...]
    yes: "Node"
    no: "Node"


Node = Number | Variable | Sum | Product | Power | Call | Where
V = Variable()


def total(terms: list[tuple[int, Node]]) -> Node:
    """Add up signed terms; terms that are sums are merged into the sum."""
    flat: list[tuple[int, Node]] = []
    for sign, term in terms:
        flat += [(sign * own, one) for own, one in term.terms] if isinstance(term, Sum) else [(sign, term)]
    return flat[0][1] if len(flat) == 1 and flat[0][0] == 1 else Sum(tuple(flat))


def fraction(over: list[Node], under: list[Node]) -> Node:
    """Multiply and divide factors; factors that are products are merged into the product, and signs go before it."""
    sign, lists = 1, ([], [])  # of factors above and below the line
    for place, factors in enumerate((over, under)):
        for factor in factors:
            while isinstance(factor, Sum) and len(factor.terms) == 1:
                sign, factor = -sign, factor.terms[0][1]
            if isinstance(factor, Product):
                lists[place].extend(factor.over)
                lists[1 - place].extend(factor.under)
            else:
                lists[place].append(factor)
    return total([(sign, Product(tuple(lists[0]), tuple(lists[1])))])


def parts(node: Node | Comparison) -> tuple[Node | Comparison, ...]:
    """List the direct parts of a node."""
    match node:
        case Sum(terms):
            return tuple(term for _, term in terms)
        case Product(over, under):
            return (*over, *under)
        case Power(base, exponent):
            return (base, exponent)
        case Call(_, arguments):
            return arguments
        case Comparison(_, left, right):
            return (left, right)
        case Where(conditions, yes, no):
            return (*conditions, yes, no)
    return ()


def walk(node: Node | Comparison) -> Iterator[Node | Comparison]:
    """Iterate over a node and all of its parts, at every depth."""
    yield node
    for part in parts(node):
        yield from walk(part)


def depends(node: Node | Comparison) -> bool:
    """Tell whether a node depends on v."""
    return any(part == V for part in walk(node))
