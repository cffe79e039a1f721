"""The numbers of a variant beside its baseline: networks, means, and differences with their intervals.

If an experiment chooses the best networks of a search, equally many of the best from each side are compared among the
common points, with Welch's interval. If it chooses none, the runs of a point are pairs. Points of one seed share data
and initial weights, so the interval is Student's, over the means of seeds.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from sgpipe.base.errors import SgpipeError
from sgpipe.figures.matching import MatchedSweep, Point, Runs, matched
from sgpipe.results import selection
from sgpipe.results.difference import Difference, paired, welch
from sgpipe.spec.run import SEEDS
from sgpipe.spec.surrogates import SURROGATES

SIDES = ("baseline", "variant")
ALL = "all common points"
COLUMNS = (
    *("kind", "sweep", "group", "side", "run_id", "epoch", "axis", "x", "other_axis", "y"),
    *("test_accuracy", "spikes"),  # of networks; of points: means of their networks, and the baseline's beside
    *("baseline_accuracy", "baseline_spikes"),
    *("n", "mean", "sd", "low", "high", "cells", "lost"),  # of means, differences, ratios and curves
    "over",  # what an interval is over: networks, seeds or points
)


def match_tables(variant: pd.DataFrame, baseline: pd.DataFrame) -> list[MatchedSweep]:
    """Match the runs of two experiment tables; raises SgpipeError if there is nothing to compare."""
    found, reasons = matched(_runs(variant), _runs(baseline))
    if not found:
        raise SgpipeError(f"compare: nothing in common: {reasons[0]}")
    return sorted(found, key=lambda sweep: sweep.name)  # a table does not keep the file's order


def _runs(table: pd.DataFrame) -> Runs:
    columns = ["run_id", "sweeps", *(name for name in table.columns if "." in name)]
    rows = table.drop_duplicates("run_id")[columns].to_dict("records")
    knobs = {
        row["run_id"]: {key: None if value != value else value for key, value in row.items() if "." in key}
        for row in rows
    }
    return Runs(knobs, {row["run_id"]: tuple(row["sweeps"]) for row in rows})


def select(
    variant: pd.DataFrame, baseline: pd.DataFrame, sweeps: Sequence[MatchedSweep], best: int | None
) -> pd.DataFrame:
    """Select the numbers of the comparison of two experiment tables.

    Args:
        variant: The variant's table.
        baseline: The baseline's table.
        sweeps: The sweeps they have in common.
        best: How many of the best networks of a search count; None if all do.

    Returns:
        Rows of `kind` network, mean (of one side of a group), difference (in test accuracy, variant minus baseline),
        ratio (of hidden spikes per input, variant to baseline), point (of a search or of a knob's values), curve (mean
        validation accuracy of one side's networks by epoch) and curve difference.
    """
    tables = dict(zip(SIDES, (baseline, variant), strict=True))
    runs = {side: _outcomes(table) for side, table in tables.items()}
    valid = {
        side: table[(table["split"] == "valid") & (table["status"] == "finished")].set_index("run_id")
        for side, table in tables.items()
    }
    pieces = []
    for sweep in sweeps:
        groups = _groups(sweep)
        for label, points in groups.items():
            rows = [*_group(points, runs, best, _axes(points)), *_curves(points, runs, valid, best)]
            pieces.append(pd.DataFrame(rows).assign(sweep=sweep.name, group=label))
        if len(groups) > 1 or (best is not None and len(sweep.points) > 1):
            rows = list(_differences(sweep.points, runs, None))
            pieces.append(pd.DataFrame(rows).assign(sweep=sweep.name, group=ALL))
    return pd.concat(pieces, ignore_index=True).reindex(columns=list(COLUMNS))


def _outcomes(table: pd.DataFrame) -> pd.DataFrame:
    """Return a row per run by its id, with the logarithm of its spike count (NaN for no spikes)."""
    runs = selection.outcomes(table).set_index("run_id", drop=False)
    return runs.assign(log_spikes=np.log(runs["spikes_total"].where(runs["spikes_total"] > 0)))


def _groups(sweep: MatchedSweep) -> dict[str, list[Point]]:
    """Group a sweep's points by the words and switches that vary in it; varying numbers are a search or an axis."""
    told: list[str] = []
    for key in sweep.varying():
        if any(isinstance(point.knobs[key], str | bool) for point in sweep.points):
            count = len({tuple(point.knobs[one] for one in told) for point in sweep.points})
            # A knob that follows from another one, such as the gradient of an absent recurrence, separates nothing.
            if len({tuple(point.knobs[one] for one in (*told, key)) for point in sweep.points}) > count:
                told.append(key)
    groups: dict[tuple, list[Point]] = {}
    for point in sweep.points:
        groups.setdefault(tuple(point.knobs[key] for key in told), []).append(point)
    ordered = sorted(groups, key=lambda values: [_rank(*pair) for pair in zip(told, values, strict=True)])
    return {", ".join(map(_word, told, values)) or sweep.name: groups[values] for values in ordered}


def _rank(key: str, value: object) -> tuple:
    """Order groups: surrogates as defined, networks by depth, words alphabetically, None last."""
    if key == "surrogate.shape" and value in SURROGATES:
        return (0, list(SURROGATES).index(value), "")
    return (value is None, len(str(value).split("-")) if key == "network.hidden" else 0, str(value))


def _word(key: str, value: object) -> str:
    name = key.rpartition(".")[2]
    if key == "surrogate.shape":
        return SURROGATES[value].label if value in SURROGATES else str(value)
    if key == "network.hidden":
        layers = len(str(value).split("-")) if value else 0
        return f"{value} units" if layers else "no hidden layer"
    if isinstance(value, bool):
        return name if value else f"not {name}"
    return f"no {name}" if value is None else str(value)


def _axes(points: Sequence[Point]) -> list[str]:
    """List the knobs that vary among the points of a group, except seeds."""
    keys = points[0].knobs
    return [key for key in keys if key not in SEEDS and len({point.knobs[key] for point in points}) > 1]


def _group(points: Sequence[Point], runs: Mapping, best: int | None, axes: Sequence[str]) -> Iterator[dict]:
    for side in SIDES:
        own, chosen = _chosen(points, runs, side, best)
        numbers = selection.summary(chosen["test_accuracy"])._asdict()
        lost = int((own["status"] != "finished").sum())
        yield {"kind": "mean", "side": side, **numbers, "cells": len(own), "lost": lost}
        for row in chosen.to_dict("records"):
            some = {"run_id": row["run_id"], "test_accuracy": row["test_accuracy"], "spikes": row["spikes_total"]}
            yield {"kind": "network", "side": side, **some}
    yield from _differences(points, runs, best)
    if len(points) > 1:
        for point in points:
            before, after = (
                runs[side].loc[list(getattr(point, side)), ["test_accuracy", "spikes_total"]].mean() for side in SIDES
            )
            place = {"axis": axes[0], "x": point.knobs[axes[0]]} if len(axes) in (1, 2) else {}
            place |= {"other_axis": axes[1], "y": point.knobs[axes[1]]} if len(axes) == 2 else {}
            numbers = {"test_accuracy": after["test_accuracy"], "spikes": after["spikes_total"]}
            beside = {"baseline_accuracy": before["test_accuracy"], "baseline_spikes": before["spikes_total"]}
            yield {"kind": "point", "run_id": point.variant[0], **place, **numbers, **beside}


def _chosen(points: Sequence[Point], runs: Mapping, side: str, best: int | None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return one side's runs at some points, and those runs that count."""
    ids = list(dict.fromkeys(run_id for point in points for run_id in getattr(point, side)))
    own = runs[side].loc[ids].reset_index(drop=True)
    return own, own[own["status"] == "finished"] if best is None else selection.best(own, best)


def _differences(points: Sequence[Point], runs: Mapping, best: int | None) -> Iterator[dict]:
    """Yield the difference in accuracy, and the ratio of spikes: the exponential of a difference in logarithms."""
    for kind, column in (("difference", "test_accuracy"), ("ratio", "log_spikes")):
        samples = [_chosen(points, runs, side, best)[1][column].dropna() for side in ("variant", "baseline")]
        if best is not None or (len(points) == 1 and min(map(len, samples)) > 1):
            found, over = welch(*samples), "networks"
        else:
            found, over = _over_seeds(points, {side: frame[column] for side, frame in runs.items()})
        if kind == "ratio":
            found = Difference(*np.exp(found[:3]), found.n)
        if not np.isnan(found.value):
            yield {"kind": kind, **_numbers(found), "over": over}


def _over_seeds(points: Sequence[Point], values: Mapping[str, pd.Series]) -> tuple[Difference, str]:
    """Compute the mean difference within points; its interval is over means of seeds, or over points for one seed."""
    known = {side: {run_id: value for run_id, value in own.items() if value == value} for side, own in values.items()}
    apart, seeds = [], {}
    for point in points:
        after, before = (
            [known[side][run_id] for run_id in getattr(point, side) if run_id in known[side]]
            for side in ("variant", "baseline")
        )
        if after and before:
            apart.append(float(np.mean(after) - np.mean(before)))
            seeds.setdefault(tuple(point.knobs.get(key) for key in SEEDS), []).append(apart[-1])
    if len(seeds) > 1:
        return paired([float(np.mean(own)) for own in seeds.values()]), "seeds"
    return paired(apart), "points"


def _curves(points: Sequence[Point], runs: Mapping, valid: Mapping, best: int | None) -> Iterator[dict]:
    """Yield the mean validation accuracy by epoch of the networks that count, and the difference between the sides."""
    grids = {}
    for side in SIDES:
        ids = _chosen(points, runs, side, best)[1]["run_id"]
        own = valid[side][valid[side].index.isin(ids)].reset_index()
        grids[side] = own.pivot_table(index="epoch", columns="run_id", values="accuracy")
        for epoch, row in grids[side].iterrows():
            yield {"kind": "curve", "side": side, "epoch": epoch, **selection.summary(row)._asdict()}
    for epoch in grids["variant"].index.intersection(grids["baseline"].index):
        after, before = (grids[side].loc[epoch] for side in ("variant", "baseline"))
        if best is not None or len(points) == 1:
            found, over = welch(after, before), "networks"
        else:
            found, over = _over_seeds(points, {"variant": after, "baseline": before})
        yield {"kind": "curve difference", "epoch": epoch, **_numbers(found), "over": over}


def _numbers(found: Difference) -> dict:
    return {"n": found.n, "mean": found.value, "low": found.low, "high": found.high}
