"""The value of a formula, for numpy arrays and torch tensors alike."""

import operator
from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np

from sgpipe.spec.formulas.nodes import Call, Comparison, Node, Number, Power, Product, Sum, Variable, Where, depends

FUNCTIONS = ("abs", "exp", "log", "sqrt", "tanh")  # of one argument, by their names in numpy and torch
COMPARE = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}

Evaluator = Callable[[Any, Any], Any]  # of v and the array module


def evaluator(node: Node | Comparison) -> Evaluator:
    """Make the function of v and its array module (numpy or torch) that a node stands for.

    Parts that do not depend on v become plain numbers at once, so that arrays keep their precision.
    """
    made = _evaluator(node)
    if isinstance(node, Variable | Number) or depends(node):
        return made
    with np.errstate(all="ignore"):
        value = float(made(np.float64(0), np))
    return lambda v, xp: value


def _evaluator(node: Node | Comparison) -> Evaluator:
    match node:
        case Variable():
            return lambda v, xp: v
        case Number(value):
            return lambda v, xp: value
        case Sum(terms):
            (sign, first), *rest = [(sign, evaluator(term)) for sign, term in terms]

            def add(v, xp):
                found = first(v, xp) if sign > 0 else -first(v, xp)
                for own, term in rest:
                    found = found + term(v, xp) if own > 0 else found - term(v, xp)
                return found

            return add
        case Product(over, under):
            above, below = (_product([evaluator(one) for one in factors]) for factors in (over, under))
            return (lambda v, xp: above(v, xp) / below(v, xp)) if under else above
        case Power(base, exponent):
            of, to = evaluator(base), evaluator(exponent)
            if depends(exponent):  # then the base is a number
                return lambda v, xp: xp.exp(to(v, xp) * float(np.log(of(v, xp))))
            value = to(None, None)
            power = int(value) if value == int(value) else value
            if depends(base):
                return lambda v, xp: of(v, xp) ** power
            return lambda v, xp: np.float64(of(v, xp)) ** power
        case Call("min" | "max" as name, arguments):
            every, better = [evaluator(one) for one in arguments], COMPARE["<" if name == "min" else ">"]
            return lambda v, xp: reduce(lambda a, b: xp.where(better(a, b), a, b), (one(v, xp) for one in every))
        case Call(name, (argument,)):
            of = evaluator(argument)
            return lambda v, xp: getattr(xp, name)(of(v, xp))
        case Comparison(sign, left, right):
            one, other, holds = evaluator(left), evaluator(right), COMPARE[sign]
            return lambda v, xp: holds(one(v, xp), other(v, xp))
        case Where(conditions, yes, no):
            tests = [evaluator(condition) for condition in conditions]
            chosen, otherwise = evaluator(yes), evaluator(no)
            return lambda v, xp: xp.where(
                reduce(operator.and_, (test(v, xp) for test in tests)), _like(chosen(v, xp), v, xp), otherwise(v, xp)
            )
    raise TypeError(node)


def _product(factors: list[Evaluator]) -> Evaluator:
    if not factors:
        return lambda v, xp: 1.0
    return lambda v, xp: reduce(operator.mul, (factor(v, xp) for factor in factors))


def _like(value: Any, v: Any, xp: Any) -> Any:
    """Return a plain number as an array of v's type: from two numbers torch would make one of its default type."""
    return xp.full_like(v, value) if isinstance(value, float) else value
