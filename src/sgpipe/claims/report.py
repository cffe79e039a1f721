"""All verdicts as a table, in words and as Markdown; `page` has the HTML and `picture` the figure."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from sgpipe.base.files import atomic
from sgpipe.claims.judge import (
    INCONCLUSIVE,
    NOT_REPLICATED,
    NOT_TESTABLE,
    REPLICATED,
    VERDICTS,
    GroupResult,
    Judgement,
    interval_words,
    number_words,
    target_words,
    verdict_of,
)
from sgpipe.claims.rules import Comparison
from sgpipe.results.tables import write_table

SYMBOLS = {REPLICATED: "✓", NOT_REPLICATED: "✗", INCONCLUSIVE: "?", NOT_TESTABLE: "–"}
# Blue, red and ochre of different lightness (Tol's vibrant and bright sets); the symbols say the same without colour.
COLOURS = {REPLICATED: "#0077BB", NOT_REPLICATED: "#CC3311", INCONCLUSIVE: "#B8860B", NOT_TESTABLE: "#888888"}


def frame(judgements: Iterable[Judgement]) -> pd.DataFrame:
    """Return a row per claim: its verdict, the comparison that decides, and everything behind it as JSON."""
    return pd.DataFrame([_row(judgement) for judgement in judgements])


def _row(judgement: Judgement) -> dict[str, object]:
    claim, one = judgement.claim, judgement.deciding
    nan = float("nan")
    number, target = (one.number, one.target) if one else ((nan, nan, nan), (nan, nan))
    return {
        "claim": claim.id,
        "paper": claim.paper,
        "at": claim.at,
        "words": claim.words,
        "verdict": judgement.verdict,
        "reason": judgement.reason,
        "comparison": one.label if one else "",
        "estimate": number[0],
        "low": number[1],
        "high": number[2],
        "target_low": target[0],
        "target_high": target[1],
        "standardised": one.standardised if one else nan,
        "n": one.n if one else 0,
        "published": nan if claim.published is None else claim.published,
        "published_spread": nan if claim.spread is None else claim.spread,
        "rule": claim.rule,
        "experiments": ", ".join(claim.experiments),
        "scale": ", ".join(judgement.scales),
        "data": ", ".join(judgement.kinds),
        "groups": json.dumps([vars(group) for group in judgement.groups], default=float),
        "comparisons": json.dumps([_plain(one) for one in judgement.comparisons], default=float),
    }


def _plain(one: Comparison) -> dict[str, object]:
    return {"label": one.label, **one.number._asdict(), "target": list(one.target), "n": one.n}


def counts(judgements: Iterable[Judgement]) -> dict[str, int]:
    """Return how many claims have each verdict."""
    found = Counter(judgement.verdict for judgement in judgements)
    return {verdict: found[verdict] for verdict in VERDICTS}


def summary_words(judgements: Sequence[Judgement]) -> str:
    """Return e.g. `97 claims: 12 replicated, 2 not replicated, ...`."""
    return f"{len(judgements)} claims: " + ", ".join(f"{n} {verdict}" for verdict, n in counts(judgements).items())


def write(judgements: Sequence[Judgement], folder: Path | str) -> list[Path]:
    """Write claims.parquet, .md and .html, and the picture figures/claims.png, .pdf and .svg; return the files."""
    from sgpipe.claims.page import html
    from sgpipe.claims.picture import draw, save

    folder = Path(folder)
    table = folder / "claims.parquet"
    write_table(pa.Table.from_pandas(frame(judgements), preserve_index=False), table)
    texts = {folder / "claims.md": markdown(judgements), folder / "claims.html": html(judgements)}
    for path, text in texts.items():
        with atomic(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return [table, *texts, *save(draw(judgements), folder / "figures" / "claims")]


def published_words(judgement: Judgement) -> str:
    """Return the printed number as text, empty if there is none."""
    claim = judgement.claim
    if claim.printed or claim.published is None:
        return claim.printed
    spread = f" ± {number_words(claim.spread)}" if claim.spread else ""
    return f"{number_words(claim.published)}{spread}"


def ours_words(judgement: Judgement) -> str:
    """Return the comparison that decides, with its interval, as text."""
    one = judgement.deciding
    return f"{one.label} = {interval_words(one.number)}" if one else ""


def effect_words(judgement: Judgement) -> str:
    """Return the size of the effect that decides as text, e.g. `g = −1.2`; empty where it has none (docs/claims.md)."""
    claim, one = judgement.claim, judgement.deciding
    if one is None or np.isnan(one.standardised):
        return ""
    size = number_words(one.standardised)
    if len(claim.groups) == 1:
        return f"{size} published sd from the published"
    return f"{'d' if claim.pair else 'g'} = {size}"


def group_words(group: GroupResult) -> str:
    """Return one group as text, e.g. `0.994 [0.989, 0.998], sd 0.003, best 5 of 72`."""
    spread = "" if np.isnan(group.sd) else f", sd {number_words(group.sd)}"
    chosen = f"n = {group.n}" if group.n == group.cells else f"{group.n} of {group.cells} runs"
    return f"{interval_words(group)}{spread}, {chosen}"


def why_words(judgement: Judgement) -> str:
    """Return the reason of a verdict where the number beside its target does not tell it."""
    told = judgement.verdict != NOT_TESTABLE and verdict_of(judgement.comparisons) == judgement.verdict
    return "" if told else judgement.reason


def markdown(judgements: Sequence[Judgement]) -> str:
    """Return all claims as Markdown, a table a paper."""
    lines = ["# Claims", "", f"{summary_words(judgements)}.", ""]
    lines += ["What the verdicts mean, and how they come about: docs/claims.md. Intervals are of 95 %.", ""]
    for paper in dict.fromkeys(judgement.claim.paper for judgement in judgements):
        own = [judgement for judgement in judgements if judgement.claim.paper == paper]
        lines += [f"## {paper}", "", f"{summary_words(own)}.", ""]
        lines += ["| | claim | where | published | ours | effect | holds if | n | data | why |", "|" + "---|" * 10]
        for judgement in own:
            one = judgement.deciding
            cells = [
                f"{SYMBOLS[judgement.verdict]} {judgement.verdict}",
                judgement.claim.words,
                judgement.claim.at,
                published_words(judgement),
                ours_words(judgement),
                effect_words(judgement),
                target_words(one.target) if one else "",
                str(one.n) if one else "",
                ", ".join((*judgement.scales, *judgement.kinds)),
                why_words(judgement),
            ]
            lines.append("| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |")
        lines.append("")
    return "\n".join(lines)


def figure_of(judgement: Judgement) -> str:
    """Return the figure, or else the section, that a claim belongs to: `Fig 3`, `2.5`."""
    at = judgement.claim.at
    place = at.find("Fig")
    words = at[place:].split()[:2] if place >= 0 else [at]
    return " ".join(words).rstrip(",abcdefgh")
