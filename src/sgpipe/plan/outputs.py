"""Where figures and tables go, and which caption they have in the report."""

from pathlib import Path

from sgpipe.base.workflow import home
from sgpipe.spec.experiments import Experiment

FORMATS = {"figures": ("png", "pdf", "svg", "parquet"), "tables": ("csv", "md", "tex", "html", "parquet")}


def kind_of(experiment: Experiment) -> str:
    """Tell `tables`, if the experiment's name begins with that word after the paper's, from `figures`."""
    return "tables" if experiment.id.removeprefix(f"{experiment.paper}_").startswith("table") else "figures"


def outputs_of(experiment: Experiment, folder: Path | str) -> list[str]:
    """List the files that drawing an experiment makes, e.g. `results/laptop/figures/zenke2021/fig3.png`.

    Those of its comparison come last.
    """
    kind = kind_of(experiment)
    stem = Path(folder) / kind / experiment.paper / experiment.id.removeprefix(f"{experiment.paper}_")
    stems = [stem, compared(stem)] if experiment.compare else [stem]
    return [f"{one}.{suffix}" for one in stems for suffix in FORMATS[kind]]


def compared(stem: Path) -> Path:
    """Return the stem of the comparison that is drawn beside a figure."""
    return stem.with_name(f"{stem.name}_compared")


def tables_of(experiment: Experiment, folder: Path | str) -> dict[str, Path]:
    """List the tables that a figure or table is drawn from, by the name its module knows them by."""
    tables = {"runs": Path(folder) / f"{experiment.id}.parquet"}
    if experiment.record:
        tables["activity"] = Path(folder) / f"{experiment.id}.activity.parquet"
    if experiment.compare:
        tables["baseline"] = Path(folder) / f"{experiment.compare}.parquet"
    return tables


def caption_of(experiment: Experiment, folder: Path | str | None = None) -> str:
    """Choose the caption file for the report: the experiment's own, else that of the figure it is drawn as.

    An experiment of a file that is like another has a general one: the other's caption tells the other's settings.
    """
    alike = experiment.stands_for not in ("", experiment.id)
    names = (experiment.id, "alike" if alike else experiment.draw.replace(".", "_"), "any")
    own = Path("workflow") / "report"  # of a checkout; without one the package has it
    folder = Path(folder) if folder is not None else own if own.is_dir() else home() / own
    return next(f"{name}.rst" for name in names if name == "any" or (folder / f"{name}.rst").exists())
