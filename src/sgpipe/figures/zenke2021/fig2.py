"""Fig 2: surrogate gradient descent builds functional spiking networks."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sgpipe.figures import parts, style
from sgpipe.figures.seeds import in_order
from sgpipe.figures.zenke2021 import fig2_activity, fig2_sketch
from sgpipe.results import selection
from sgpipe.spec.surrogates import SURROGATES

NEEDS = {"table": "results", "activity": [], "tasks": ["randman"]}  # see needs.py
WIDTH, HEIGHT = style.DOUBLE, 158.0
COLUMNS = (
    *("panel", "kind", "layer", "units"),  # a: layers
    *("run_id", "shape", "init_seed", "status", "classes", "epoch", "loss"),  # b: curves
    *("best_epoch", "valid_accuracy", "test_accuracy", "chance"),  # b: networks
    *("sample", "label", "predicted", "place", "unit", "neuron", "time_ms", "duration_ms", "value"),  # c-e
)


def select(tables: Mapping[str, pd.DataFrame], experiment: Mapping) -> pd.DataFrame:
    """Select layer sizes (a), learning curves and test accuracies (b), activity (c, d) and membrane potentials (e)."""
    runs, activity = tables["runs"], tables["activity"]
    networks = parts.plain(selection.outcomes(runs)).assign(panel="b", kind="network")
    networks["chance"] = 1 / networks["classes"]
    train = runs.loc[runs["split"] == "train", ["run_id", "epoch", "loss"]]
    kept = networks[["run_id", "shape", "init_seed", "status", "classes"]]
    curves = train.merge(kept, on="run_id").assign(panel="b", kind="curve")
    pieces = [_layers(runs), curves, networks]
    pieces += fig2_activity.select(activity, runs, experiment["settings"])
    return parts.tidy(pieces, COLUMNS)


def _layers(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the layers of the network and their sizes, from the input up."""
    first = runs.iloc[0]
    hidden = [int(units) for units in first["network.hidden"].split("-") if units]
    names = ["input", *(f"hidden{place}" for place in range(1, len(hidden) + 1)), "readout"]
    sizes = [first["data.units"], *hidden, first["data.classes"]]
    return pd.DataFrame({"panel": "a", "layer": names, "units": [int(size) for size in sizes]})


@style.styled
def draw(data: pd.DataFrame, experiment: Mapping, note: str) -> Figure:
    """Draw the figure from what `select` returned."""
    figure = style.new_figure(WIDTH, HEIGHT, note)
    panel = {letter: data[data["panel"] == letter] for letter in "abcde"}
    upper, lower = figure.subfigures(2, 1, height_ratios=[1.0, 1.35])
    sketch, curves, accuracy = upper.subplots(1, 3, width_ratios=[1.25, 1.0, 0.42])
    fig2_sketch.draw(sketch, panel["a"])
    _learning(curves, panel["b"][panel["b"]["kind"] == "curve"])
    _accuracy(accuracy, panel["b"][panel["b"]["kind"] == "network"])
    columns = lower.subfigures(1, 3, width_ratios=[1.0, 1.0, 0.72])
    for letter, words, place in (("c", "before training", columns[0]), ("d", "after training", columns[1])):
        axes = place.subplots(3, 1, height_ratios=[1.0, 1.5, 0.9], sharex=True)
        fig2_activity.draw(axes, panel[letter], words)
        style.panel_letter(axes[0], letter)
    axes = columns[2].subplots()
    fig2_activity.draw_membranes(axes, panel["e"])
    for letter, place in (("a", sketch), ("b", curves), ("e", axes)):
        style.panel_letter(place, letter)
    return figure


def _learning(axes: Axes, curves: pd.DataFrame) -> None:
    """Draw the training loss: a thin line per initialisation, a thick one for the mean of those that finished."""
    if not len(curves):
        parts.empty(axes, "no run finished an epoch")
        return
    n = curves.groupby("shape")["run_id"].nunique()
    names = {shape: f"{SURROGATES[shape].label}, n = {n[shape]}" for shape in in_order(n.index)}
    look = {"x": "epoch", "y": "loss", "ax": axes, "hue": curves["shape"].map(names), "errorbar": None}
    look["palette"] = {label: style.SURROGATE_COLOURS[shape] for shape, label in names.items()}
    sns.lineplot(curves, **look, units="run_id", estimator=None, lw=0.5, alpha=0.6, legend=False)
    finished = curves[curves["status"] == "finished"]
    if len(finished):
        sns.lineplot(finished, **look, lw=1.8)
        axes.legend(loc="center right", title=None)
    classes, last = curves["classes"].max(), curves["epoch"].max()
    axes.set(xlim=(0, last * 1.02), ylim=(0, 1.15 * max(np.log(classes), curves["loss"].max())))
    parts.chance_line(axes, np.log(classes), f"chance,\nln {int(classes)}")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set(xlabel="epoch", ylabel="training loss (nats)", title="thin: one initialisation, thick: mean")


def _accuracy(axes: Axes, networks: pd.DataFrame) -> None:
    """Draw the test accuracy of every network and its mean."""
    shapes = in_order(networks["shape"])
    labels = {"superspike": "surr.", "true_derivative": "true"}
    for place, shape in enumerate(shapes):
        own = networks[networks["shape"] == shape].assign(at=place)
        known = own.dropna(subset=["test_accuracy"])
        if len(known):
            axes.plot(
                [place - 0.32, place + 0.32], [known["test_accuracy"].mean()] * 2, color=style.INK, lw=1.2, zorder=6
            )
            parts.points(axes, known, "test_accuracy", 0.6, style.SURROGATE_COLOURS[shape])
        parts.count(axes, place, {"n": len(known), "cells": len(own)})
    axes.set_xticks(range(len(shapes)), [labels.get(shape, SURROGATES[shape].label) for shape in shapes])
    axes.set_xlim(-0.6, len(shapes) - 0.4)
    axes.tick_params(axis="x", length=0)
    parts.accuracy_axis(axes)
    parts.chance_line(axes, networks["chance"].max())
