"""Every claim once, by the most honest table that there is; the committed page is what the command makes."""

import os
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from sgpipe.base.errors import SgpipeError
from sgpipe.claims.declare import claim_files, load_claims
from sgpipe.claims.judge import INCONCLUSIVE, NOT_TESTABLE, REPLICATED, GroupResult, Judgement
from sgpipe.claims.over_readings import Entry, rank
from sgpipe.claims.scoreboard import markdown, scoreboard, table
from sgpipe.claims.words import counts, summary_words
from tests.conftest import ROOT

CLAIMS = load_claims(claim_files(ROOT))
JSON = ["groups", "comparisons"]  # the columns beside them have the numbers


def judged(verdict=REPLICATED, scale="paper", kind="original", name=None, n=5, claim=CLAIMS[0]):
    group = GroupResult("a", 0.5, 0.4, 0.6, 0.1, n, n)
    return Judgement(claim, verdict, "why", (), (group,), (scale,), (kind,), (name or kind,))


def test_the_best_is_told_by_verdict_then_data_then_scale_then_runs():
    ordered = [
        judged(scale="paper", kind="original", n=10),
        judged(INCONCLUSIVE, scale="paper", kind="synthetic"),
        judged(scale="laptop", kind="original"),
        judged(scale="paper", kind="original", name="original files, split ours"),
        judged(scale="paper", kind="part", n=10),
        judged(scale="paper", kind="part", n=3),
        judged(scale="laptop", kind="part"),
        judged(scale="paper", kind="derived"),
        judged(NOT_TESTABLE, scale="paper", kind="original"),
    ]
    assert sorted(reversed(ordered), key=rank) == ordered


def test_the_worst_of_several_data_counts():
    both = replace(judged(), kinds=("original", "derived"), data=("original", "our ear, 1,200 recordings"))
    assert rank(judged(kind="part")) < rank(both)


def test_exploratory_claims_are_shown_and_not_counted():
    plain, explored = judged(), judged(claim=replace(CLAIMS[1], exploratory=True))
    assert sum(counts([plain, explored]).values()) == 1
    assert summary_words([plain, explored]).startswith("1 claims: 1 replicated")
    assert summary_words([plain, explored]).endswith("; 1 exploratory, not counted")
    text = markdown([Entry(plain, Path("tables/a.parquet")), Entry(explored, None)], "page")
    assert "✓ replicated (exploratory)" in text.partition("Exploratory, ")[2]
    assert "| Zenke & Vogels 2021 | 1 | 1 | 0 | 0 | 0 | 0 |" in text and "[a](../tables/a.parquet)" in text


def test_headline_claims_are_those_of_the_abstracts():
    headline = {claim.id.split("_")[0] for claim in CLAIMS if claim.headline}
    assert headline == {"zenke2021", "herranz2022"}
    assert not any(claim.headline and claim.exploratory for claim in CLAIMS)


def test_a_folder_without_tables_is_one_clear_line(tmp_path):
    with pytest.raises(SgpipeError, match="no table of an experiment that a claim is about"):
        scoreboard(tmp_path, ROOT)


@pytest.mark.long
@pytest.mark.tables
def test_the_committed_scoreboard_is_what_the_command_makes_of_the_committed_tables():
    entries, folder = scoreboard(ROOT / "docs" / "results", ROOT), ROOT / "docs" / "claims"
    text = (folder / "scoreboard.md").read_text(encoding="utf-8")
    assert text == markdown(entries, folder), "run `sgpipe scoreboard`"
    assert [entry.judgement.claim.id for entry in entries] == [claim.id for claim in CLAIMS]
    made, kept = table(entries, folder), pd.read_parquet(folder / "scoreboard.parquet")
    pd.testing.assert_frame_equal(made.drop(columns=JSON), kept.drop(columns=JSON), check_dtype=False)
    assert all(os.path.exists(entry.table) for entry in entries if entry.table)
