"""Turns a class that a user has decorated into one for the pipeline: checks it and adds the common knobs."""

import re
import typing
from collections.abc import Iterator
from dataclasses import MISSING, fields, is_dataclass, make_dataclass
from typing import Any

from sgpipe.base.errors import SgpipeError, shown
from sgpipe.spec.knob import MOST_SEED, TYPE_WORDS, basic_type, knob, read_value
from sgpipe.spec.own.declare import Declaration
from sgpipe.spec.own.registry import Own
from sgpipe.spec.tasks.data_knobs import DataKnobs

METHODS = {"neuron": ("step",), "initialiser": ("draw",), "data_set": ("make",), "figure": ("select", "draw")}
NAMES = {
    "figure": ("[A-Za-z][A-Za-z0-9_]*[.][A-Za-z][A-Za-z0-9_]*", "two words with a dot between them, e.g. mine.curves"),
    "": ("[a-z][a-z0-9_]{0,39}", "small letters, digits and _, beginning with a letter"),
}
DATA_SHAPE = ("units", "classes", "steps", "train_samples")


def completed(one: Declaration, file: str, code: str, text: bytes) -> type:
    """Make the class that the registry holds.

    Args:
        one: What the file declares.
        file: The file, as config.yaml names it.
        code: Its digest.
        text: Its content.

    Returns:
        A subclass of the user's class, with its `Own` as `OWN` and, except for a figure, a knob `code`.

    Raises:
        SgpipeError: Something about the class is wrong.
    """
    where = f"{file}: {one.kind.replace('_', ' ')} {shown(one.name)}"
    pattern, words = NAMES.get(one.kind, NAMES[""])
    if not isinstance(one.name, str) or not re.fullmatch(pattern, one.name):
        raise SgpipeError(f"{where}: is no name; give it {words}")
    for problem in _problems(one):
        raise SgpipeError(f"{where}: {problem}")
    own = Own(one.kind, one.name, file, code, text, dict(one.told))
    if one.kind == "figure":
        return type(one.made.__name__, (one.made,), {"OWN": own})
    _check_knobs(one.made, where)
    more: list[tuple[str, Any, Any]] = [
        ("code", str | None, knob(None, "digest of the file that it comes from; set by itself")),
    ]
    bases, members = (one.made,), {"OWN": own}
    if one.kind == "data_set":
        more, members = [*_data_knobs(one), *more], {"OWN": own, "stand_in": False}
        bases = (one.made,) if issubclass(one.made, DataKnobs) else (one.made, DataKnobs)
    made = make_dataclass(one.made.__name__, more, bases=bases, namespace=members, frozen=True)
    if one.kind == "data_set":
        _check_shape(made, where)
    return made


def _problems(one: Declaration) -> Iterator[str]:
    made = one.made
    if one.kind != "figure" and not (is_dataclass(made) and made.__dataclass_params__.frozen):
        yield "is not a frozen dataclass; write @dataclass(frozen=True) below the decorator"
    for name in METHODS[one.kind]:
        if not callable(getattr(made, name, None)):
            yield f"has no method `{name}`"
    if not isinstance(getattr(made, "NEEDS", {}), dict):
        yield 'NEEDS: is not a dict, e.g. {"table": "results"}'
    if one.kind == "neuron":
        names = one.told["state"].split() if isinstance(one.told["state"], str) else [""]
        if not all(name.isidentifier() and not name.startswith("_") and name != "output" for name in names):
            yield f'state: {shown(one.told["state"])} is not a line of names, e.g. state="voltage spikes"'
        if len(set(names)) < len(names) or not {"voltage", "spikes"} <= set(names):
            yield f"state: {shown(one.told['state'])} needs `voltage` and `spikes` among its names, each name once"
        if one.told["readout"] not in ("linear", "leaky"):
            yield f"readout: {shown(one.told['readout'])} is not one of linear, leaky"


def _check_knobs(made: type, where: str) -> None:
    """Check that the fields of a class are knobs, and give each the type named by its annotation."""
    try:
        hints = typing.get_type_hints(made)
    except Exception as error:
        raise SgpipeError(f"{where}: its annotations cannot be read ({error})") from None
    for item in fields(made):
        here = f"{where}: {item.name}"
        if item.name in ("code", "task"):
            raise SgpipeError(f"{here}: every {where.split(': ')[1].split()[0]} has one of this name; give it another")
        if "meaning" not in item.metadata or item.default is MISSING:
            raise SgpipeError(f'{here}: is not a knob; write {item.name}: float = knob(1.0, "what it is")')
        item.type = hints[item.name]
        if basic_type(item.type) not in TYPE_WORDS:
            raise SgpipeError(f"{here}: a knob is bool, int, float, str or tuple[int, ...], not {item.type}")
        if item.default is not None:
            read_value(item, item.default, f"{here}: its default")


def _data_knobs(one: Declaration) -> list[tuple[str, Any, Any]]:
    """List the common knobs of a data set that its class lacks."""
    finds = callable(getattr(one.made, "find", None))
    source = "original" if finds else "synthetic"
    common = {
        "task": (str, knob(one.name, "the data set", choices=(one.name,))),
        "source": (str, knob(source, "where the data come from", choices=(source,))),
        **({"files": (str | None, knob(None, "number and digest of the files; the plan sets it"))} if finds else {}),
        "seed": (int, knob(0, "seed of what is drawn", least=0, most=MOST_SEED)),
        "dt": (float, knob(1.0, "time step", "ms", above=0, most=1e6)),
    }
    there = {item.name for item in fields(one.made)}
    return [(name, *parts) for name, parts in common.items() if name not in there]


def _check_shape(made: type, where: str) -> None:
    """Check that a data set declares what networks and plans need to know about it."""
    data = made()
    for name in DATA_SHAPE:
        value = getattr(data, name, None)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise SgpipeError(
                f"{where}: {name}: {shown(value)} is not a whole number of at least 1; say how many it has"
            )
    if not hasattr(made, "events"):
        made.events = property(lambda self: self.units)  # per sample, for the cost estimate
