"""Points in the space of knobs: nested and dotted keys, values per scale, grids, lists side by side."""

import itertools
import math
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from sgpipe.base.document import Document
from sgpipe.base.errors import SgpipeError, shown
from sgpipe.spec.config import SCALES

MOST_RUNS = 100_000  # most runs of all experiments; planning more would take minutes and gigabytes


Knobs = dict[str, Any]
ListOfKnobs = list[Knobs]  # has its own name, since a sweep has a key `list`


class Sweep(Document):
    """Some points in the space of knobs: the product of those given among grid, zip and list."""

    base: Knobs = Field({}, description="knobs of this sweep")
    scales: list[Literal[SCALES]] = Field(
        list(SCALES), min_length=1, description="at which it is trained; all if not given"
    )
    grid: Knobs | None = Field(None, min_length=1, description="every combination of these values")
    zip: Knobs | None = Field(
        None, min_length=1, description="these values side by side: the first of each, the second of each, ..."
    )
    list: ListOfKnobs | None = Field(None, min_length=1, description="exactly these settings")


def points_of(parts: Sweep, scale: str, where: str) -> list[dict[str, Any]]:
    """List the settings of a sweep: the product of its grid, zip and list, as far as they are given.

    Args:
        parts: The sweep.
        scale: `smoke`, `laptop` or `paper`.
        where: Names the sweep in error messages.

    Returns:
        Dotted knobs of each point, in order.

    Raises:
        SgpipeError: The sweep is inconsistent.
    """
    grid = _axes(parts.grid or {}, scale, f"{where}.grid")
    beside = _axes(parts.zip or {}, scale, f"{where}.zip")
    listed = [at_scale(entry, scale, f"{where}.list") for entry in parts.list or [{}]]
    lengths = {key: len(values) for key, values in beside.items()}
    if len(set(lengths.values())) > 1:
        raise SgpipeError(f"{where}.zip: the lists must be equally long, but have {lengths}")
    for key in {*beside, *(key for entry in listed for key in entry)}:
        if key in grid or (key in beside and any(key in entry for entry in listed)):
            raise SgpipeError(f"{where}: {key}: is given twice, in two of grid, zip and list; give it once")
    count = math.prod(map(len, grid.values())) * next(iter(lengths.values()), 1) * len(listed)
    if count > MOST_RUNS:
        raise SgpipeError(f"{where}: makes {count:,} runs, above the limit of {MOST_RUNS:,}; give fewer values")
    crossed = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    pairs = [dict(zip(beside, values, strict=True)) for values in zip(*beside.values(), strict=True)] or [{}]
    return [{**point, **pair, **entry} for point in crossed for pair in pairs for entry in listed]


def _axes(axes: Mapping[str, Any], scale: str, where: str) -> dict[str, list]:
    """Return the values of each axis at this scale; raises SgpipeError for an axis without values."""
    chosen = at_scale(axes, scale, where)
    for key, values in chosen.items():
        if not isinstance(values, list):
            raise SgpipeError(f"{where}.{key}: {shown(values)} is not a list of values, e.g. [{shown(values)}]")
        if not values:
            raise SgpipeError(f"{where}.{key}: an empty list makes no runs; give it at least one value")
    return chosen


def at_scale(values: Mapping[str, Any], scale: str, where: str) -> dict[str, Any]:
    """Flatten nested knobs to dotted ones, each with its value at one scale.

    Args:
        values: Knobs, nested or dotted.
        scale: `smoke`, `laptop` or `paper`.
        where: Names the knobs' place in error messages.

    Raises:
        SgpipeError: A key is given in both spellings, or a value is missing at this scale.
    """
    return {key: for_scale(value, scale, f"{where}: {key}") for key, value in flatten(values, where).items()}


def for_scale(value: Any, scale: str, where: str) -> Any:
    """Select the value at one scale where `value` maps scales to values; return any other value as it is.

    Args:
        value: The value, or a mapping from scales to values.
        scale: `smoke`, `laptop` or `paper`.
        where: Names the key in error messages.

    Raises:
        SgpipeError: The mapping has no value at this scale.
    """
    if not by_scale(value):
        return value
    if scale not in value:
        raise SgpipeError(f"{where}: has values for {', '.join(value)}, but none for {scale}")
    return value[scale]


def flatten(values: Mapping[str, Any], where: str, prefix: str = "") -> dict[str, Any]:
    """Flatten `{"a": {"b": 1}}` to `{"a.b": 1}`; mappings from scales to values stay whole.

    Args:
        values: Knobs, nested or dotted.
        where: Names their place in error messages.
        prefix: Put before each key.

    Raises:
        SgpipeError: A key is given in both spellings.
    """
    flat: dict[str, Any] = {}
    for key, value in values.items():
        nested = isinstance(value, Mapping) and not by_scale(value)
        found = flatten(value, where, f"{prefix}{key}.") if nested else {f"{prefix}{key}": value}
        if twice := set(found) & set(flat):
            raise SgpipeError(
                f"{where}: {min(twice)}: is given twice, with a dot and as a key of its section; give it once"
            )
        flat |= found
    return flat


def by_scale(value: Any) -> bool:
    """Tell whether a value is a mapping from scales to values."""
    return isinstance(value, Mapping) and bool(value) and all(key in SCALES for key in value)
