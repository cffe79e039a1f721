"""Fig 8: hidden activity of trained networks without and with a penalty on high activity."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import MaxNLocator

from sgpipe.figures import parts, style
from sgpipe.results import selection
from sgpipe.spec.tasks.shd import ShdData

NEEDS = {"table": "results", "activity": ["counts"], "any_of": ["unregularised", "regularised"]}  # see needs.py
WIDTH, HEIGHT = style.DOUBLE, 150.0
# (panel of the activity, panel of the counts, title) by sweep
PANELS = {"unregularised": ("a", "c", "unregularised"), "regularised": ("b", "d", "with upper regulariser")}
COLUMNS = (
    *("panel", "kind", "sweep", "run_id", "shown"),
    *("layer", "unit", "sample", "label", "predicted", "time_ms", "duration_ms", "value"),  # a, b: activity
    *("spikes", "share", "largest", "most"),  # c, d: counts
    *("n", "mean", "sd", "low", "high"),  # a, b: test accuracies of all networks of the sweep
    *("test_accuracy", "spikes_total", "hidden", "upper_strength", "upper_threshold", "upper_exponent"),
)
BINS = 50  # of the spike counts, up to the largest possible one
MANY = 3000  # spikes in a raster that want smaller dots
INPUTS = ShdData.units
RIGHT, OTHER = "#8C510A", "#C7C7C7"  # the readout of the right class: brown, as in the paper
FILL = "#9BB7D4"
KEY = (
    "±: sd over networks · brown: readout of the right class · filled: the network shown above · "
    "lines: the others · dashed: most possible"
)


def select(tables: Mapping[str, pd.DataFrame], experiment: Mapping) -> pd.DataFrame:
    """Select the activity of one network of each sweep on one test sample (a, b), and spike counts of all (c, d).

    The network shown is the best of its sweep by validation accuracy. `share` of a count is that among all pairs of a
    hidden unit and a test sample, `shown` is 1 for the network shown, and `most` the largest number of spikes that
    there can be: one every other step.
    """
    activity, pieces = tables["activity"], []
    runs = selection.outcomes(tables["runs"])
    for sweep, (above, below, _) in PANELS.items():
        own = selection.of_sweep(runs, sweep)
        if not len(own):
            continue
        recorded = activity[activity["run_id"].isin(own["run_id"])]
        shown = selection.best(own[own["run_id"].isin(recorded["run_id"])], 1)["run_id"]
        most = float(own["data.steps"].iloc[0] // 2)
        networks = _networks(own).assign(shown=own["run_id"].isin(shown) * 1.0)
        trials = _trial(recorded[recorded["run_id"].isin(shown)], own).assign(shown=1.0)
        counts = _counts(recorded[recorded["kind"] == "count"])
        counts["shown"] = counts["run_id"].isin(shown) * 1.0
        summary = pd.DataFrame([{"kind": "summary", **selection.summary(own["test_accuracy"])._asdict()}])
        for panel, piece in ((above, networks), (above, summary), (above, trials), (below, counts)):
            pieces.append(piece.assign(panel=panel, sweep=sweep, most=most))
    return parts.tidy(pieces, COLUMNS)


def _networks(runs: pd.DataFrame) -> pd.DataFrame:
    """Return a row per network of a sweep."""
    knobs = ("strength", "threshold", "exponent")
    named = {f"upper_{knob}": runs.get(f"objective.upper_{knob}", np.nan) for knob in knobs}
    hidden = runs["network.hidden"].map(lambda text: sum(map(int, text.split("-"))))
    kept = runs[["run_id", "test_accuracy", "spikes_total"]]
    return kept.assign(kind="network", hidden=hidden, **named)


def _trial(activity: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """Return spikes and readouts of a network on its first recorded sample, and what it takes the sample for."""
    own = activity[(activity["moment"] == "after") & activity["kind"].isin(["spike", "membrane"])]
    own = own[own["sample"] == own["sample"].min()]
    if not len(own):
        return pd.DataFrame()
    step = runs["data.dt"].iloc[0]
    rows = own[["run_id", "kind", "layer", "unit", "sample", "label", "value"]].assign(
        time_ms=own["step"] * step, duration_ms=float(runs["data.steps"].iloc[0] * step)
    )
    readout = rows[rows["layer"] == "readout"].groupby("unit")["value"]
    logits = readout.sum() if runs["objective.head"].iloc[0] == "sum" else readout.max()
    decision = rows.iloc[:1][["run_id", "sample", "label"]].assign(kind="decision", predicted=logits.idxmax())
    shown = (rows["layer"].isin(["input", "hidden1"]) & (rows["kind"] == "spike")) | (rows["layer"] == "readout")
    return pd.concat([rows[shown], decision])


def _counts(rows: pd.DataFrame) -> pd.DataFrame:
    """Return a row per network and number of spikes: in which share of units and test samples it occurs."""
    rows = rows[rows["moment"] == "after"]
    table = rows.groupby(["run_id", "spikes"], as_index=False)["value"].sum()
    by_run = table.groupby("run_id")
    return table.assign(
        kind="count", share=table["value"] / by_run["value"].transform("sum"), largest=by_run["spikes"].transform("max")
    )


@style.styled
def draw(data: pd.DataFrame, experiment: Mapping, note: str) -> Figure:
    """Draw the figure from what `select` returned."""
    figure = style.new_figure(WIDTH, HEIGHT, note, KEY)
    upper, lower = figure.subfigures(2, 1, height_ratios=[2.1, 1.0])
    sides = upper.subfigures(1, 2)
    counts = lower.subplots(1, 2, sharex=True, sharey=True)
    for side, axes, (above, below, title) in zip(sides, counts, PANELS.values(), strict=True):
        _activity(side, data[data["panel"] == above], above, title)
        _distribution(axes, data[data["panel"] == below])
        style.panel_letter(axes, below, left=26)
    counts[0].set_ylabel("share of units × test trials")
    return figure


def _activity(side: SubFigure, data: pd.DataFrame, letter: str, title: str) -> None:
    """Draw readouts, hidden and input spikes from top to bottom."""
    top, middle, bottom = side.subplots(3, 1, height_ratios=[0.9, 1.2, 1.2], sharex=True)
    style.panel_letter(top, letter, left=26, up=12)
    accuracy = data[data["kind"] == "summary"]
    top.set_title("\n".join([title, *map(_accuracy, accuracy.itertuples())]), loc="left", linespacing=1.3)
    top.set_ylabel("readout U")
    middle.set_ylabel("hidden unit")
    bottom.set(ylabel="input unit", xlabel="time (ms)")
    spikes, readout = data[data["kind"] == "spike"], data[data["kind"] == "membrane"]
    if not len(readout):
        parts.empty(middle, "not recorded")
        return
    decision = data[data["kind"] == "decision"].iloc[0]
    for unit, trace in readout.groupby("unit"):
        look = {"color": RIGHT, "lw": 1.3, "zorder": 3} if unit == decision["label"] else {"color": OTHER, "lw": 0.5}
        top.plot(trace["time_ms"], trace["value"], **look)
    right = decision["predicted"] == decision["label"]
    _corner(top, "✓" if right else "✗", RIGHT if right else style.INK, style.LETTER)
    hidden = data.loc[(data["kind"] == "network") & (data["shown"] == 1), "hidden"].iloc[0]
    for panel, layer, units in ((middle, "hidden1", hidden), (bottom, "input", INPUTS)):
        own = spikes[spikes["layer"] == layer]
        size = 0.8 if len(own) > MANY else 2.5
        panel.scatter(own["time_ms"], own["unit"] + 1, s=size, color=style.INK, linewidths=0, rasterized=True)
        panel.set(ylim=(0, units + 1), yticks=[1, int(units)])
        _corner(panel, f"{len(own):,} spikes", style.FAINT, style.SMALL)
    top.set_xlim(0, readout["duration_ms"].iloc[0])


def _accuracy(summary) -> str:
    if not summary.n:
        return "no network finished"
    spread = f" ± {summary.sd:.2f}" if summary.n > 1 else ""
    return f"test accuracy {summary.mean:.2f}{spread} (n = {int(summary.n)})"


def _corner(axes: Axes, words: str, colour: str, size: float) -> None:
    """Write above the right end of an axes."""
    at = {"xy": (1, 1), "xytext": (0, 1), "xycoords": "axes fraction", "textcoords": "offset points"}
    axes.annotate(words, **at, ha="right", va="bottom", size=size, color=colour)


def _distribution(axes: Axes, data: pd.DataFrame) -> None:
    """Draw how often a hidden unit emits how many spikes in a test trial, of the shown network and of the others."""
    axes.set_xlabel("spikes of a hidden unit in a trial")
    if not len(data):
        parts.empty(axes, "not recorded")
        return
    most = data["most"].iloc[0]
    edges = np.linspace(0, most + 1, int(min(BINS, most + 1)) + 1)
    for _, one in data.groupby("run_id"):
        heights, _ = np.histogram(one["spikes"], edges, weights=one["share"])
        if one["shown"].iloc[0]:
            axes.stairs(heights, edges, fill=True, color=FILL, zorder=1)
            words = f"mean {(one['spikes'] * one['share']).sum():.3g}, largest {int(one['largest'].iloc[0])}"
            axes.text(0.94, 0.94, words, transform=axes.transAxes, ha="right", va="top", size=style.SMALL)
        else:
            axes.stairs(heights, edges, color=style.INK, lw=0.5, zorder=3)
    axes.set_yscale("log")
    axes.set_xlim(0, (most + 1) * 1.02)
    axes.axvline(most, color=style.WARNING_COLOUR, lw=0.7, ls=(0, (4, 2)), zorder=4)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
