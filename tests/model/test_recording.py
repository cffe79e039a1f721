"""Recorded activity: spikes, membranes and spike counts of trained networks, replayed from their weights."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sgpipe.base.errors import SgpipeError
from sgpipe.data import prepare, save_task
from sgpipe.engines.reference import ReferenceEngine
from sgpipe.model.recording import SCHEMA, Trained, count_spikes, record
from sgpipe.plan.plan import make_plan
from sgpipe.results.store import Result
from sgpipe.rules.record import record_activity
from sgpipe.spec.config import load_config
from sgpipe.training.trainer import train_run

EXPERIMENT = """
paper: mine
base:
  data: {classes: 3, samples_per_class: 30, units: 8, steps: 30, tau: 20, alpha: 2}
  network: {hidden: [12, 5]}
  init: {gain: 5}
  training: {epochs: 2, batch_size: 16}
experiments:
  mine_fig8:
    title: Counts
    draw: zenke2021.fig8
    sweeps: {any: {grid: {init.seed: [0, 1]}}}
    record: {runs: {}, samples_per_class: 1, labels: {smoke: [2], laptop: [1], paper: [0]}, moments: [after], counts: true}
"""


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    """Return a plan whose two runs are trained, and a folder with their task."""
    folder = tmp_path_factory.mktemp("recording")
    (folder / "mine.yaml").write_text(EXPERIMENT)
    settings = {"scale": "smoke", "experiments": [str(folder / "mine.yaml")], "results": str(folder)}
    plan = make_plan(load_config("config.yaml", settings))
    runs = plan.experiment("mine_fig8").recorded()
    task = prepare(runs[0])
    save_task(task, folder / "task.arrow")
    for spec in runs:
        plan.store.put(train_run(spec, task, ReferenceEngine()))
    return plan


@pytest.fixture(scope="module")
def run(plan):
    """Return one of the runs, its task and its trained weights."""
    spec = plan.experiment("mine_fig8").recorded()[0]
    return spec, prepare(spec), plan.store.weights(spec)


def recorded(plan, folder):
    experiment = plan.experiment("mine_fig8")
    task = f"{plan.config.results}/task.arrow"
    record_activity(plan, "mine_fig8", [task] * len(experiment.recorded()), folder / "activity.parquet")
    return pq.read_table(folder / "activity.parquet")


def test_every_unit_is_counted_in_every_test_sample(run):
    spec, task, weights = run
    counts = count_spikes(Trained(spec, task, weights)).to_pandas()
    totals = counts.groupby(["moment", "layer", "unit"])["value"].sum()
    assert (totals == len(task.test)).all() and len(totals) == 2 * (12 + 5)


def test_counts_are_those_of_the_recorded_spikes(run):
    spec, task, weights = run
    counts = count_spikes(Trained(spec, task, weights), moments=["after"]).to_pandas()
    every = record(Trained(spec, task, weights), np.arange(len(task.test)), moments=["after"]).to_pandas()
    spikes = every[(every["kind"] == "spike") & (every["layer"] != "input")]
    assert len(spikes) > 0
    by_sample = spikes.groupby(["layer", "unit", "sample"]).size()
    expected = by_sample.groupby(["layer", "unit"]).value_counts()
    found = counts[counts["spikes"] > 0].set_index(["layer", "unit", "spikes"])["value"]
    assert found.sort_index().to_dict() == expected.sort_index().to_dict()


def test_counts_do_not_depend_on_how_many_samples_go_at_once(run, monkeypatch):
    spec, task, weights = run
    whole = count_spikes(Trained(spec, task, weights))
    monkeypatch.setattr("sgpipe.model.recording.BATCH", 4)
    assert count_spikes(Trained(spec, task, weights)).equals(whole)


def test_mean_counts_are_the_spikes_of_the_table(plan, run):
    spec, task, weights = run
    counts = count_spikes(Trained(spec, task, weights), moments=["after"]).to_pandas()
    (row,) = [row for row in plan.store.get(spec).rows if row.split == "test" and row.best]
    own = (counts["spikes"] * counts["value"]).groupby(counts["layer"]).sum() / len(task.test)
    np.testing.assert_allclose(own, row.spikes, rtol=1e-6)


def test_a_network_without_hidden_layer_has_no_counts(run):
    spec, task, _ = run
    bare = replace(spec, network=replace(spec.network, hidden=()))
    assert len(count_spikes(Trained(bare, task, {"W_out": np.zeros((3, 8), np.float32)}))) == 0


def test_only_what_is_asked_for_is_recorded(run):
    spec, task, weights = run
    rows = record(Trained(spec, task, weights), np.arange(2), moments=["after"], membranes=["readout"]).to_pandas()
    assert set(rows["moment"]) == {"after"} and set(rows.loc[rows["kind"] == "membrane", "layer"]) == {"readout"}
    both = record(Trained(spec, task, weights), np.arange(2)).to_pandas()
    assert set(both["moment"]) == {"before", "after"}
    assert set(both.loc[both["kind"] == "membrane", "layer"]) == {"hidden1", "hidden2", "readout"}


def test_several_runs_are_recorded_on_samples_of_the_wanted_class(plan, tmp_path):
    rows = recorded(plan, tmp_path).to_pandas()
    assert rows["run_id"].nunique() == 2 and set(rows["kind"]) == {"spike", "membrane", "count"}
    assert set(rows["label"].dropna()) == {2} and rows["sample"].dropna().nunique() == 1


def test_a_class_without_test_samples_is_one_line(plan, tmp_path):
    experiment = plan.experiment("mine_fig8")
    experiment.record["labels"] = [7]
    try:
        with pytest.raises(SgpipeError, match="mine_fig8: record.labels: no test sample has label 7"):
            recorded(plan, tmp_path)
    finally:
        experiment.record["labels"] = [2]


def test_a_diverged_run_has_no_activity(plan, tmp_path, capsys):
    spec = plan.experiment("mine_fig8").recorded()[0]
    kept = replace(plan.store.get(spec), weights=plan.store.weights(spec))
    plan.store.put(Result(spec, "diverged", ()))
    try:
        rows = recorded(plan, tmp_path)
        assert spec.id not in rows.column("run_id").to_pylist() and len(rows)
        assert rows.schema.remove_metadata() == SCHEMA
        assert f"run {spec.id} diverged" in capsys.readouterr().err
    finally:
        plan.store.put(kept)


def test_rows_without_a_sample_are_missing_not_zero(run):
    spec, task, weights = run
    rows = pa.concat_tables(
        [record(Trained(spec, task, weights), np.arange(1)), count_spikes(Trained(spec, task, weights))]
    )
    counts = rows.to_pandas().query("kind == 'count'")
    assert counts[["sample", "label", "step"]].isna().all().all()
