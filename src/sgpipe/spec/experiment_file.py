"""The format of an experiment file."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from sgpipe.base.document import Document, Line, named
from sgpipe.base.errors import SgpipeError
from sgpipe.spec.points import Knobs, Sweep
from sgpipe.spec.readings import Name, Readings, Setting
from sgpipe.spec.surrogates import FORMULA, SURROGATES

# Names of the workflow's own rules: Snakemake would mistake a figure or paper of the same name for the rule.
RULES = (
    *("all_figures", "all_tables", "plan", "download", "prepare_task", "train_pack", "claims"),
    *("initial_state", "calibrated_state", "experiment_table", "description_table", "simulation_table"),
    *("activity_table", "counted_activity_table", "explorer", "provenance"),
)


def _no_rule(name: str) -> str:
    if name in RULES:
        raise ValueError("is the name of a rule of the workflow; give it another")
    return name


def _no_shape(name: str) -> str:
    if name in SURROGATES or name == FORMULA:
        raise ValueError("is a shape that there is already (docs/knobs.md); give it another name")
    return name


def _formula(text: str) -> str:
    from sgpipe.spec.formulas.formula import formula  # here: see sgpipe.spec.surrogates

    try:
        return formula(text).text
    except SgpipeError as error:
        raise ValueError(str(error)) from None


def _no_braces(title: str) -> str:
    if set("{}") & set(title):
        raise ValueError("has braces, which Snakemake's report takes for wildcards; write it without")
    return title


PaperName = Annotated[
    named("[a-z][a-z0-9]*", "a name of small letters and digits that begins with a letter"), AfterValidator(_no_rule)
]
ExperimentName = Annotated[
    named(
        "[a-z][a-z0-9]*_[a-z][0-9A-Za-z]*",
        "the paper, _, and a name of letters and digits that begins with a small one",
    ),
    AfterValidator(_no_rule),
]
Module = named("[A-Za-z][A-Za-z0-9_]*[.][A-Za-z][A-Za-z0-9_]*", "a folder and a module below sgpipe.figures")
SurrogateName = Annotated[
    named("[a-z][a-z0-9_]{0,39}", "a name of small letters, digits and _ that begins with a letter"),
    AfterValidator(_no_shape),
]
SweepName = named("[A-Za-z0-9_+-]{1,60}", "a name of up to 60 letters, digits, _, + and -")
Layer = named("hidden[1-9][0-9]*|readout", "a layer: hidden1, hidden2, ..., or readout")


class Choose(Document):
    """The rule for choosing among the results."""

    best: Any = Field(
        None, description="how many of the best networks by validation accuracy to report: a number, or one a scale"
    )


class Record(Document):
    """Which networks' activity on test samples to record, replayed from their weights before and after training."""

    runs: Knobs = Field(description="knobs that select the runs; {} for all")
    samples_per_class: int = Field(ge=1, le=1_000_000, description="test samples of each class")
    labels: Any = Field(None, description="these classes alone: a list, or one a scale")
    moments: list[Literal["before", "after"]] = Field(
        ["before", "after"], min_length=1, description="before or after training; both if not given"
    )
    membranes: list[Layer] | None = Field(
        None, description="layers whose membranes are kept: hidden1, ..., readout; all if not given"
    )
    counts: bool = Field(False, description="whether to count the spikes of every hidden unit in every test sample too")


class Simulate(Document):
    """How to simulate the initial networks of a figure that trains nothing; each value may be given per scale."""

    samples: Any = Field(description="training samples, seen side by side")
    steps: Any = Field(description="time steps, at most those of the task")
    phase: Knobs = Field(
        {},
        description="the phase diagram: lists of rates (of the input) and of gains, and on how many samples and steps "
        "of random inputs",
    )


class DeclaredExperiment(Document):
    """One figure's or table's question, at all scales."""

    title: Annotated[Line, AfterValidator(_no_braces)] = Field(description="one line")
    draw: Module | None = Field(
        None, description="the module that draws it, if not the experiment's own, e.g. zenke2021.fig3"
    )
    stands_for: ExperimentName | None = Field(
        None,
        description="an experiment whose claims are about this one too, e.g. zenke2021_fig3; `like` says so by itself",
    )
    compare: ExperimentName | None = Field(
        None,
        description="an experiment, e.g. zenke2021_fig3: a second picture, <figure>_compared, has this one beside it",
    )
    trains: bool = Field(True, description="false for a figure of the data alone")
    base: Knobs = Field({}, description="knobs that all sweeps of the experiment share")
    sweeps: dict[SweepName, Sweep] = Field({}, description="by name: the runs that the experiment asks for")
    choose: Choose = Field(Choose(), description="the rule for choosing among the results")
    record: Record | None = Field(None, description="activity of some networks on test samples")
    shows: Literal["knobs", "graph"] | None = Field(
        None,
        description="for a figure that trains nothing: knobs, if it is drawn from the values of its sweeps alone; "
        "graph, from the computational graphs of their networks",
    )
    simulate: Simulate | None = Field(None, description="for a figure that trains nothing: its initial networks")
    samples: dict[str, list[int]] | None = Field(
        None, description="inputs to show, for a figure that trains nothing: labels of test samples, by sweep"
    )
    settings: Knobs = Field({}, description="numbers that only the drawing uses; each may be one a scale")

    @model_validator(mode="after")
    def _fits(self):
        """Refuse parts that do not go together."""
        made = [name for name in ("samples", "shows", "simulate") if getattr(self, name) is not None]
        if not self.sweeps and (self.trains or made):
            raise ValueError("lacks `sweeps`, and so has no runs; give it e.g. sweeps: {all: {}}")
        if len(made) > 1:
            raise ValueError(f"has {' and '.join(made)}; a figure is made of one of them")
        if made and self.trains:
            raise ValueError(f"has {made[0]}, which is for figures that train nothing; add trains: false")
        if self.record is not None and not self.trains:
            raise ValueError("has record, which is of trained networks; leave out trains: false")
        if unknown := [name for name in self.samples or {} if name not in self.sweeps]:
            raise ValueError(f"has samples of {unknown[0]!r}, which is none of its sweeps: {', '.join(self.sweeps)}")
        return self


class NamedSurrogate(Document):
    """A surrogate derivative defined by the user."""

    formula: Annotated[str, AfterValidator(_formula)] = Field(description="f(v), e.g. 1/(1 + abs(v))**3")
    label: Annotated[Line, AfterValidator(_no_braces)] = Field(
        "", description="its name in figures; the formula if not given"
    )
    slope: Literal["sharpness", "beta"] = Field("sharpness", description="the knob that stretches v")

    def knobs(self) -> Knobs:
        """The knobs of a run for which its name stands."""
        return {"surrogate.shape": FORMULA, "surrogate.formula": self.formula, "surrogate.slope": self.slope}


class ExperimentFile(Document):
    """A file of experiments."""

    paper: PaperName = Field(description="short name of the study, e.g. zenke2021")
    citation: Line = Field("", description="how the report cites the study")
    like: Line | None = Field(
        None,
        description="another experiment file, beside this one, whose keys stand where this one has none; what is null "
        "here is left out",
    )
    surrogates: dict[SurrogateName, NamedSurrogate] = Field(
        {}, description="by name: formulas that `surrogate.shape` may name in this file"
    )
    base: Knobs = Field({}, description="knobs that all experiments of the file share")
    lists: Any = Field(None, description="a place for YAML anchors; not read")
    readings: dict[Name, Setting] = Field(
        {}, description="by name: settings that the paper leaves open, with all their admissible values"
    )
    together: list[list[Name]] = Field(
        [], description="those of `readings` that may conspire: all combinations of their other values are readings too"
    )
    experiments: dict[ExperimentName, DeclaredExperiment] = Field(
        min_length=1,
        description="by name: the paper, _, and what its files are called; a name that begins with table after the "
        "paper is a table, any other a figure",
    )

    @model_validator(mode="after")
    def _named(self):
        """Refuse names that do not begin with the paper, or that some file systems cannot tell apart."""
        seen: dict[str, str] = {}
        for name in self.experiments:
            if name.partition("_")[0] != self.paper:
                raise ValueError(f"experiments.{name}: must begin with the file's paper, {self.paper}_")
            if other := seen.get(name.lower()):
                raise ValueError(f"experiments.{name}: differs from {other} by small and capital letters alone")
            seen[name.lower()] = name
        self.open_settings.check(self.experiments)
        return self

    @property
    def open_settings(self) -> Readings:
        """What the paper leaves open."""
        return Readings(self.readings, self.together)
