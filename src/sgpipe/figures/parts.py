"""Parts that several figures share: bars with their networks, heat maps, and the shapes of surrogates."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from sgpipe.base.errors import SgpipeError
from sgpipe.figures import style
from sgpipe.spec.surrogates import SURROGATES

BARS_KEY = (
    "bars: mean · whiskers: sd · broad grey lines: 95 % confidence interval of the mean · points: single networks"
)
ACCURACY_TICKS = (0, 0.25, 0.5, 0.75, 1)
XY = ("data", "axes fraction")
NUMBERS_FIT = 6.0  # mm: narrower cells of a heat map have no room for a number


def choice_title(axes: Axes, summaries: pd.DataFrame, words: str) -> None:
    """Title a panel of best networks, e.g. `best 4 of 12 cells`.

    Where the bars differ in these numbers, each needs its own: `choice_label` writes them above it.

    Args:
        axes: The panel.
        summaries: A row per bar.
        words: The title; `{}` in it becomes the choice.
    """
    found = choices(summaries)
    if len(found) == 1:
        n, cells = found.pop()
        axes.set_title(words.format(f"best {n} of {cells} cell{'s' if cells != 1 else ''}"))
    else:
        axes.set_title(words.format("best n of N cells, as given below"), pad=11)


def choice_label(axes: Axes, x: float, bars: Iterable[Mapping], summaries: pd.DataFrame) -> None:
    """Write above a bar how many of how many cells it shows, where the panel's title cannot say so of all bars.

    Args:
        axes: The panel.
        x: The position.
        bars: The summaries at that position.
        summaries: Those of the whole panel.
    """
    if len(choices(summaries)) > 1:
        words = " · ".join(dict.fromkeys(f"{int(bar['n'])}/{int(bar['cells'])}" for bar in bars))
        look = {"ha": "center", "va": "bottom", "size": style.SMALL}
        axes.annotate(words, (x, 1), (0, 1), XY, textcoords="offset points", **look)


def none_finished(axes: Axes, x: float, bar: Mapping) -> None:
    """Mark the place of a bar that has no network."""
    if bar["n"] == 0:
        words = f"none of {int(bar['cells'])} finished"
        axes.text(x, 0.02, words, rotation=90, zorder=7, ha="center", va="bottom", size=style.SMALL)


def choices(summaries: pd.DataFrame) -> set[tuple[int, int]]:
    """List how many of how many cells are shown, each pair of numbers once."""
    return {(int(n), int(cells)) for n, cells in zip(summaries["n"], summaries["cells"], strict=True)}


def mean_and_spread(axes: Axes, x: float, bar: Mapping) -> None:
    """Draw sd whiskers and the 95 % confidence interval of a summary row about its mean."""
    if np.isnan(bar["sd"]):
        return
    axes.plot([x, x], [bar["low"], bar["high"]], color=style.INK, alpha=0.3, lw=3, solid_capstyle="butt", zorder=3)
    axes.errorbar(x, bar["mean"], bar["sd"], color=style.INK, elinewidth=0.7, capsize=2, capthick=0.7, zorder=4)


def networks(axes: Axes, x: float, values: Sequence[float], width: float, colour: object = "white") -> None:
    """Draw one small point per network, side by side in order.

    Args:
        axes: The panel.
        x: The middle.
        values: Of each network.
        width: Over which the points are spread.
        colour: Of the points.
    """
    n = len(values)
    offsets = np.linspace(-0.5, 0.5, n + 2)[1:-1] * width if n > 1 else np.zeros(n)
    axes.scatter(x + offsets, values, s=5, color=colour, edgecolors=style.INK, linewidths=0.4, zorder=5)


def bars(
    axes: Axes, summaries: pd.DataFrame, points: Sequence[Sequence[float]], colours: Sequence, x: Sequence[float]
) -> None:
    """Draw a bar with spread and networks for each summary; the y axis is accuracy.

    Args:
        axes: The panel.
        summaries: A row per bar.
        points: The values of the networks of each bar.
        colours: A colour per bar.
        x: The position of each bar.
    """
    width = 0.8
    for (_, bar), values, colour, at in zip(summaries.iterrows(), points, colours, x, strict=True):
        if bar["n"]:
            axes.bar(at, bar["mean"], width, color=colour, zorder=2)
            mean_and_spread(axes, at, bar)
            networks(axes, at, values, width)
        none_finished(axes, at, bar)
        choice_label(axes, at, [bar], summaries)
    axes.set_xlim(min(x) - 0.7, max(x) + 0.7)
    accuracy_axis(axes)


def accuracy_axis(axes: Axes, label: str = "test accuracy") -> None:
    """Make the y axis an accuracy from 0 to 1."""
    axes.set_ylim(0, 1.04)
    axes.set_yticks(ACCURACY_TICKS, [style.number(tick) for tick in ACCURACY_TICKS])
    axes.set_ylabel(label)


def chance_line(axes: Axes, level: float, words: str = "chance") -> None:
    """Draw the level of guessing, with a word at its right end."""
    if np.isnan(level):
        return
    axes.axhline(level, color=style.FAINT, lw=0.7, ls=(0, (4, 2)), zorder=6)
    at = {"xy": (1, level), "xycoords": XY[::-1], "xytext": (2, 0), "textcoords": "offset points"}
    axes.annotate(words, **at, ha="left", va="center", size=style.SMALL, color=style.FAINT, annotation_clip=False)


def heat_map(
    axes: Axes, cells: pd.DataFrame, betas: Sequence[float], etas: Sequence[float], cell_mm: float
) -> QuadMesh:
    """Draw test accuracy over beta (x) and eta (y), with one column or row per value.

    Nothing is interpolated: a cell that was not run is hatched, one in which nothing finished carries a mark.

    Args:
        axes: The panel.
        cells: A row per cell.
        betas: The columns.
        etas: The rows.
        cell_mm: Size of a cell in mm.

    Returns:
        The mesh, for a colour bar.
    """
    grid = np.full((len(etas), len(betas)), np.nan)
    places = {(cell["beta"], cell["eta"]): cell for _, cell in cells.iterrows()}
    for row, eta in enumerate(etas):
        for column, beta in enumerate(betas):
            cell = places.get((beta, eta))
            if cell is None or cell["status"] != "finished":
                mark_cell(axes, column, row, None if cell is None else cell["status"])
                continue
            grid[row, column] = accuracy = cell["test_accuracy"]
            if cell_mm >= NUMBERS_FIT and not np.isnan(accuracy):
                colour = "white" if accuracy < 0.55 else "black"  # viridis is dark below
                axes.text(column, row, f"{accuracy:.2f}", ha="center", va="center", size=style.SMALL, color=colour)
    edges = [np.arange(len(values) + 1) - 0.5 for values in (betas, etas)]
    mesh = axes.pcolormesh(
        *edges, np.ma.masked_invalid(grid), cmap=style.ACCURACY_MAP, vmin=0, vmax=1, ec="white", lw=0.4
    )
    axes.set_xticks(range(len(betas)), [style.number(beta) for beta in betas])
    axes.set_yticks(range(len(etas)), [style.number(eta) for eta in etas])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    if len(betas) > 6:
        axes.tick_params(axis="x", rotation=90)
    return mesh


CELL_MARKS = {
    None: {"facecolor": "white", "edgecolor": style.FAINT, "hatch": "/////", "lw": 0.3},
    "diverged": {"facecolor": "#FFFFFF", "edgecolor": style.WARNING_COLOUR, "hatch": "xxxxx", "lw": 0.3},
    "failed": {"facecolor": "#FFFFFF", "edgecolor": style.INK, "hatch": ".....", "lw": 0.3},
}


def mark_cell(axes: Axes, column: int, row: int, status: str | None) -> None:
    """Mark a cell of a heat map that has no accuracy.

    Args:
        axes: The heat map.
        column: Of the cell.
        row: Of the cell.
        status: Why it has none; None for a cell that was not run.
    """
    axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, **CELL_MARKS[status]))


def mark_legend(statuses: set[str | None]) -> list[Patch]:
    """Make the legend entries for the marks of some statuses."""
    words = {None: "not run", "diverged": "diverged", "failed": "failed"}
    return [Patch(**CELL_MARKS[status], label=words[status]) for status in words if status in statuses]


def shape_curves(shapes: Sequence[str], betas: Sequence[float], low: float = -1.0, high: float = 1.0) -> pd.DataFrame:
    """Compute h(x) of each shape at each beta, densely about 0, where steep shapes differ from 0.

    Args:
        shapes: Names of surrogates.
        betas: Their slopes.
        low: The lowest x.
        high: The highest x.

    Returns:
        Columns shape, beta, x, h.
    """
    fine = np.geomspace(1e-4, min(-low, high), 80)
    x = np.unique(np.concatenate([np.linspace(low, high, 81), fine, -fine]))
    parts = [
        pd.DataFrame({"shape": shape, "beta": float(beta), "x": x, "h": SURROGATES[shape](x, beta=float(beta))})
        for shape in shapes
        for beta in betas
    ]
    return pd.concat(parts, ignore_index=True)


def draw_shapes(axes: Axes, curves: pd.DataFrame, colours: Mapping[float, tuple]) -> None:
    """Draw the curves of one shape, each beta in its colour."""
    for beta, curve in curves.groupby("beta"):
        axes.plot(curve["x"], curve["h"], color=colours[beta], lw=1.0, label=style.number(beta))
    axes.set_xlabel("U − threshold")


def beta_legend(axes: Axes, lines: Sequence[Line2D], **place) -> None:
    """Name the colours of the slopes, in two columns if they are many."""
    axes.legend(handles=lines, title="β", ncols=1 + (len(lines) > 7), handlelength=0.9, columnspacing=0.7, **place)


def tidy(pieces: Iterable[pd.DataFrame], columns: Sequence[str]) -> pd.DataFrame:
    """Concatenate the pieces of a figure's numbers to one frame of some columns; what a piece lacks is missing.

    Raises:
        SgpipeError: There are none, since the figure knows none of the experiment's sweeps.
    """
    some = [piece for piece in pieces if len(piece)]
    if not some:
        raise SgpipeError("draw: no sweep has a name that this figure knows; take those of its own experiment")
    return pd.concat(some, ignore_index=True).reindex(columns=list(columns))


def empty(axes: Axes, words: str) -> None:
    """Say in an axes why there is nothing in it."""
    axes.text(0.5, 0.5, words, transform=axes.transAxes, ha="center", va="center", size=style.SMALL, color=style.FAINT)


def plain(runs: pd.DataFrame) -> pd.DataFrame:
    """Shorten column names to those that the figures' numbers use; a row per run."""
    names = {
        "surrogate.shape": "shape",
        "surrogate.beta": "beta",
        "optimiser.lr": "eta",
        "data.seed": "data_seed",
        "init.seed": "init_seed",
        "data.classes": "classes",
    }
    kept = [
        "run_id",
        "sweeps",
        "status",
        "hidden_layers",
        "best_epoch",
        "valid_accuracy",
        "valid_loss",
        "test_accuracy",
    ]
    # A table of other tasks has no column of a knob that only random manifolds have.
    return runs.rename(columns=names).reindex(columns=[*names.values(), *kept])
