"""A variant beside its baseline: what `compare:` in an experiment draws, whichever figure that experiment has.

The upper part shows the networks that count on both sides, group by group, and their difference. The lower part shows
for each sweep the common points, the learning curves, and the difference between the curves.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from sgpipe.figures import parts, style
from sgpipe.figures.compare_maps import ACROSS as MAPS_ACROSS
from sgpipe.figures.compare_maps import difference_maps
from sgpipe.figures.compare_numbers import ALL, SIDES, match_tables, select
from sgpipe.figures.heading import change_words, heading_lines
from sgpipe.figures.make import corner_note, read_tables, save

ROW, HEAD, PANEL = 4.0, 16.0, 36.0  # mm: a row of the upper part, the space around these rows, a row of panels
ACROSS = 6  # sweeps side by side
MOST_MAPS = 12
MOST_BANDS = 3  # more of them would cover each other
WIDE = 10.0  # ratios that differ by more than this have a logarithmic axis
SLACK = 0.012  # share of the width: long labels come out wider than the layout expects
BESIDE, VARIANT = style.FAINT, "#0077BB"
GROUPS = ("#0077BB", "#EE7733", "#009988", "#CC3311", "#AA3377", "#997700", "#33BBEE", "#332288")
KEY = "points: single networks · lines and bands: 95 % interval of the mean, or of the difference of means"


def make_comparison(tables: Mapping[str, Path], output: Path) -> None:
    """Draw a comparison as `output`.png, .pdf and .svg, and write its numbers to .parquet.

    Args:
        tables: `runs`, the variant's table, and `baseline`.
        output: The files without suffix.
    """
    frames, experiment = read_tables({"runs": tables["runs"]})
    others, baseline = read_tables({"runs": tables["baseline"]})
    variant, before = frames["runs"], others["runs"]
    sweeps = match_tables(variant, before)
    best = experiment["best"] if experiment["best"] is not None else baseline["best"]
    data = select(variant, before, sweeps, best)
    ids = {
        side: {run_id for sweep in sweeps for point in sweep.points for run_id in getattr(point, side)}
        for side in SIDES
    }
    both = [table[table["run_id"].isin(ids[side])] for side, table in zip(SIDES, (before, variant), strict=True)]
    note = corner_note(experiment, pd.concat(both))
    names = f"{experiment['id']} (variant) beside {baseline['id']} (baseline)"
    lines = heading_lines(experiment["title"], [names, *change_words(sweeps)])
    figure = draw(data, best, "\n".join([*lines, note]))
    save(figure, data, {**experiment, "compare": baseline["id"]}, note, output)


@style.styled
def draw(data: pd.DataFrame, best: int | None, note: str) -> Figure:
    """Draw the comparison from what `select` returned."""
    rows = _rows(data)
    sweeps = list(dict.fromkeys(data["sweep"]))
    lines = -(-len(sweeps) // ACROSS)
    has = [name for name in PANELS if (data["kind"] == name).any()]
    maps = _maps(data)
    heights = [HEAD + ROW * len(rows), *(PANEL * lines for _ in has)]
    heights += [PANEL * -(-len(maps) // MAPS_ACROSS)] if maps else []
    figure = style.new_figure(style.DOUBLE, sum(heights) + 8, note, KEY)
    style.legend_above(figure, _handles())
    engine = figure.get_layout_engine()
    left, low, width, high = engine.get()["rect"]
    engine.set(rect=(left + SLACK, low, width - SLACK, high), wspace=0.03)
    blocks = figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
    colours = _colours(data)
    _forest(blocks[0], data, rows, colours, best)
    for letter, name, block in zip("bcd", has, blocks[1:], strict=False):
        grid = block.subplots(lines, min(ACROSS, len(sweeps)), squeeze=False)
        for axes in grid.flat[len(sweeps) :]:
            axes.axis("off")
        for axes, sweep in zip(grid.flat, sweeps, strict=False):
            own = data[(data["kind"] == name) & (data["sweep"] == sweep)]
            PANELS[name](axes, own, {group: colours[sweep, group] for group in own["group"]})
            axes.set_title(sweep)
            if axes not in grid[:, 0]:
                axes.set_ylabel("")
        style.panel_letter(grid[0, 0], letter)
    if maps:
        difference_maps(blocks[-1], maps, "bcde"[len(has)])
    return figure


def _maps(data: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return by title the points of groups that are grids over two numbers; none if there are too many such groups."""
    points = data[(data["kind"] == "point") & data["other_axis"].notna()]
    groups = points.groupby(["sweep", "group"], sort=False)
    return (
        {sweep if sweep == group else f"{sweep}: {group}": own for (sweep, group), own in groups}
        if len(groups) <= MOST_MAPS
        else {}
    )


def _handles() -> list[Line2D]:
    look = {"marker": "o", "ms": 3.5, "lw": 1.2}
    before = Line2D([], [], color=BESIDE, mfc="white", ls=(0, (3, 1.5)), label="baseline", **look)
    return [before, Line2D([], [], color=VARIANT, label="variant (in a group's colour below)", **look)]


def _rows(data: pd.DataFrame) -> list[tuple[str, str | None]]:
    """List the rows of the upper part: a sweep and one of its groups, or the sweep's own heading (None)."""
    several = data["sweep"].nunique() > 1
    rows: list[tuple[str, str | None]] = []
    for sweep, own in data.groupby("sweep", sort=False):
        groups = list(dict.fromkeys(own["group"]))
        rows += [(sweep, None)] if several and groups != [sweep] else []
        rows += [(sweep, group) for group in groups]
    return rows


def _colours(data: pd.DataFrame) -> dict[tuple[str, str], Any]:
    """Give each group of a sweep a colour; a sole group and the group of all common points get the variant's."""
    found: dict[tuple[str, str], Any] = {}
    for sweep, own in data.groupby("sweep", sort=False):
        groups = [group for group in dict.fromkeys(own["group"]) if group != ALL]
        found[sweep, ALL] = VARIANT
        found |= {(sweep, group): GROUPS[place % len(GROUPS)] for place, group in enumerate(groups)}
    return found


def _forest(figure: Any, data: pd.DataFrame, rows: Sequence, colours: Mapping, best: int | None) -> None:
    """Draw a row per group: accuracies of both sides, their difference, and the ratio of spikes."""
    active = (data["kind"] == "ratio").any()
    widths = [1.0, 1.0, 0.8] if active else [1.0, 1.0]
    panels = figure.subplots(1, len(widths), sharey=True, width_ratios=widths)
    places = range(len(rows))
    for at, (sweep, group) in enumerate(rows):
        own = data[(data["sweep"] == sweep) & (data["group"] == group)]
        colour = colours.get((sweep, group), VARIANT)
        for side in SIDES:
            _side(panels[0], at, own[own["side"] == side], side, colour)
        if lost := list(own.loc[(own["kind"] == "mean") & (own["n"] == 0), "side"]):
            look = {"size": style.SMALL, "va": "center", "color": style.WARNING_COLOUR}
            panels[0].annotate(f"{' and '.join(lost)}: none finished", (0.02, at), xycoords=parts.XY[::-1], **look)
        _interval(panels[1], at, own[own["kind"] == "difference"], colour)
        if active:
            _interval(panels[2], at, own[own["kind"] == "ratio"], colour)
    panels[0].set_yticks(places, [sweep if group is None else group for sweep, group in rows])
    for label, (sweep, group) in zip(panels[0].get_yticklabels(), rows, strict=True):
        label.set(weight="bold" if group is None else "normal", color=colours.get((sweep, group), style.INK))
    panels[0].set_ylim(len(rows) - 0.4, -0.6)
    for axes in panels:
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x")
        axes.set_axisbelow(True)
    chosen = f"accuracy, best {best}" if best is not None else "test accuracy"
    titles = [chosen, "difference: variant − baseline"]
    for axes, title in zip(panels, [*titles, "hidden spikes: variant / baseline"], strict=False):
        axes.set_title(title, loc="left")
    panels[1].axvline(0, color=style.INK, lw=0.7)
    if active:
        panels[2].axvline(1, color=style.INK, lw=0.7)
        ratios = data.loc[data["kind"] == "ratio", ["mean", "low", "high"]]
        if ratios.max(axis=None) > WIDE * ratios.min(axis=None):
            panels[2].set_xscale("log")
    style.panel_letter(panels[0], "a")


def _side(axes: Axes, at: float, own: pd.DataFrame, side: str, colour: Any) -> None:
    """Draw the networks of one side of a group, with their mean and its interval."""
    before = side == "baseline"
    y, look = (at - 0.17, {"color": BESIDE}) if before else (at + 0.17, {"color": colour})
    networks = own.loc[own["kind"] == "network", "test_accuracy"]
    axes.plot(networks, np.full(len(networks), y), "o", ms=2, alpha=0.5, mew=0, **look)
    for _, mean in own[own["kind"] == "mean"].iterrows():
        if not np.isnan(mean["low"]):
            # No accuracy lies outside 0 to 1, whatever Student's t says.
            axes.plot(np.clip([mean["low"], mean["high"]], 0, 1), [y, y], lw=1.2, solid_capstyle="butt", **look)
        axes.plot(mean["mean"], y, "o", ms=3.5, mfc="white" if before else colour, mec=look["color"], mew=0.8)


def _interval(axes: Axes, at: float, own: pd.DataFrame, colour: Any) -> None:
    """Draw a difference or a ratio with its interval, and print both."""
    for _, one in own.iterrows():
        if not np.isnan(one["low"]):
            axes.plot([one["low"], one["high"]], [at, at], color=colour, lw=1.6, solid_capstyle="butt")
        axes.plot(one["mean"], at, "o", ms=3.5, color=colour)
        at_edge = {"xycoords": parts.XY[::-1], "xytext": (2, 0), "textcoords": "offset points"}
        axes.annotate(_words(one), (1, at), size=style.SMALL, va="center", annotation_clip=False, **at_edge)


def _words(one: pd.Series) -> str:
    """Return e.g. `+0.012 [0.003, 0.021]  5 networks`."""

    def number(value):
        return f"{value:+.3f}" if one["kind"] == "difference" else f"{value:.2f}"

    behind = f"{int(one['n'])} {one['over'] if one['n'] != 1 else one['over'].removesuffix('s')}"
    bounds = "" if np.isnan(one["low"]) else f" [{number(one['low'])}, {number(one['high'])}]"
    return f"{number(one['mean'])}{bounds}  {behind}".replace("-", "−")


def _points(axes: Axes, own: pd.DataFrame, colours: Mapping) -> None:
    """Draw the common points: over the varying knob if there is just one, else variant against baseline accuracy."""
    if own["axis"].notna().all() and own["axis"].nunique() == 1 and own["other_axis"].isna().all():
        _along(axes, own, colours)
        return
    for group, points in own.groupby("group", sort=False):
        axes.plot(
            points["baseline_accuracy"], points["test_accuracy"], "o", ms=2.6, alpha=0.7, mew=0, color=colours[group]
        )
    known = own[["baseline_accuracy", "test_accuracy"]].to_numpy(float)
    low = np.floor(10 * np.nanmin(known, initial=1.0) - 0.01) / 10
    axes.plot([low, 1], [low, 1], color=style.FAINT, lw=0.7, zorder=0)
    axes.set(xlim=(low, 1.02), ylim=(low, 1.02), xlabel="accuracy, baseline", ylabel="accuracy, variant")
    axes.set_aspect("equal")


def _along(axes: Axes, own: pd.DataFrame, colours: Mapping) -> None:
    """Draw accuracies over the values of a knob, evenly spaced whatever the distance between values."""
    values = sorted(own["x"].unique())
    for group, points in own.groupby("group", sort=False):
        means = points.groupby("x")[["baseline_accuracy", "test_accuracy"]].mean()
        at = [values.index(x) for x in means.index]
        axes.plot(at, means["baseline_accuracy"], "o--", ms=2.6, lw=0.8, mfc="white", color=colours[group])
        axes.plot(at, means["test_accuracy"], "o-", ms=2.6, color=colours[group])
    axes.set_xticks(range(len(values)), [f"{x:.3g}" for x in values])
    axes.set_xlabel(own["axis"].iloc[0])
    axes.set_ylabel("test accuracy")


def _curves(axes: Axes, own: pd.DataFrame, colours: Mapping) -> None:
    for (group, side), curve in own.groupby(["group", "side"], sort=False):
        before = side == "baseline"
        axes.plot(curve["epoch"], curve["mean"], ls=(0, (3, 1.5)) if before else "-", color=colours[group])
        if not before and len(colours) <= MOST_BANDS:
            low, high = curve["low"].clip(0, 1), curve["high"].clip(0, 1)
            axes.fill_between(curve["epoch"], low, high, color=colours[group], alpha=0.15, lw=0)
    axes.set_xlabel("epoch")
    axes.set_ylabel("validation accuracy")


def _curve_differences(axes: Axes, own: pd.DataFrame, colours: Mapping) -> None:
    for group, curve in own.groupby("group", sort=False):
        axes.plot(curve["epoch"], curve["mean"], color=colours[group])
        if len(colours) <= MOST_BANDS:
            axes.fill_between(curve["epoch"], curve["low"], curve["high"], color=colours[group], alpha=0.15, lw=0)
    axes.axhline(0, color=style.INK, lw=0.7)
    axes.set_xlabel("epoch")
    axes.set_ylabel("variant − baseline")


PANELS = {"point": _points, "curve": _curves, "curve difference": _curve_differences}
