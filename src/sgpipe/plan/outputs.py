"""Where figures and tables go, and which source files decide their look."""

from pathlib import Path

import sgpipe
from sgpipe.base.errors import SgpipeError
from sgpipe.spec.experiments import Experiment

PACKAGE = Path(sgpipe.__file__).parent
FORMATS = {"figures": ("png", "pdf", "svg", "parquet"), "tables": ("csv", "md", "tex", "parquet")}


def kind_of(experiment: Experiment) -> str:
    """Return `tables` if the experiment's name begins with that word after the paper's, else `figures`."""
    return "tables" if experiment.id.removeprefix(f"{experiment.paper}_").startswith("table") else "figures"


def outputs_of(experiment: Experiment, folder: Path | str) -> list[str]:
    """Return the files that drawing an experiment makes, e.g. `results/laptop/figures/zenke2021/fig3.png`."""
    kind = kind_of(experiment)
    stem = Path(folder) / kind / experiment.paper / experiment.id.removeprefix(f"{experiment.paper}_")
    return [f"{stem}.{suffix}" for suffix in FORMATS[kind]]


def caption_of(experiment: Experiment, folder: Path | str = "workflow/report") -> str:
    """Return the caption file for the report: the experiment's own, else that of the figure it is drawn as.

    Of a file that is like another it is a general one: the other's caption tells the other's settings.
    """
    alike = experiment.stands_for not in ("", experiment.id)
    names = (experiment.id, "alike" if alike else experiment.draw.replace(".", "_"), "any")
    return next(f"{name}.rst" for name in names if name == "any" or (Path(folder) / f"{name}.rst").exists())


def sources_of(experiment: Experiment) -> list[str]:
    """Return the modules that decide how an experiment looks; editing one of them redraws it.

    They are its own, those beside it that begin with its name, and what all figures share. Raises SgpipeError if its
    own is not there.
    """
    own = module_of(experiment)
    shared = [PACKAGE / name for name in ("results/selection.py", "spec/surrogates.py", "results/transition.py")]
    beside = sorted(own.parent.glob(f"{own.stem}_*.py"))
    return [_shown(path) for path in (own, *beside, *sorted((PACKAGE / "figures").glob("*.py")), *shared)]


def module_of(experiment: Experiment) -> Path:
    """Return the module that draws an experiment; raises SgpipeError if there is none."""
    path = PACKAGE / "figures" / f"{experiment.draw.replace('.', '/')}.py"
    if not path.is_file():
        raise SgpipeError(
            f"{experiment.id}: draw: there is no {_shown(path)}; write it, or name another, e.g. zenke2021.fig3"
        )
    return path


def claim_sources() -> list[str]:
    """Return the modules that decide the verdicts and their look; editing one of them judges anew."""
    names = ("results/selection.py", "results/transition.py", "figures/style.py")
    return [_shown(path) for path in (*sorted((PACKAGE / "claims").glob("*.py")), *(PACKAGE / name for name in names))]


def _shown(path: Path) -> str:
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
