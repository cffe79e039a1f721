"""Choosing among results looks at validation numbers and at nothing else."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from sgpipe import choose


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
    runs = choose.outcomes(table).set_index("run_id")
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
    runs = choose.outcomes(table).set_index("run_id")
    for name in ("valid_accuracy", "test_accuracy", "test_accuracy_last", "spikes_total", "best_epoch"):
        assert runs.loc[["c", "d"], name].isna().all()
    assert runs.loc["c", "status"] == "diverged" and runs.loc["d", "status"] == "failed"


def test_the_best_are_those_of_highest_validation_accuracy(table):
    assert choose.best(choose.outcomes(table), 2)["run_id"].tolist() == ["a", "e"]


def test_a_lower_test_accuracy_does_not_matter(table):
    assert choose.best(choose.outcomes(table), 1)["run_id"].item() == "a"  # b is far better on test


def test_diverged_and_failed_runs_are_never_chosen(table):
    only = choose.outcomes(table[table["run_id"].isin(["c", "d"])])
    assert len(choose.best(only, 1)) == 0


def test_ties_go_to_the_lower_validation_loss_then_to_the_run_id(table):
    runs = choose.outcomes(table)
    runs["valid_accuracy"] = 0.5
    runs.loc[runs["run_id"] == "f", "valid_loss"] = 0.0
    runs.loc[runs["run_id"] != "f", "valid_loss"] = 1.0
    assert choose.best(runs, 2)["run_id"].tolist() == ["f", "a"]


@settings(max_examples=25, deadline=None)  # each sorts a frame four times
@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.integers(1, 12), st.randoms())
def test_permuting_test_numbers_changes_no_choice(accuracies, k, random):
    n = len(accuracies)
    runs = pd.DataFrame({"run_id": [f"{i:02}" for i in range(n)], "status": "finished", "valid_accuracy": accuracies})
    runs["valid_loss"] = 1 - runs["valid_accuracy"]
    for name in ("test_accuracy", "test_accuracy_last"):
        runs[name] = [random.random() for _ in range(n)]
    before = choose.best(runs, k)["run_id"].tolist()
    order = random.sample(range(n), n)
    shuffled = runs.assign(**{name: runs[name].to_numpy()[order] for name in ("test_accuracy", "test_accuracy_last")})
    assert choose.best(shuffled, k)["run_id"].tolist() == before
    assert choose.best(shuffled.iloc[order], k)["run_id"].tolist() == before


@given(st.one_of(st.none(), st.integers(1, 50)), st.integers(1, 200))
def test_at_most_a_third_of_the_cells_count_as_best(k, cells):
    used = choose.allowed(k, cells)
    assert used >= 1
    assert used == 1 or 3 * used <= cells
    assert k is None or used <= k


def test_the_cap_counts_diverged_cells_too(table):
    assert len(choose.best(choose.outcomes(table), 5)) == 2  # six cells, four of them finished


def test_summary_is_that_of_student_t():
    values = [0.91, 0.95, 0.97, 0.90]
    n, mean, sd, low, high = choose.summary(values)
    assert (n, mean, sd) == (4, pytest.approx(np.mean(values)), pytest.approx(np.std(values, ddof=1)))
    expected = stats.t.interval(0.95, 3, loc=mean, scale=sd / 2)
    assert (low, high) == pytest.approx(expected)


def test_summary_of_one_value_has_no_spread():
    one = choose.summary([0.5, np.nan])
    assert one.n == 1 and one.mean == 0.5
    assert np.isnan([one.sd, one.low, one.high]).all()
    assert choose.summary([]).n == 0


def test_a_group_in_which_nothing_finished_is_still_reported(table):
    runs = choose.outcomes(table).assign(group=["good", "good", "bad", "bad", "good", "good"])
    chosen = choose.best_of_groups(runs, ["group"], 1)
    summaries = chosen[chosen["kind"] == "summary"].set_index("group")
    assert summaries.loc["bad", ["n", "cells", "lost"]].tolist() == [0, 2, 2]
    assert summaries.loc["good", ["n", "cells", "lost"]].tolist() == [1, 4, 0]
    assert chosen.loc[chosen["kind"] == "network", "run_id"].tolist() == ["a"]


def test_a_missing_group_key_is_a_group(table):
    runs = choose.outcomes(table).assign(shape=[None] * 6)
    chosen = choose.best_of_groups(runs, ["shape", "hidden_layers"], 1)
    assert (chosen["kind"] == "summary").sum() == 3
