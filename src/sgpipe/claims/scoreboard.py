"""Every claim of every paper once, by the verdict of the best table that there is.

Tables of one experiment may lie in several folders, at several scales, of several data, and in several readings of
what the paper leaves open; the runs tell which. Each is judged by itself, as `sgpipe claims` does it. In each reading
the verdict of the highest `rank` counts, and a claim as a whole has what `readings.whole` makes of those.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pyarrow as pa

from sgpipe.base.errors import SgpipeError
from sgpipe.base.files import atomic
from sgpipe.claims.declare import about, claim_files, load_claims
from sgpipe.claims.judge import NOT_TESTABLE, WHOLE, Judgement, target_words
from sgpipe.claims.over_readings import Entry, judged_in, over_readings, readings_table, readings_words, seen
from sgpipe.claims.picture import TITLES, draw, save
from sgpipe.claims.report import frame
from sgpipe.claims.specification import draw_specification
from sgpipe.claims.words import counts, ours_words, summary_words, verdict_words
from sgpipe.results.tables import write_table
from sgpipe.spec.experiments import read_experiments
from sgpipe.spec.readings import Setting


class Declared(NamedTuple):
    """An experiment as far as claims are about it."""

    id: str
    paper: str
    stands_for: str


def declared_in(paths: Iterable[Path | str]) -> tuple[dict[str, Declared], dict[str, Mapping[str, Setting]]]:
    """Return the experiments of some files, without making their runs, and by paper what it leaves open."""
    found, settings = {}, {}
    for path in paths:
        document = read_experiments(path)
        settings[document.paper] = document.readings
        for name, body in document.experiments.items():
            found[name] = Declared(name, document.paper, body.stands_for or name)
    return found, settings


def scoreboard(folder: Path | str, workflow: Path | str | None = None) -> list[Entry]:
    """Return every claim once, judged by the best of the tables in a folder and those below it.

    Raises SgpipeError if no table there is of an experiment that a claim is about.
    """
    files = claim_files(workflow)
    claims, experiments = load_claims(files), files[0].parents[1] / "experiments"
    declared, settings = declared_in(sorted(experiments.glob("*.yaml")))
    places = sorted({path.parent for path in Path(folder).rglob("*.parquet")})
    judged = judged_in(places, about(claims, declared), declared, settings)
    if not judged:
        raise SgpipeError(f"{folder}: no table of an experiment that a claim is about, e.g. zenke2021_fig3.parquet")
    return [over_readings(claim, judged.get(claim.id, []), declared) for claim in claims]


def table(entries: Iterable[Entry], base: Path | str) -> pd.DataFrame:
    """Return a row per claim, as of a folder's claims, with the path of its table as seen from `base`."""
    entries = list(entries)
    return frame(entry.judgement for entry in entries).assign(
        table=[seen(entry.table, base) for entry in entries],
        default=[entry.whole.default if entry.whole else NOT_TESTABLE for entry in entries],
        settings=[", ".join(entry.whole.settings) if entry.whole else "" for entry in entries],
        readings=[len(entry.readings) for entry in entries],
        telling=[entry.whole.telling if entry.whole else 0 for entry in entries],
    )


def markdown(entries: Sequence[Entry], base: Path | str) -> str:
    """Return the scoreboard as Markdown with links as seen from the folder `base`."""
    lines = ["# Scoreboard", "", "Every claim of both papers once, by the most honest tables that there are. Made by"]
    lines += ["`sgpipe scoreboard`; what verdicts mean and which table counts: [docs/claims.md](../claims.md).", ""]
    lines += [
        "A verdict is over all readings of what the paper leaves open, as far as they have been run: replicated or"
    ]
    lines += [
        "not where all that can tell agree, else it depends on the settings that turn it. The default reading has the"
    ]
    lines += ["values that are stated, else those of the authors' code, of their library, of others, our own.", ""]
    lines += ["![all claims that have a verdict](scoreboard.png)", "", "| | claims | " + " | ".join(WHOLE) + " |"]
    lines += ["|" + "---|" * (len(WHOLE) + 2)]
    papers = list(dict.fromkeys(entry.judgement.claim.paper for entry in entries))
    for paper in papers:
        own = _of(entries, paper)
        lines += [_counts_row(TITLES.get(paper, paper), own)]
        lines += [_counts_row("… in its abstract", [one for one in own if one.claim.headline])]
    for paper in papers:
        own = [entry for entry in entries if entry.judgement.claim.paper == paper]
        plain = [entry for entry in own if not entry.judgement.claim.exploratory]
        lines += [
            "",
            f"## {paper}",
            "",
            f"{summary_words(_of(own, paper), WHOLE)}. **Bold**: of the paper's abstract.",
            "",
        ]
        lines += _rows(plain, base)
        if explored := [entry for entry in own if entry.judgement.claim.exploratory]:
            lines += ["", "Exploratory, their rule made once the numbers were known, and in no count:", ""]
            lines += _rows(explored, base)
    return "\n".join([*lines, *_specification(entries), ""])


def _of(entries: Iterable[Entry], paper: str) -> list[Judgement]:
    return [entry.judgement for entry in entries if entry.judgement.claim.paper == paper]


def _counts_row(name: str, judgements: Sequence[Judgement]) -> str:
    found = counts(judgements, WHOLE)
    return f"| {name} | {sum(found.values())} | " + " | ".join(map(str, found.values())) + " |"


def _rows(entries: Iterable[Entry], base: Path | str) -> list[str]:
    lines = ["| | claim | where | ours | holds if | n | scale and data | readings | table |", "|" + "---|" * 9]
    for entry in entries:
        judgement = entry.judgement
        claim, one = judgement.claim, judgement.deciding
        dim = judgement.verdict == NOT_TESTABLE
        path = seen(entry.table, base)
        cells = [
            verdict_words(judgement) + _by_default(entry),
            f"**{claim.words}**" if claim.headline else claim.words,
            claim.at,
            judgement.reason if dim else ours_words(judgement),
            target_words(one.target) if one else "",
            str(one.n) if one else "",
            "; ".join((*judgement.scales, *judgement.data)),
            readings_words(entry),
            f"[{Path(path).stem}]({path})" if path else "",
        ]
        lines.append("| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |")
    return lines


def _by_default(entry: Entry) -> str:
    """Say what the default reading says, where that is another verdict."""
    same = entry.whole is None or entry.whole.default == entry.judgement.verdict
    return "" if same else f" (by default {entry.whole.default})"


def _specification(entries: Sequence[Entry]) -> list[str]:
    """Return the part on readings, if there are any."""
    if not any(readings_words(entry) for entry in entries):
        return []
    lines = [
        "",
        "## Claims by readings",
        "",
        "Every claim that several readings can tell something about, sorted by how",
    ]
    lines += ["many say that it holds (a specification curve: Simonsohn, Simmons & Nelson 2020, Nature Human Behaviour"]
    return [*lines, "4:1208-1214). `readings.parquet` has a row for each claim and reading.", "", "![](readings.png)"]


def readings_markdown(entries: Sequence[Entry], name: str) -> str:
    """Return the claims about an experiment over its readings as Markdown."""
    lines = [f"# {name}: claims over readings", "", f"{summary_words([one.judgement for one in entries], WHOLE)}.", ""]
    lines += ["| | claim | ours | holds if | readings |", "|---|---|---|---|---|"]
    for entry in entries:
        one, words = entry.judgement.deciding, entry.judgement.claim.words
        cells = [verdict_words(entry.judgement) + _by_default(entry), words, ours_words(entry.judgement)]
        cells += [target_words(one.target) if one else "", readings_words(entry)]
        lines.append("| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |")
    return "\n".join([*lines, ""])


def write(entries: Sequence[Entry], folder: Path | str) -> list[Path]:
    """Write scoreboard.md, .parquet and .png, a picture of all claims with a verdict; return the files."""
    folder = Path(folder)
    text, rows = folder / "scoreboard.md", folder / "scoreboard.parquet"
    with atomic(text) as temporary:
        temporary.write_text(markdown(entries, folder), encoding="utf-8")
    write_table(pa.Table.from_pandas(table(entries, folder), preserve_index=False), rows)
    files = [text, rows, *save(draw([entry.judgement for entry in entries], WHOLE[:4]), folder / "scoreboard", ["png"])]
    if not _specification(entries):
        return files
    over = readings_table(entries, folder)
    write_table(pa.Table.from_pandas(over, preserve_index=False), folder / "readings.parquet")
    curve = draw_specification(over, {entry.judgement.claim.id: entry.judgement.claim.words for entry in entries})
    return [*files, folder / "readings.parquet", *save(curve, folder / "readings", ["png"])]
