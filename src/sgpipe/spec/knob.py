"""What one knob is: a field of a frozen dataclass with a type, a default, a unit, a meaning and allowed values."""

import math
import types
import typing
from collections.abc import Mapping
from dataclasses import Field, field
from functools import cache
from typing import Any

from sgpipe.base.errors import SgpipeError, one_of


def knob(default, meaning: str, unit: str = "", choices=None, above=None, least=None, below=None) -> Any:
    """Declare one knob: its default, meaning, unit, and the values it allows."""
    rule = {
        "meaning": meaning,
        "unit": unit,
        "choices": choices,
        "above": above,
        "least": least,
        "below": below,
    }
    return field(default=default, metadata=rule)


@cache
def basic_type(item_type: Any) -> type:
    """Return bool, int, float, str or tuple for a knob's annotation, whether or not it allows None."""
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
    """Return `value` as the knob's own type; raise SgpipeError if it is not one the knob allows."""
    kind = basic_type(item.type)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value) if abs(value) < 2**1000 else math.inf
    if kind is tuple and isinstance(value, list | tuple):
        if not all(isinstance(part, int) and not isinstance(part, bool) for part in value):
            raise SgpipeError(f"{where}: {list(value)!r} is not {TYPE_WORDS[tuple]}, e.g. [100, 100]")
        value = tuple(value)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise SgpipeError(f"{where}: {value!r} is not {TYPE_WORDS[kind]}")
    rule = item.metadata
    if rule["choices"] is not None and value not in rule["choices"]:
        raise one_of(where, value, rule["choices"])
    for part in value if kind is tuple else (value,):
        if kind in (int, float, tuple):
            _check_range(rule, part, where)
    return value


def _check_range(rule: Mapping[str, Any], value: float, where: str) -> None:
    unit = f" {rule['unit']}" if rule["unit"] else ""
    if not math.isfinite(value):
        raise SgpipeError(f"{where}: {value} is not a finite number")
    if rule["above"] is not None and value <= rule["above"]:
        raise SgpipeError(f"{where}: {value}{unit} must be above {rule['above']}{unit}")
    if rule["least"] is not None and value < rule["least"]:
        raise SgpipeError(f"{where}: {value}{unit} must be at least {rule['least']}{unit}")
    if rule["below"] is not None and value >= rule["below"]:
        raise SgpipeError(f"{where}: {value}{unit} must be below {rule['below']}{unit}")
