"""Draw a figure, or write a table, from its tables."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from sgpipe.plan.outputs import compared
from sgpipe.rules.pictures import without_a_screen


def draw(module: str, tables: Mapping[str, Path | str], outputs: Iterable[Path | str]) -> None:
    """Draw a figure, or write a table; with a baseline, draw the comparison too.

    Args:
        module: The module of the figure, e.g. `zenke2021.fig3`.
        tables: Its tables by name; `baseline` is that of the experiment that it is compared with.
        outputs: The files to write, those of the figure first.
    """
    without_a_screen()
    from sgpipe.figures.make import make_figure, make_table  # matplotlib, which training need not load

    paths = [Path(path) for path in outputs]
    make = make_figure if any(path.suffix == ".png" for path in paths) else make_table
    own = {name: Path(path) for name, path in tables.items() if name != "baseline"}
    make(module, own, paths[0].with_suffix(""))
    if "baseline" in tables:
        from sgpipe.figures.compare import make_comparison

        make_comparison({**own, "baseline": Path(tables["baseline"])}, compared(paths[0].with_suffix("")))
