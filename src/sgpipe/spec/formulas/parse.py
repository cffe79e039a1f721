"""From the text of a formula to its parts. Python's own parser reads it; this module lists what is allowed in it.

Nothing is ever evaluated as Python. Allowed are numbers, pi, v, + - * / **, comparisons within `where`, and the
functions of `evaluate`.
"""

import ast
import re
import warnings
from math import isfinite, pi

from sgpipe.base.errors import SgpipeError, shown
from sgpipe.spec.formulas.evaluate import FUNCTIONS, evaluator
from sgpipe.spec.formulas.nodes import (
    Call,
    Comparison,
    Node,
    Number,
    Power,
    V,
    Where,
    depends,
    fraction,
    total,
    walk,
)

LONGEST, MOST_PARTS, DEEPEST, MOST_EXPONENT = 300, 100, 25, 64
SIGNS = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}
COUNTS = {**dict.fromkeys(FUNCTIONS, (1, 1)), "min": (2, 8), "max": (2, 8), "where": (3, 3)}  # number of arguments
EXAMPLE = "e.g. 1/(1 + abs(v))**3"
INSTEAD = {"^": "; powers are written **", "|": "; write abs(v)"}


def parse(text: str) -> Node:
    """Parse a formula in v.

    Raises:
        SgpipeError: It is not a formula. The message says why, and is meant to follow the formula.
    """
    if not text.strip():
        raise SgpipeError(f"is empty; write a formula of v, {EXAMPLE}")
    if len(text) > LONGEST:
        raise SgpipeError(f"has {len(text)} characters, more than {LONGEST}; write it shorter")
    if strange := re.search(r"[^\w\s.,()+*/<>=-]", text, re.ASCII):
        instead = INSTEAD.get(strange[0], "")
        raise SgpipeError(f"has {strange[0]!r}, which means nothing in a formula{instead}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python's warnings about numbers that touch a word
            tree = ast.parse(" ".join(text.split()), mode="eval").body
    except (SyntaxError, ValueError) as error:
        reason = getattr(error, "msg", None) or "not a formula"
        raise SgpipeError(f"cannot be read ({reason.partition('. Perhaps')[0]}); write it as {EXAMPLE}") from None
    except (RecursionError, MemoryError):
        raise SgpipeError("is nested too deeply; write it flatter") from None
    node = _Reader(text).node(tree)
    if sum(1 for _ in walk(node)) > MOST_PARTS:
        raise SgpipeError(f"has more than {MOST_PARTS} parts; write it shorter")
    if not depends(node):
        raise SgpipeError("does not depend on v; of a constant write surrogate.shape: constant with its dampening")
    return node


class _Reader:
    """Turns the syntax tree from Python's parser into nodes, and refuses everything else."""

    def __init__(self, text: str):
        self.text = text

    def node(self, tree: ast.AST, depth: int = 0) -> Node:
        if depth > DEEPEST:
            raise SgpipeError(f"is nested more than {DEEPEST} deep; write it flatter")
        deeper = depth + 1
        match tree:
            case ast.Constant(value):
                return self._number(value)
            case ast.Name(name):
                return self._name(name)
            case ast.UnaryOp(ast.USub(), operand):
                return total([(-1, self.node(operand, deeper))])
            case ast.UnaryOp(ast.UAdd(), operand):
                return self.node(operand, deeper)
            case ast.BinOp(left, ast.Pow(), right):
                return self._power(self.node(left, deeper), self.node(right, deeper))
            case ast.BinOp(left, (ast.Add() | ast.Sub() | ast.Mult() | ast.Div()) as operator, right):
                one, other = self.node(left, deeper), self.node(right, deeper)
                match operator:
                    case ast.Add():
                        return total([(1, one), (1, other)])
                    case ast.Sub():
                        return total([(1, one), (-1, other)])
                    case ast.Mult():
                        return fraction([one, other], [])
                return fraction([one], [other])
            case ast.Call(ast.Name(name), arguments, []):
                return self._call(name, arguments, deeper)
            case ast.IfExp():
                raise SgpipeError("has `if`, which means nothing in a formula; write where(v > 0, this, that)")
        raise SgpipeError(f"has {self._source(tree)}, which means nothing in a formula")

    def _source(self, tree: ast.AST) -> str:
        # The line that Python parsed is the text with single spaces.
        return shown(ast.get_source_segment(" ".join(self.text.split()), tree) or type(tree).__name__, 30)

    def _number(self, value: object) -> Number:
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise SgpipeError(f"has {shown(value, 30)}, which is not a number that a formula can have")
        if not isfinite(value):
            raise SgpipeError(f"has {shown(value, 30)}, which is too large a number")
        return Number(float(value))

    def _name(self, name: str) -> Node:
        if name == "v":
            return V
        if name == "pi":
            return Number(pi, "pi")
        if name == "e":
            raise SgpipeError("has 'e', which is not v; write exp(...)")
        if name in COUNTS:
            raise SgpipeError(f"has {name} without its arguments; write {name}(...)")
        raise SgpipeError(f"has {shown(name, 30)}, which is not v; a formula is one of v alone (and of pi)")

    def _power(self, base: Node, exponent: Node) -> Power:
        if depends(exponent):
            if not (isinstance(base, Number) and base.value > 0):
                raise SgpipeError("has v in an exponent whose base is not a number; write exp(... * log(...))")
        elif not abs(evaluator(exponent)(None, None)) <= MOST_EXPONENT:
            raise SgpipeError(f"has an exponent beyond {MOST_EXPONENT}; write exp for what falls faster")
        return Power(base, exponent)

    def _call(self, name: str, arguments: list[ast.AST], depth: int) -> Node:
        if name not in COUNTS:
            raise SgpipeError(f"has the function {shown(name, 30)}; there are {', '.join(sorted(COUNTS))} alone")
        least, most = COUNTS[name]
        if not least <= len(arguments) <= most:
            count = str(least) if least == most else f"{least} to {most}"
            raise SgpipeError(f"gives {name} {len(arguments)} arguments, which takes {count}")
        if name != "where":
            return Call(name, tuple(self.node(argument, depth) for argument in arguments))
        condition, yes, no = arguments
        return Where(self._conditions(condition, depth), self.node(yes, depth), self.node(no, depth))

    def _conditions(self, tree: ast.AST, depth: int) -> tuple[Comparison, ...]:
        if not isinstance(tree, ast.Compare) or not all(type(sign) in SIGNS for sign in tree.ops):
            raise SgpipeError(f"has where without a comparison by <, <=, > or >= first, but with {self._source(tree)}")
        sides = [self.node(side, depth) for side in (tree.left, *tree.comparators)]
        found = tuple(
            Comparison(SIGNS[type(sign)], left, right)
            for sign, left, right in zip(tree.ops, sides[:-1], sides[1:], strict=True)
        )
        if not all(depends(comparison) for comparison in found):
            raise SgpipeError(f"has the comparison {self._source(tree)}, which does not depend on v")
        return found
