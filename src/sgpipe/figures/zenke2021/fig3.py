"""Fig 3: surrogate gradient learning is robust to the shape of the surrogate derivative."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from sgpipe.figures import parts, style
from sgpipe.figures.seeds import in_order
from sgpipe.results import selection
from sgpipe.spec.surrogates import SURROGATES

NEEDS = {"table": "results", "any_of": ["shapes", "deeper"]}  # see needs.py
WIDTH, HEIGHT = style.DOUBLE, 158.0
COLUMNS = (
    *("panel", "kind", "sweep", "shape", "hidden_layers", "beta", "eta", "data_seed", "init_seed"),
    *("x", "h"),  # a
    *("run_id", "status", "best_epoch", "valid_accuracy", "test_accuracy", "rank"),  # b-d
    *("n", "mean", "sd", "low", "high", "cells", "lost", "chance"),  # summaries of c; in b, n counts a cell's runs
)


def select(tables: Mapping[str, pd.DataFrame], experiment: Mapping) -> pd.DataFrame:
    """Select curves (a), cells (b), best networks and their summaries (c), and repeated networks (d)."""
    runs = parts.plain(selection.outcomes(tables["runs"]))
    searched = selection.of_sweep(runs, "shapes", "deeper")
    shapes = in_order(searched["shape"])
    betas = experiment["settings"].get("axis_betas") or sorted(searched["beta"].dropna().unique())
    groups = {"shapes": searched}
    groups |= {name: selection.of_sweep(runs, name) for name in ("no_hidden", "beta_zero")}
    pieces = [parts.shape_curves(shapes, betas).assign(panel="a"), _cells(searched[searched["hidden_layers"] == 1])]
    for sweep, group in groups.items():
        chosen = parts.best_of_groups(group, ["shape", "hidden_layers"], experiment["best"])
        pieces.append(chosen.assign(panel="c", sweep=sweep))
    for sweep in ("data_sets", "inits"):
        pieces.append(selection.of_sweep(runs, sweep).assign(panel="d", sweep=sweep, kind="network"))
    data = parts.tidy(pieces, COLUMNS)
    data["chance"] = np.where(data["panel"].isin(["c", "d"]), 1 / runs["classes"].iloc[0], np.nan)
    return data


def _cells(runs: pd.DataFrame) -> pd.DataFrame:
    """Return a row per (shape, beta, eta): mean test accuracy of the finished runs, or why there is none."""
    rows = []
    for (shape, beta, eta), cell in runs.groupby(["shape", "beta", "eta"]):
        lost = cell["status"][cell["status"] != "finished"]
        status = "finished" if len(lost) < len(cell) else lost.sort_values().iloc[0]
        accuracy = cell["test_accuracy"].mean() if status == "finished" else np.nan
        rows.append(
            {"shape": shape, "beta": beta, "eta": eta, "test_accuracy": accuracy, "status": status, "n": len(cell)}
        )
    return pd.DataFrame(rows).assign(panel="b", hidden_layers=1) if rows else pd.DataFrame()


@style.styled
def draw(data: pd.DataFrame, experiment: Mapping, note: str) -> Figure:
    """Draw the figure from what `select` returned."""
    panel = {letter: data[data["panel"] == letter] for letter in "abcd"}
    repeated = len(panel["d"]) > 0  # a user's own experiment may lack the sweeps of panel d
    more = ["boxes: quartiles, range"] if repeated else []
    summaries = panel["c"][panel["c"]["kind"] == "summary"]
    figure = style.new_figure(WIDTH, HEIGHT, note, parts.bars_key(summaries, *more))
    upper, lower = figure.subfigures(2, 1, height_ratios=[1.75, 1.0])
    shapes = in_order(panel["a"]["shape"])
    grid = upper.subplots(2, len(shapes), height_ratios=[0.8, 1.0], squeeze=False)
    _shapes(grid[0], panel["a"], shapes)
    _heat_maps(upper, grid[1], panel["b"], shapes)
    below = lower.subplots(1, 1 + repeated, squeeze=False, width_ratios=[1.75, 1.0][: 1 + repeated])[0]
    _bars(below[0], summaries, panel["c"])
    if repeated:
        _boxes(below[1], panel["d"])
    for letter, axes in zip("abcd", (grid[0, 0], grid[1, 0], *below), strict=False):
        style.panel_letter(axes, letter)
    return figure


def _shapes(axes: Sequence[Axes], curves: pd.DataFrame, shapes: Sequence[str]) -> None:
    colours = style.ordered_colours(curves["beta"])
    for panel, shape in zip(axes, shapes, strict=True):
        parts.draw_shapes(panel, curves[curves["shape"] == shape], colours)
        note = f" ({SURROGATES[shape].note})" if SURROGATES[shape].note else ""
        panel.set_title(f"{SURROGATES[shape].label}{note}\n$h(x)$ = {SURROGATES[shape].tex}")
        panel.set_ylim(0, 1.04 * max(1.0, curves["h"].max()))
    axes[0].set_ylabel("h(U − threshold)")
    lines = [Line2D([], [], color=colour, label=style.number(beta)) for beta, colour in colours.items()]
    parts.beta_legend(axes[-1], lines, loc="center left", bbox_to_anchor=(1.02, 0.5))


def _heat_maps(figure, axes: Sequence[Axes], cells: pd.DataFrame, shapes: Sequence[str]) -> None:
    betas, etas = sorted(cells["beta"].dropna().unique()), sorted(cells["eta"].dropna().unique())
    cell_mm = 0.78 * WIDTH / len(shapes) / max(len(betas), 1)
    marked: set[str | None] = set()
    for panel, shape in zip(axes, shapes, strict=True):
        marked |= parts.heat_map(panel, cells[cells["shape"] == shape], betas, etas, cell_mm)
        if panel is not axes[0]:
            panel.tick_params(labelleft=False)
            panel.set_ylabel("")
    parts.colour_bar(figure, axes, "test accuracy, 1 hidden layer", aspect=14, pad=0.015, ticks=parts.ACCURACY_TICKS)
    if marks := parts.mark_legend(marked):
        axes[-1].legend(handles=marks, loc="lower right", bbox_to_anchor=(1, 1), ncols=3, columnspacing=1)


def _bars(axes: Axes, summaries: pd.DataFrame, data: pd.DataFrame) -> None:
    """Draw the best networks: the two controls first, then each shape with its numbers of hidden layers."""
    order = {"no_hidden": "control:\nno hidden layer", "beta_zero": "control:\nβ = 0"}
    order |= {name: SURROGATES[name].label for name in in_order(data["shape"])}
    named = data.assign(group=data["sweep"].where(data["sweep"] != "shapes", data["shape"]))
    depths = named[["group", "hidden_layers"]].drop_duplicates().sort_values("hidden_layers")
    places, centres, at = {}, {}, 0.0
    for group in order:
        own = [(group, depth) for depth in depths.loc[depths["group"] == group, "hidden_layers"]]
        places |= {bar: at + place for place, bar in enumerate(own)}
        centres |= {order[group]: at + (len(own) - 1) / 2} if own else {}
        at += len(own) + 0.9 if own else 0.0
    named["at"] = [places[bar] for bar in zip(named["group"], named["hidden_layers"], strict=True)]
    bars = named[named["kind"] == "summary"]
    colours = {bar["at"]: _colour(bar) for _, bar in bars.iterrows()}
    parts.bars(axes, bars, named[named["kind"] == "network"], colours)
    axes.set_xticks(list(places.values()), [f"{int(depth)}" for _, depth in places])
    axes.xaxis.remove_overlapping_locs = False  # a control's label stands below its number of layers
    axes.set_xticks(list(centres.values()), ["\n" + label for label in centres], minor=True)
    axes.tick_params(axis="x", which="both", length=0)
    axes.set_xlabel("number of hidden layers")
    parts.title(axes, "best networks by validation accuracy")
    parts.chance_line(axes, data["chance"].max())


def _colour(bar: pd.Series):
    if bar["sweep"] == "no_hidden":
        return style.NO_HIDDEN_COLOUR
    colour = style.SURROGATE_COLOURS.get(bar["shape"], style.FAINT)
    return colour if bar["sweep"] == "beta_zero" else style.depth_tint(colour, int(bar["hidden_layers"]))


def _boxes(axes: Axes, data: pd.DataFrame) -> None:
    """Draw the accuracy of repeated networks: over data sets, and over initial weights for each depth."""
    names = {"data_sets": "data sets", "inits": "inits"}
    groups = data.groupby(["sweep", "hidden_layers"], sort=True)
    data, labels, colours = data.assign(at=groups.ngroup()), [], {}
    for place, ((sweep, layers), group) in enumerate(groups):
        n = group["test_accuracy"].count()
        lost = f"\n{len(group) - n} lost" if n < len(group) else ""
        labels.append(f"{names[sweep]}\n{int(layers)} hidden\nn = {n}{lost}")
        colours[place] = style.depth_tint(style.SURROGATE_COLOURS.get(group["shape"].iloc[0], style.FAINT), int(layers))
    finite = data.dropna(subset=["test_accuracy"])
    if len(finite):
        values, line = finite.groupby("at")["test_accuracy"], {"color": style.INK, "lw": 0.8}
        boxes = axes.boxplot(  # seaborn's boxplot uses a call that matplotlib 3.13 removes
            [own for _, own in values],
            positions=list(values.groups),
            widths=0.6,
            whis=(0, 100),
            patch_artist=True,
            **{f"{part}props": line for part in ("median", "whisker", "cap")},
        )["boxes"]
        for box, at in zip(boxes, values.groups, strict=True):
            box.set(facecolor=colours[at], lw=0.6)
        parts.points(axes, finite, "test_accuracy", 0.45)
        low = np.floor((finite["test_accuracy"].min() - 0.02) * 20) / 20
        axes.set_ylim(max(0.0, min(low, 0.9)), 1.005)
    axes.set_xticks(range(len(labels)), labels)
    axes.set(xlim=(-0.6, len(labels) - 0.4), xlabel="", ylabel="test accuracy", title=_same(data))
    axes.tick_params(axis="x", length=0)
    parts.chance_line(axes, data["chance"].max())


def _same(data: pd.DataFrame) -> str:
    """Return what the networks of a panel have in common, e.g. `SuperSpike, β = 10, η = 0.05`."""
    words = [SURROGATES[shape].label for shape in data["shape"].dropna().unique()[:2]]
    for column, symbol in (("beta", "β"), ("eta", "η")):
        values = data[column].dropna().unique()
        words += [f"{symbol} = {style.number(values[0])}"] if len(values) == 1 else []
    return ", ".join(words)
