"""Fig 8: hidden activity of trained networks without and with a penalty on high activity."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import MaxNLocator

from sgpipe.figures import parts, style, tasks
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
    *("n", "mean", "sd", "low", "high", "chance"),  # a, b: test accuracies of all networks of the sweep
    *("test_accuracy", "spikes_total", "hidden", "upper_strength", "upper_threshold", "upper_exponent"),
)
BINS = 50  # bins of the spike counts, up to the largest possible count
DOT = 0.8  # area of a spike, the same in all rasters, so that what looks dense is dense
WRONG = 1e6  # rank added for a wrong prediction: further from the median than any network that is right
INPUTS = ShdData.units
RIGHT, OTHER = "#8C510A", "#C7C7C7"  # the readout of the right class: brown, as in the paper
FILL = "#9BB7D4"
KEY = (
    "shown: the network of median activity among those that classify the sample right, if any · "
    "±: sd over networks · brown: readout of the right class · filled: the network shown, lines: the others · "
    "dashed: most possible"
)


def select(tables: Mapping[str, pd.DataFrame], experiment: Mapping) -> pd.DataFrame:
    """Select the activity of one network per sweep on one test sample (a, b), and spike counts of all networks (c, d).

    Each network shown classifies the sample correctly and is nearest to its sweep's median number of hidden spikes; the
    sample is the one for which these networks are nearest. `share` of a count is its share among all pairs of a hidden
    unit and a test sample, `shown` is 1 for the network shown, and `most` is the largest possible number of spikes: one
    every other step.
    """
    runs = selection.outcomes(tables["runs"])
    sweeps = {sweep: selection.of_sweep(runs, sweep) for sweep in PANELS}
    activity = tables["activity"][tables["activity"]["moment"] == "after"]
    decided = [_decisions(activity, own).assign(sweep=sweep) for sweep, own in sweeps.items() if len(own)]
    chosen = _chosen(pd.concat(decided)) if decided else ()
    pieces = []
    for sweep, own in sweeps.items():
        if not len(own):
            continue
        above, below, _ = PANELS[sweep]
        decision = chosen[chosen["sweep"] == sweep]
        shown = decision["run_id"]
        recorded = activity[activity["run_id"].isin(own["run_id"])]
        trial = recorded[recorded["run_id"].isin(shown) & recorded["sample"].isin(decision["sample"])]
        summary = {**selection.summary(own["test_accuracy"])._asdict(), "chance": tasks.chance(own.iloc[0])}
        frames = {
            "network": _networks(own),
            "summary": pd.DataFrame([summary]),
            "trial": _trial(trial, own),
            "decision": decision,
            "count": _counts(recorded[recorded["kind"] == "count"]),
        }
        for kind, frame in frames.items():
            frame = frame if kind == "trial" else frame.assign(kind=kind)
            seen = frame["run_id"].isin(shown) * 1.0 if "run_id" in frame else np.nan
            about = {"panel": below if kind == "count" else above, "sweep": sweep, "shown": seen}
            pieces.append(frame.assign(**about, most=float(own["data.steps"].iloc[0] // 2)))
    return parts.tidy(pieces, COLUMNS)


def _decisions(activity: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """Return each network's prediction for each sample, and its distance from the median activity, in ranks."""
    readout = activity[activity["run_id"].isin(runs["run_id"]) & (activity["layer"] == "readout")]
    head = "sum" if runs["objective.head"].iloc[0] == "sum" else "max"
    logits = readout.groupby(["run_id", "sample", "label", "unit"])["value"].agg(head).unstack("unit")
    found = logits.idxmax(axis=1).rename("predicted").reset_index()
    rank = runs[runs["run_id"].isin(found["run_id"])].set_index("run_id")["spikes_total"].rank(method="first")
    return found.assign(distance=(found["run_id"].map(rank) - rank.median()).abs())


def _chosen(decisions: pd.DataFrame) -> pd.DataFrame:
    """Choose the sample that the networks nearest to the median get right, and one of these networks for each sweep."""
    wrong = decisions["predicted"] != decisions["label"]
    ordered = decisions.assign(distance=decisions["distance"] + WRONG * wrong).sort_values(["distance", "run_id"])
    nearest = ordered.drop_duplicates(["sweep", "sample"])
    total = nearest.groupby("sample")["distance"].sum()
    return nearest[nearest["sample"] == total.idxmin()] if len(total) else nearest


def _networks(runs: pd.DataFrame) -> pd.DataFrame:
    """Return a row per network of a sweep."""
    knobs = ("strength", "threshold", "exponent")
    named = {f"upper_{knob}": runs.get(f"objective.upper_{knob}", np.nan) for knob in knobs}
    hidden = runs["network.hidden"].map(lambda text: sum(map(int, text.split("-"))))
    kept = runs[["run_id", "test_accuracy", "spikes_total"]]
    return kept.assign(kind="network", hidden=hidden, **named)


def _trial(activity: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """Return the input spikes, the spikes of the first hidden layer, and the readouts of a network on a sample."""
    step, steps = runs["data.dt"].iloc[0], runs["data.steps"].iloc[0]
    spikes = activity["layer"].isin(["input", "hidden1"]) & (activity["kind"] == "spike")
    kept = activity[spikes | (activity["layer"] == "readout")]
    times = {"time_ms": kept["step"] * step, "duration_ms": float(steps * step)}
    return kept[["run_id", "kind", "layer", "unit", "sample", "label", "value"]].assign(**times)


def _counts(rows: pd.DataFrame) -> pd.DataFrame:
    """Return a row per network and spike count: the share of pairs of unit and test sample in which it occurs."""
    table = rows.groupby(["run_id", "spikes"], as_index=False)["value"].sum()
    by_run = table.groupby("run_id")
    share = table["value"] / by_run["value"].transform("sum")
    return table.assign(share=share, largest=by_run["spikes"].transform("max"))


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
        style.panel_letter(axes, below)
    counts[0].set_ylabel("share of units × trials")
    counts[1].tick_params(labelleft=True)
    return figure


def _activity(side: SubFigure, data: pd.DataFrame, letter: str, title: str) -> None:
    """Draw readouts, hidden and input spikes from top to bottom."""
    top, middle, bottom = side.subplots(3, 1, height_ratios=[0.9, 1.2, 1.2], sharex=True)
    style.panel_letter(top, letter)
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
        panel.scatter(own["time_ms"], own["unit"] + 1, s=DOT, color=style.INK, linewidths=0, rasterized=True)
        panel.set(ylim=(0, units + 1), yticks=[1, int(units)])
        _corner(panel, f"{len(own):,} spikes", style.FAINT, style.SMALL)
    top.set_xlim(0, readout["duration_ms"].iloc[0])


def _accuracy(summary) -> str:
    if not summary.n:
        return "no network finished"
    spread = f" ± {summary.sd:.2f}" if summary.n > 1 else ""
    return f"test accuracy {summary.mean:.2f}{spread} (n = {int(summary.n)}, chance {style.number(summary.chance)})"


def _corner(axes: Axes, words: str, colour: str, size: float) -> None:
    """Write above the right end of a panel."""
    at = {"xy": (1, 1), "xytext": (0, 1), "xycoords": "axes fraction", "textcoords": "offset points"}
    axes.annotate(words, **at, ha="right", va="bottom", size=size, color=colour)


def _distribution(axes: Axes, data: pd.DataFrame) -> None:
    """Draw the distribution of spikes per hidden unit and test trial, for the shown network and for the others."""
    if not len(data):
        parts.empty(axes, "not recorded")
        return
    most = data["most"].iloc[0]
    edges = np.linspace(0, most + 1, int(min(BINS, most + 1)) + 1)
    look = {"x": "spikes", "weights": "share", "bins": list(edges), "element": "step", "legend": False, "ax": axes}
    shown, others = data[data["shown"] == 1], data[data["shown"] != 1]
    if len(others):
        ink = dict.fromkeys(others["run_id"], style.INK)
        sns.histplot(others, **look, hue="run_id", palette=ink, fill=False, lw=0.5)
    if len(shown):
        sns.histplot(shown, **look, color=FILL, alpha=1, lw=0, zorder=1)
        mean, largest = (shown["spikes"] * shown["share"]).sum(), int(shown["largest"].iloc[0])
        words = f"mean {mean:.3g}, largest {largest}"
        axes.text(0.94, 0.94, words, transform=axes.transAxes, ha="right", va="top", size=style.SMALL)
    axes.set_yscale("log")
    axes.set(xlim=(0, (most + 1) * 1.02), xlabel="spikes of a hidden unit in a trial", ylabel="")
    axes.set_ylim(top=3)  # no share is above 1; room between its label and the panel's letter
    axes.axvline(most, color=style.WARNING_COLOUR, lw=0.7, ls=style.DASHES, zorder=4)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
