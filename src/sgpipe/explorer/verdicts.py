"""Every claim in every reading, as data for the explorer's page, from the tables of verdicts."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from sgpipe.claims.judge import NOT_TESTABLE, interval_words, target_words
from sgpipe.claims.words import SYMBOLS
from sgpipe.explorer.networks import plain
from sgpipe.spec.readings import Reading

MARGIN = 0.15  # how far an interval or target without end is drawn beyond the others, as a share of their range
ENDS = ["estimate", "low", "high", "target_low", "target_high"]
DEFAULT = Reading().name


class _Number(NamedTuple):
    value: float
    low: float
    high: float


class _Target(NamedTuple):
    low: float
    high: float


def as_reading(claims: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return a folder's verdicts (claims.parquet) as those of one more reading.

    Args:
        claims: A row per claim.
        name: What the reading is called.
    """
    return claims.assign(reading=name, table="")


def verdicts(claims: pd.DataFrame, readings: pd.DataFrame) -> list[dict[str, object]]:
    """Return the claims that have a number in some reading, each with its readings sorted by their estimates.

    Args:
        claims: A row per claim, with its words and its verdict as a whole: scoreboard.parquet or claims.parquet.
        readings: A row per claim and reading: readings.parquet, `as_reading`, or both.
    """
    told = readings[readings["estimate"].notna()].sort_values("estimate", kind="stable")
    of_claim = dict(tuple(told.groupby("claim", sort=False)))
    return [_claim(row, of_claim[row.claim]) for row in claims.itertuples() if row.claim in of_claim]


def _claim(claim, readings: pd.DataFrame) -> dict[str, object]:
    ends = readings[ENDS].to_numpy(float)
    finite = ends[np.isfinite(ends)]
    low, high = float(finite.min()), float(finite.max())
    room = MARGIN * ((high - low) or abs(high) or 1.0)
    return {
        "id": claim.claim,
        "paper": claim.paper,
        "at": claim.at,
        "words": claim.words,
        "headline": bool(claim.headline),
        "verdict": claim.verdict,
        "readings": [_reading(row, low - room, high + room) for row in readings.itertuples()],
    }


def _reading(row, low: float, high: float) -> dict[str, object]:
    settings = [] if row.reading == DEFAULT else row.reading.split("+")
    return {
        "reading": row.reading,
        "settings": settings,
        "verdict": row.verdict,
        "symbol": SYMBOLS[row.verdict],
        "why": row.reason if row.verdict == NOT_TESTABLE else "",
        "number": f"{row.comparison} = {interval_words(_Number(row.estimate, row.low, row.high))}",
        "holds": f"holds if {target_words(_Target(row.target_low, row.target_high))}",
        "estimate": plain(row.estimate),
        "low": plain(max(row.low, low)),
        "high": plain(min(row.high, high)),
        "zone_low": plain(max(row.target_low, low)),
        "zone_high": plain(min(row.target_high, high)),
        "n": int(row.n),
        "scale": row.scale,
        "data": row.data,
        "table": row.table.replace("../", "", 1) if row.table else "",
    }
