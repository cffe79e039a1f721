"""What Snakemake was asked for is read off its command line."""

import pytest

from sgpipe.plan.command_line import command_line


@pytest.mark.parametrize(
    ("words", "targets"),
    [
        ("--cores 8 zenke2021_fig3", ["zenke2021_fig3"]),
        ("zenke2021_fig3 -c4 -n", ["zenke2021_fig3"]),
        ("-n fig3 --cores=2 claims", ["fig3", "claims"]),
        ("-c all download --config data=original scale=paper", ["download"]),
        ("--config scale=paper experiments=[a.yaml] -p mine_fig1", ["mine_fig1"]),
        ("--until download all_figures", ["all_figures"]),
        ("--report page.html --cores 1 -- mine_fig1", ["mine_fig1"]),
        ("--directory other_fig1", []),
        ("", []),
    ],
)
def test_targets_are_the_words_that_are_no_option_and_no_value(words, targets):
    assert list(command_line(words.split()).targets) == targets


def test_a_job_is_told_by_its_mode_and_its_rule_by_its_target():
    job = command_line(
        ["--snakefile", "Snakefile", "--target-jobs", "download:", "--mode", "subprocess", "--cores", "2"]
    )
    assert job.is_job and job.fetches
    assert command_line(["download", "--cores", "1"]).fetches
    assert not command_line(["--until", "download"]).fetches and not command_line(["mine_fig1"]).is_job
