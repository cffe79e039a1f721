"""Drawing the figures of experiments."""

from pathlib import Path

from matplotlib.figure import Figure

from sgpipe.base.errors import SgpipeError
from sgpipe.figures import style
from sgpipe.figures.make import drawn, save


def figure(table: Path | str, draw: str | None = None, output: Path | str | None = None) -> Figure:
    """Draw a figure from the table of an experiment.

    Args:
        table: The table, e.g. `results/laptop/zenke2021_fig3.parquet`. Recorded activity is read from beside it.
        draw: The figure that draws it, e.g. `zenke2021.fig3`; by default the one with the experiment's name.
        output: Path, without suffix, of the files to write: .png, .pdf, .svg, and .parquet with the plotted numbers. By
            default nothing is written.

    Returns:
        The figure, with its panels laid out.

    Raises:
        SgpipeError: There is no such table, or no figure that draws it.
    """
    path = Path(table)
    if not path.is_file():
        raise SgpipeError(f"{table}: no such table")
    tables = {"runs": path}
    if (beside := path.with_suffix(".activity.parquet")).is_file():
        tables["activity"] = beside
    picture, data, experiment, note = drawn(draw or path.stem.replace("_", ".", 1), tables)
    if output is not None:
        save(picture, data, experiment, note, Path(output))
        return picture
    with style.look():
        style.lay_out(picture)
    return picture
