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
    *("n", "mean", "sd", "low", "high", "cells", "lost", "chance"),  # summaries of c; in b, n is the runs of a cell
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
        chosen = selection.best_of_groups(group, ["shape", "hidden_layers"], experiment["best"])
        pieces.append(chosen.assign(panel="c", sweep=sweep))
    for sweep in ("data_sets", "inits"):
        pieces.append(selection.of_sweep(runs, sweep).assign(panel="d", sweep=sweep, kind="network"))
    data = parts.tidy(pieces, COLUMNS)
    data["chance"] = np.where(data["panel"].isin(["c", "d"]), 1 / runs["classes"].iloc[0], np.nan)
    return data


def _cells(runs: pd.DataFrame) -> pd.DataFrame:
    """Return a row per (shape, beta, eta): mean test accuracy of the finished runs, or what became of them."""
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
    figure = style.new_figure(WIDTH, HEIGHT, note, f"{parts.BARS_KEY} · boxes: quartiles and range")
    upper, lower = figure.subfigures(2, 1, height_ratios=[1.75, 1.0])
    curves, cells = data[data["panel"] == "a"], data[data["panel"] == "b"]
    shapes = in_order(curves["shape"])
    grid = upper.subplots(2, len(shapes), height_ratios=[0.8, 1.0], squeeze=False)
    _shapes(upper, grid[0], curves, shapes)
    _heat_maps(upper, grid[1], cells, shapes)
    repeated = data[data["panel"] == "d"]
    if repeated.empty:  # an experiment of a user's own need not have the sweeps of panel d
        _bars(lower.subplots(1, 1), data[data["panel"] == "c"])
        return figure
    left, right = lower.subplots(1, 2, width_ratios=[1.75, 1.0])
    _bars(left, data[data["panel"] == "c"])
    _whiskers(right, repeated)
    return figure


def _shapes(figure, axes: Sequence[Axes], curves: pd.DataFrame, shapes: Sequence[str]) -> None:
    colours = style.ordered_colours(curves["beta"])
    for panel, shape in zip(axes, shapes, strict=True):
        parts.draw_shapes(panel, curves[curves["shape"] == shape], colours)
        note = f" ({SURROGATES[shape].note})" if SURROGATES[shape].note else ""
        panel.set_title(f"{SURROGATES[shape].label}{note}\n$h(x)$ = {SURROGATES[shape].tex}")
        panel.set_ylim(0, 1.04 * max(1.0, curves["h"].max()))
    axes[0].set_ylabel("h(U − threshold)")
    lines = [Line2D([], [], color=colour, label=style.number(beta)) for beta, colour in colours.items()]
    parts.beta_legend(axes[-1], lines, loc="center left", bbox_to_anchor=(1.02, 0.5))
    style.panel_letter(axes[0], "a", up=12)


def _heat_maps(figure, axes: Sequence[Axes], cells: pd.DataFrame, shapes: Sequence[str]) -> None:
    betas, etas = sorted(cells["beta"].dropna().unique()), sorted(cells["eta"].dropna().unique())
    marked: set[str | None] = set()
    cell_mm = 0.78 * WIDTH / len(shapes) / max(len(betas), 1)
    for place, (panel, shape) in enumerate(zip(axes, shapes, strict=True)):
        own = cells[cells["shape"] == shape]
        mesh = parts.heat_map(panel, own, betas, etas, cell_mm)
        marked |= set(own["status"]) | ({None} if len(own) < len(betas) * len(etas) else set())
        panel.set_xlabel("β")
        if place:
            panel.tick_params(labelleft=False)
    axes[0].set_ylabel("learning rate η")
    bar = figure.colorbar(mesh, ax=list(axes), aspect=14, pad=0.015, ticks=parts.ACCURACY_TICKS)
    bar.set_label("test accuracy, 1 hidden layer")
    bar.outline.set_visible(False)
    if marks := parts.mark_legend(marked):
        axes[-1].legend(handles=marks, loc="lower right", bbox_to_anchor=(1, 1), ncols=3, columnspacing=1)
    style.panel_letter(axes[0], "b")


def _bars(axes: Axes, data: pd.DataFrame) -> None:
    """Draw the best networks: the two controls first, then each shape with its numbers of hidden layers."""
    summaries = data[data["kind"] == "summary"].reset_index(drop=True)
    groups = {"control:\nno hidden layer": summaries[summaries["sweep"] == "no_hidden"]}
    groups["control:\nβ = 0"] = summaries[summaries["sweep"] == "beta_zero"]
    for shape in in_order(summaries["shape"]):
        groups[SURROGATES[shape].label] = summaries[(summaries["sweep"] == "shapes") & (summaries["shape"] == shape)]
    places, centres, order, points, colours = [], [], [], [], []
    at = 0.0
    for label, group in groups.items():
        if not len(group):
            continue
        centres.append((at + (len(group) - 1) / 2, label))
        for _, bar in group.sort_values("hidden_layers").iterrows():
            same = (
                (data["kind"] == "network")
                & (data["sweep"] == bar["sweep"])
                & (data["hidden_layers"] == bar["hidden_layers"])
            )
            if bar["sweep"] == "shapes":
                same &= data["shape"] == bar["shape"]
            order.append(bar)
            points.append(data.loc[same, "test_accuracy"])
            colours.append(_colour(bar))
            places.append(at)
            at += 1
        at += 0.9
    parts.bars(axes, pd.DataFrame(order), points, colours, places)
    axes.set_xticks(places, [f"{int(bar['hidden_layers'])}" for bar in order])
    axes.xaxis.remove_overlapping_locs = False  # a control's label stands below its number of layers
    axes.set_xticks([centre for centre, _ in centres], ["\n" + label for _, label in centres], minor=True)
    axes.tick_params(axis="x", which="both", length=0)
    axes.set_xlabel("number of hidden layers")
    parts.choice_title(axes, summaries, "chosen by validation accuracy: {}")
    parts.chance_line(axes, data["chance"].max())
    style.panel_letter(axes, "c")


def _colour(bar: pd.Series):
    if bar["sweep"] == "no_hidden":
        return style.NO_HIDDEN_COLOUR
    colour = style.SURROGATE_COLOURS.get(bar["shape"], style.FAINT)
    return colour if bar["sweep"] == "beta_zero" else style.depth_tint(colour, int(bar["hidden_layers"]))


def _whiskers(axes: Axes, data: pd.DataFrame) -> None:
    """Draw the accuracy of repeated networks: over data sets, and over initial weights for each depth."""
    names = {"data_sets": "data sets", "inits": "inits"}
    groups = sorted(data.groupby(["sweep", "hidden_layers"]), key=lambda item: item[0])
    labels = []
    for place, ((sweep, layers), group) in enumerate(groups):
        values = group["test_accuracy"].dropna()
        lost = len(group) - len(values)
        missing = f"\n{lost} lost" if lost else ""
        labels.append(f"{names[sweep]}\n{int(layers)} hidden\nn = {len(values)}{missing}")
        if not len(values):
            continue
        colour = style.depth_tint(style.SURROGATE_COLOURS.get(group["shape"].iloc[0], style.FAINT), int(layers))
        line = {"color": style.INK, "lw": 0.8}
        look = {
            "boxprops": {"facecolor": colour, "lw": 0.6},
            "medianprops": line,
            "whiskerprops": line,
            "capprops": line,
        }
        axes.boxplot([values], positions=[place], widths=0.6, whis=(0, 100), patch_artist=True, **look)
        parts.networks(axes, place, values, 0.45)
    axes.set_xticks(range(len(labels)), labels)
    axes.set_xlim(-0.6, len(labels) - 0.4)
    finite = data["test_accuracy"].dropna()
    if len(finite):
        low = np.floor((finite.min() - 0.02) * 20) / 20
        axes.set_ylim(max(0.0, min(low, 0.9)), 1.005)
    axes.tick_params(axis="x", length=0)
    axes.set_ylabel("test accuracy")
    axes.set_title(_same(data))
    style.panel_letter(axes, "d")


def _same(data: pd.DataFrame) -> str:
    """Return what the networks of a panel have in common, e.g. `SuperSpike, β = 10, η = 0.05`."""
    words = [SURROGATES[shape].label for shape in data["shape"].dropna().unique()[:2]]
    for column, symbol in (("beta", "β"), ("eta", "η")):
        values = data[column].dropna().unique()
        words += [f"{symbol} = {style.number(values[0])}"] if len(values) == 1 else []
    return ", ".join(words)
