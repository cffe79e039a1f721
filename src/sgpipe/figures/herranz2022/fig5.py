"""Fig 5: initial states that meet conditions of the theory, against the naive one."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from sgpipe.figures import condition_sets, parts, seeds, style
from sgpipe.results import selection

# See needs.py.
NEEDS = {"table": "results", "run": [{"network.reset_gradient": "attached"}, {"network.reset_gradient": "detached"}]}
WIDTH, HEIGHT = style.DOUBLE, 86.0
COLUMNS = ("panel", "kind", "reset", "set", "split", "seed", "accuracy", *seeds.SUMMARY)
# What the panels' networks do with the gradient of the reset's spike (`network.reset_gradient`).
PANELS = {"attached": "gradients flow through the reset (eq. 30)", "detached": "they do not (authors' code)"}
SPLITS = {"valid": ("validation", "#0077BB"), "test": ("test", "#EE7733")}
KEY = "bars: mean over seeds · whiskers: sd · points: single networks · diamonds: printed in the paper, mean and sd"
BAR = 0.38


def select(tables: Mapping[str, pd.DataFrame], experiment: Mapping) -> pd.DataFrame:
    """Select networks, summaries and published values, by set of conditions and split, a panel per reset gradient.

    Accuracies are those at the epoch of best validation accuracy.
    """
    everything = selection.outcomes(tables["runs"]).rename(columns=seeds.SHORT)
    everything["set"] = condition_sets.sets(everything)
    there = [reset for reset in PANELS if (everything["network.reset_gradient"] == reset).any()]
    pieces = []
    for panel, reset in zip("ab", there, strict=False):
        found = _of_panel(everything[everything["network.reset_gradient"] == reset], experiment["settings"], panel)
        pieces += [piece.assign(panel=panel, reset=reset) for piece in found]
    return parts.tidy(pieces, COLUMNS)


def _of_panel(runs: pd.DataFrame, settings: Mapping, panel: str) -> list[pd.DataFrame]:
    """Return networks and summaries of some runs; published values stand in the first panel."""
    pieces = []
    for split in SPLITS:
        own = runs.rename(columns={f"{split}_accuracy": "accuracy"})
        pieces.append(own[["set", "seed", "accuracy"]].assign(kind="network", split=split))
        pieces.append(seeds.over_seeds(own, ["set"], "accuracy").assign(kind="summary", split=split))
    for name in dict.fromkeys(runs["set"]) if panel == "a" else ():
        for split in SPLITS:
            if value := settings.get(f"published.{name}.{split}"):
                row = {"kind": "published", "set": name, "split": split, "mean": value[0], "sd": value[1]}
                pieces.append(pd.DataFrame([row]))
    return pieces


@style.styled
def draw(data: pd.DataFrame, experiment: Mapping, note: str) -> Figure:
    """Draw the figure from what `select` returned."""
    figure = style.new_figure(WIDTH, HEIGHT, note, KEY)
    panels = sorted(data["panel"].unique())
    sets = [data.loc[data["panel"] == panel, "set"].nunique() + 0.8 for panel in panels]  # room for long names
    grid = figure.subplots(1, len(panels), sharey=True, squeeze=False, width_ratios=sets)[0]
    for axes, panel in zip(grid, panels, strict=True):
        own = data[data["panel"] == panel]
        _bars(axes, own)
        if len(panels) > 1:
            axes.set_title(PANELS[own["reset"].iloc[0]])
            style.panel_letter(axes, panel)
    parts.accuracy_axis(grid[0], "accuracy")
    handles = [Patch(color=colour, label=words) for words, colour in SPLITS.values()]
    if (data["kind"] == "published").any():
        handles.append(Line2D([], [], color=style.INK, marker="D", ms=3, lw=0.7, mfc="white", mew=0.7, label="paper"))
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles))
    return figure


def _bars(axes: Axes, data: pd.DataFrame) -> None:
    names = condition_sets.in_order(data["set"].dropna())
    for place, name in enumerate(names):
        for offset, split in zip((-BAR / 2, BAR / 2), SPLITS, strict=True):
            _bar(axes, place + offset, data[(data["set"] == name) & (data["split"] == split)], SPLITS[split][1])
    axes.set_xticks(range(len(names)), [condition_sets.label(name) for name in names])
    axes.set_xlim(-0.6, len(names) - 0.4)
    axes.tick_params(axis="x", length=0)


def _bar(axes: Axes, at: float, own: pd.DataFrame, colour: str) -> None:
    summary = own[own["kind"] == "summary"].iloc[0]
    if summary["n"]:
        axes.bar(at, summary["mean"], BAR, color=colour, zorder=2)
        if not np.isnan(summary["sd"]):
            look = {"color": style.INK, "elinewidth": 0.7, "capsize": 2, "capthick": 0.7}
            axes.errorbar(at, summary["mean"], summary["sd"], zorder=4, **look)
        parts.networks(axes, at, own.loc[own["kind"] == "network", "accuracy"].dropna(), BAR * 0.8)
    if summary["lost"]:
        words = f"{int(summary['lost'])} of {int(summary['cells'])} lost"
        axes.text(at, 0.02, words, rotation=90, ha="center", va="bottom", size=style.SMALL, zorder=7)
    for _, paper in own[own["kind"] == "published"].iterrows():
        look = {"color": style.INK, "marker": "D", "ms": 3, "mfc": "white", "mew": 0.7, "elinewidth": 0.7}
        axes.errorbar(at + BAR / 4, paper["mean"], paper["sd"], zorder=8, **look)
