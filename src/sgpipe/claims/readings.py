"""A claim's verdict over all readings of what its paper leaves open (Steegen et al. 2016; Simonsohn et al. 2020).

A reading is one admissible way to fill in the settings that a paper does not state. Each gives a claim a verdict of its
own. The claim as a whole is settled only where every reading that can tell says the same; else what it says depends on
the settings that turn it.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from sgpipe.base.errors import SgpipeError
from sgpipe.claims.declare import Claim
from sgpipe.claims.judge import DEPENDS, INCONCLUSIVE, NOT_REPLICATED, REPLICATED, VERDICTS, Judgement, judge
from sgpipe.claims.tables import ExperimentTable, runs_of
from sgpipe.spec.points import at_scale, flatten
from sgpipe.spec.readings import Judging, Reading, Setting

TELLING = (REPLICATED, NOT_REPLICATED)
LAST = {"test_accuracy": "test_accuracy_last", "train_accuracy": "train_accuracy_last"}


def judge_readings(
    claim: Claim,
    tables: Mapping[str, ExperimentTable],
    declared: Collection[str],
    settings: Mapping[str, Setting],
) -> Iterator[tuple[Reading, Judgement]]:
    """Judge a claim by some tables in the reading that their runs have, and in those that differ in the judging alone.

    Args:
        claim: The claim.
        tables: By experiment.
        declared: The experiments that the workflow has.
        settings: What the paper leaves open, by name.
    """
    trained = reading_of(claim, tables, settings)
    yield trained, judge(claim, tables, declared)
    for name, setting in settings.items():
        for value in () if setting.trains else setting.others:
            if (other := judged_by(claim, setting.values[value].judging, tables)) != claim:
                yield Reading((*trained.changes, (name, value))), judge(other, tables, declared)


def reading_of(claim: Claim, tables: Mapping[str, ExperimentTable], settings: Mapping[str, Setting]) -> Reading:
    """Tell which reading a claim's runs are of: the settings in which they have another value than the default.

    A setting of which they have several values, or none that is declared, is one that they are not about.
    """
    asked = [(tables[group.experiment], runs_of(group, tables[group.experiment])) for group in claim.groups]
    groups = [(table, table.runs.index.isin(runs.index)) for table, runs in asked]
    changes = []
    for name, setting in settings.items():
        if setting.trains:
            found = {value for table, among in groups for value in _values(setting, table, among)}
            if len(found) == 1 and found != {setting.usual}:
                changes.append((name, found.pop()))
    return Reading(tuple(changes))


def _values(setting: Setting, table: ExperimentTable, among: np.ndarray) -> set[str]:
    """Tell which of a setting's values some of a table's runs have."""
    among = among & _have(table, flatten(setting.where, "readings"))
    return {
        name
        for name, value in setting.values.items()
        if (among & _have(table, at_scale(value.knobs, table.scale, "readings"))).any()
    }


def _have(table: ExperimentTable, wanted: Mapping[str, object]) -> np.ndarray:
    found = np.ones(len(table.runs), dtype=bool)
    for key, value in wanted.items():
        found &= table.fits(key, "-".join(map(str, value)) if key == "network.hidden" else value)
    return found


def judged_by(claim: Claim, judging: Judging, tables: Mapping[str, ExperimentTable]) -> Claim:
    """Change how a claim is judged; the same claim where that makes no difference to it."""
    groups = []
    for group in claim.groups:
        if judging.form and group.fitted:
            group = replace(group, form=judging.form)
        if judging.epoch == "last":
            group = replace(group, column=LAST.get(group.column, group.column))
        # One value of several that the claim takes, or that it does not speak of.
        open_keys = {
            key: value
            for key, value in judging.where.items()
            if isinstance(given := group.where.get(key, [value]), list) and value in given
        }
        if open_keys and group.experiment in tables:
            runs = runs_of(group, tables[group.experiment])
            if all(key in runs and runs[key].nunique() > 1 for key in open_keys):
                group = replace(group, where={**group.where, **open_keys})
        groups.append(group)
    return claim if tuple(groups) == claim.groups else replace(claim, groups=tuple(groups))


class Whole(NamedTuple):
    """What a claim comes to over its readings."""

    verdict: str  # one of VERDICTS, or DEPENDS
    default: str  # the verdict of the default reading
    settings: tuple[str, ...]  # those that turn the verdict; () unless it depends
    telling: int  # readings that can tell, of
    readings: int

    @property
    def words(self) -> str:
        """The verdict in words, e.g. `depends on network.readout_start (by default not replicated)`."""
        words = f"depends on {', '.join(self.settings)}" if self.verdict == DEPENDS else self.verdict
        return words if self.verdict == self.default else f"{words} (by default {self.default})"


def whole(verdicts: Mapping[str, str], default: str, settings: Mapping[str, Collection[str]] | None = None) -> Whole:
    """Return the verdict on a claim over its readings.

    It is replicated, or not, where all readings that can tell say so; what is inconclusive or not testable in a reading
    says nothing against the others. Where none can tell, it is inconclusive if it is so in any. Where two that can
    tell disagree, it depends on the settings of those against the default; if the default itself cannot tell, on the
    settings of all that can. Of readings that say the same, only those count that change no more than another does.

    Args:
        verdicts: the verdict in each reading, by its name.
        default: the name of the default reading.
        settings: for a reading, the settings in which it differs from the default; without it, its own name.

    Raises:
        SgpipeError: if the default is not among the readings, or a verdict is none.
    """
    if default not in verdicts:
        raise SgpipeError(f"readings: the default, {default!r}, is not one of {', '.join(verdicts) or 'none'}")
    for name, verdict in verdicts.items():
        if verdict not in VERDICTS:
            raise SgpipeError(f"readings: {name}: {verdict!r} is not one of {', '.join(VERDICTS)}")
    usual = verdicts[default]
    telling = {name: verdict for name, verdict in verdicts.items() if verdict in TELLING}
    found = set(telling.values())
    if len(found) < 2:
        unclear = INCONCLUSIVE if INCONCLUSIVE in verdicts.values() else usual
        return Whole(next(iter(found), unclear), usual, (), len(telling), len(verdicts))
    changed = {name: frozenset((settings or {}).get(name, (name,))) for name in telling if name != default}
    turning: set[str] = set()
    for verdict in found - {usual}:
        sets = [changed[name] for name in changed if telling[name] == verdict]
        turning |= {one for own in sets if not any(other < own for other in sets) for one in own}
    return Whole(DEPENDS, usual, tuple(sorted(turning)), len(telling), len(verdicts))
