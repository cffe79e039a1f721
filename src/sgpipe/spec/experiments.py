"""Experiments: from YAML to runs.

An experiment is one figure's or table's question: base knobs, sweeps over some of them, and a rule for choosing
among the results. Where a value differs by scale, it is given as a mapping from scale to value:
`training.epochs: {smoke: 2, laptop: 50, paper: 100}`.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from sgpipe.base.document import Document, checked
from sgpipe.base.errors import SgpipeError, shown
from sgpipe.spec.experiment_file import DeclaredExperiment, ExperimentFile, NamedSurrogate
from sgpipe.spec.knob import MOST_SEED
from sgpipe.spec.like import bases_of, read_experiments
from sgpipe.spec.points import MOST_RUNS, at_scale, flatten, for_scale, points_of
from sgpipe.spec.readings import holds, key_of, of_reading
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
    samples: Mapping[str, Any] | None = None  # labels to show from each sweep's data set
    simulate: Mapping[str, Any] | None = None  # how to simulate its initial networks
    shows: str | None = None  # what it draws from its sweeps alone: their `knobs`, or each network's `graph`
    citation: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    surrogates: Mapping[str, str] = field(default_factory=dict)  # labels of formulas
    stands_for: str = ""  # the experiment whose claims also apply to this one
    compare: str = ""  # the experiment that it is drawn beside
    set_here: Mapping[str, Any] = field(default_factory=dict)  # what a file sets in another file's figure, see `like`
    reading: str = ""  # which of the paper's open settings differ from the default reading
    readings: tuple[str, ...] = ()  # the keys of this experiment in other readings, see `in_readings`

    def metadata(self) -> dict[str, Any]:
        """Collect what a reader of its table needs to know about it, as plain JSON values."""
        names = ("id", "paper", "title", "scale", "best", "citation")
        more = {name: getattr(self, name) for name in ("reading", "set_here", "surrogates") if getattr(self, name)}
        return {**{name: getattr(self, name) for name in names}, "settings": dict(self.settings), **more}

    @cached_property
    def definition(self) -> str:
        """A digest of its runs, sweeps and settings: everything its table depends on besides results."""
        parts = [self.metadata(), self.sweeps, self.record, *filter(None, [self.simulate, self.shows])]
        return digest(json.dumps(parts, sort_keys=True, default=list))

    def recorded(self) -> list[RunSpec]:
        """List the runs whose activity is recorded.

        Raises:
            SgpipeError: The experiment asks for a recording, but selects no run.
        """
        if self.record is None:
            return []
        wanted = flatten(self.record["runs"], f"{self.id}: record.runs")
        chosen = [spec for spec in self.runs.values() if holds(spec.flat(), wanted)]
        if not chosen:
            raise SgpipeError(f"{self.id}: record.runs: no run has {dict(wanted)}")
        return chosen


Settle = Callable[[RunSpec, bool, str], RunSpec]


@dataclass(frozen=True)
class _Choice:
    """What applies to all experiment files: the scale, the number added to seeds, and where data come from."""

    scale: str
    seed: int
    settle: Settle | None


def load_experiments(
    paths: Iterable[Path | str], scale: str, seed: int = 0, settle: Settle | None = None
) -> dict[str, Experiment]:
    """Read the experiments of some files at one scale.

    Args:
        paths: The experiment files.
        scale: `smoke`, `laptop` or `paper`.
        seed: Added to every seed of every run.
        settle: Finds where a run's data come from (see `Sources.settle`). Without it, runs keep their declared source.

    Returns:
        The experiments by id, in order of declaration.

    Raises:
        SgpipeError: A file cannot be read, or something in it is wrong.
    """
    found: dict[str, Experiment] = {}
    runs = 0
    choice = _Choice(scale, seed, settle)
    for path in paths:
        document = read_experiments(path)
        for name in document.experiments:
            if name in found:
                raise SgpipeError(f"{path}: experiments.{name}: this name is taken by another file; give it another")
            found[name] = _experiment(name, document, str(path), choice)
            runs += len(found[name].runs)
            if runs > MOST_RUNS:
                raise SgpipeError(
                    f"{path}: {name}: with it the experiments have {runs:,} runs, above the limit of {MOST_RUNS:,}; "
                    "give fewer values, or fewer files"
                )
    return found


def in_readings(paths: Iterable[Path | str], experiments: Mapping[str, Experiment]) -> dict[str, Experiment]:
    """Load the experiments of some files in all readings except the default; raises SgpipeError.

    Args:
        paths: The files.
        experiments: Their experiments in the default reading, as `load_experiments` returns them.

    Returns:
        Experiments by key (`readings/<reading>/<experiment>`), each with the sweeps in which the reading changes a run.
    """
    found: dict[str, Experiment] = {}
    for path in paths:
        document = read_experiments(path)
        for name in document.experiments:
            for reading in document.open_settings.of(name):
                found[key_of(reading, name)] = of_reading(experiments[name], document.open_settings, reading, str(path))
    return found


def _experiment(name: str, document: ExperimentFile, path: str, choice: _Choice) -> Experiment:
    body, scale, where = document.experiments[name], choice.scale, f"{path}: {name}"
    runs: dict[str, RunSpec] = {}
    asked: dict[str, list[str]] = {}
    shared = over(at_scale(document.base, scale, f"{path}: base"), at_scale(body.base, scale, f"{where}: base"))
    for sweep, parts in body.sweeps.items():
        if scale not in parts.scales:
            continue
        here = f"{where}: sweeps.{sweep}"
        base = over(shared, at_scale(parts.base, scale, here))
        for point in points_of(parts, scale, here):
            values = spelled_out(over(base, point), document.surrogates, here)
            if "data.files" in values:
                raise SgpipeError(f"{here}: data.files: the plan finds the files and sets it; leave it out")
            try:
                spec = RunSpec.make(_with_seed(values, choice.seed, here), here)
            except SgpipeError as error:
                layers = {f"{path}: base": document.base, f"{where}: base": body.base, f"{here}.base": parts.base}
                raise _at_its_place(error, layers, values, scale, here) from None
            if choice.settle:
                spec = choice.settle(spec, "data.source" in values, here)
            runs[spec.id] = spec
            if sweep not in asked.setdefault(spec.id, []):
                asked[spec.id].append(sweep)
    best = for_scale(body.choose.best, scale, f"{where}: choose.best")
    if best is not None and not (isinstance(best, int) and not isinstance(best, bool) and best >= 1):
        raise SgpipeError(f"{where}: choose.best: {shown(best)} is not a whole number of at least 1")
    draw = body.draw or name.replace("_", ".", 1)
    return Experiment(
        id=name,
        paper=document.paper,
        title=body.title,
        scale=scale,
        trains=body.trains,
        draw=draw,
        runs=runs,
        sweeps={run_id: tuple(names) for run_id, names in asked.items()},
        best=best,
        record=_record(body, document.surrogates, scale, choice.seed, f"{where}: record"),
        samples=body.samples,
        simulate=_simulate(body, scale, f"{where}: simulate"),
        shows=body.shows,
        citation=document.citation,
        settings=at_scale(body.settings, scale, f"{where}: settings"),
        surrogates=_labels(runs.values(), document),
        stands_for=body.stands_for or name,
        compare=body.compare or "",
        set_here={} if draw == name.replace("_", ".", 1) else _set_here(path, name, scale, runs),
        readings=tuple(key_of(reading, name) for reading in document.open_settings.of(name)),
    )


def _set_here(path: str, name: str, scale: str, runs: Mapping[str, RunSpec]) -> dict[str, Any]:
    """Return the knobs that a file itself sets for all runs of an experiment, if at least one run has that value."""
    values: dict[str, Any] = {}
    for base in bases_of(path, name):
        values |= {key: value for key, value in at_scale(base, scale, path).items() if key not in values}
    flat = [spec.flat() for spec in runs.values()]
    return {key: value for key, value in values.items() if any(holds(one, {key: value}) for one in flat)}


def _at_its_place(
    error: SgpipeError, layers: Mapping[str, Mapping], values: Mapping[str, Any], scale: str, here: str
) -> SgpipeError:
    """Return the error that a run's knobs gave; it names the base if that base's knob alone gives the same error."""
    said = str(error).removeprefix(here)
    task = {key: value for key, value in values.items() if key == "data.task"}
    for where, base in layers.items():
        for key, value in at_scale(base, scale, where).items():
            try:
                RunSpec.make({**task, key: value}, where)
            except SgpipeError as same:
                if str(same).removeprefix(where) == said:
                    return same
    return error


def _with_seed(values: dict[str, Any], seed: int, where: str, keys: Iterable[str] = SEEDS) -> dict[str, Any]:
    """Return the knobs of a run with `seed` added to all of its seeds, or to those among `keys`."""
    for key in keys if seed else ():
        own = values.get(key, 0)
        if isinstance(own, int) and not isinstance(own, bool):  # RunSpec.make reports what is wrong with others
            values[key] = own + seed
            if own <= MOST_SEED < values[key]:
                raise SgpipeError(f"{where}: {key}: {own} and the seed of config.yaml, {seed}, make more than 2^63 - 1")
    return values


class _Labels(Document):
    labels: list[int] = Field(min_length=1, description="a list of classes, e.g. [5]")


def _record(
    body: DeclaredExperiment, surrogates: Mapping[str, NamedSurrogate], scale: str, seed: int, where: str
) -> dict[str, Any] | None:
    """Return what to record at this scale; seeds that select the runs are shifted like the runs' seeds."""
    if body.record is None:
        return None
    asked = {**body.record.model_dump(exclude_unset=True)}
    if surrogates:
        asked["runs"] = spelled_out(flatten(asked["runs"], f"{where}.runs"), surrogates, where)
    if seed:
        wanted = flatten(asked["runs"], f"{where}.runs")
        asked["runs"] = _with_seed(wanted, seed, f"{where}.runs", wanted.keys() & SEEDS)
    if "labels" in asked:
        asked["labels"] = for_scale(asked["labels"], scale, f"{where}.labels")
        checked(_Labels, {"labels": asked["labels"]}, where)
    return asked


Count = Annotated[int, Field(ge=1, le=1_000_000)]


class _Phase(Document):
    rates: list[Annotated[float, Field(ge=0, le=1)]] = Field(min_length=1, description="rates of the input, 0 to 1")
    gains: list[Annotated[float, Field(gt=0, le=1e9)]] = Field(min_length=1, description="gains on the input weights")
    samples: Count
    steps: Count


class _Simulation(Document):
    samples: Count
    steps: Count
    phase: _Phase | None = None


def _simulate(body: DeclaredExperiment, scale: str, where: str) -> dict[str, Any] | None:
    """Return how to simulate the initial networks at this scale, as dotted keys."""
    if body.simulate is None:
        return None
    asked = at_scale(body.simulate.model_dump(exclude_unset=True), scale, where)
    phase = {key.removeprefix("phase."): value for key, value in asked.items() if key.startswith("phase.")}
    top = {key: value for key, value in asked.items() if not key.startswith("phase.")}
    checked(_Simulation, {**top, **({"phase": phase} if phase else {})}, where)
    return asked


def spelled_out(values: Mapping[str, Any], surrogates: Mapping[str, NamedSurrogate], where: str) -> dict[str, Any]:
    """Replace the name of a surrogate defined in an experiment file by its knobs.

    Args:
        values: Dotted knobs.
        surrogates: The file's own surrogates.
        where: Names the knobs' place in error messages.

    Raises:
        SgpipeError: A knob that the name stands for is also given.
    """
    shape = values.get("surrogate.shape")
    if not isinstance(shape, str) or shape not in surrogates:
        return dict(values)
    known = surrogates[shape].knobs()
    for key in known:
        if key != "surrogate.shape" and key in values:
            raise SgpipeError(f"{where}: {key}: is given twice, here and by surrogates.{shape}; give it once")
    return {**values, **known}


def _labels(specs: Iterable[RunSpec], document: ExperimentFile) -> dict[str, str]:
    """Return the labels of the formulas that some runs have."""
    used = {(spec.surrogate.formula, spec.surrogate.slope) for spec in specs}
    return {
        one.formula: one.label for one in document.surrogates.values() if one.label and (one.formula, one.slope) in used
    }


def over(lower: Mapping[str, Any], upper: Mapping[str, Any]) -> dict[str, Any]:
    """Merge two mappings of dotted knobs; those of `upper` win.

    Args:
        lower: The base.
        upper: Overrides the base. If it has another task, the data knobs of `lower` are dropped.
    """
    below = lower.get("data.task", "randman")
    stays = upper.get("data.task", below) == below
    return {**{key: value for key, value in lower.items() if stays or not key.startswith("data.")}, **upper}
