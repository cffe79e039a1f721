"""Do the conditions hold? The activity of untrained networks on the data, beside what the theory predicts."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter

from sgpipe.figures import condition_sets, parts, style

NEEDS = {"table": "simulation"}  # see needs.py
WIDTH, HEIGHT = style.DOUBLE, 176.0
QUANTITIES = ("rate", "median", "variance_ratio", "growth_max", "growth_var")
COLUMNS = (
    *("panel", "kind", "set", "layer", "quantity"),
    *("n", "mean", "low", "high", "theory", "target"),  # a: over seeds, with the range
    *("step", "value", "begin", "end"),  # b-d
    *("input_rate", "gain", "rate", "ratio", "task_rate"),  # e, f
    *("sharpness", "second", "wide"),  # g
)
# What each condition requires, and how its quantity is drawn.
ASKED = {
    "rate": ("I", 0.5, "firing rate", "linear"),
    "median": ("I", 0.0, "median of v (thresholds)", "symlog"),
    "variance_ratio": ("II", 1.0, "variance of recurrent\nover input drive", "log"),
    "growth_max": ("III", 1.0, "growth a step of\nthe largest gradient", "log"),
    "growth_var": ("IV", 1.0, "growth a step of\nthe gradients' variance", "log"),
}
COURSES = {
    "b": ("rate", "firing rate"),
    "c": ("grad_max", "largest gradient"),
    "d": ("grad_var", "variance of gradients"),
}
FEW = (0.1, 0.2, 0.5, 1, 2, 5, 10)  # ticks of a short logarithmic axis, MANY of a long one; 1 is always drawn
MANY = tuple(10.0**power for power in range(-12, 13))
LAYERS = {1: ("#0077BB", "o"), 2: ("#EE7733", "s"), 3: ("#009988", "^")}
SHOWN = {
    condition_sets.NAIVE: "#777777",
    "I+II": "#44AA99",
    condition_sets.ALL: "#332288",
    condition_sets.CALIBRATED: "#CC3311",
}
MET = {"color": "#EEF3F8", "lw": 0}
UNSOLVED = {"facecolor": "none", "edgecolor": "#BBBBBB", "hatch": "//////", "lw": 0}
KEY = (
    "points: mean over draws · lines through them: their range · ticks: theory · dashed: what the condition asks for · "
    "shaded: asked for · hatched: asked for, no solution"
)


def select(tables: Mapping[str, pd.DataFrame], experiment: Mapping) -> pd.DataFrame:
    """Select measured and predicted numbers per set and layer (a), time courses (b-d), phases (e, f), moments (g)."""
    table = tables["runs"]
    table = table.assign(set=condition_sets.sets(table).where(table["kind"].isin(["course", "mean"])))
    means, courses = table[table["kind"] == "mean"], table[table["kind"] == "course"]
    pieces = [_compared(means, quantity) for quantity in QUANTITIES]
    for panel, (quantity, _) in COURSES.items():
        shown = courses[courses["set"].isin(SHOWN)]
        curve = shown.groupby(["set", "layer", "step"], sort=False, as_index=False)[quantity].median()
        pieces.append(curve.rename(columns={quantity: "value"}).assign(panel=panel, kind="course", quantity=quantity))
    if len(means):  # one row will do: the window belongs to the data
        window = means[["begin", "end"]].iloc[[0]].astype(float)
        pieces += [window.assign(panel=panel, kind="window") for panel in COURSES]
    phase = table[table["kind"] == "phase"]
    columns = {"variance_ratio": "ratio"}
    task_rate = means["input_rate_of_task"].mean() if len(means) else np.nan
    pieces.append(
        phase[["input_rate", "gain", "rate", "variance_ratio"]]
        .rename(columns=columns)
        .assign(panel="e", kind="phase", task_rate=task_rate)
    )
    moments = table[table["kind"] == "moment"]
    curve = moments[["sharpness", "theory_second", "wide"]].rename(columns={"theory_second": "second"})
    pieces.append(curve.assign(panel="g", kind="moment"))
    first = means[means["layer"] == 1]
    points = first.groupby("set", sort=False, as_index=False)[["sharpness", "dampening", "second"]].mean()
    # Divided by gamma^2, so that all sets lie on one curve if the theory holds.
    points["second"] /= points["dampening"] ** 2
    pieces.append(points[["set", "sharpness", "second"]].assign(panel="g", kind="measured"))
    return parts.tidy(pieces, COLUMNS)


def _compared(means: pd.DataFrame, quantity: str) -> pd.DataFrame:
    """Return a quantity per set and layer, measured over draws, beside the predicted and the required value."""
    condition, target, *_ = ASKED[quantity]
    rows = []
    for (name, layer), group in means.groupby(["set", "layer"], sort=False):
        values = group[quantity].dropna()
        asked = condition in condition_sets.conditions(name)
        theory = group.get(f"theory_{quantity}", pd.Series([target if asked else np.nan])).mean()
        numbers = {"n": len(values), "mean": values.mean(), "low": values.min(), "high": values.max()}
        asked_for = target if asked else np.nan
        rows.append({"set": name, "layer": layer, **numbers, "theory": theory, "target": asked_for})
    return pd.DataFrame(rows).assign(panel="a", kind="mean", quantity=quantity)


@style.styled
def draw(data: pd.DataFrame, experiment: Mapping, note: str) -> Figure:
    """Draw the figure from what `select` returned."""
    figure = style.new_figure(WIDTH, HEIGHT, note, KEY)
    upper, middle, lower = figure.subfigures(3, 1, height_ratios=(1.35, 0.85, 1.0))
    _comparison(upper, data[data["panel"] == "a"])
    _courses(middle, data[data["kind"].isin(["course", "window"])])
    grid = lower.subplots(1, 3)
    phase = data[data["kind"] == "phase"]
    _phase(grid[0], phase, "rate", "firing rate", (0, 1))
    _phase(grid[1], phase, "ratio", "variance ratio", None)
    _moments(grid[2], data[data["panel"] == "g"])
    for letter, axes in zip("efg", grid, strict=True):
        style.panel_letter(axes, letter)
    return figure


def _comparison(figure, data: pd.DataFrame) -> None:
    names = condition_sets.in_order(data["set"].dropna())
    grid = figure.subplots(1, len(QUANTITIES), sharey=True)
    layers = sorted(data["layer"].dropna().unique())
    for axes, quantity in zip(grid, QUANTITIES, strict=True):
        condition, target, words, scale = ASKED[quantity]
        own = data[data["quantity"] == quantity]
        for place, layer in enumerate(layers):
            rows = own[own["layer"] == layer].set_index("set").reindex(names)
            _dots(axes, rows, place, len(layers), int(layer))
            for at, (name, row) in enumerate(rows.iterrows()):
                if condition in condition_sets.conditions(name):
                    low = at - 0.5 + place / len(layers)
                    axes.axhspan(low, low + 1 / len(layers), **(MET if _met(name, row) else UNSOLVED), zorder=0)
        axes.axvline(target, color=style.INK, lw=0.7, ls=style.DASHES, zorder=1)
        _scale(axes, scale, own)
        axes.set_title(f"condition {condition}")
        axes.set_xlabel(words)
        axes.tick_params(axis="y", length=0)
    grid[0].set_yticks(range(len(names)), [condition_sets.label(name) for name in names])
    grid[0].set_ylim(len(names) - 0.5, -0.5)
    handles = [
        Line2D(
            [], [], color=LAYERS[int(layer)][0], marker=LAYERS[int(layer)][1], ls="", ms=4, label=f"layer {int(layer)}"
        )
        for layer in layers
    ]
    handles.append(Line2D([], [], color=style.INK, marker="|", ls="", ms=7, mew=1.4, label="theory"))
    figure.legend(handles=handles, loc="outside upper right", ncols=len(handles))
    style.panel_letter(grid[0], "a")


def _met(name: str, row: pd.Series) -> bool:
    """Tell whether a layer meets its set's condition: calibrated ones by measurement, others according to theory."""
    return name.startswith(condition_sets.CALIBRATED) or np.isclose(row["theory"], row["target"], rtol=1e-3, atol=1e-3)


def _dots(axes: Axes, own: pd.DataFrame, place: int, count: int, layer: int) -> None:
    colour, marker = LAYERS[layer]
    y = np.arange(len(own)) + (place - (count - 1) / 2) * 0.32
    axes.hlines(y, own["low"], own["high"], color=colour, lw=0.8, zorder=3)
    axes.scatter(own["mean"], y, s=13, color=colour, marker=marker, edgecolors="white", linewidths=0.3, zorder=4)
    axes.scatter(own["theory"], y, s=32, color=colour, marker="|", linewidths=1.4, zorder=2)


def _scale(axes: Axes, scale: str, own: pd.DataFrame) -> None:
    values = own[["mean", "low", "high", "theory"]].to_numpy(float)
    values = values[np.isfinite(values)]
    if scale == "linear":
        axes.set(xlim=(-0.05, 1.05), xticks=(0, 0.5, 1))
        return
    if scale == "symlog":
        axes.set_xscale("symlog", linthresh=1.0)
        ticks = [
            tick for tick in (-100, -10, -1, 0, 1, 10, 100) if values.min(initial=-1) <= tick <= values.max(initial=1)
        ]
        axes.set_xticks(ticks, [style.number(tick) for tick in ticks])
        return
    positive = values[values > 0]
    axes.set_xscale("log")
    low, high = min(positive.min(initial=0.8), 0.8) / 1.2, max(positive.max(initial=1.25), 1.25) * 1.2
    axes.set_xlim(low, high)
    ticks = FEW if high / low < 30 else MANY
    ticks = [tick for tick in ticks if low <= tick <= high]
    every = 1 + len(ticks) // 6
    ticks = ticks[ticks.index(1) % every :: every]
    axes.set_xticks(ticks, [style.number(tick) for tick in ticks])
    axes.minorticks_off()


def _courses(figure, data: pd.DataFrame) -> None:
    grid = figure.subplots(1, len(COURSES))
    shown = [name for name in SHOWN if name in set(data["set"])]
    for axes, (letter, (_, words)) in zip(grid, COURSES.items(), strict=True):
        own = data[data["panel"] == letter]
        for _, window in own[own["kind"] == "window"].iterrows():
            axes.axvspan(window["begin"], window["end"] - 1, color="#EEF3F8", lw=0, zorder=0)
        own = own[own["kind"] == "course"]
        for (name, layer), curve in own.groupby(["set", "layer"], sort=False):
            line = {1: "-", 2: (0, (3, 1.2))}.get(int(layer), ":")
            axes.plot(
                curve["step"],
                curve["value"].where(curve["value"] > 0) if letter != "b" else curve["value"],
                color=SHOWN[name],
                ls=line,
                lw=0.9,
            )
        if letter != "b":
            axes.set_yscale("log")
            low, high = axes.get_ylim()
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high / low < 30 else (1,), numticks=6))
            axes.yaxis.set_minor_formatter(NullFormatter())
        axes.set(xlabel="step", ylabel=words)
        style.panel_letter(axes, letter)
    handles = [Line2D([], [], color=SHOWN[name], label=condition_sets.label(name).replace("\n", " ")) for name in shown]
    layers = sorted(data["layer"].dropna().unique())
    handles += [
        Line2D([], [], color=style.INK, ls={1: "-", 2: (0, (3, 1.2))}.get(int(layer), ":"), label=f"layer {int(layer)}")
        for layer in layers
    ]
    figure.legend(handles=handles, loc="outside right center")


def _phase(axes: Axes, phase: pd.DataFrame, column: str, words: str, limits: Sequence[float] | None) -> None:
    if phase.empty:
        parts.empty(axes, "no phase diagram")
        return
    grid = phase.pivot(index="gain", columns="input_rate", values=column).sort_index(ascending=False)
    low, high = limits or (0, 2)
    parts.matrix(axes, grid, cmap="coolwarm", vmin=low, vmax=high, linewidths=0)
    axes.set(xlabel="input rate", ylabel="gain on Var[w_in]")
    axes.tick_params(axis="x", rotation=90)
    rates, task_rate = grid.columns.to_numpy(float), phase["task_rate"].iloc[0]
    if rates[0] <= task_rate <= rates[-1]:
        at = np.interp(np.log(task_rate), np.log(rates), np.arange(len(rates)) + 0.5)
        axes.axvline(at, color=style.INK, lw=0.8, ls=":")
        look = {"ha": "center", "va": "bottom", "size": style.SMALL}
        axes.annotate("data", (at, 1), (0, 1), parts.XY, textcoords="offset points", **look)
    parts.colour_bar(axes.figure, axes, words, pad=0.02, aspect=16, extend="neither" if limits else "max")


def _moments(axes: Axes, data: pd.DataFrame) -> None:
    curve = data[data["kind"] == "moment"].sort_values("sharpness")
    axes.plot(curve["sharpness"], curve["second"], color=style.INK, label="eq. 64, uniform v")
    axes.plot(
        curve["sharpness"], curve["wide"], color=style.INK, lw=0.8, ls=style.DASHES, label="limit, ∝ γ²/s (eq. 2)"
    )
    points = data[data["kind"] == "measured"]
    named = set()
    for _, point in points.iterrows():
        known = point["set"] in SHOWN
        label = (
            condition_sets.label(point["set"]).replace("\n", " ")
            if known
            else ("other sets" if "" not in named else None)
        )
        named.add("" if not known else point["set"])
        axes.scatter(
            point["sharpness"],
            point["second"],
            s=14,
            color=SHOWN.get(point["set"], "#BBBBBB"),
            zorder=3 + known,
            label=label,
            edgecolors="white",
            linewidths=0.3,
        )
    axes.set(xscale="log", yscale="log", xlabel="sharpness s", ylabel="E[σ′²] / γ²")
    if len(curve):
        axes.set_ylim(max(curve["second"].min(), 1e-8) / 1e6, 4)  # room for the legend
    axes.legend(loc="lower left")
