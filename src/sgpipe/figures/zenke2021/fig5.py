"""Fig 5: surrogate gradient learning is sensitive to the scale of the surrogate derivative.

Conditions are named as in the paper: s for SuperSpike, a for its asymptotic variant; Ctl where the gradient through
the recurrence is detached, DR where it flows through the reset, Prop where it flows through recurrent connections.
The caption's first "aDR" is a slip for sDR.
"""

from collections.abc import Mapping

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

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
# panel: (sweep, the gradient knob that it varies, the names of the knob's values)
SWEEPS = {
    "c": ("reset", "network.reset_gradient", RESET),
    "d": ("reset_depth", "network.reset_gradient", RESET),
    "e": ("recurrent", "network.recurrent_gradient", RECURRENT),
    "f": ("recurrent_depth", "network.recurrent_gradient", RECURRENT),
}
CURVES = ("sCtl", "aCtl", "aDR")
SIDE_BY_SIDE = 0.36  # distance of the conditions of one depth, in layers


def select(tables: Mapping[str, pd.DataFrame], experiment: Mapping) -> pd.DataFrame:
    """Select curves of the shape (a), learning curves of the best networks (b), best networks and summaries (c-f)."""
    runs = selection.outcomes(tables["runs"])
    betas = sorted(runs["surrogate.beta"].dropna().unique())
    pieces = [parts.shape_curves(["asymptotic_superspike"], betas).assign(panel="a")]
    for panel, (sweep, gradient, names) in SWEEPS.items():
        group = selection.of_sweep(runs, sweep)
        condition = group["surrogate.shape"].map(SHAPES).fillna("") + group[gradient].map(names).fillna("")
        group = parts.plain(group).assign(condition=condition)
        chosen = parts.best_of_groups(group, ["condition", "hidden_layers"], experiment["best"])
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
    panel = {letter: data[data["panel"] == letter] for letter in "abcdef"}
    summaries = data[(data["kind"] == "summary")]
    figure = style.new_figure(WIDTH, HEIGHT, note, parts.bars_key(summaries, words="bars and large points"))
    grid = figure.subplots(2, 3)
    _shape(grid[0, 0], panel["a"])
    _learning_curves(grid[0, 1], panel["b"], summaries["chance"].max())
    _bars(grid[0, 2], panel["c"], ["sCtl", "sDR", "aCtl", "aDR"], "spike reset, 1 hidden layer")
    _depth(grid[1, 0], panel["d"], ["aCtl", "aDR"], "spike reset")
    _bars(grid[1, 1], panel["e"], ["sCtl", "sProp", "aCtl", "aProp"], "recurrent connections, 1 hidden layer")
    _depth(grid[1, 2], panel["f"], ["aCtl", "aProp"], "recurrent connections")
    for letter, axes in zip("abcdef", grid.flat, strict=True):
        style.panel_letter(axes, letter)
    return figure


def _shape(axes: Axes, curves: pd.DataFrame) -> None:
    colours = style.ordered_colours(curves["beta"])
    parts.draw_shapes(axes, curves, colours)
    axes.set_yscale("log")  # the peak is beta, which spans orders of magnitude
    axes.set_ylabel("h(U − threshold)")
    if len(colours) > 7:
        axes.set_xlim(-1.05, 1.6)  # room for their names
        axes.set_xticks([-1, 0, 1])
    axes.set_title("asymptotic SuperSpike\n$h(x) = \\beta/(\\beta|x|+1)^2$")
    axes.minorticks_off()
    parts.beta_legend(axes, axes.get_lines(), loc="upper right", bbox_to_anchor=(1.08, 1.04))


def _learning_curves(axes: Axes, curves: pd.DataFrame, chance: float) -> None:
    n = curves.groupby("condition")["run_id"].nunique()
    named = curves.assign(networks=curves["condition"].map(lambda name: f"{name} ({n[name]})"))
    colours = {f"{name} ({n[name]})": style.CONDITION_COLOURS[name] for name in CURVES if name in n}
    look = {"units": "run_id", "estimator": None, "palette": colours, "hue_order": list(colours), "lw": 0.8}
    if len(curves):
        sns.lineplot(named, x="epoch", y="train_accuracy", hue="networks", **look, ax=axes)
    else:
        parts.empty(axes, "no run finished an epoch")
    parts.accuracy_axis(axes, "training accuracy")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set(xlabel="epoch", title="networks of panel c\n(best by validation accuracy)")
    axes.set_xlim(left=0)
    if legend := axes.get_legend():
        legend.set(loc="lower right", bbox_to_anchor=(1, 0.1))  # above the chance line
    parts.chance_line(axes, chance)


def _bars(axes: Axes, data: pd.DataFrame, order: list[str], where: str) -> None:
    shown = [name for name in order if name in set(data["condition"])]
    if not shown:
        parts.empty(axes, "no runs")
        return
    data = data.assign(at=data["condition"].map(shown.index).astype(float))
    colours = {place: style.CONDITION_COLOURS[name] for place, name in enumerate(shown)}
    parts.bars(axes, data[data["kind"] == "summary"], data[data["kind"] == "network"], colours)
    axes.set_xticks(range(len(shown)), shown)
    axes.tick_params(axis="x", length=0)
    parts.title(axes, where)
    parts.chance_line(axes, data["chance"].max())


def _depth(axes: Axes, data: pd.DataFrame, order: list[str], where: str) -> None:
    """Draw mean and spread of the best networks against the number of hidden layers, with conditions side by side."""
    shown = [name for name in order if name in set(data["condition"])]
    if not shown:
        parts.empty(axes, "no runs")
        return
    place = data["condition"].map(shown.index) - (len(shown) - 1) / 2
    data = data.assign(at=data["hidden_layers"] + SIDE_BY_SIDE * place)
    networks = data[(data["kind"] == "network") & data["test_accuracy"].notna()]
    for name, own in networks.groupby("condition"):
        look = {
            "x": "at",
            "y": "test_accuracy",
            "native_scale": True,
            "ax": axes,
            "color": style.CONDITION_COLOURS[name],
        }
        sns.pointplot(own, **look, errorbar=parts.interval, err_kws=parts.INTERVAL, ms=5, lw=1.2)
        parts.points(axes, own, "test_accuracy", 0.85 * SIDE_BY_SIDE, look["color"])
        end = own["at"].max(), own.loc[own["at"] == own["at"].max(), "test_accuracy"].mean()
        axes.annotate(name, end, (9, 2), textcoords="offset points", va="center", color=look["color"])
    if len(networks):
        parts.spreads(axes, networks, "test_accuracy")
    summaries = data[data["kind"] == "summary"]
    for depth, bars in summaries.groupby("hidden_layers"):  # side by side, the conditions' numbers would touch
        parts.count(axes, depth, *bars.to_dict("records"))
    layers = sorted(summaries["hidden_layers"].unique())
    axes.set_xticks(layers, [f"{n:g}" for n in layers])
    axes.set(xlim=(layers[0] - 0.6, layers[-1] + 0.6 + 0.25 * len(layers)), xlabel="number of hidden layers")
    parts.accuracy_axis(axes)
    parts.title(axes, where)
    parts.chance_line(axes, data["chance"].max())
