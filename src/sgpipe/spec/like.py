"""Reads an experiment file, together with what it inherits from the file that it is `like`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sgpipe.base.document import checked
from sgpipe.base.errors import SgpipeError
from sgpipe.base.yamlfile import read_yaml
from sgpipe.spec.experiment_file import ExperimentFile
from sgpipe.spec.points import by_scale


def read_experiments(path: Path | str) -> ExperimentFile:
    """Read an experiment file, and fill in what it lacks from the file that it is `like`.

    Experiments of the other file are renamed to this file's paper. They keep the figure that draws them, and stand for
    the original experiments when claims are judged. A key that is null in this file is left out.

    Raises:
        SgpipeError: One of the files cannot be read, or something in it is wrong.
    """
    return checked(ExperimentFile, _merged(Path(path), ()), str(path))


def bases_of(path: Path | str, name: str) -> list[dict[str, Any]]:
    """Return the `base` of one experiment and of the whole file, without the file that it is `like`."""
    document = read_yaml(path)
    body = (document.get("experiments") or {}).get(name)
    return [part["base"] for part in (body, document) if part and part.get("base")]


def _merged(path: Path, before: tuple[Path, ...]) -> Any:
    document = read_yaml(path)
    if not isinstance(document, dict) or not all(isinstance(document.get(key), str) for key in ("like", "paper")):
        return document
    chain = (*before, path)
    other = path.parent / document["like"]
    if other.resolve() in [one.resolve() for one in chain]:
        raise SgpipeError(f"{path}: like: leads back to itself: {' -> '.join(map(str, (*chain, other)))}")
    below = _merged(other, chain)
    checked(ExperimentFile, below, str(other))
    return _below({**document, "like": None}, _renamed(below, document))


def _renamed(other: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    """Return another file's document, with this file's paper in the names of its experiments."""
    named = {
        f"{document['paper']}_{name.partition('_')[2]}": {
            "draw": name.replace("_", ".", 1),
            "stands_for": name,
            **body,
        }
        for name, body in other["experiments"].items()
    }
    left_out = {name for name, body in (document.get("experiments") or {}).items() if body is None}
    readings = {}
    for name, body in other.get("readings", {}).items():
        asked = {f"{document['paper']}_{one.partition('_')[2]}": of for one, of in body.get("experiments", {}).items()}
        trained = {one: sweeps for one, sweeps in asked.items() if one not in left_out}
        readings[name] = {**{key: part for key, part in body.items() if key != "experiments"}, "experiments": trained}
    return {**other, "experiments": named, **({"readings": readings} if readings else {})}


def _below(upper: Any, lower: Any) -> Any:
    """Return `upper` plus the keys of `lower` that it lacks, at every depth, without the keys that are null in `upper`.

    A mapping from scales to values counts as one value.
    """
    if not (isinstance(upper, Mapping) and isinstance(lower, Mapping)) or by_scale(upper) or by_scale(lower):
        return upper
    found = {key: _below(upper[key], lower.get(key)) if key in upper else lower[key] for key in {**lower, **upper}}
    return {key: value for key, value in found.items() if value is not None}
