"""Draw a figure, or write a table, from its tables."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from sgpipe.rules.pictures import without_a_screen


def draw(module: str, tables: Mapping[str, Path | str], outputs: Iterable[Path | str]) -> None:
    """Draw a figure, or write a table.

    Args:
        module: Of the figure, e.g. `zenke2021.fig3`.
        tables: Its tables by name.
        outputs: The files to write; they share one stem.
    """
    without_a_screen()
    from sgpipe.figures.make import make_figure, make_table  # matplotlib, which training need not load

    paths = [Path(path) for path in outputs]
    make = make_figure if any(path.suffix == ".png" for path in paths) else make_table
    make(module, {name: Path(path) for name, path in tables.items()}, paths[0].with_suffix(""))
