"""Pair the runs of two experiments: runs of the same sweep that differ only in the changed knobs.

A knob is changed in a sweep if the two experiments share none of its values there. A point is one choice of all other
knobs, seeds included. Matching uses no results, so a plan knows before training whether there is anything to compare.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sgpipe.spec.run import SEEDS

Knobs = Mapping[str, Any]


@dataclass(frozen=True)
class Runs:
    """The runs of an experiment by run id: their knobs (None where one does not apply), and their sweeps."""

    knobs: Mapping[str, Knobs]
    sweeps: Mapping[str, Sequence[str]]

    def of(self, sweep: str) -> dict[str, Knobs]:
        """Select the runs of a sweep."""
        return {run_id: knobs for run_id, knobs in self.knobs.items() if sweep in self.sweeps[run_id]}

    @property
    def names(self) -> list[str]:
        """The names of the sweeps, each once."""
        return list(dict.fromkeys(name for names in self.sweeps.values() for name in names))


@dataclass(frozen=True)
class Point:
    """One choice of knobs that two experiments share: the ids of their runs there."""

    knobs: Knobs  # without the changed ones
    baseline: tuple[str, ...]
    variant: tuple[str, ...]


@dataclass(frozen=True)
class MatchedSweep:
    """A sweep that two experiments have in common."""

    name: str
    changed: Mapping[str, tuple[tuple, tuple]]  # knob -> its values in the baseline and in the variant
    points: tuple[Point, ...]  # those where the runs differ

    def varying(self) -> list[str]:
        """The knobs that vary among the points, except seeds."""
        keys = self.points[0].knobs
        return [key for key in keys if key not in SEEDS and len({point.knobs[key] for point in self.points}) > 1]


def matched(variant: Runs, baseline: Runs) -> tuple[list[MatchedSweep], list[str]]:
    """Match the runs of two experiments.

    Args:
        variant: The variant's runs.
        baseline: The baseline's runs.

    Returns:
        The sweeps of the same name that have points in common, and for each other sweep a line that says why it has
        none.
    """
    found, reasons = [], []
    shared = [name for name in variant.names if name in baseline.names]
    if not shared:
        names = f"{', '.join(variant.names)}, and the other {', '.join(baseline.names)}"
        reasons.append(f"no sweep has the same name: one has {names}; rename one")
    for name in shared:
        changed, points = _points(variant.of(name), baseline.of(name))
        apart = tuple(point for point in points if set(point.baseline) != set(point.variant))
        if apart:
            found.append(MatchedSweep(name, changed, apart))
        elif points:
            reasons.append(f"sweep {name}: the runs are the same in both")
        else:
            reasons.append(f"sweep {name}: no two runs agree in all knobs but {', '.join(changed) or 'none'}")
    return found, reasons


def _points(variant: Mapping[str, Knobs], baseline: Mapping[str, Knobs]) -> tuple[dict, list[Point]]:
    keys = list(dict.fromkeys(key for runs in (baseline, variant) for knobs in runs.values() for key in knobs))
    values = {
        key: tuple(_ordered(run.get(key) for run in runs.values()) for runs in (baseline, variant)) for key in keys
    }
    changed = {key: both for key, both in values.items() if set(both[0]).isdisjoint(both[1])}
    kept = [key for key in keys if key not in changed]
    before, after = _by_point(baseline, kept), _by_point(variant, kept)
    points = [
        Point(dict(zip(kept, key, strict=True)), tuple(before[key]), tuple(after[key]))
        for key in after
        if key in before
    ]
    return changed, points


def _ordered(values: Iterator[Any]) -> tuple:
    """List the different values, sorted by size if they can be; None last."""
    found = dict.fromkeys(values)
    try:
        return tuple(sorted(found, key=lambda value: (value is None, value if value is not None else 0)))
    except TypeError:
        return tuple(found)


def _by_point(runs: Mapping[str, Knobs], keys: Sequence[str]) -> dict[tuple, list[str]]:
    points: dict[tuple, list[str]] = {}
    for run_id, knobs in sorted(runs.items()):
        points.setdefault(tuple(knobs.get(key) for key in keys), []).append(run_id)
    return points
