"""Parts that several figures share: bars with their networks, heat maps, and the shapes of surrogates."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from sgpipe.base.errors import SgpipeError
from sgpipe.figures import style
from sgpipe.results import selection
from sgpipe.results.selection import summary
from sgpipe.spec.surrogates import SURROGATES

ACCURACY_TICKS = (0, 0.25, 0.5, 0.75, 1)
XY = ("data", "axes fraction")
TOLD_FROM = 3  # networks from which on a mean gets an interval
NUMBERS_FIT = 6.0  # mm: narrower cells of a heat map have no room for a number
INTERVAL = {"color": style.INK, "alpha": 0.3, "lw": 3, "solid_capstyle": "butt", "zorder": 3}
WHISKER = {"color": style.INK, "lw": 0.7, "zorder": 4}
POINTS = {"s": 5, "edgecolors": style.INK, "linewidths": 0.4, "zorder": 5}
PRINTED = {"color": style.INK, "marker": "D", "ms": 3, "mfc": "white", "mew": 0.7, "elinewidth": 0.7, "zorder": 8}


def interval(accuracies: Sequence[float]) -> tuple[float, float]:
    """Compute the 95 % confidence interval of the mean of some accuracies, clipped to 0 to 1; NaN for fewer than three.

    For two it would reach nine standard deviations to either side, and hide everything else.
    """
    if len(accuracies) < TOLD_FROM:
        return np.nan, np.nan
    return possible(summary(accuracies).low), possible(summary(accuracies).high)


def spread(accuracies: Sequence[float]) -> tuple[float, float]:
    """Compute the mean minus and plus the standard deviation of some accuracies, clipped to 0 to 1."""
    _, mean, sd, *_ = summary(accuracies)
    return possible(mean - sd), possible(mean + sd)


def possible(accuracy: float) -> float:
    """Clip a number to the range of accuracies, 0 to 1."""
    return float(np.clip(accuracy, 0, 1))


def best_of_groups(runs: pd.DataFrame, by: Sequence[str], k: int | None) -> pd.DataFrame:
    """Choose and summarise as `selection.best_of_groups` does, with intervals clipped to 0 to 1."""
    chosen = selection.best_of_groups(runs, by, k)
    return chosen.assign(low=chosen["low"].clip(0, 1), high=chosen["high"].clip(0, 1))


def bars_key(groups: pd.DataFrame, *more: str, words: str = "bars", above: str = "best n of N cells") -> str:
    """Say how to read bars, mentioning only what they contain.

    Args:
        groups: A row per bar; its `n` is the number of its networks.
        *more: What else there is to say.
        words: What shows a mean.
        above: What the numbers above are.
    """
    grey = ["broad grey: its 95 % confidence interval"] if (groups["n"] >= TOLD_FROM).any() else []
    several = ["whiskers: sd", *grey, "points: single networks"]
    shown = [f"{words}: mean", *several] if (groups["n"] > 1).any() else [f"{words}: single networks"]
    return " · ".join([*shown, f"above: {above}", *more])


def bars(
    axes: Axes,
    summaries: pd.DataFrame,
    networks: pd.DataFrame,
    colours: Mapping[float, object],
    value: str = "test_accuracy",
    width: float = 0.8,
    counted: bool = True,
) -> None:
    """Draw a bar per summary with its spread, interval and networks, and their number above; the y axis is accuracy.

    Args:
        axes: The panel.
        summaries: A row per bar; `at` is its position.
        networks: A row per network; `at` is the position of its bar.
        colours: A colour per position.
        value: The column with the accuracy.
        width: Width of a bar, relative to the distance between neighbours.
        counted: Whether to write the number of networks.
    """
    networks = networks.dropna(subset=[value])
    if len(networks):
        look = {"x": "at", "y": value, "native_scale": True, "legend": False, "ax": axes}
        width *= _pitch(summaries["at"])
        share = width / _pitch(networks["at"])  # seaborn's width is relative to the bars it draws
        fill = {"hue": "at", "palette": dict(colours), "saturation": 1, "width": share}
        sns.barplot(networks, **look, **fill, errorbar=interval, err_kws=INTERVAL, zorder=2)
        spreads(axes, networks, value)
        points(axes, networks, value, width)
    for _, bar in summaries.iterrows() if counted else ():
        count(axes, bar["at"], bar)
    axes.set(xlim=(summaries["at"].min() - 0.7, summaries["at"].max() + 0.7), xlabel="")
    accuracy_axis(axes)


def _pitch(places: pd.Series) -> float:
    """Return the smallest distance between two places; 1 for a single place."""
    return min(np.diff(sorted(set(places))), default=1.0)


def spreads(axes: Axes, networks: pd.DataFrame, value: str) -> None:
    """Draw whiskers from mean minus sd to mean plus sd at each position `at` that has several networks."""
    look = {"marker": "none", "linestyle": "none", "errorbar": spread, "capsize": 0.16, "err_kws": WHISKER}
    sns.pointplot(networks, x="at", y=value, native_scale=True, legend=False, ax=axes, color=style.INK, **look)


def points(axes: Axes, networks: pd.DataFrame, value: str, width: float, colour: object = "white") -> None:
    """Draw a small point for each network, side by side in order at each position.

    Args:
        axes: The panel.
        networks: A row per network; `at` is the middle of its group.
        value: The column that is drawn.
        width: The width over which the points of a position are spread.
        colour: The colour of the points.
    """
    group = networks.groupby("at", sort=False)
    share = (group.cumcount() + 1) / (group["at"].transform("size") + 1) - 0.5
    axes.scatter(networks["at"] + share * width, networks[value], color=colour, **POINTS)


def count(axes: Axes, x: float, *groups: Mapping) -> None:
    """Write above a position how many networks of how many cells it shows; at its foot, if so, that none finished."""
    words = " · ".join(dict.fromkeys(f"{int(one['n'])}/{int(one['cells'])}" for one in groups))
    look = {"ha": "center", "va": "bottom", "size": style.SMALL}
    axes.annotate(words, (x, 1), (0, 1), XY, textcoords="offset points", **look)
    for one in groups:
        if one["n"] == 0:
            upright(axes, x, f"none of {int(one['cells'])} finished")


def upright(axes: Axes, x: float, words: str) -> None:
    """Write in place of a bar why there is none."""
    look = {"ha": "center", "va": "bottom", "size": style.SMALL, "bbox": {"fc": "white", "ec": "none", "pad": 1}}
    axes.text(x, 0.02, words, rotation=90, zorder=7, **look)


def printed_values(axes: Axes, rows: pd.DataFrame) -> None:
    """Draw the paper's mean and sd in the middle of the bar at `at`."""
    if len(rows):
        axes.errorbar(rows["at"], rows["mean"], rows["sd"], ls="", **PRINTED)


def printed_handle() -> Line2D:
    """Make the legend entry of the paper's values."""
    return Line2D([], [], color=style.INK, marker="D", ms=3, lw=0.7, mfc="white", mew=0.7, label="paper, its own data")


def title(axes: Axes, words: str) -> None:
    """Title a panel above the numbers of its bars."""
    axes.set_title(words, pad=11)


def accuracy_axis(axes: Axes, label: str = "test accuracy") -> None:
    """Make the y axis an accuracy from 0 to 1."""
    axes.set_ylim(0, 1.04)
    axes.set_yticks(ACCURACY_TICKS, [style.number(tick) for tick in ACCURACY_TICKS])
    axes.set_ylabel(label)


def chance_line(axes: Axes, level: float, words: str = "chance") -> None:
    """Draw the level of guessing, with words at its right end; far off the axis, a note points towards it instead."""
    if np.isnan(level):
        return
    look = {"va": "center", "size": style.SMALL, "color": style.FAINT, "annotation_clip": False}
    low, high = axes.get_ylim()
    if level < low or level > high + 2 * (high - low):
        place, sign = ((0.98, 0.04), "▾") if level < low else ((0.98, 0.97), "▴")
        axes.annotate(f"chance {level:.3g} {sign}", place, xycoords="axes fraction", ha="right", **look)
        return
    axes.axhline(level, color=style.FAINT, lw=0.7, ls=style.DASHES, zorder=6)
    axes.annotate(words, (1, level), (2, 0), XY[::-1], textcoords="offset points", ha="left", **look)


def heat_map(
    axes: Axes, cells: pd.DataFrame, betas: Sequence[float], etas: Sequence[float], cell_mm: float
) -> set[str | None]:
    """Draw test accuracy over beta (x) and eta (y), with one column or row per value.

    Nothing is interpolated: a cell that was not run is hatched, and one in which nothing finished is marked.

    Args:
        axes: The panel.
        cells: A row per cell.
        betas: The columns.
        etas: The rows.
        cell_mm: Size of a cell in mm.

    Returns:
        The marked statuses, with None if there are cells that were not run.
    """
    grid, status = (
        cells.pivot(index="eta", columns="beta", values=name).reindex(index=etas[::-1], columns=betas)
        for name in ("test_accuracy", "status")
    )
    matrix(axes, grid.astype(float), annot=cell_mm >= NUMBERS_FIT, fmt=".2f", vmin=0, vmax=1)
    marked = set()
    for row, column in np.argwhere((status != "finished").to_numpy()):
        found = status.iloc[row, column]
        marked.add(found if isinstance(found, str) else None)
        mark_cell(axes, column + 0.5, row + 0.5, found if isinstance(found, str) else None)
    axes.set(xlabel="β", ylabel="learning rate η")
    axes.tick_params(axis="x", rotation=90 if len(betas) > 6 else 0)
    return marked


def matrix(axes: Axes, grid: pd.DataFrame, **look) -> None:
    """Draw a table as a heat map: a tick at every row and column, thin white lines between cells.

    Args:
        axes: The panel.
        grid: The numbers; rows from top to bottom.
        **look: Passed on to seaborn.
    """
    ticks = [[style.number(v) if isinstance(v, float) else v for v in index] for index in (grid.columns, grid.index)]
    nothing = {"vmin": 0, "vmax": 1} if grid.isna().to_numpy().all() else {}
    look = {**nothing, "cmap": style.ACCURACY_MAP, "linewidths": 0.4, "annot_kws": {"size": style.SMALL}, **look}
    sns.heatmap(grid, ax=axes, cbar=False, xticklabels=ticks[0], yticklabels=ticks[1], **look)
    axes.tick_params(length=0, rotation=0)


def colour_bar(figure, axes: Axes | Sequence[Axes], words: str, **look) -> None:
    """Draw the colour bar of one heat map, or of several that share their colours.

    Args:
        figure: The figure or subfigure.
        axes: The panels.
        words: What the colours show.
        **look: Passed on to matplotlib.
    """
    first = np.ravel(axes)[0]
    bar = figure.colorbar(first.collections[0], ax=list(np.ravel(axes)), **look)
    bar.set_label(words)
    bar.outline.set_visible(False)


CELL_MARKS = {
    None: {"facecolor": "white", "edgecolor": style.FAINT, "hatch": "/////", "lw": 0.3},
    "diverged": {"facecolor": "#FFFFFF", "edgecolor": style.WARNING_COLOUR, "hatch": "xxxxx", "lw": 0.3},
    "failed": {"facecolor": "#FFFFFF", "edgecolor": style.INK, "hatch": ".....", "lw": 0.3},
}


def mark_cell(axes: Axes, x: float, y: float, status: str | None) -> None:
    """Mark a cell of a heat map that has no accuracy.

    Args:
        axes: The heat map.
        x: The middle of the cell.
        y: The same, across rows.
        status: Why it has no accuracy; None for a cell that was not run.
    """
    axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, **CELL_MARKS[status]))


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
    """Draw the curves of one shape, one colour per beta."""
    for beta, curve in curves.groupby("beta"):
        axes.plot(curve["x"], curve["h"], color=colours[beta], lw=1.0, label=style.number(beta))
    axes.set_xlabel("U − threshold")


def beta_legend(axes: Axes, lines: Sequence[Line2D], **place) -> None:
    """Draw the legend of the slopes' colours, in two columns if there are many."""
    axes.legend(handles=lines, title="β", ncols=1 + (len(lines) > 7), handlelength=0.9, columnspacing=0.7, **place)


def tidy(pieces: Iterable[pd.DataFrame], columns: Sequence[str]) -> pd.DataFrame:
    """Concatenate the pieces of a figure's numbers into one frame of some columns; what a piece lacks is NaN.

    Raises:
        SgpipeError: There are no pieces, since the figure knows none of the experiment's sweeps.
    """
    some = [piece for piece in pieces if len(piece)]
    if not some:
        raise SgpipeError("draw: no sweep has a name that this figure knows; take those of its own experiment")
    return pd.concat(some, ignore_index=True).reindex(columns=list(columns))


def empty(axes: Axes, words: str) -> None:
    """Write in a panel why it is empty."""
    axes.text(0.5, 0.5, words, transform=axes.transAxes, ha="center", va="center", size=style.SMALL, color=style.FAINT)


def plain(runs: pd.DataFrame) -> pd.DataFrame:
    """Shorten column names to those used in the figures' numbers; a row per run."""
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
    # Tables of other tasks lack the columns of knobs that only random manifolds have.
    return runs.rename(columns=names).reindex(columns=[*names.values(), *kept])
