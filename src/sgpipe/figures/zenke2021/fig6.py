"""Fig 6: surrogate gradient learning is effective on different loss functions, input paradigms and data sets."""

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from sgpipe.figures import parts, style, tasks
from sgpipe.results import selection

NEEDS = {"table": "results", "any_of": ["randman", "mnist", "shd", "rawhd", "rawsc"]}  # see needs.py
WIDTH, HEIGHT = style.DOUBLE, 70.0
SWEEPS = {"a": "randman", "b": "mnist", "c": "shd", "d": "rawhd", "e": "rawsc"}
BARS = ("ff_max", "ff_sum", "rc_max", "rc_sum", "conventional")
COLOURS = {
    "ff_max": "#0077BB",
    "ff_sum": style.tint("#0077BB", 0.5),
    "rc_max": "#EE7733",
    "rc_sum": style.tint("#EE7733", 0.5),
    "conventional": "#BBBBBB",
}
LABELS = {
    "ff_max": "feed-forward, Max",
    "ff_sum": "feed-forward, Sum",
    "rc_max": "recurrent, Max",
    "rc_sum": "recurrent, Sum",
    "conventional": "conventional network",
}
SHORT = {"ff_max": "Max", "ff_sum": "Sum", "rc_max": "Max", "rc_sum": "Sum", "conventional": "ReLU"}
COLUMNS = (
    *("panel", "kind", "bar", "name", "run_id", "status", "eta", "init_seed", "best_epoch"),
    *("valid_accuracy", "test_accuracy", "rank"),
    *("n", "mean", "sd", "low", "high", "cells", "lost", "chance"),
)


def select(tables: Mapping[str, pd.DataFrame], experiment: Mapping) -> pd.DataFrame:
    """Select the best networks, the summary and the paper's values (`mean` and `sd` of kind published) of every bar."""
    runs, pieces = selection.outcomes(tables["runs"]), []
    for panel, sweep in SWEEPS.items():
        own = selection.of_sweep(runs, *([sweep, "conventional"] if sweep == "mnist" else [sweep]))
        if not len(own):
            continue
        relu = own["network.neuron"] == "relu"
        kind = own["network.recurrent"].map({False: "ff_", True: "rc_"}) + own["objective.head"].astype(str)
        group = parts.plain(own).assign(bar=kind.where(~relu, "conventional"))
        chosen = parts.best_of_groups(group, ["bar"], experiment["best"])
        known = own[~relu].iloc[0] if (~relu).any() else own.iloc[0]
        about = {"panel": panel, "name": tasks.title(known), "chance": tasks.chance(known)}
        pieces.append(chosen.assign(**about))
        pieces.append(_published(experiment["settings"], sweep, set(group["bar"])).assign(**about))
    return parts.tidy(pieces, COLUMNS)


def _published(settings: Mapping, sweep: str, bars: set[str]) -> pd.DataFrame:
    """Return the paper's values for a sweep; a value for `ff` applies to both heads."""
    found = []
    for bar in BARS:
        for name in (bar, bar.partition("_")[0]):
            if bar in bars and (value := settings.get(f"published.{sweep}.{name}")):
                found.append({"kind": "published", "bar": bar, "mean": value[0], "sd": value[1]})
    return pd.DataFrame(found)


@style.styled
def draw(data: pd.DataFrame, experiment: Mapping, note: str) -> Figure:
    """Draw the figure from what `select` returned."""
    summaries = data[data["kind"] == "summary"]
    figure = style.new_figure(WIDTH, HEIGHT, note, parts.bars_key(summaries, "dashed: chance"))
    there = [panel for panel in SWEEPS if panel in set(data["panel"])]
    handles = [Patch(color=COLOURS[bar], label=LABELS[bar]) for bar in BARS if bar in set(data["bar"])]
    if (data["kind"] == "published").any():
        handles.append(parts.printed_handle())
    style.legend_above(figure, handles, columnspacing=1.2)
    widths = [len(set(data.loc[data["panel"] == panel, "bar"])) + 1 for panel in there]
    grid = figure.subplots(1, len(there), squeeze=False, width_ratios=widths)[0]
    for axes, panel in zip(grid, there, strict=True):
        _panel(axes, data[data["panel"] == panel])
        style.panel_letter(axes, panel)
    for axes in grid[1:]:
        axes.set_ylabel("")
        axes.set_yticklabels([])
    return figure


def _panel(axes: Axes, data: pd.DataFrame) -> None:
    shown = [bar for bar in BARS if bar in set(data["bar"])]
    # A gap where the kind of network changes.
    places = np.cumsum([0.0, *(1.0 if one[:2] == other[:2] else 1.5 for one, other in pairwise(shown))])
    data = data.assign(at=data["bar"].map(dict(zip(shown, places, strict=True))))
    kind = dict(tuple(data.groupby("kind")))
    colours = {at: COLOURS[bar] for at, bar in zip(places, shown, strict=True)}
    parts.bars(axes, kind["summary"], kind.get("network", data[:0]), colours)
    parts.printed_values(axes, kind.get("published", data[:0]))
    axes.set_xticks(places, [SHORT[bar] for bar in shown], rotation=90)
    axes.tick_params(axis="x", length=0)
    for words, prefix in (("FF", "ff"), ("RC", "rc")):
        own = [place for place, bar in zip(places, shown, strict=True) if bar.startswith(prefix)]
        if own:
            at = {"xy": (np.mean(own), 0), "xycoords": parts.XY, "xytext": (0, -19), "textcoords": "offset points"}
            axes.annotate(words, **at, ha="center", va="top", size=style.SMALL, annotation_clip=False)
    name = data["name"].iloc[0]
    parts.title(axes, name if "\n" in name else f"{name}\n")
    parts.chance_line(axes, data["chance"].max(), "")
