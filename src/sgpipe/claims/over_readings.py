"""Judge claims in every reading of what a paper leaves open, and sum the verdicts up."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from sgpipe.claims.declare import Claim, own_id
from sgpipe.claims.judge import DEPENDS, NOT_TESTABLE, Judgement, judge
from sgpipe.claims.readings import Whole, judge_readings, whole
from sgpipe.claims.report import frame
from sgpipe.claims.tables import read_tables
from sgpipe.claims.words import SYMBOLS
from sgpipe.spec.readings import Reading, Setting

# What a verdict rests on, the most honest first: data decide before scale.
DATA = ("original", "synthetic"), ("split ours",), ("part",), ("derived",), ("embedded",)
SCALES = ("paper", "laptop", "smoke")


class InReading(NamedTuple):
    """A claim's judgement in one reading, and the table that it rests on (the first of several)."""

    reading: Reading
    judgement: Judgement
    table: Path


class Entry(NamedTuple):
    """A claim's judgement as a whole, the table that its number is from (None if there is none), and its readings."""

    judgement: Judgement
    table: Path | None
    readings: tuple[InReading, ...] = ()
    whole: Whole | None = None


def rank(judgement: Judgement) -> tuple[bool, bool, int, int, int]:
    """Return how much a judgement is worth, smallest first.

    One with a verdict before one without, one with a number before one without, then by data (the worst of those that
    it rests on), by scale, and by how many runs the smallest of its groups has.
    """
    ours = any("split ours" in name for name in judgement.data)
    kinds = ["split ours" if ours and kind == "original" else kind for kind in judgement.kinds]
    data = max((place for place, names in enumerate(DATA) for kind in kinds if kind in names), default=len(DATA))
    scale = max((SCALES.index(scale) for scale in judgement.scales), default=len(SCALES))
    n = min((group.n for group in judgement.groups), default=0)
    return judgement.verdict == NOT_TESTABLE, not judgement.comparisons, data, scale, -n


def judged_in(
    places: Iterable[Path],
    claims: Sequence[Claim],
    declared: Mapping[str, Any],
    settings: Mapping[str, Mapping[str, Setting]],
) -> dict[str, list[InReading]]:
    """Judge claims by the tables of some folders, in each reading that these tell.

    Args:
        places: The folders.
        claims: The claims about the declared experiments, including those that stand for others.
        declared: The experiments, with what each stands for.
        settings: What each paper leaves open, and what a file about it leaves open besides, by a file's `paper`.

    Returns:
        Judgements by the id of the paper's own claim.
    """
    judged: dict[str, list[InReading]] = {}
    for place in places:
        tables = read_tables(place, declared)
        for claim in claims:
            if claim.experiments and all(name in tables for name in claim.experiments):
                paper = declared[claim.experiments[0]].stands_for.partition("_")[0]
                path = place / f"{claim.experiments[0]}.parquet"
                left_open = settings.get(paper, {}) | settings.get(claim.experiments[0].partition("_")[0], {})
                judged.setdefault(own_id(claim, paper), []).extend(
                    InReading(reading, judgement, path)
                    for reading, judgement in judge_readings(claim, tables, declared, left_open)
                )
    return judged


def over_readings(claim: Claim, found: Sequence[InReading], declared: Iterable[str]) -> Entry:
    """Sum up a claim over its readings.

    In each reading the judgement of the highest rank counts; ties go to the first folder. Readings on other data, or at
    another scale, than the default are left out: they would differ from it in more than a setting.
    """
    if not found:
        return Entry(judge(claim, {}, set(declared)), None)
    best: dict[Reading, InReading] = {}
    for one in sorted(found, key=lambda one: rank(one.judgement)):
        best.setdefault(one.reading, one)
    first = min(best.values(), key=lambda one: rank(one.judgement))
    usual = best.get(Reading())
    anchor = usual if usual and usual.judgement.verdict != NOT_TESTABLE else first
    level = rank(anchor.judgement)[2:4]
    kept = tuple(one for _, one in sorted(best.items()) if one is usual or rank(one.judgement)[2:4] == level)
    verdicts = {one.reading.name: one.judgement.verdict for one in kept}
    default = Reading().name
    summed = whole(
        {default: NOT_TESTABLE, **verdicts}, default, {one.reading.name: one.reading.settings for one in kept}
    )
    # The number beside a verdict is of a reading that says it, of the default's if that does.
    saying = [one for one in kept if one.judgement.verdict == summed.verdict]
    shown = anchor if anchor in saying or not saying else min(saying, key=lambda one: rank(one.judgement))
    judgement = replace(shown.judgement, claim=claim, verdict=summed.verdict)
    if summed.verdict == DEPENDS:
        judgement = replace(judgement, reason=summed.words)
    return Entry(judgement, shown.table, kept, summed)


def readings_table(entries: Iterable[Entry], base: Path | str) -> pd.DataFrame:
    """Return a row per claim and reading: its verdict there, the comparison that decides, and the path of its table."""
    found = [one for entry in entries for one in entry.readings]
    if not found:
        return pd.DataFrame(columns=["claim", "reading", "verdict"])
    owners = [entry.judgement.claim.id for entry in entries for _ in entry.readings]
    rows = frame(one.judgement for one in found).assign(
        claim=owners,
        reading=[one.reading.name for one in found],
        table=[seen(one.table, base) for one in found],
    )
    first = ["claim", "reading", "verdict"]
    kept = [
        "reason",
        "comparison",
        "estimate",
        "low",
        "high",
        "target_low",
        "target_high",
        "n",
        "scale",
        "data",
        "table",
    ]
    return rows[[*first, *kept]]


def seen(path: Path | None, base: Path | str) -> str:
    """Return a path as a link from the folder `base`; empty for none."""
    return "" if path is None else Path(os.path.relpath(path, base)).as_posix()


def readings_words(entry: Entry) -> str:
    """Say what a claim's readings say, e.g. `✗ default, ✓ spectrum-torch + theta-code`; empty if only the default."""
    if [one.reading for one in entry.readings] in ([], [Reading()]):
        return ""
    names = [(SYMBOLS[one.judgement.verdict], one.reading.name.replace("+", " + ")) for one in entry.readings]
    return ", ".join(f"{symbol} {name}" for symbol, name in names)
