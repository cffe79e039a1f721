"""Choosing among results looks at validation numbers and at nothing else."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from sgpipe.base.rng import permutation, stream
from sgpipe.claims import tables as claimed
from sgpipe.claims.declare import claim_files, load_claims
from sgpipe.data import prepare
from sgpipe.engines.reference import ReferenceEngine
from sgpipe.figures import make
from sgpipe.results import selection
from sgpipe.results.store import Result, Row
from sgpipe.results.tables import experiment_table, runs_table
from sgpipe.spec.experiments import load_experiments
from sgpipe.training.trainer import train_runs
from tests.conftest import ROOT, TINY

SOURCES = ROOT / "src/sgpipe"
FILES = [ROOT / f"workflow/experiments/{paper}.yaml" for paper in ("zenke2021", "zenke2021_real", "herranz2022")]
# What picks one among many by a result.
PICKS = re.compile(
    r"nlargest|nsmallest|(sort_values|arg(max|min|sort))\([^)]*(accuracy|loss|score)"
    r"|(accuracy|loss)[\"'\])]*\.(idxm|argm|rank)"
)
# Columns of figures' numbers that are measured on the test split, or made from such.
MEASURED = (
    *("accuracy", "test_accuracy", "spikes", "spikes_total"),
    *("mean", "sd", "low", "high", "transition", "steepness", "plateau"),
)
ON_VALIDATION = ("herranz2022.fig2", "herranz2022.fig3", "herranz2022.fig4")  # figures that show no test number at all

QUICK = ("zenke2021_fig2", "zenke2021_fig3", "zenke2021_fig6", "herranz2022_fig3", "herranz2022_fig4")


def run_rows(run_id, valid, test, status="finished", hidden="100", **knobs):
    """Return the table rows of one run: lists of validation and test accuracy by epoch."""
    rows = []
    best = int(np.argmax(valid)) if len(valid) else -1
    for epoch, (v, t) in enumerate(zip(valid, test, strict=True)):
        for split, accuracy in (("train", v), ("valid", v), ("test", t)):
            rows.append(
                {"epoch": epoch + 1, "split": split, "loss": 1 - accuracy, "accuracy": accuracy, "best": epoch == best}
            )
    rows = rows or [{"epoch": 0, "split": "none", "loss": np.nan, "accuracy": np.nan, "best": False}]
    frame = pd.DataFrame(rows).assign(run_id=run_id, status=status, penalty=0.0)
    frame["spikes"] = [np.array([1.0, 2.0])] * len(frame)
    frame["sweeps"] = [np.array(["shapes"])] * len(frame)
    for name, value in {"network.hidden": hidden, **knobs}.items():
        frame[name] = value
    return frame


@pytest.fixture
def table():
    return pd.concat(
        [
            run_rows("a", [0.2, 0.9, 0.8], [0.1, 0.5, 0.7]),
            run_rows("b", [0.3, 0.4, 0.6], [0.9, 0.9, 0.95]),
            run_rows("c", [0.99, 0.1], [0.99, 0.1], status="diverged"),
            run_rows("d", [], [], status="failed"),
            run_rows("e", [0.7, 0.7], [0.2, 0.3], hidden=""),
            run_rows("f", [0.5, 0.1], [0.2, 0.3], hidden="100-100"),
        ],
        ignore_index=True,
    )


def test_outcomes_are_taken_at_the_best_validation_epoch(table):
    runs = selection.outcomes(table).set_index("run_id")
    assert list(runs.index) == list("abcdef")
    assert runs.loc["a", ["best_epoch", "valid_accuracy", "test_accuracy", "test_accuracy_last"]].tolist() == [
        2,
        0.9,
        0.5,
        0.7,
    ]
    assert runs.loc["a", "spikes_total"] == 3.0
    assert runs["hidden_layers"].tolist() == [1, 1, 1, 1, 0, 2]


def test_diverged_and_failed_runs_are_kept_without_numbers(table):
    runs = selection.outcomes(table).set_index("run_id")
    for name in ("valid_accuracy", "test_accuracy", "test_accuracy_last", "spikes_total", "best_epoch"):
        assert runs.loc[["c", "d"], name].isna().all()
    assert runs.loc["c", "status"] == "diverged" and runs.loc["d", "status"] == "failed"


def test_the_best_are_those_of_highest_validation_accuracy(table):
    assert selection.best(selection.outcomes(table), 2)["run_id"].tolist() == ["a", "e"]


def test_a_lower_test_accuracy_does_not_matter(table):
    assert selection.best(selection.outcomes(table), 1)["run_id"].item() == "a"  # b is far better on test


def test_diverged_and_failed_runs_are_never_chosen(table):
    only = selection.outcomes(table[table["run_id"].isin(["c", "d"])])
    assert len(selection.best(only, 1)) == 0


def test_ties_go_to_the_lower_validation_loss_then_to_the_run_id(table):
    runs = selection.outcomes(table)
    runs["valid_accuracy"] = 0.5
    runs.loc[runs["run_id"] == "f", "valid_loss"] = 0.0
    runs.loc[runs["run_id"] != "f", "valid_loss"] = 1.0
    assert selection.best(runs, 2)["run_id"].tolist() == ["f", "a"]


@settings(max_examples=25, deadline=None)  # each sorts a frame four times
@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.integers(1, 12), st.randoms())
def test_permuting_test_numbers_changes_no_choice(accuracies, k, random):
    n = len(accuracies)
    runs = pd.DataFrame({"run_id": [f"{i:02}" for i in range(n)], "status": "finished", "valid_accuracy": accuracies})
    runs["valid_loss"] = 1 - runs["valid_accuracy"]
    for name in ("test_accuracy", "test_accuracy_last"):
        runs[name] = [random.random() for _ in range(n)]
    before = selection.best(runs, k)["run_id"].tolist()
    order = random.sample(range(n), n)
    shuffled = runs.assign(**{name: runs[name].to_numpy()[order] for name in ("test_accuracy", "test_accuracy_last")})
    assert selection.best(shuffled, k)["run_id"].tolist() == before
    assert selection.best(shuffled.iloc[order], k)["run_id"].tolist() == before


@given(st.one_of(st.none(), st.integers(1, 50)), st.integers(1, 200))
def test_at_most_a_third_of_the_cells_count_as_best(k, cells):
    used = selection.allowed(k, cells)
    assert used >= 1
    assert used == 1 or 3 * used <= cells
    assert k is None or used <= k


def test_the_cap_counts_diverged_cells_too(table):
    assert len(selection.best(selection.outcomes(table), 5)) == 2  # six cells, four of them finished


def test_summary_is_that_of_student_t():
    values = [0.91, 0.95, 0.97, 0.90]
    n, mean, sd, low, high = selection.summary(values)
    assert (n, mean, sd) == (4, pytest.approx(np.mean(values)), pytest.approx(np.std(values, ddof=1)))
    expected = stats.t.interval(0.95, 3, loc=mean, scale=sd / 2)
    assert (low, high) == pytest.approx(expected)


def test_summary_of_one_value_has_no_spread():
    one = selection.summary([0.5, np.nan])
    assert one.n == 1 and one.mean == 0.5
    assert np.isnan([one.sd, one.low, one.high]).all()
    assert selection.summary([]).n == 0


def test_a_group_in_which_nothing_finished_is_still_reported(table):
    runs = selection.outcomes(table).assign(group=["good", "good", "bad", "bad", "good", "good"])
    chosen = selection.best_of_groups(runs, ["group"], 1)
    summaries = chosen[chosen["kind"] == "summary"].set_index("group")
    assert summaries.loc["bad", ["n", "cells", "lost"]].tolist() == [0, 2, 2]
    assert summaries.loc["good", ["n", "cells", "lost"]].tolist() == [1, 4, 0]
    assert chosen.loc[chosen["kind"] == "network", "run_id"].tolist() == ["a"]


def test_a_missing_group_key_is_a_group(table):
    runs = selection.outcomes(table).assign(shape=[None] * 6)
    chosen = selection.best_of_groups(runs, ["shape", "hidden_layers"], 1)
    assert (chosen["kind"] == "summary").sum() == 3


# ---- every figure and every claim that chooses ----


@cache
def experiments():
    """Return the experiments of both papers at scale smoke, and those on real data, by id."""
    return load_experiments(FILES, "smoke")


def choosing():
    """Return the ids of the experiments whose figures choose among networks."""
    return [name for name, item in experiments().items() if item.trains and item.best is not None]


def trained_figures():
    """Return an experiment for each module that draws trained networks; the slower ones are for the long tests."""
    names = {item.draw: name for name, item in reversed(experiments().items()) if item.trains}.values()
    return [name if name in QUICK else pytest.param(name, marks=pytest.mark.long) for name in names]


@cache
def made_up(name):
    """Return an experiment's table, as if trained: every run with other accuracies, some lost."""
    experiment, results, draws = experiments()[name], [], np.random.default_rng(3)
    for place, spec in enumerate(experiment.runs.values()):
        status = "diverged" if place % 11 == 10 else "finished"
        best = int(draws.integers(1, 3))
        rows = []
        for epoch in (1, 2):
            for split in ("train", "valid", *(["test"] if epoch in (best, 2) else [])):
                spikes = tuple(draws.random(len(spec.network.hidden)) * 100)
                rows.append(Row(epoch, split, *draws.random(3), spikes, epoch == best))
        results.append(Result(spec, status, tuple(rows)))
    return experiment_table(runs_table(results), experiment.sweeps).to_pandas()


def with_other_tests(table, seed):
    """Return a table in which the measurements of the test rows have changed places, between runs and epochs."""
    other, draws = table.copy(), np.random.default_rng(seed)
    for _, rows in table[table["split"] == "test"].groupby(table["spikes"].map(len)):  # as many layers
        order = rows.index[draws.permutation(len(rows))]
        for column in ("loss", "penalty", "accuracy", "spikes"):
            other.loc[rows.index, column] = table.loc[order, column].to_numpy()
    return other


def activity_of(table):
    """Return what a recording of all finished runs of a table would hold, if little."""
    rows = []
    for run_id in table.loc[table["status"] == "finished", "run_id"].unique():
        start = {"run_id": run_id, "moment": "after", "sample": 4, "label": 1}
        rows.append({**start, "layer": "hidden1", "kind": "spike", "unit": 1, "step": 5, "value": 1.0})
        rows.append({**start, "layer": "input", "kind": "spike", "unit": 1, "step": 5, "value": 1.0})
        rows += [
            {**start, "layer": "readout", "kind": "membrane", "unit": unit, "step": 5, "value": 0.1 * unit}
            for unit in (0, 1)
        ]
        rows.append({**start, "layer": "hidden1", "kind": "count", "unit": 1, "value": 9.0, "spikes": 3})
    return pd.DataFrame(rows)


def numbers_of(name, table):
    """Return the numbers of an experiment's figure, drawn from this table."""
    experiment = experiments()[name]
    about = json.loads(json.dumps(experiment.metadata()))
    frames = {"runs": table, "activity": activity_of(table)}
    return make.find(experiment.draw, "draw").select(frames, about)


def chosen_of(name, table):
    """Return the rows of a figure's numbers that say which runs it shows, as what, in which order."""
    data = numbers_of(name, table)
    names = [name for name in ("panel", "kind", "sweep", "run_id", "rank", "shown", "best_epoch") if name in data]
    return data.loc[data["run_id"].notna(), names].reset_index(drop=True)


def not_measured(name, table):
    """Return the numbers of a figure without what is measured on the test split."""
    data = numbers_of(name, table)
    if experiments()[name].draw in ON_VALIDATION:
        return data
    on_test = data["split"] != "valid" if "split" in data else np.full(len(data), True)
    return data.assign(**{name: data[name].mask(on_test) for name in MEASURED if name in data})


def test_there_are_figures_that_choose():
    assert {"zenke2021_fig3", "zenke2021_fig5", "zenke2021_fig6"} <= set(choosing())


@pytest.mark.parametrize("name", trained_figures())
@settings(max_examples=3, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_permuting_test_rows_changes_nothing_of_a_figure_but_what_is_measured_on_them(name, seed):
    table = made_up(name)
    other = with_other_tests(table, seed)
    assume(not other["accuracy"].equals(table["accuracy"]))  # of few rows an order may be the old one
    pd.testing.assert_frame_equal(not_measured(name, other), _before(name))


@cache
def _before(name):
    return not_measured(name, made_up(name))


@pytest.mark.parametrize("name", choosing())
def test_permuting_validation_rows_does_change_what_a_figure_chooses(name):
    """Or the test above would say nothing."""
    table = made_up(name)
    valid, before = table.index[table["split"] == "valid"], chosen_of(name, table)

    def changes(seed):
        other = table.copy()
        other.loc[valid, "accuracy"] = table.loc[np.random.default_rng(seed).permutation(valid), "accuracy"].to_numpy()
        return not chosen_of(name, other).equals(before)

    assert any(changes(seed) for seed in range(8))


@pytest.mark.parametrize("claim", [c for c in load_claims(claim_files(ROOT)) if not c.untestable], ids=lambda c: c.id)
def test_permuting_test_rows_changes_no_choice_of_a_claim(claim):
    for group in claim.groups:
        if group.best is None or group.experiment not in experiments():
            continue
        runs = [_claimed_runs(group.experiment, seed) for seed in (None, 1, 2)]
        picked = [
            claimed.chosen(group, claimed.ExperimentTable(group.experiment, "paper", 2, 0, own))["run_id"].tolist()
            for own in runs
        ]
        assert picked[0] == picked[1] == picked[2]


@cache
def _claimed_runs(name, seed):
    table = made_up(name)
    return claimed.outcomes(table if seed is None else with_other_tests(table, seed))


def test_the_choice_is_by_the_score():
    """So epochs, which the trainer compares by it, and networks are chosen by one rule."""
    draws = np.random.default_rng(0)
    runs = pd.DataFrame({"run_id": [f"{i:02}" for i in range(40)], "status": "finished"})
    runs["valid_accuracy"], runs["valid_loss"] = draws.integers(0, 4, 40) / 4, draws.random(40)
    ordered = sorted(runs.to_dict("records"), key=lambda run: selection.score(run["valid_accuracy"], run["valid_loss"]))
    assert selection.best(runs, 13)["run_id"].tolist() == [run["run_id"] for run in ordered[::-1]][:13]


def test_nothing_else_picks_by_a_result():
    picking = {
        str(path.relative_to(SOURCES))
        for path in SOURCES.rglob("*.py")
        if any(PICKS.search(line) for line in path.read_text().splitlines() if '"""' not in line)
    }
    assert picking <= {"results/selection.py"}


def test_training_jobs_need_not_load_pandas_to_choose():
    code = "import sys, sgpipe.results.selection; sys.exit('pandas' in sys.modules or 'scipy' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(ROOT))


# ---- real networks ----


@pytest.fixture(scope="module")
def trained():
    """Return two tables of the same small runs, trained; in the second the labels of the test split are permuted."""
    from sgpipe.spec.run import RunSpec

    grid = [{"surrogate.beta": beta, "optimiser.lr": lr} for beta in (1, 10) for lr in (0.005, 0.02, 0.05)]
    specs = [RunSpec.make({**TINY, **point, "training.epochs": 4}) for point in grid]
    task = prepare(specs[0])
    order = permutation(stream(1, "labels"), len(task.test))
    other = replace(task, test=replace(task.test, labels=task.test.labels[order]))
    assert (other.test.labels != task.test.labels).any()
    sweeps = {spec.id: ("shapes",) for spec in specs}
    return [
        experiment_table(
            runs_table([result for spec in specs for result in train_runs([spec], data, ReferenceEngine())]), sweeps
        ).to_pandas()
        for data in (task, other)
    ]


def test_permuting_test_labels_changes_test_numbers_alone(trained):
    one, other = trained
    assert (one["split"] == other["split"]).all() and (one["best"] == other["best"]).all()
    on_test = one["split"] == "test"
    pd.testing.assert_frame_equal(one[~on_test], other[~on_test])
    assert (one.loc[on_test, "accuracy"] != other.loc[on_test, "accuracy"]).any()


def test_permuting_test_labels_changes_no_choice_among_trained_networks(trained):
    one, other = (selection.outcomes(table) for table in trained)
    assert (one["best_epoch"] == other["best_epoch"]).all()
    for k in (1, 2):
        assert selection.best(one, k)["run_id"].tolist() == selection.best(other, k)["run_id"].tolist()
    figures = [chosen_of("zenke2021_fig3", table) for table in trained]
    pd.testing.assert_frame_equal(*figures)
