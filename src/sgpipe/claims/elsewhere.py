"""The scoreboard's verdicts at larger scales or on better data, shown beside those of a page."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from sgpipe.base.parquet import read_whole
from sgpipe.claims.estimates import Interval
from sgpipe.claims.judge import NOT_TESTABLE, WHOLE, Judgement, interval_words

SCOREBOARD = "claims/scoreboard.parquet"  # below the folder of the documentation
COLUMNS = ("claim", "verdict", "scale", "data", "comparison", "estimate", "low", "high")


class Elsewhere(NamedTuple):
    """A verdict, and in words of what scale and data, and by which number."""

    verdict: str
    words: str


def elsewhere(path: Path | str, judgements: Iterable[Judgement]) -> dict[str, Elsewhere]:
    """Return the scoreboard's verdicts on claims that are judged here, where they are of another scale or other data.

    Args:
        path: `scoreboard.parquet`; it may be missing.
        judgements: The judgements of this page.

    Returns:
        By the id of the claim.
    """
    if not Path(path).is_file():
        return {}
    rows = {row["claim"]: row for row in read_whole(path, list(COLUMNS)).to_pylist()}
    found = {}
    for judgement in judgements:
        row = rows.get(judgement.claim.id)
        if row is None or row["verdict"] not in WHOLE or row["verdict"] == NOT_TESTABLE:
            continue
        if (row["scale"], row["data"]) == (", ".join(judgement.scales), "; ".join(judgement.data)):
            continue
        number = Interval(row["estimate"], row["low"], row["high"])
        ours = f": {row['comparison']} = {interval_words(number)}" if row["comparison"] else ""
        found[judgement.claim.id] = Elsewhere(row["verdict"], f"scale {row['scale']}, {row['data']}{ours}")
    return found
