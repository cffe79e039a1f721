"""The effect of other settings on a data set's accuracy and on the number of spikes (our own figure).

Beside them stands what is published, if `settings.published` has it (mean and standard deviation). With
`settings.published_valid` validation accuracies stand in the place of the spikes, beside the published one.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from sgpipe.figures import parts, seeds, style, tasks
from sgpipe.results import selection

NEEDS = {"table": "results", "settings": ["rows"]}  # see needs.py
WIDTH, ROW = style.DOUBLE, 6.0  # mm; ROW is a row's height
MARGIN = 0.07  # inches: long labels are wider by that at the resolution of the files
COLOUR = "#0077BB"
KEY = (
    "large dots: means of n networks · broad lines: 95 % confidence interval of the mean · small dots: single networks"
)
COLUMNS = (
    *("kind", "row", "words", "name", "run_id", "status", "eta", "init_seed", "best_epoch"),
    *("valid_accuracy", "test_accuracy", "spikes_total"),
    *("n", "mean", "sd", "low", "high", "cells", "lost", "chance"),
)


def select(tables: Mapping[str, pd.DataFrame], experiment: Mapping) -> pd.DataFrame:
    """Select all networks and a summary for each sweep that `settings.rows` names, and the published values.

    The only thing chosen is each network's epoch: the networks of a row differ only in their seeds.
    """
    runs, settings = selection.outcomes(tables["runs"]), experiment["settings"]
    pieces = []
    for sweep, words in settings["rows"]:
        own = selection.of_sweep(runs, sweep)
        if len(own):
            group = own.rename(columns={"optimiser.lr": "eta", "init.seed": "init_seed"}).assign(row=sweep)
            group = group[[name for name in COLUMNS if name in group]]
            about = {"words": words, "name": tasks.title(own.iloc[0])}
            summary = seeds.over_seeds(group, ["row"], "test_accuracy").assign(
                kind="summary", chance=tasks.chance(own.iloc[0])
            )
            pieces += [piece.assign(**about) for piece in (group.assign(kind="network"), summary)]
    for kind in ("published", "published_valid"):
        if kind in settings:
            mean, sd = settings[kind]
            pieces.append(pd.DataFrame([{"kind": kind, "mean": mean, "sd": sd}]))
    return parts.tidy(pieces, COLUMNS)


@style.styled
def draw(data: pd.DataFrame, experiment: Mapping, note: str) -> Figure:
    """Draw the figure from what `select` returned."""
    summaries = data[data["kind"] == "summary"]
    figure = style.new_figure(WIDTH, 30 + ROW * max(len(summaries), 3), note, KEY)
    figure.get_layout_engine().set(w_pad=MARGIN)
    printed = data[data["kind"].str.startswith("published")].set_index("kind")[["mean", "sd"]]
    valid = "published_valid" in printed.index
    accuracy, other = figure.subplots(1, 2, sharey=True, width_ratios=(1, 1) if valid else (2, 1))
    if not len(summaries):
        parts.empty(accuracy, "no runs")
        return figure
    if "published" in printed.index:
        _published(accuracy, *printed.loc["published"])
    for place, (_, row) in enumerate(summaries.iterrows()):
        networks = data[(data["kind"] == "network") & (data["row"] == row["row"])]
        _row(accuracy, place, networks["test_accuracy"], row["low"], row["high"])
        _row(other, place, networks["valid_accuracy" if valid else "spikes_total"])
    labels = [f"{row.words}, n = {int(row.n)}" for row in summaries.itertuples()]
    accuracy.set_yticks(range(len(summaries)), labels)
    accuracy.set_ylim(len(summaries) - 0.5, -0.5)
    for axes in (accuracy, other):
        axes.tick_params(axis="y", length=0)
    name, chance = summaries["name"].iloc[0].replace("\n", " "), style.number(round(summaries["chance"].iloc[0], 3))
    accuracy.set_xlabel(f"test accuracy, {name} (chance: {chance})")
    if valid:
        _published(other, *printed.loc["published_valid"])
        other.set_xlabel("validation accuracy")
        return figure
    other.set_xlabel("hidden spikes per input")
    spikes = data["spikes_total"][data["spikes_total"] > 0]
    if spikes.max() >= 10 * spikes.min():  # within a decade logarithmic axes have no numbers
        other.set_xscale("log")
        other.xaxis.set_minor_formatter(NullFormatter())
    return figure


def _published(axes: Axes, mean: float, sd: float) -> None:
    axes.axvspan(mean - sd, mean + sd, color=style.FAINT, alpha=0.25, lw=0)
    axes.axvline(mean, color=style.FAINT, lw=0.8)
    above = {"xy": (mean, 1), "xycoords": parts.XY, "xytext": (0, 2), "textcoords": "offset points"}
    axes.annotate("paper", **above, ha="center", va="bottom", size=style.SMALL)


def _row(axes: Axes, place: int, values: pd.Series, low: float = np.nan, high: float = np.nan) -> None:
    values = values.dropna()
    axes.axhline(place, color=style.FAINT, lw=0.3, zorder=0)
    axes.plot([low, high], [place, place], color=COLOUR, alpha=0.35, lw=3, solid_capstyle="butt")
    axes.plot(values, np.full(len(values), place + 0.22), marker="o", ms=1.6, color=style.INK, ls="")
    if len(values):
        axes.plot(values.mean(), place, marker="o", ms=4, color=COLOUR)
