"""Every claim of every paper once, by the verdict of the best table that there is.

Tables of one experiment may lie in several folders, at several scales and of several data. Each is judged by itself,
as `sgpipe claims` does it; of the verdicts on a claim the scoreboard has the one of the highest `rank`.
"""

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pyarrow as pa

from sgpipe.base.errors import SgpipeError
from sgpipe.base.files import atomic
from sgpipe.claims.declare import Claim, about, claim_files, load_claims
from sgpipe.claims.judge import NOT_TESTABLE, VERDICTS, Judgement, judge, target_words
from sgpipe.claims.picture import TITLES, draw, save
from sgpipe.claims.report import frame
from sgpipe.claims.tables import read_tables
from sgpipe.claims.words import counts, ours_words, summary_words, verdict_words
from sgpipe.results.tables import write_table
from sgpipe.spec.experiments import read_experiments

# What a verdict rests on, the most honest first: data decide before scale.
DATA = ("original", "synthetic"), ("split ours",), ("part",), ("derived",), ("embedded",)
SCALES = ("paper", "laptop", "smoke")
READINGS = "readings"  # a folder of tables with other settings than the default ones, which are no part of the board


class Declared(NamedTuple):
    """An experiment as far as claims are about it."""

    id: str
    paper: str
    stands_for: str


class Entry(NamedTuple):
    """A claim's judgement, and the table that it rests on (the first of several); None if there is none."""

    judgement: Judgement
    table: Path | None


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


def declared_in(paths: Iterable[Path | str]) -> dict[str, Declared]:
    """Return the experiments of some files, and for which each stands, without making their runs."""
    found = {}
    for path in paths:
        document = read_experiments(path)
        for name, body in document.experiments.items():
            found[name] = Declared(name, document.paper, body.stands_for or name)
    return found


def scoreboard(folder: Path | str, workflow: Path | str | None = None) -> list[Entry]:
    """Return every claim once, judged by the best of the tables in a folder and those below it.

    Raises SgpipeError if no table there is of an experiment that a claim is about.
    """
    files = claim_files(workflow)
    claims, experiments = load_claims(files), files[0].parents[1] / "experiments"
    declared = declared_in(sorted(experiments.glob("*.yaml")))
    judged: dict[str, list[Entry]] = {}
    moved = about(claims, declared)
    places = {path.parent.relative_to(folder) for path in Path(folder).rglob("*.parquet")}
    for place in (Path(folder) / part for part in sorted(places) if READINGS not in part.parts):
        tables = read_tables(place, declared)
        for claim in moved:
            if claim.experiments and all(name in tables for name in claim.experiments):
                of = declared[claim.experiments[0]].stands_for.partition("_")[0]
                known = f"{of}_{claim.id.removeprefix(f'{claim.paper}_')}"
                judged.setdefault(known, []).append(
                    Entry(judge(claim, tables, declared), place / f"{claim.experiments[0]}.parquet")
                )
    if not judged:
        raise SgpipeError(f"{folder}: no table of an experiment that a claim is about, e.g. zenke2021_fig3.parquet")
    return [_best(claim, judged.get(claim.id, []), declared) for claim in claims]


def _best(claim: Claim, entries: Sequence[Entry], declared: Iterable[str]) -> Entry:
    """Return the entry of the highest rank, about the claim itself; ties go to the first folder."""
    if not entries:
        return Entry(judge(claim, {}, set(declared)), None)
    best = min(entries, key=lambda entry: rank(entry.judgement))
    return best._replace(judgement=replace(best.judgement, claim=claim))


def table(entries: Iterable[Entry], base: Path | str) -> pd.DataFrame:
    """Return a row per claim, as of a folder's claims, with the path of its table as seen from `base`."""
    entries = list(entries)
    return frame(entry.judgement for entry in entries).assign(table=[_seen(entry, base) for entry in entries])


def _seen(entry: Entry, base: Path | str) -> str:
    if entry.table is None:
        return ""
    return Path(os.path.relpath(entry.table, base)).as_posix()


def markdown(entries: Sequence[Entry], base: Path | str) -> str:
    """Return the scoreboard as Markdown with links as seen from the folder `base`."""
    lines = ["# Scoreboard", "", "Every claim of both papers once, by the most honest tables that there are. Made by"]
    lines += ["`sgpipe scoreboard`; what verdicts mean and which table counts: [docs/claims.md](../claims.md).", ""]
    lines += [
        "Verdicts are those of the default settings. Some of these the papers leave open, and a verdict may depend on"
    ]
    lines += [
        "them: [docs/errata.md](../errata.md) says which, [docs/results/readings](../results/readings/README.md) has"
    ]
    lines += ["runs with other values; they are not combined yet.", ""]
    lines += ["![all claims that have a verdict](scoreboard.png)", "", "| | claims | " + " | ".join(VERDICTS) + " |"]
    lines += ["|" + "---|" * (len(VERDICTS) + 2)]
    papers = list(dict.fromkeys(entry.judgement.claim.paper for entry in entries))
    for paper in papers:
        own = _of(entries, paper)
        lines += [_counts_row(TITLES.get(paper, paper), own)]
        lines += [_counts_row("… in its abstract", [one for one in own if one.claim.headline])]
    for paper in papers:
        own = [entry for entry in entries if entry.judgement.claim.paper == paper]
        plain = [entry for entry in own if not entry.judgement.claim.exploratory]
        lines += ["", f"## {paper}", "", f"{summary_words(_of(own, paper))}. **Bold**: of the paper's abstract.", ""]
        lines += _rows(plain, base)
        if explored := [entry for entry in own if entry.judgement.claim.exploratory]:
            lines += ["", "Exploratory, their rule made once the numbers were known, and in no count:", ""]
            lines += _rows(explored, base)
    return "\n".join([*lines, ""])


def _of(entries: Iterable[Entry], paper: str) -> list[Judgement]:
    return [entry.judgement for entry in entries if entry.judgement.claim.paper == paper]


def _counts_row(name: str, judgements: Sequence[Judgement]) -> str:
    found = counts(judgements)
    return f"| {name} | {sum(found.values())} | " + " | ".join(map(str, found.values())) + " |"


def _rows(entries: Iterable[Entry], base: Path | str) -> list[str]:
    lines = ["| | claim | where | ours | holds if | n | scale and data | table |", "|" + "---|" * 8]
    for entry in entries:
        judgement = entry.judgement
        claim, one = judgement.claim, judgement.deciding
        dim = judgement.verdict == NOT_TESTABLE
        path = _seen(entry, base)
        cells = [
            verdict_words(judgement),
            f"**{claim.words}**" if claim.headline else claim.words,
            claim.at,
            judgement.reason if dim else ours_words(judgement),
            target_words(one.target) if one else "",
            str(one.n) if one else "",
            "; ".join((*judgement.scales, *judgement.data)),
            f"[{Path(path).stem}]({path})" if path else "",
        ]
        lines.append("| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |")
    return lines


def write(entries: Sequence[Entry], folder: Path | str) -> list[Path]:
    """Write scoreboard.md, .parquet and .png, a picture of all claims with a verdict; return the files."""
    folder = Path(folder)
    text, rows = folder / "scoreboard.md", folder / "scoreboard.parquet"
    with atomic(text) as temporary:
        temporary.write_text(markdown(entries, folder), encoding="utf-8")
    write_table(pa.Table.from_pandas(table(entries, folder), preserve_index=False), rows)
    picture = draw([entry.judgement for entry in entries], VERDICTS[:3])
    return [text, rows, *save(picture, folder / "scoreboard", ["png"])]
