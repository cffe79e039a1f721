"""Fig 5: initial states that meet conditions of the theory, against the naive one."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from sgpipe.figures import condition_sets, parts, seeds, style, tasks
from sgpipe.results import selection

# See needs.py.
NEEDS = {"table": "results", "run": [{"network.reset_gradient": "attached"}, {"network.reset_gradient": "detached"}]}
WIDTH, HEIGHT = style.DOUBLE, 86.0
COLUMNS = ("panel", "kind", "reset", "set", "split", "seed", "accuracy", *seeds.SUMMARY, "unsolved", "chance")
# How the networks of each panel treat the gradient through the reset (`network.reset_gradient`).
PANELS = {"attached": "gradients flow through the reset (eq. 30)", "detached": "they do not (authors' code)"}
SPLITS = {"valid": ("validation", "#0077BB"), "test": ("test", "#EE7733")}
BAR = 0.38
LEAST = 3.2  # width of a panel, in sets


def select(tables: Mapping[str, pd.DataFrame], experiment: Mapping) -> pd.DataFrame:
    """Select networks, summaries and published values by set of conditions and split, one panel per reset gradient.

    Accuracies are those at the epoch of best validation accuracy. `unsolved`: a set's conditions without a solution.
    """
    everything = selection.outcomes(tables["runs"]).rename(columns=seeds.SHORT)
    everything["set"] = condition_sets.sets(everything)
    there = [reset for reset in PANELS if (everything["network.reset_gradient"] == reset).any()]
    pieces = []
    for panel, reset in zip("ab", there, strict=False):
        found = _of_panel(everything[everything["network.reset_gradient"] == reset], experiment["settings"], panel)
        about = {"panel": panel, "reset": reset, "chance": tasks.chance(tables["runs"].iloc[0])}
        pieces += [piece.assign(**about) for piece in found]
    return parts.tidy(pieces, COLUMNS)


def _of_panel(runs: pd.DataFrame, settings: Mapping, panel: str) -> list[pd.DataFrame]:
    """Return networks and summaries of some runs; published values go into the first panel."""
    pieces, unsolved = [], condition_sets.unsolved(runs)
    for split in SPLITS:
        own = runs.rename(columns={f"{split}_accuracy": "accuracy"})
        pieces.append(own[["set", "seed", "accuracy"]].assign(kind="network", split=split))
        summaries = seeds.over_seeds(own, ["set"], "accuracy").assign(kind="summary", split=split)
        pieces.append(summaries.assign(unsolved=summaries["set"].map(unsolved)))
    for name in dict.fromkeys(runs["set"]) if panel == "a" else ():
        for split in SPLITS:
            if value := settings.get(f"published.{name}.{split}"):
                row = {"kind": "published", "set": name, "split": split, "mean": value[0], "sd": value[1]}
                pieces.append(pd.DataFrame([row]))
    return pieces


@style.styled
def draw(data: pd.DataFrame, experiment: Mapping, note: str) -> Figure:
    """Draw the figure from what `select` returned."""
    key = parts.bars_key(data[data["kind"] == "summary"], "dashed: chance", above="n of N networks")
    figure = style.new_figure(WIDTH, HEIGHT, note, key)
    panels = dict(tuple(data.groupby("panel")))
    # Room for long names, and for the title of a panel with few sets.
    sets = [max(own["set"].nunique() + 0.8, LEAST) for own in panels.values()]
    grid = figure.subplots(1, len(panels), sharey=True, squeeze=False, width_ratios=sets)[0]
    for axes, (panel, own) in zip(grid, panels.items(), strict=True):
        _bars(axes, own)
        if len(panels) > 1:
            parts.title(axes, PANELS[own["reset"].iloc[0]])
            style.panel_letter(axes, panel)
        axes.set_ylabel("accuracy" if axes is grid[0] else "")
    handles = [Patch(color=colour, label=words) for words, colour in SPLITS.values()]
    if (data["kind"] == "published").any():
        handles.append(parts.printed_handle())
    style.legend_above(figure, handles)
    return figure


def _bars(axes: Axes, data: pd.DataFrame) -> None:
    """Draw a pair of bars per set, except where a condition has no solution and the networks are another set's."""
    names, places, at = _order(data), {}, 0.0
    for name in names:
        at += 1.3 if name.startswith(condition_sets.CALIBRATED) else 1.0  # the length of their names
        places[name] = at
    side = data["split"].map({"valid": -BAR / 2, "test": BAR / 2})
    data = data.assign(at=(data["set"].map(places) + side).round(3))
    summaries = data[data["kind"] == "summary"]
    unsolved = dict(summaries.dropna(subset=["unsolved"])[["set", "unsolved"]].to_numpy())
    networks = data[(data["kind"] == "network") & ~data["set"].isin(unsolved)]
    colours = {at: SPLITS[split][1] for at, split in zip(summaries["at"], summaries["split"], strict=True)}
    parts.bars(axes, summaries, networks, colours, "accuracy", 1.0, counted=False)
    parts.printed_values(axes, data[data["kind"] == "published"])
    for _, bar in summaries[summaries["split"] == "test"].iterrows():
        place = places[bar["set"]]
        if bar["set"] in unsolved:
            parts.upright(axes, place, f"{unsolved[bar['set']]}: no solution")
        else:
            parts.count(axes, place, bar)
    axes.set_xticks(list(places.values()), [condition_sets.label(name) for name in names])
    axes.tick_params(axis="x", length=0)
    parts.chance_line(axes, data["chance"].max(), "")


def _order(data: pd.DataFrame) -> list[str]:
    """Sort sets by test accuracy, as the paper does, then those without a bar, then our own calibrated ones."""
    test = data[(data["kind"] == "summary") & (data["split"] == "test")].set_index("set")
    mean = test["mean"].where(test["unsolved"].isna()).fillna(np.inf)
    return sorted(mean.index, key=lambda name: (name.startswith(condition_sets.CALIBRATED), mean[name]))
