"""Where the workflow lies: in a checkout beside the sources, in an installed package within it."""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
SHIPPED = PACKAGE / "study"  # in a wheel (pyproject.toml); there is none in a checkout


def snakefile() -> str:
    """Return the path of the workflow, for `include:` in the Snakefile of a study."""
    return str(home() / "Snakefile")


def home() -> Path:
    """Return the folder that holds `Snakefile` and `workflow/`."""
    return SHIPPED if SHIPPED.is_dir() else PACKAGE.parents[1]
