"""Fig 5: surrogate gradient learning is sensitive to the scale of the surrogate derivative.

Conditions are named as in the paper: s for SuperSpike, a for its asymptotic variant; Ctl where the gradient through
the recurrence is detached, DR where it flows through the reset, Prop where it flows through recurrent connections.
The caption's first "aDR" is a slip for sDR.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from sgpipe.figures import parts, style
from sgpipe.results import selection

# See needs.py.
NEEDS = {"table": "results", "any_of": ["reset", "reset_depth", "recurrent", "recurrent_depth"], "tasks": ["randman"]}
WIDTH, HEIGHT = style.DOUBLE, 122.0
COLUMNS = (
    *("panel", "kind", "sweep", "condition", "shape", "hidden_layers", "beta", "eta"),
    *("x", "h"),  # a
    *("run_id", "epoch", "train_accuracy"),  # b
    *("status", "best_epoch", "valid_accuracy", "test_accuracy", "rank"),  # c-f: networks
    *("n", "mean", "sd", "low", "high", "cells", "lost", "chance"),  # c-f: summaries
)
SHAPES = {"superspike": "s", "asymptotic_superspike": "a"}
RESET = {"detached": "Ctl", "attached": "DR"}
RECURRENT = {"detached": "Ctl", "propagated": "Prop"}
# panel: (sweep, the gradient it varies, the names of its values)
SWEEPS = {
    "c": ("reset", "network.reset_gradient", RESET),
    "d": ("reset_depth", "network.reset_gradient", RESET),
    "e": ("recurrent", "network.recurrent_gradient", RECURRENT),
    "f": ("recurrent_depth", "network.recurrent_gradient", RECURRENT),
}
CURVES = ("sCtl", "aCtl", "aDR")


def select(tables: Mapping[str, pd.DataFrame], experiment: Mapping) -> pd.DataFrame:
    """Select curves of the shape (a), learning curves of the best networks (b), best networks and summaries (c-f)."""
    runs = selection.outcomes(tables["runs"])
    betas = sorted(runs["surrogate.beta"].dropna().unique())
    pieces = [parts.shape_curves(["asymptotic_superspike"], betas).assign(panel="a")]
    for panel, (sweep, gradient, names) in SWEEPS.items():
        group = selection.of_sweep(runs, sweep)
        condition = group["surrogate.shape"].map(SHAPES).fillna("") + group[gradient].map(names).fillna("")
        group = parts.plain(group).assign(condition=condition)
        chosen = selection.best_of_groups(group, ["condition", "hidden_layers"], experiment["best"])
        pieces.append(chosen.assign(panel=panel, sweep=sweep, chance=1 / runs["data.classes"].iloc[0]))
    reset = pieces[1]
    pieces.insert(1, _learning(tables["runs"], reset[(reset["kind"] == "network") & reset["condition"].isin(CURVES)]))
    return parts.tidy(pieces, COLUMNS)


def _learning(table: pd.DataFrame, chosen: pd.DataFrame) -> pd.DataFrame:
    """Return training accuracy after every epoch of the chosen networks."""
    if not len(chosen):
        return pd.DataFrame()
    train = table.loc[table["split"] == "train", ["run_id", "epoch", "accuracy"]]
    kept = chosen[["run_id", "condition", "beta", "eta", "rank"]]
    curves = train.merge(kept, on="run_id").rename(columns={"accuracy": "train_accuracy"})
    return curves.sort_values(["condition", "rank", "epoch"]).assign(panel="b")


@style.styled
def draw(data: pd.DataFrame, experiment: Mapping, note: str) -> Figure:
    """Draw the figure from what `select` returned."""
    figure = style.new_figure(WIDTH, HEIGHT, note, parts.BARS_KEY.replace("bars", "bars and dashes"))
    grid = figure.subplots(2, 3)
    panel = {letter: data[data["panel"] == letter] for letter in "abcdef"}
    _shape(grid[0, 0], panel["a"])
    _learning_curves(grid[0, 1], panel["b"])
    _bars(grid[0, 2], panel["c"], ["sCtl", "sDR", "aCtl", "aDR"], "spike reset")
    _depth(grid[1, 0], panel["d"], ["aCtl", "aDR"], "spike reset")
    _bars(grid[1, 1], panel["e"], ["sCtl", "sProp", "aCtl", "aProp"], "recurrent connections")
    _depth(grid[1, 2], panel["f"], ["aCtl", "aProp"], "recurrent connections")
    for letter, axes in zip("abcdef", grid.flat, strict=True):
        style.panel_letter(axes, letter)
    return figure


def _shape(axes: Axes, curves: pd.DataFrame) -> None:
    colours = style.ordered_colours(curves["beta"])
    parts.draw_shapes(axes, curves, colours)
    axes.set_yscale("log")  # the peak is beta itself: over orders of magnitude
    axes.set_ylabel("h(U − threshold)")
    if len(colours) > 7:
        axes.set_xlim(-1.05, 1.6)  # room for their names
        axes.set_xticks([-1, 0, 1])
    axes.set_title("asymptotic SuperSpike\n$h(x) = \\beta/(\\beta|x|+1)^2$")
    axes.minorticks_off()
    parts.beta_legend(axes, axes.get_lines(), loc="upper right", bbox_to_anchor=(1.08, 1.04))


def _learning_curves(axes: Axes, curves: pd.DataFrame) -> None:
    handles = []
    for condition in CURVES:
        own = curves[curves["condition"] == condition]
        colour = style.CONDITION_COLOURS[condition]
        for _, curve in own.groupby("run_id"):
            axes.plot(curve["epoch"], curve["train_accuracy"], color=colour, lw=0.8)
        label = f"{condition} ({own['run_id'].nunique()})"
        handles.append(Line2D([], [], color=colour, label=label))
    parts.accuracy_axis(axes, "training accuracy")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_xlabel("epoch")
    axes.set_xlim(left=0)
    axes.legend(handles=handles, title="networks", loc="best")
    axes.set_title("networks of panel c\n(best by validation accuracy)")


def _bars(axes: Axes, data: pd.DataFrame, order: list[str], where: str) -> None:
    summaries = data[data["kind"] == "summary"].set_index("condition")
    shown = [name for name in order if name in summaries.index]
    if not shown:
        parts.empty(axes, "no runs")
        return
    points = [data.loc[(data["kind"] == "network") & (data["condition"] == name), "test_accuracy"] for name in shown]
    colours = [style.CONDITION_COLOURS[name] for name in shown]
    parts.bars(axes, summaries.loc[shown], points, colours, range(len(shown)))
    axes.set_xticks(range(len(shown)), shown)
    axes.tick_params(axis="x", length=0)
    parts.choice_title(axes, summaries.loc[shown], f"{where}, 1 hidden layer\n{{}}")
    parts.chance_line(axes, data["chance"].max())


def _depth(axes: Axes, data: pd.DataFrame, order: list[str], where: str) -> None:
    """Draw mean and spread of the best networks against the number of hidden layers, the conditions side by side."""
    summaries = data[data["kind"] == "summary"]
    shown = [name for name in order if name in set(summaries["condition"])]
    if not shown:
        parts.empty(axes, "no runs")
        return
    width = 0.36
    for place, name in enumerate(shown):
        own = summaries[summaries["condition"] == name].sort_values("hidden_layers")
        x = own["hidden_layers"].to_numpy() + (place - (len(shown) - 1) / 2) * width
        colour = style.CONDITION_COLOURS[name]
        axes.plot(x, own["mean"], color=colour, lw=1.2, marker="_", ms=9, mew=1.6, label=name)
        for at, (_, bar) in zip(x, own.iterrows(), strict=True):
            parts.mean_and_spread(axes, at, bar)
            same = (data["kind"] == "network") & (data["condition"] == name)
            values = data.loc[same & (data["hidden_layers"] == bar["hidden_layers"]), "test_accuracy"]
            parts.networks(axes, at, values, width * 0.85, colour)
            parts.none_finished(axes, at, bar)
    # One label for all conditions of a depth: side by side they would touch.
    for depth, bars in summaries.groupby("hidden_layers"):
        parts.choice_label(axes, depth, bars.to_dict("records"), summaries)
    layers = np.sort(summaries["hidden_layers"].unique()).astype(int)
    axes.set_xticks(layers, [str(n) for n in layers])
    low, high = layers.min() - 0.6, layers.max() + 0.6
    axes.set_xlim(low, high + 0.33 * (high - low))  # room for the legend, whatever the accuracies
    axes.set_xlabel("number of hidden layers")
    parts.accuracy_axis(axes)
    axes.legend(loc="center right")
    parts.choice_title(axes, summaries, f"{where}\n{{}}")
    parts.chance_line(axes, data["chance"].max())
