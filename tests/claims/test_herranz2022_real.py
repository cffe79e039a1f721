"""herranz2022_real.yaml and its check with the authors' neurons: figures can be drawn, and tables decide claims.

All results are made up.
"""

import json
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from sgpipe.claims.declare import about, claim_files, load_claims
from sgpipe.claims.judge import NOT_TESTABLE, judge
from sgpipe.claims.tables import read_tables, runs_of
from sgpipe.data.files.published import COMPLETE
from sgpipe.figures import make
from sgpipe.results.store import Result, Row
from sgpipe.results.tables import merge_packs, runs_table, write_table
from sgpipe.spec.experiments import load_experiments
from tests.conftest import ROOT
from tests.figures.test_figures_herranz import drawn, texts

FILE = ROOT / "workflow/experiments/herranz2022_real.yaml"
TRAINED = [f"herranz2022real_fig{number}" for number in (2, 3, 4, 5)]
CHECKED = [
    "herranz2022real_bins",
    "herranz2022realauthors_bins",
    "herranz2022printed_fig3",
    "herranz2022realauthors_fig2",
    "herranz2022realauthors_fig5",
]
OWN = "herranz2022real"
EAR = "10422-0123456789abcdef"
TOO_LARGE = "parameters_ptb"  # of 1,300 neurons a layer, of which text has 256 here


def real(spec, stated, where):
    """Say that a run's data are the published files, or all recordings through our ear."""
    task = spec.data.task
    if task == "shd":
        return replace(spec, data=replace(spec.data, source="derived", files=EAR))
    return replace(spec, data=replace(spec.data, source="original", files=min(COMPLETE[task])))


@cache
def experiments(scale):
    files = [FILE, *(FILE.with_stem(f"herranz2022_{name}") for name in ("real_authors", "printed"))]
    return load_experiments(files, scale, settle=real)


@cache
def claims():
    """Return the paper's claims as they are made about this file, by what follows the paper's name."""
    found = about(load_claims(claim_files(ROOT)), experiments("laptop"))
    return {claim.id.removeprefix(f"{OWN}_"): claim for claim in found if claim.paper == OWN}


def rows_of(spec):
    """Return three epochs of a run that learns; how well depends on all its knobs, and a little on its seed."""
    draws = np.random.default_rng(int(replace(spec, init=replace(spec.init, seed=0)).id[:8], 16))
    level = draws.uniform(0.5, 0.8) + np.random.default_rng(int(spec.id[:8], 16)).normal(0, 0.01)
    spikes, rows = tuple(20.0 for _ in spec.network.hidden), []
    for epoch, share in ((1, 0.5), (2, 1.0), (3, 0.9)):
        splits = ("train", "valid", "test") if epoch == 2 else ("train", "valid")
        rows += [Row(epoch, split, 2 - share * level, 0.0, share * level, spikes, epoch == 2) for split in splits]
    return (*rows, Row(3, "test", 2.0, 0.0, 0.8 * level, spikes, False))


def write(folder, scale):
    for name in TRAINED + CHECKED:
        experiment = experiments(scale)[name]
        results = [Result(spec, "finished", rows_of(spec)) for spec in experiment.runs.values()]
        metadata = {"sgpipe.experiment": json.dumps(experiment.metadata(), sort_keys=True)}
        write_table(
            merge_packs([runs_table(results)], experiment.sweeps), folder / f"{experiment.id}.parquet", metadata
        )
    return read_tables(folder, experiments(scale))


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    folder = tmp_path_factory.mktemp("smoke")
    return folder, write(folder, "smoke")


@pytest.fixture(scope="module")
def laptop(tmp_path_factory):
    return write(tmp_path_factory.mktemp("laptop"), "laptop")


@pytest.mark.long
@pytest.mark.parametrize("name", TRAINED + CHECKED)
def test_figures_are_drawn_as_the_papers(smoke, name):
    folder, _ = smoke
    frames, experiment = make.read_tables({"runs": folder / f"{name}.parquet"})
    module = make.find(experiments("smoke")[name].draw, "draw")
    note = make.corner_note(experiment, frames["runs"])
    figure = drawn(module, module.select(frames, experiment), experiment, note)
    assert "other recordings" in note or name.endswith("_fig3")
    assert texts(figure)


def test_of_few_networks_fig_2_has_their_panels_alone(smoke):
    frames, experiment = make.read_tables({"runs": smoke[0] / "herranz2022real_bins.parquet"})
    module = make.find(experiments("smoke")["herranz2022real_bins"].draw, "draw")
    said = texts(drawn(module, module.select(frames, experiment), experiment, "note"))
    assert "LIF on our ear's spikes" in said and "sensitivity" in said
    assert not {"no runs", "ALIF", "c"} & set(said)


def test_every_claim_is_about_the_file_and_has_no_verdict_at_scale_smoke(smoke):
    named = {claim.id for claim in load_claims(claim_files(ROOT)) if claim.paper == "herranz2022" and claim.groups}
    assert {f"herranz2022_{name}" for name in claims()} == named
    for claim in claims().values():
        judgement = judge(claim, smoke[1], experiments("smoke"))
        assert judgement.verdict == NOT_TESTABLE and judgement.reason, claim.id


@pytest.mark.long
def test_at_scale_laptop_every_group_of_every_claim_has_the_runs_that_a_verdict_needs(laptop):
    for name, claim in claims().items():
        for group in claim.groups if name != TOO_LARGE else ():
            assert len(runs_of(group, laptop[group.experiment])) >= claim.least, f"{claim.id}: {group.name}"


@pytest.mark.long
def test_the_check_has_four_networks_a_group_of_claims_about_lif_and_alif(laptop):
    judged = about(load_claims(claim_files(ROOT)), experiments("laptop"))
    by_name = {claim.id.removeprefix("herranz2022realauthors_"): claim for claim in judged}
    for name in ("fig2_dfast_sigmoid_best_lif_shd", "fig2_dfast_sigmoid_overfits_alif", "fig5_all_four_best"):
        assert {len(runs_of(group, laptop[group.experiment])) for group in by_name[name].groups} == {4}


@pytest.mark.long
def test_claims_get_a_verdict_at_scale_laptop_where_the_data_allow_one(laptop):
    judged = {name: judge(claim, laptop, experiments("laptop")) for name, claim in claims().items()}
    allowed = {name for name, one in judged.items() if set(one.kinds) <= set(one.claim.sources)}
    assert {name for name in judged if name.startswith("fig3_")} <= allowed
    assert {f"fig2_dfast_sigmoid_best_lif_{task}" for task in ("mnist", "ptb")} <= allowed
    assert judged[TOO_LARGE].verdict == NOT_TESTABLE
    for name in allowed - {TOO_LARGE}:
        if "laptop" in judged[name].claim.scales:
            assert judged[name].verdict != NOT_TESTABLE, f"{name}: {judged[name].reason}"


def test_networks_have_the_papers_widths_and_data_are_whole():
    widths = {}
    for name in TRAINED:
        for spec in experiments("laptop")[name].runs.values():
            widths.setdefault((spec.data.task, spec.network.neuron), set()).add(spec.network.hidden)
            assert spec.data.limit == 0
    assert widths.pop(("ptb", "delta_lif")) == {(256, 256)}
    assert widths == {
        ("shd", "delta_lif"): {(256, 256)},
        ("shd", "alif"): {(256, 256)},
        ("shd", "slstm"): {(64, 64)},
        ("mnist_latency", "delta_lif"): {(128, 128)},
        ("mnist_latency", "alif"): {(128, 128)},
    }


def test_scale_paper_is_that_of_the_paper():
    papers = load_experiments([FILE.with_stem("herranz2022")], "paper", settle=real)
    for name, experiment in papers.items():
        assert set(experiment.runs) == set(experiments("paper")[name.replace("2022", "2022real")].runs), name
