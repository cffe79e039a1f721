"""Readings: what a paper leaves open, the admissible values, and the experiments that follow from each.

A setting that a paper does not state is declared under `readings:` of an experiment file, with all its admissible
values and the origin of each; `together:` names settings that may interact. A reading is one choice of values. The
default reading takes, for each setting, the value whose origin ranks highest; results play no part in it (Steegen,
Tuerlinckx, Gelman & Vanpaemel 2016, Perspectives on Psychological Science 11:702-712).
"""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from pydantic import Field, model_validator

from sgpipe.base.document import Document, Line, named
from sgpipe.base.errors import SgpipeError, shown
from sgpipe.spec.points import at_scale, flatten
from sgpipe.spec.run import RunSpec, knobs
from sgpipe.spec.tasks import TASKS

# Where a value may come from, most binding first: the paper's text, the authors' scripts, their library, others who
# reran the paper, our own choice.
ORIGINS = ("stated", "code", "library", "third", "ours")
FOLDER = "readings"  # folder of their tables, below those of the default reading

Name = named("[a-z0-9][a-z0-9_]*", "a name of small letters, digits and _")


class Judging(Document):
    """How claims are judged in a reading that needs no training."""

    form: Literal["free", "capped", "linear"] | None = Field(None, description="form of a fitted sigmoid")
    epoch: Literal["best", "last"] | None = Field(None, description="which epoch's accuracies count")
    where: dict[str, Any] = Field({}, description="runs that count, where a claim does not say itself")


class Value(Document):
    """One admissible value of a setting."""

    origin: Literal[ORIGINS] = Field(description="where it comes from")
    knobs: dict[str, Any] = Field({}, description="the knobs that it sets, each with one value, or one a scale")
    judging: Judging = Field(Judging(), description="how claims are judged, for a setting that trains nothing")
    source: Line = Field("", description="the place, e.g. `section 4.1.2`")

    @property
    def rank(self) -> int:
        """How binding its origin is; 0 is the most binding."""
        return ORIGINS.index(self.origin)


class Setting(Document):
    """A setting that a paper leaves open, or on which its text and its authors' code disagree."""

    open: Line = Field(description="one line: what is open, and why the values are admissible")
    values: dict[Name, Value] = Field(min_length=2, description="all admissible values by name")
    default: Name | None = Field(None, description="the default, where several values have the most binding origin")
    where: dict[str, Any] = Field(
        {}, description="knobs that a run must have for this to be about it, each with one value or a list of any"
    )
    experiments: dict[str, list[str]] = Field(
        {},
        description="of which experiments `snakemake <experiment>_readings` trains the other values, and of which of "
        "their sweeps; [] for all",
    )
    keep: dict[str, Any] = Field(
        {},
        description="knobs, and which values of them are trained: a list, or one a scale; thinner grids cost less",
    )

    @model_validator(mode="after")
    def _fits(self):
        best = min(value.rank for value in self.values.values())
        first = [name for name, value in self.values.items() if value.rank == best]
        if self.default is None and len(first) > 1:
            raise ValueError(f"{' and '.join(first)} have the same origin; say which is the `default`")
        if self.default is not None and self.default not in first:
            raise ValueError(f"default: the most binding origin has {' or '.join(first)}, not {self.default}")
        keys = [sorted(flatten(value.knobs, "knobs")) for value in self.values.values()]
        if any(one != keys[0] for one in keys):
            raise ValueError("every value must set the same knobs")
        if self.experiments and not keys[0]:
            raise ValueError("experiments: a setting without knobs trains nothing; leave them out")
        return self

    @property
    def usual(self) -> str:
        """The value in the default reading: the one with the most binding origin."""
        return self.default or min(self.values, key=lambda name: self.values[name].rank)

    @property
    def others(self) -> tuple[str, ...]:
        """The values besides the default."""
        return tuple(name for name in self.values if name != self.usual)

    @property
    def trains(self) -> bool:
        """Whether its values set knobs."""
        return bool(self.values[self.usual].knobs)


@dataclass(frozen=True)
class Readings:
    """All settings that a paper leaves open."""

    settings: Mapping[str, Setting] = field(default_factory=dict)
    together: Sequence[Sequence[str]] = ()  # settings whose non-default values are also combined

    def of(self, experiment: str) -> list["Reading"]:
        """List the readings of an experiment that train: each non-default value alone, then the combinations."""
        mine = [name for name, setting in self.settings.items() if experiment in setting.experiments]
        groups = [(name,) for name in mine] + [tuple(names) for names in self.together if set(names) <= set(mine)]
        return [
            Reading(tuple(zip(names, values, strict=True)))
            for names in groups
            for values in itertools.product(*(self.settings[name].others for name in names))
        ]

    def check(self, experiments: Iterable[str]) -> None:
        """Raise ValueError, as pydantic requires, if a name or a knob does not exist."""
        every = {key for task in TASKS for key in knobs(task)}
        for name, setting in self.settings.items():
            asked = [key for value in setting.values.values() for key in flatten(value.knobs, name)]
            for key in [*asked, *flatten(setting.where, name), *flatten(setting.keep, name)]:
                if key not in every:
                    raise ValueError(f"readings.{name}: {key!r} is no knob (docs/knobs.md)")
            for one in setting.experiments:
                if one not in experiments:
                    raise ValueError(f"readings.{name}: experiments: {one!r} is none of this file's")
        for name in itertools.chain.from_iterable(self.together):
            if name not in self.settings:
                raise ValueError(f"together: {name!r} is none of `readings`: {', '.join(self.settings)}")


@dataclass(frozen=True, order=True)
class Reading:
    """One choice of values, given by those that differ from the default."""

    changes: tuple[tuple[str, str], ...] = ()  # (setting, value), sorted

    def __post_init__(self):
        object.__setattr__(self, "changes", tuple(sorted(self.changes)))

    @property
    def name(self) -> str:
        """Its name in paths and tables, e.g. `readout_start-zero+theta-code`; `default` for the default."""
        return "+".join(f"{setting}-{value}" for setting, value in self.changes) or "default"

    @property
    def settings(self) -> tuple[str, ...]:
        """The settings in which it differs from the default."""
        return tuple(setting for setting, _ in self.changes)


def key_of(reading: Reading, experiment: str) -> str:
    """Name an experiment in a reading, as in the path of its table: `readings/<reading>/<experiment>`."""
    return f"{FOLDER}/{reading.name}/{experiment}"


def changed(spec: RunSpec, settings: Mapping[str, Setting], reading: Reading, scale: str, where: str) -> RunSpec:
    """Make the run that replaces one of the default reading's; the same run if the reading does not concern it."""
    flat = spec.flat()
    values = {}
    for name, value in reading.changes:
        setting = settings[name]
        usual = at_scale(setting.values[setting.usual].knobs, scale, where)
        if holds(flat, usual) and concerns(setting, flat):
            values |= at_scale(setting.values[value].knobs, scale, where)
    if not values:
        return spec
    kept = {key: list(value) if isinstance(value, tuple) else value for key, value in flat.items() if value is not None}
    return RunSpec.make({**kept, **values}, where)


def concerns(setting: Setting, flat: Mapping[str, Any]) -> bool:
    """Tell whether a setting is about a run with these knobs."""
    asked = flatten(setting.where, "where")
    return all(
        any(holds(flat, {key: value}) for value in (values if isinstance(values, list) else [values]))
        for key, values in asked.items()
    )


def holds(flat: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Tell whether a run's knobs have the wanted values."""
    return all(flat.get(key) == (tuple(value) if isinstance(value, list) else value) for key, value in wanted.items())


def of_reading(experiment: Any, readings: Readings, reading: Reading, where: str) -> Any:
    """Make an experiment in a reading, with the sweeps in which the reading changes a run.

    Args:
        experiment: The experiment in the default reading (`sgpipe.spec.experiments.Experiment`).
        readings: The open settings.
        reading: One choice of their values.
        where: Names the place in error messages.

    Raises:
        SgpipeError: The reading changes no run of the experiment.
    """
    here = f"{where}: readings.{reading.name}"
    settings = readings.settings
    wanted = [set(settings[name].experiments[experiment.id]) for name in reading.settings]
    kept = [at_scale(settings[name].keep, experiment.scale, here) for name in reading.settings]

    def trained(spec: RunSpec, sweep: str) -> bool:
        flat = spec.flat()
        return all(sweep in names for names in wanted if names) and all(
            flat.get(key) is None or flat[key] in values for thin in kept for key, values in thin.items()
        )

    default, scale = experiment.runs.items(), experiment.scale
    made = {run_id: changed(spec, settings, reading, scale, here) for run_id, spec in default}
    touched = {name for run_id, spec in made.items() if spec.id != run_id for name in experiment.sweeps[run_id]}
    if not touched:
        values = [settings[name].values[settings[name].usual].knobs for name in reading.settings]
        raise SgpipeError(
            f"{here}: changes no run of {experiment.id} at scale {experiment.scale}: none of them has the default's "
            f"{shown(values)}"
        )
    runs: dict[str, RunSpec] = {}
    sweeps: dict[str, tuple[str, ...]] = {}
    for run_id, spec in made.items():
        names = tuple(name for name in experiment.sweeps[run_id] if name in touched and trained(spec, name))
        if names:
            runs[spec.id] = spec
            sweeps[spec.id] = tuple(dict.fromkeys((*sweeps.get(spec.id, ()), *names)))
    return replace(experiment, runs=runs, sweeps=sweeps, record=None, reading=reading.name, readings=())
