"""All verdicts as a table and as Markdown; `page` has the HTML and `picture` the figure."""

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa

from sgpipe.base.files import atomic
from sgpipe.claims.elsewhere import SCOREBOARD, elsewhere
from sgpipe.claims.judge import NOT_TESTABLE, WHOLE, Judgement, target_words
from sgpipe.claims.page import html
from sgpipe.claims.picture import draw, save
from sgpipe.claims.rules import Comparison
from sgpipe.claims.words import (
    effect_words,
    ours_words,
    published_words,
    summary_words,
    verdict_words,
    why_words,
)
from sgpipe.results.tables import write_table

TOLD = tuple(verdict for verdict in WHOLE if verdict != NOT_TESTABLE)  # what the picture shows; it counts the rest


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
        "exploratory": claim.exploratory,
        "headline": claim.headline,
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
        "data": "; ".join(judgement.data),
        "kinds": ", ".join(judgement.kinds),
        "groups": json.dumps([vars(group) for group in judgement.groups], default=float),
        "comparisons": json.dumps([_plain(one) for one in judgement.comparisons], default=float),
    }


def _plain(one: Comparison) -> dict[str, object]:
    return {"label": one.label, **one.number._asdict(), "target": list(one.target), "n": one.n}


def write(judgements: Sequence[Judgement], folder: Path | str, docs: Path | str = "docs") -> list[Path]:
    """Write claims.parquet, .md and .html, and the picture figures/claims.png, .pdf and .svg; return the files.

    Args:
        judgements: One a claim.
        folder: Where to.
        docs: The folder of the documentation; its scoreboard stands beside the verdicts, and links lead to its pages,
            if it is there.
    """
    folder = Path(folder)
    table = folder / "claims.parquet"
    write_table(pa.Table.from_pandas(frame(judgements), preserve_index=False), table)
    links = Path(os.path.relpath(docs, folder)).as_posix() if (Path(docs) / "claims.md").is_file() else ""
    page = html(judgements, elsewhere(Path(docs) / SCOREBOARD, judgements), links)
    texts = {folder / "claims.md": markdown(judgements), folder / "claims.html": page}
    for path, text in texts.items():
        with atomic(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return [table, *texts, *save(draw(judgements, TOLD), folder / "figures" / "claims")]


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
                verdict_words(judgement),
                judgement.claim.words,
                judgement.claim.at,
                published_words(judgement),
                ours_words(judgement),
                effect_words(judgement),
                target_words(one.target) if one else "",
                str(one.n) if one else "",
                "; ".join((*judgement.scales, *judgement.data)),
                why_words(judgement),
            ]
            lines.append("| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |")
        lines.append("")
    return "\n".join(lines)
