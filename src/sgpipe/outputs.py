"""Where figures and tables go, and which source files decide their look."""

import importlib.util
from pathlib import Path

from sgpipe.errors import SgpipeError
from sgpipe.experiments import Experiment

FORMATS = {"figures": ("png", "pdf", "svg", "parquet"), "tables": ("csv", "md", "tex", "parquet")}


def kind_of(experiment: Experiment) -> str:
    """Return `figures` or `tables`, by the experiment's name."""
    return "tables" if "_table" in experiment.id else "figures"


def outputs_of(experiment: Experiment, folder: Path | str) -> list[str]:
    """Return the files that drawing an experiment makes, e.g. `results/laptop/figures/zenke2021/fig3.png`."""
    kind = kind_of(experiment)
    stem = Path(folder) / kind / experiment.paper / experiment.id.removeprefix(f"{experiment.paper}_")
    return [f"{stem}.{suffix}" for suffix in FORMATS[kind]]


def caption_of(experiment: Experiment, folder: Path | str = "workflow/report") -> str:
    """Return the caption file for the report: the experiment's own, else that of the figure it is drawn as."""
    names = (experiment.id, experiment.draw.replace(".", "_"), "any")
    return next(f"{name}.rst" for name in names if name == "any" or (Path(folder) / f"{name}.rst").exists())


def sources_of(experiment: Experiment) -> list[str]:
    """Return the module that draws an experiment and what it is drawn with; editing one redraws the figure.

    Raises SgpipeError if the experiment names a module that is not there.
    """
    modules = [
        f"sgpipe.figures.{experiment.draw}",
        "sgpipe.figures.style",
        "sgpipe.figures.make",
        "sgpipe.choose",
    ]
    paths = []
    for module in modules:
        try:
            found = importlib.util.find_spec(module)
        except ModuleNotFoundError:
            found = None
        if found is None:
            raise SgpipeError(
                f"{experiment.id}: draw: there is no src/{module.replace('.', '/')}.py; write it, "
                "or name another module, e.g. draw: zenke2021.fig3"
            )
        path = Path(found.origin)
        paths.append(str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path))
    return paths
