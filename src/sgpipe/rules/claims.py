"""Rule `claims`: test the papers' claims on the experiment tables."""

from collections.abc import Mapping
from pathlib import Path

from sgpipe.base.errors import SgpipeError
from sgpipe.rules.pictures import without_a_screen
from sgpipe.spec.experiments import Experiment


def judge_claims(declared: Mapping[str, Experiment], folder: Path | str, output: Path | str) -> str:
    """Judge the papers' claims by the experiment tables of a folder.

    Args:
        declared: The experiments of the workflow, by id.
        folder: Where the tables are.
        output: The folder for the verdicts.

    Returns:
        The number of claims with each verdict, in words.

    Raises:
        SgpipeError: A claim file does not fit, or none of the tables that claims are about is there.
    """
    without_a_screen()
    from sgpipe.claims.declare import about, claim_files, load_claims
    from sgpipe.claims.judge import judge_all
    from sgpipe.claims.report import write
    from sgpipe.claims.tables import read_tables
    from sgpipe.claims.words import summary_words

    claims = about(load_claims(claim_files()), declared)
    tables = read_tables(folder, {name for claim in claims for name in claim.experiments})
    if not tables:
        raise SgpipeError(f"{folder}: no table of an experiment that a claim is about, e.g. zenke2021_fig3.parquet")
    judgements = judge_all(claims, tables, declared)
    write(judgements, output)
    return summary_words(judgements)


def write_scoreboard(folder: Path | str, output: Path | str) -> str:
    """Judge each claim once, by the best of the tables in a folder and below it.

    Args:
        folder: Where the tables are.
        output: The folder for the scoreboard.

    Returns:
        The number of claims with each verdict, in words, a line per paper.

    Raises:
        SgpipeError: A file does not fit, or none of the tables that claims are about is there.
    """
    without_a_screen()
    from sgpipe.claims.judge import WHOLE
    from sgpipe.claims.scoreboard import scoreboard, write
    from sgpipe.claims.words import summary_words

    entries = scoreboard(folder)
    write(entries, output)
    papers = dict.fromkeys(entry.judgement.claim.paper for entry in entries)
    own = {paper: [e.judgement for e in entries if e.judgement.claim.paper == paper] for paper in papers}
    return "\n".join(f"{paper}: {summary_words(judgements, WHOLE)}" for paper, judgements in own.items())
