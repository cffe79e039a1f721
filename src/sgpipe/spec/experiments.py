"""Experiments: from YAML to runs.

An experiment is one figure's or table's question: base knobs, sweeps over some of them, and a rule for choosing
among the results. Wherever a value may differ by scale, a mapping from scale to value stands in its place:
`training.epochs: {smoke: 2, laptop: 50, paper: 100}`.
"""

import itertools
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from sgpipe.base.errors import SgpipeError
from sgpipe.base.schema import check
from sgpipe.base.yamlfile import read_yaml
from sgpipe.spec.config import SCALES
from sgpipe.spec.run import SEEDS, RunSpec, digest


@dataclass(frozen=True)
class Experiment:
    """One experiment at one scale."""

    id: str
    paper: str
    title: str
    scale: str
    trains: bool
    draw: str  # module below sgpipe.figures, e.g. zenke2021.fig3
    runs: Mapping[str, RunSpec]  # by run id
    sweeps: Mapping[str, tuple[str, ...]]  # names of the sweeps that ask for each run id
    best: int | None  # how many of the best networks its figure reports
    record: Mapping[str, Any] | None
    samples: Mapping[str, Any] | None = None  # labels to show of each sweep's data set
    simulate: Mapping[str, Any] | None = None  # how to simulate its initial networks
    shows: str | None = None  # it is drawn from its sweeps alone: their `knobs`, or the `graph` of each network
    citation: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    stands_for: str = ""  # the experiment whose claims are about this one too

    def metadata(self) -> dict[str, Any]:
        """Return what a reader of its table needs to know about it, as plain JSON values."""
        names = ("id", "paper", "title", "scale", "best", "citation")
        return {**{name: getattr(self, name) for name in names}, "settings": dict(self.settings)}

    @cached_property
    def definition(self) -> str:
        """A digest of its runs, sweeps and settings: everything its table depends on besides results."""
        parts = [self.metadata(), self.sweeps, self.record, *filter(None, [self.simulate, self.shows])]
        return digest(json.dumps(parts, sort_keys=True, default=list))

    def recorded(self) -> list[RunSpec]:
        """Return the runs whose activity is recorded; raises SgpipeError if the selection is empty."""
        if self.record is None:
            return []
        wanted = flatten(self.record["runs"])
        chosen = [spec for spec in self.runs.values() if _matches(spec, wanted)]
        if not chosen:
            raise SgpipeError(f"{self.id}: record.runs: no run has {dict(wanted)}")
        return chosen


Settle = Callable[[RunSpec, bool, str], RunSpec]


def load_experiments(
    paths: Iterable[Path | str], scale: str, seed: int = 0, settle: Settle | None = None
) -> dict[str, Experiment]:
    """Return the experiments of some files at one scale, by id; raises SgpipeError.

    `seed` is added to every seed of every run. `settle` says where a run's data come from (see `Sources.settle`);
    without it runs keep the source that they are declared with.
    """
    found: dict[str, Experiment] = {}
    for path in paths:
        document = read_experiments(path)
        for name, body in document["experiments"].items():
            if name in found:
                raise SgpipeError(f"{path}: experiments.{name}: this name is taken by another file; give it another")
            if name.split("_")[0] != document["paper"]:
                raise SgpipeError(f"{path}: experiments.{name}: must begin with the file's paper, {document['paper']}_")
            found[name] = _experiment(name, body, document, scale, seed, str(path), settle)
    return found


def read_experiments(path: Path | str) -> dict[str, Any]:
    """Return a checked experiment file, with the keys of the file that it is `like` where it has none of its own.

    The other file's experiments take this one's paper into their names, go on being drawn as they are there, and stand
    for them where claims are judged; what is null here is left out. Raises SgpipeError.
    """
    document = read_yaml(path)
    if isinstance(document, dict) and isinstance(document.get("like"), str) and "paper" in document:
        other = read_experiments(Path(path).parent / document["like"])
        document = _below({**document, "like": None}, _renamed(other, document))
    check(document, "experiments", str(path))
    return document


def _renamed(other: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    """Return another file's document with this one's paper in the names of its experiments."""
    named = {
        f"{document['paper']}_{name.partition('_')[2]}": {
            "draw": name.replace("_", ".", 1),
            "stands_for": name,
            **body,
        }
        for name, body in other["experiments"].items()
    }
    return {**other, "experiments": named}


def _below(upper: Any, lower: Any) -> Any:
    """Return `upper`, with the keys of `lower` that it lacks, at every depth, but for those that are null in it.

    A value per scale is one value.
    """
    if not (isinstance(upper, Mapping) and isinstance(lower, Mapping)) or _by_scale(upper) or _by_scale(lower):
        return upper
    found = {key: _below(upper[key], lower.get(key)) if key in upper else lower[key] for key in {**lower, **upper}}
    return {key: value for key, value in found.items() if value is not None}


def _experiment(
    name: str, body: dict, document: dict, scale: str, seed: int, path: str, settle: Settle | None
) -> Experiment:
    where = f"{path}: {name}"
    runs: dict[str, RunSpec] = {}
    asked: dict[str, list[str]] = {}
    shared = over(at_scale(document.get("base", {}), scale, where), at_scale(body.get("base", {}), scale, where))
    for sweep, parts in body.get("sweeps", {}).items():
        here = f"{where}: sweeps.{sweep}"
        base = over(shared, at_scale(parts.get("base", {}), scale, here))
        for point in _points(parts, scale, here):
            values = over(base, point)
            for key in SEEDS if seed else ():
                values[key] = values.get(key, 0) + seed
            spec = RunSpec.make(values, here)
            if settle:
                spec = settle(spec, "data.source" in values, here)
            runs[spec.id] = spec
            if sweep not in asked.setdefault(spec.id, []):
                asked[spec.id].append(sweep)
    best = for_scale(body.get("choose", {}).get("best"), scale, f"{where}: choose.best")
    if best is not None and not (isinstance(best, int) and best >= 1):
        raise SgpipeError(f"{where}: choose.best: {best!r} is not a whole number of at least 1")
    return Experiment(
        id=name,
        paper=document["paper"],
        title=body["title"],
        scale=scale,
        trains=body.get("trains", True),
        draw=body.get("draw", name.replace("_", ".", 1)),
        runs=runs,
        sweeps={run_id: tuple(names) for run_id, names in asked.items()},
        best=best,
        record=_record(body["record"], scale, f"{where}: record") if "record" in body else None,
        samples=body.get("samples"),
        simulate=at_scale(body["simulate"], scale, f"{where}: simulate") if "simulate" in body else None,
        shows=body.get("shows"),
        citation=document.get("citation", ""),
        settings=at_scale(body.get("settings", {}), scale, f"{where}: settings"),
        stands_for=body.get("stands_for", name),
    )


def _record(asked: Mapping[str, Any], scale: str, where: str) -> dict[str, Any]:
    """Return what is to be recorded at this scale; the knobs that select the runs stay as they are."""
    return {key: value if key == "runs" else for_scale(value, scale, f"{where}.{key}") for key, value in asked.items()}


def over(lower: Mapping[str, Any], upper: Mapping[str, Any]) -> dict[str, Any]:
    """Return the knobs of `lower` with those of `upper` on top; the data knobs of another task are left behind."""
    below = lower.get("data.task", "randman")
    stays = upper.get("data.task", below) == below
    return {**{key: value for key, value in lower.items() if stays or not key.startswith("data.")}, **upper}


def _points(parts: Mapping[str, Any], scale: str, where: str) -> list[dict[str, Any]]:
    """Return the settings of a sweep: grid x zip x list, those of them that are given."""
    grid = _axes(parts.get("grid", {}), scale, f"{where}.grid")
    points = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    beside = _axes(parts.get("zip", {}), scale, f"{where}.zip")
    if beside:
        lengths = {key: len(values) for key, values in beside.items()}
        if len(set(lengths.values())) > 1:
            raise SgpipeError(f"{where}.zip: the lists must be equally long, but have {lengths}")
        pairs = [dict(zip(beside, values, strict=True)) for values in zip(*beside.values(), strict=True)]
        points = [{**point, **pair} for point in points for pair in pairs]
    if "list" in parts:
        settings = [at_scale(entry, scale, f"{where}.list") for entry in parts["list"]]
        points = [{**point, **entry} for point in points for entry in settings]
    return points


def _axes(axes: Mapping[str, Any], scale: str, where: str) -> dict[str, list]:
    """Return the values of each axis at this scale; raises SgpipeError on an axis that makes no runs."""
    chosen = at_scale(axes, scale, where)
    for key, values in chosen.items():
        if not isinstance(values, list):
            raise SgpipeError(f"{where}.{key}: {values!r} is not a list of values, e.g. [{values!r}]")
        if not values:
            raise SgpipeError(f"{where}.{key}: an empty list makes no runs; give it at least one value")
    return chosen


def at_scale(values: Mapping[str, Any], scale: str, where: str) -> dict[str, Any]:
    """Return nested or dotted knobs as dotted ones, each with its value at this scale."""
    return {key: for_scale(value, scale, f"{where}: {key}") for key, value in flatten(values).items()}


def for_scale(value: Any, scale: str, where: str) -> Any:
    """Return the value at this scale, if `value` maps scales to values, else `value` itself."""
    if not _by_scale(value):
        return value
    if scale not in value:
        raise SgpipeError(f"{where}: has values for {', '.join(value)}, but none for {scale}")
    return value[scale]


def _by_scale(value: Any) -> bool:
    return isinstance(value, Mapping) and bool(value) and all(key in SCALES for key in value)


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return `{"a": {"b": 1}}` as `{"a.b": 1}`; mappings from scale to value stay whole."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping) and not _by_scale(value):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _matches(spec: RunSpec, wanted: Mapping[str, Any]) -> bool:
    flat = spec.flat()
    return all(flat.get(key) == (tuple(value) if isinstance(value, list) else value) for key, value in wanted.items())
