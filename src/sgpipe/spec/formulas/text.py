"""A formula as text: the canonical form that names a run, and TeX mathematics for figures."""

from sgpipe.spec.formulas.nodes import (
    Call,
    Comparison,
    Node,
    Number,
    Power,
    Product,
    Sum,
    Variable,
    Where,
)

SUM, PRODUCT, ATOM = 1, 2, 4  # how tightly a text's outermost operation binds
TEX_SIGNS = {"<": "<", "<=": r"\leq", ">": ">", ">=": r"\geq"}


def canonical(node: Node | Comparison) -> str:
    """Write a formula with as few parentheses as possible; parsing it again gives the same nodes."""
    return _plain(node)[0]


def _plain(node: Node | Comparison) -> tuple[str, int]:
    match node:
        case Number(value, name):
            return name or _number(value), ATOM
        case Variable():
            return "v", ATOM
        case Sum(terms):
            return _signed([(sign, _within(term, PRODUCT)) for sign, term in terms]), SUM
        case Product(over, under):
            above, below = ("*".join(_within(factor, PRODUCT + 1) for factor in factors) for factors in (over, under))
            return above + (f"/({below})" if len(under) > 1 else f"/{below}" if under else ""), PRODUCT
        case Power(base, exponent):
            return f"{_within(base, ATOM)}**{_exponent(exponent)}", PRODUCT + 1
        case Call(name, arguments):
            return f"{name}({', '.join(canonical(argument) for argument in arguments)})", ATOM
        case Comparison(sign, left, right):
            return f"{canonical(left)} {sign} {canonical(right)}", 0
        case Where(conditions, yes, no):
            return f"where({_chain(conditions, canonical)}, {canonical(yes)}, {canonical(no)})", ATOM
    raise TypeError(node)


def _within(node: Node, least: int) -> str:
    text, binds = _plain(node)
    return text if binds >= least else f"({text})"


def _signed(terms: list[tuple[int, str]]) -> str:
    (sign, first), *rest = terms
    return ("" if sign > 0 else "-") + first + "".join(f" {'+' if own > 0 else '-'} {text}" for own, text in rest)


def _exponent(node: Node) -> str:
    match node:
        case Sum(((_, Number() as size),)):
            return f"-{canonical(size)}"
    return _within(node, ATOM)


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) and value < 1e16 else repr(value)


def _chain(conditions: tuple[Comparison, ...], write, signs: dict[str, str] | None = None) -> str:
    """Write comparisons that share their inner sides as a chain: a < b < c."""
    text = write(conditions[0].left)
    for one in conditions:
        text += f" {(signs or {}).get(one.sign, one.sign)} {write(one.right)}"
    return text


def tex(node: Node | Comparison) -> str:
    """Write a formula as TeX for matplotlib's mathtext, without the dollar signs around it."""
    return _math(node)[0]


def _math(node: Node | Comparison) -> tuple[str, int]:
    match node:
        case Number(_, "pi"):
            return r"\pi", ATOM
        case Number(value):
            mantissa, _, exponent = _number(value).partition("e")
            return (rf"{mantissa}\cdot 10^{{{int(exponent)}}}" if exponent else mantissa), PRODUCT if exponent else ATOM
        case Variable():
            return "v", ATOM
        case Sum(terms):
            return _signed([(sign, _bracketed(term, PRODUCT)) for sign, term in terms]), SUM
        case Product(over, ()):
            return _times(over), PRODUCT
        case Product(over, under):
            below = _times(under) if len(under) == 1 else rf"\left({_times(under)}\right)"
            return f"{_times(over)}/{below}", PRODUCT  # on one line, as the built-in shapes are
        case Power(base, exponent):
            return f"{_bracketed(base, ATOM)}^{{{tex(exponent)}}}", PRODUCT + 1
        case Call("abs", (argument,)):
            return rf"\left\vert {tex(argument)}\right\vert", ATOM
        case Call("exp", (argument,)):
            return f"e^{{{tex(argument)}}}", PRODUCT + 1
        case Call("sqrt", (argument,)):
            return rf"\sqrt{{{tex(argument)}}}", ATOM
        case Call(name, arguments):
            command = {"log": r"\ln"}.get(name, rf"\{name}")
            given = r",\ ".join(tex(argument) for argument in arguments)
            return rf"{command}\left({given}\right)", ATOM
        case Comparison(sign, left, right):
            return f"{tex(left)} {TEX_SIGNS[sign]} {tex(right)}", 0
        case Where(conditions, yes, no):
            words = rf"\ \mathrm{{if}}\ {_chain(conditions, tex, TEX_SIGNS)},\ \mathrm{{else}}\ "
            return rf"{tex(yes)}{words}{tex(no)}", 0
    raise TypeError(node)


def _bracketed(node: Node, least: int) -> str:
    text, binds = _math(node)
    return text if binds >= least else rf"\left({text}\right)"


def _times(factors: tuple[Node, ...]) -> str:
    texts = [_bracketed(factor, PRODUCT + 1) for factor in factors]
    for place in range(1, len(texts)):  # two adjacent numbers need a sign between them
        if texts[place][0].isdigit():
            texts[place] = rf"\cdot {texts[place]}"
    return r"\,".join(texts)
