"""Runs that differ only in their seeds: one point with a spread, and the number of runs that diverged or failed."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from sgpipe.results.selection import summary
from sgpipe.results.tables import spec_of_row
from sgpipe.spec.run import RunSpec
from sgpipe.spec.surrogates import FORMULA, SURROGATES

# Short names of the columns in the numbers of these figures.
SHORT = {
    "surrogate.shape": "shape",
    "surrogate.dampening": "dampening",
    "surrogate.sharpness": "sharpness",
    "surrogate.tail": "tail",
    "network.neuron": "neuron",
    "data.task": "task",
    "init.scheme": "scheme",
    "init.seed": "seed",
}
NEURONS = {"lif": "LIF, current-based", "delta_lif": "LIF", "alif": "ALIF", "slstm": "sLSTM"}
SUMMARY = ("n", "mean", "sd", "low", "high", "cells", "lost")


def over_seeds(runs: pd.DataFrame, by: Sequence[str], value: str) -> pd.DataFrame:
    """Summarise runs that differ in their seeds alone.

    Args:
        runs: The runs.
        by: Columns that tell the groups apart; a missing value is a group too.
        value: The column to summarise.

    Returns:
        A row per group: Summary of `value`, the number of runs (`cells`) and of those that did not finish (`lost`). A
        group in which nothing finished has n = 0. Intervals of accuracies are clipped to 0 to 1.
    """
    rows = []
    for key, group in runs.groupby(list(by), sort=False, dropna=False):
        lost = int((group["status"] != "finished").sum())
        names = dict(zip(by, key, strict=True))
        rows.append({**names, **summary(group[value])._asdict(), "cells": len(group), "lost": lost})
    found = pd.DataFrame(rows, columns=[*by, *SUMMARY])
    return found.assign(low=found["low"].clip(0, 1), high=found["high"].clip(0, 1)) if "accuracy" in value else found


def key(groups: pd.DataFrame, mean: str, *spreads: str) -> str:
    """Say how to read means over seeds: one seed has no mean and no spread.

    Args:
        groups: A row per mean; its `n` is the number of seeds.
        mean: What shows the mean, e.g. `lines`.
        *spreads: What else is drawn for several seeds, e.g. `whiskers: sd`.
    """
    counts = sorted({int(n) for n in groups["n"].dropna() if n})
    if not counts or counts[-1] < 2:
        return f"{mean}: one seed each"
    several = f"{counts[-1]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    return " · ".join([f"{mean}: mean over {several} seeds", *spreads])


def in_order(names: Sequence[str]) -> list[str]:
    """Sort shapes without repeats in the order in which they are defined; formulas come last."""
    own = {name for name in names if isinstance(name, str) and name not in SURROGATES}
    return [*(name for name in SURROGATES if name in set(names)), *sorted(own)]


def spread(groups: pd.DataFrame, value: str = "mean") -> float:
    """Compute how sensitive a result is to the shape: largest minus smallest value; NaN for fewer than two values."""
    values = groups[value].dropna()
    return float(values.max() - values.min()) if len(values) > 1 else np.nan


def spec_of(row: Mapping) -> RunSpec:
    """Make the run that a row of knobs describes; in a figure's tables, a formula names its own shape."""
    known = {key: value for key, value in row.items() if "." in key}
    if isinstance(row.get("surrogate.formula"), str):
        known["surrogate.shape"] = FORMULA
    return spec_of_row(known)
