"""What calibrating the initial state brings, in accuracy and in epochs, by data set and neuron (our own figure)."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from sgpipe.figures import condition_sets, parts, seeds, style, tasks
from sgpipe.results import selection

NEEDS = {"table": "results", "settings": ["rows"], "run": [{"init.method": "calibrated"}]}  # see needs.py
WIDTH, ROW = style.DOUBLE, 5.2  # mm; ROW is a row's height
MARGIN = 0.07  # inches: long labels are wider by that at the resolution of the files
MOST_TICKS = 7  # of powers of two, more of which overlap
LEVEL = 0.95  # of the lower of two networks' best validation accuracies: what both reach
COLOURS = {"more": "#009988", "less": "#CC3311", "open": "#666666"}
KEY = (
    "large dots: means over pairs of networks of the same seed · lines: 95 % confidence interval · small dots: pairs · "
    "epochs to 95 % of the lower of a pair's two best validation accuracies, as a ratio"
)
COLUMNS = (
    *("kind", "row", "words", "name", "set", "seed", "naive", "calibrated", "gain", "speed"),
    *("n", "cells", "lost_naive", "lost_calibrated", "mean", "low", "high", "speed_mean", "speed_low", "speed_high"),
    "naive_mean",
)


def select(tables: Mapping[str, pd.DataFrame], experiment: Mapping) -> pd.DataFrame:
    """Pair each calibrated network with the naive one of the same seed, by sweep of `settings.rows` and conditions.

    `gain` is the difference of test accuracies at the epochs of best validation accuracy, `speed` the ratio of the
    epochs to `LEVEL` of the lower of both best validation accuracies, naive by calibrated; its mean is geometric.
    """
    runs = selection.outcomes(tables["runs"]).rename(columns=seeds.SHORT)
    runs["set"] = condition_sets.sets(runs)
    curves = _curves(tables["runs"])
    pieces = []
    for sweep, words in experiment["settings"]["rows"]:
        own = selection.of_sweep(runs, sweep)
        naive = own[own["set"] == condition_sets.NAIVE].set_index("seed")
        for name in condition_sets.in_order(own["set"]):
            if name == condition_sets.NAIVE:
                continue
            calibrated = own[own["set"] == name].set_index("seed")
            pairs = _pairs(naive, calibrated, curves)
            about = {"row": sweep, "words": words, "name": tasks.title(_knobs(own)), "set": name}
            summary = pd.DataFrame([{"kind": "summary", **_summary(pairs, naive, calibrated)}])
            pieces += [piece.assign(**about) for piece in (pairs.assign(kind="pair"), summary)]
    return parts.tidy(pieces, COLUMNS)


def _knobs(runs: pd.DataFrame) -> Mapping:
    return runs.rename(columns={short: name for name, short in seeds.SHORT.items()}).iloc[0]


def _curves(table: pd.DataFrame) -> dict[str, np.ndarray]:
    """Return the validation accuracy of each finished run by epoch."""
    valid = table[(table["split"] == "valid") & (table["status"] == "finished")].sort_values("epoch", kind="stable")
    return {run: own.to_numpy(float) for run, own in valid.groupby("run_id")["accuracy"]}


def _pairs(naive: pd.DataFrame, calibrated: pd.DataFrame, curves: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Return a row per seed of which both networks finished."""
    rows = []
    for seed in naive.index.intersection(calibrated.index):
        one, other = naive.loc[seed], calibrated.loc[seed]
        if one["status"] == other["status"] == "finished":
            both = [curves[run["run_id"]] for run in (one, other)]
            level = LEVEL * min(curve.max() for curve in both)
            epochs = [int(np.argmax(curve >= level)) + 1 for curve in both]
            accuracies = {"naive": one["test_accuracy"], "calibrated": other["test_accuracy"]}
            gain = other["test_accuracy"] - one["test_accuracy"]
            rows.append({"seed": seed, **accuracies, "gain": gain, "speed": epochs[0] / epochs[1]})
    return pd.DataFrame(rows, columns=["seed", "naive", "calibrated", "gain", "speed"])


def _summary(pairs: pd.DataFrame, naive: pd.DataFrame, calibrated: pd.DataFrame) -> dict:
    gain, speed = selection.summary(pairs["gain"]), selection.summary(np.log(pairs["speed"].astype(float)))
    lost = {
        f"lost_{name}": int((group["status"] != "finished").sum())
        for name, group in (("naive", naive), ("calibrated", calibrated))
    }
    accuracy = {"n": gain.n, "mean": gain.mean, "low": gain.low, "high": gain.high}
    ratio = {"speed_mean": speed.mean, "speed_low": speed.low, "speed_high": speed.high}
    ratio = {name: float(np.exp(value)) for name, value in ratio.items()}
    return {**accuracy, **ratio, **lost, "cells": len(calibrated), "naive_mean": naive["test_accuracy"].mean()}


@style.styled
def draw(data: pd.DataFrame, experiment: Mapping, note: str) -> Figure:
    """Draw the figure from what `select` returned."""
    summaries = data[data["kind"] == "summary"].reset_index(drop=True)
    figure = style.new_figure(WIDTH, 30 + ROW * max(len(summaries), 3), note, KEY)
    figure.get_layout_engine().set(w_pad=MARGIN)
    accuracy, speed = figure.subplots(1, 2, sharey=True)
    for place, row in summaries.iterrows():
        pairs = data[(data["kind"] == "pair") & (data["row"] == row["row"]) & (data["set"] == row["set"])]
        _row(accuracy, place, pairs["gain"], row["mean"], row["low"], row["high"], 0.0, f"{{:+.3f}} ({_beside(row)})")
        _row(speed, place, pairs["speed"], row["speed_mean"], row["speed_low"], row["speed_high"], 1.0, "× {:.2f}")
        if not row["n"]:
            _none(accuracy, place, row)
    for place in np.flatnonzero(summaries["row"].ne(summaries["row"].shift()))[1:]:
        for axes in (accuracy, speed):
            axes.axhline(place - 0.5, color=style.FAINT, lw=0.4)
    accuracy.set_yticks(range(len(summaries)), [": ".join(names(row)) for _, row in summaries.iterrows()])
    accuracy.set_ylim(len(summaries) - 0.5, -0.5)
    accuracy.set_xlabel("gain in test accuracy")
    speed.set_xlabel("epochs, naive / calibrated")
    speed.set_xscale("log")
    low, high = np.log2(speed.get_xlim())
    powers = range(min(-2, int(np.ceil(low))), max(2, int(high)) + 1)
    powers = [k for k in powers if len(powers) <= MOST_TICKS or k % 2 == 0]
    speed.set_xticks([2.0**k for k in powers], [f"{2**k}" if k >= 0 else f"1/{2**-k}" for k in powers])
    speed.xaxis.set_minor_locator(NullLocator())
    for axes in (accuracy, speed):
        axes.tick_params(axis="y", length=0)
    return figure


def names(row: pd.Series) -> tuple[str, str]:
    """Return the words for a row's network and for its conditions."""
    conditions = condition_sets.label(row["set"]).replace(",\ncalibrated", "")
    return f"{row['name'].splitlines()[0]}, {row['words']}", conditions


def _beside(row: pd.Series) -> str:
    """Say how many pairs a row has, and how good their naive networks are."""
    lost = row["lost_naive"] + row["lost_calibrated"]
    return f"naive {row['naive_mean']:.2f}, n = {int(row['n'])}" + (f" of {int(row['cells'])}" if lost else "")


def _none(axes: Axes, place: int, row: pd.Series) -> None:
    lost = {"naive": row["lost_naive"], "calibrated": row["lost_calibrated"]}
    words = " and ".join(f"{int(count)} {name}" for name, count in lost.items() if count)
    axes.annotate(
        f"{words} did not finish" if words else "not yet trained",
        (0.5, place),
        xycoords=parts.XY[::-1],
        va="center",
        ha="center",
        size=style.SMALL,
        bbox={"fc": "white", "ec": "none", "pad": 1},
    )


def _row(
    axes: Axes, place: int, values: pd.Series, mean: float, low: float, high: float, same: float, form: str
) -> None:
    """Draw a row: pairs, their mean and interval, and the mean in figures at the right end."""
    axes.axvline(same, color=style.FAINT, lw=0.6, ls=style.DASHES, zorder=0)
    values = values.dropna().astype(float)
    if not len(values):
        return
    told = np.isfinite([low, high]).all()
    colour = COLOURS["more" if told and low > same else "less" if told and high < same else "open"]
    axes.plot([low, high], [place, place], color=colour, alpha=0.4, lw=2.4, solid_capstyle="butt")
    axes.plot(values, np.full(len(values), place + 0.24), marker="o", ms=1.4, color=style.INK, ls="")
    axes.plot(mean, place, marker="o", ms=3.4, color=colour)
    words = form.format(mean)
    axes.annotate(words, (1, place), (2, 0), parts.XY[::-1], textcoords="offset points", va="center", size=style.SMALL)
