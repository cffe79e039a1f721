"""One knob: a field of a frozen dataclass with a type, a default, a unit, a meaning and allowed values."""

import math
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import Field, field
from functools import cache
from typing import Any

from sgpipe.base.errors import SgpipeError, one_of, shown

MOST_SEED = 2**63 - 1  # the largest whole number that a table's column can hold


def knob(
    default,
    meaning: str,
    unit: str = "",
    choices=None,
    above=None,
    least=None,
    below=None,
    most=None,
    longest=None,
    spelling: Callable[[str], str] | None = None,
    rare: bool = False,
) -> Any:
    """Declare one knob of a frozen dataclass.

    Every number is bounded on both sides. A value outside the bounds is taken for a typing error, which would otherwise
    be noticed only after hours.

    Args:
        default: The value if none is given.
        meaning: One line for the reference page.
        unit: The unit of the value.
        choices: The values allowed, if they are few.
        above: Numbers must be greater than this.
        least: Numbers must be at least this.
        below: Numbers must be less than this.
        most: Numbers must be at most this.
        longest: A list must have at most this many entries.
        spelling: For a text that can be written in several ways: returns the canonical one, or raises SgpipeError.
        rare: Whether a table has a column for the knob only if one of its runs uses it.

    Returns:
        A dataclass field.
    """
    rule = {
        "meaning": meaning,
        "unit": unit,
        "choices": choices,
        "above": above,
        "least": least,
        "below": below,
        "most": most,
        "longest": longest,
        "spelling": spelling,
        "rare": rare,
    }
    return field(default=default, metadata=rule)


def with_choices(item: Field, more: Iterable[str]) -> Field:
    """Return a knob that also allows some more words."""
    wider = field(default=item.default, metadata={**item.metadata, "choices": (*item.metadata["choices"], *more)})
    wider.name, wider.type = item.name, item.type
    return wider


@cache
def basic_type(item_type: Any) -> type:
    """Reduce the annotation of a knob to bool, int, float, str or tuple, whether or not it allows None."""
    if isinstance(item_type, types.UnionType):
        item_type = next(part for part in typing.get_args(item_type) if part is not types.NoneType)
    return typing.get_origin(item_type) or item_type


TYPE_WORDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a word",
    tuple: "a list of whole numbers",
}


def read_value(item: Field, value: Any, where: str) -> Any:
    """Convert a value to the type of a knob, and check it.

    Args:
        item: The knob.
        value: As read from YAML.
        where: Names the file and key in the error message.

    Raises:
        SgpipeError: The knob does not allow the value.
    """
    kind = basic_type(item.type)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value) if abs(value) < 2**1000 else math.inf
    if kind is float and isinstance(value, float):
        value += 0.0  # one spelling of zero: -0.0 + 0.0 is 0.0
    if kind is tuple and isinstance(value, list | tuple):
        if not all(isinstance(part, int) and not isinstance(part, bool) for part in value):
            raise SgpipeError(f"{where}: {shown(list(value))} is not {TYPE_WORDS[tuple]}, e.g. [100, 100]")
        value = tuple(value)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise SgpipeError(f"{where}: {shown(value)} is not {TYPE_WORDS[kind]}")
    rule = item.metadata
    if kind is tuple and len(value) > rule["longest"]:
        raise SgpipeError(f"{where}: a list of {len(value)} must have at most {rule['longest']} numbers")
    if rule["choices"] is not None and value not in rule["choices"]:
        raise one_of(where, value, rule["choices"])
    if rule["spelling"] is not None and value != item.default:
        try:
            value = rule["spelling"](value)
        except SgpipeError as error:
            raise SgpipeError(f"{where}: {shown(value)} {error}") from None
    for part in value if kind is tuple else (value,):
        if kind in (int, float, tuple):
            _check_range(rule, part, where)
    return value


def _check_range(rule: Mapping[str, Any], value: float, where: str) -> None:
    unit = f" {rule['unit']}" if rule["unit"] else ""
    if isinstance(value, float) and not math.isfinite(value):
        raise SgpipeError(f"{where}: {value} is not a finite number")
    given = f"{where}: {shown(value)}{unit}"
    if rule["above"] is not None and value <= rule["above"]:
        raise SgpipeError(f"{given} must be above {rule['above']}{unit}")
    if rule["least"] is not None and value < rule["least"]:
        raise SgpipeError(f"{given} must be at least {rule['least']}{unit}")
    if rule["below"] is not None and value >= rule["below"]:
        raise SgpipeError(f"{given} must be below {rule['below']}{unit}")
    if rule["most"] is not None and value > rule["most"]:
        raise SgpipeError(f"{given} must be at most {rule['most']}{unit}")
