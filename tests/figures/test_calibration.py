"""The figure on what calibrating brings: gains and ratios of epochs are those of pairs of made-up networks."""

import json

import numpy as np
import pytest

from sgpipe.figures import make
from sgpipe.figures.herranz2022 import calibration
from sgpipe.results.store import Result, Row
from sgpipe.results.tables import merge_packs, runs_table, write_table
from sgpipe.spec.experiments import load_experiments
from tests.conftest import ROOT
from tests.figures.test_figures import drawn, texts

EPOCHS = 8
GAIN = {"I": 0.10, "III": -0.05, "I+II+III+IV": 0.0}
LOST = "slstm"  # its calibrated networks diverge
# Epochs until a network is at its best: 4 of the naive one; a calibrated one is there as many times sooner as this.
SPEED = {"I": 2.0, "III": 0.5, "I+II+III+IV": 1.0}


def result(spec, sweeps):
    """Return a made-up run: at its best from an epoch on, and how good depends on its conditions and seed."""
    conditions = spec.init.conditions
    if LOST in sweeps and conditions != "none":
        return Result(spec, "diverged", (Row(1, "train", np.nan, np.nan, 0.1, (0.0,) * len(spec.network.hidden)),))
    best = 0.6 + 0.01 * spec.init.seed + GAIN.get(conditions, 0.0) * (1 + 0.1 * spec.init.seed)
    reached, rows = 4 / SPEED.get(conditions, 1.0), []
    for epoch in range(1, EPOCHS + 1):
        valid = best if epoch >= reached else 0.1
        splits = ("train", "valid", "test") if epoch == EPOCHS else ("train", "valid")
        spikes = tuple(3.0 for _ in spec.network.hidden)
        rows += [Row(epoch, split, 1 - valid, 0.0, valid, spikes, epoch == EPOCHS) for split in splits]
    return Result(spec, "finished", tuple(rows))


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    experiment = load_experiments([ROOT / "workflow/experiments/calibration.yaml"], "laptop")["calibration_gain"]
    results = [result(spec, experiment.sweeps[run]) for run, spec in experiment.runs.items()]
    path = tmp_path_factory.mktemp("calibration") / "calibration_gain.parquet"
    metadata = {"sgpipe.experiment": json.dumps(experiment.metadata(), sort_keys=True)}
    write_table(merge_packs([runs_table(results)], experiment.sweeps), path, metadata)
    return make.read_tables({"runs": path})


def test_gains_and_speeds_are_those_of_pairs_of_the_same_seed(table):
    data = calibration.select(*table)
    rows = data[(data["kind"] == "summary") & (data["row"] != LOST)]
    assert len(rows) == 16 and set(rows["set"]) == {"calibrated I", "calibrated III", "calibrated"}
    for _, row in rows.iterrows():
        conditions = row["set"].removeprefix("calibrated").strip() or "I+II+III+IV"
        n = 3 if row["row"].split("_")[0] in ("lif", "alif") else 5
        gains = [GAIN[conditions] * (1 + 0.1 * seed) for seed in range(n)]
        assert row["n"] == row["cells"] == n
        assert row["mean"] == pytest.approx(np.mean(gains), abs=1e-6)
        assert row["speed_mean"] == pytest.approx(SPEED[conditions])
        assert (row["low"] > 0) == (conditions == "I") and (row["high"] < 0) == (conditions == "III")


def test_pairs_of_which_one_diverged_are_counted_and_not_averaged(table):
    data = calibration.select(*table)
    rows = data[(data["kind"] == "summary") & (data["row"] == LOST)]
    assert set(rows["n"]) == {0} and set(rows["lost_calibrated"]) == {3} and set(rows["lost_naive"]) == {0}
    assert rows["mean"].isna().all()


def test_the_figure_has_a_row_for_each_network_and_set_of_conditions(table):
    figure = drawn(calibration, calibration.select(*table), table[1])
    found = set(texts(figure))
    assert sum(": III" in text or text.endswith((": I", ": all four")) for text in found) == 18
    assert any("3 calibrated did not finish" in text for text in found)
