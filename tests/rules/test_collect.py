"""A table that is collected again loses nothing, even if the store is gone."""

import pyarrow.parquet as pq

from sgpipe.plan.plan import make_plan
from sgpipe.results.store import Result, Row
from sgpipe.rules import aggregate
from sgpipe.rules.aggregate import collect
from sgpipe.spec.config import read_config
from tests.conftest import ROOT

NAME = "zenke2021_fig3"


def planned(results):
    return make_plan(
        read_config(
            {"scale": "smoke", "results": str(results), "experiments": [f"{ROOT}/workflow/experiments/zenke2021.yaml"]}
        )
    )


def put(plan, specs, status="finished"):
    for spec in specs:
        spikes = (3.0,) * len(spec.network.hidden)
        rows = [Row(1, split, 0.5, 1e-3, 0.9, spikes, True, 0.25) for split in ("valid", "test")]
        plan.store.put(
            Result(spec, status, tuple(rows) if status == "finished" else (), error="x" if status == "failed" else "")
        )


def test_runs_that_only_the_table_has_stay_as_they_were(tmp_path):
    one, other, whole = (planned(tmp_path / name) for name in ("one", "other", "whole"))
    first, *rest = one.experiment(NAME).runs.values()
    middle, last = rest[: len(rest) // 2], rest[len(rest) // 2 :]
    put(one, [first], "failed")
    put(one, middle)
    put(other, last)
    put(whole, [first], "failed")
    put(whole, [*middle, *last])
    ended, planned_runs = collect(one, NAME, tmp_path / "table.parquet")
    assert 0 < ended < planned_runs
    assert collect(other, NAME, tmp_path / "table.parquet") == (planned_runs, planned_runs)
    collect(whole, NAME, tmp_path / "at_once.parquet")
    assert (tmp_path / "table.parquet").read_bytes() == (tmp_path / "at_once.parquet").read_bytes()


def test_but_not_those_of_older_numerics(tmp_path, monkeypatch):
    one, other = (planned(tmp_path / name) for name in ("one", "other"))
    first, second, *_ = one.experiment(NAME).runs.values()
    put(one, [first])
    put(other, [second])
    collect(one, NAME, tmp_path / "table.parquet")
    monkeypatch.setattr(aggregate, "versions", lambda spec: "trainer=2")
    assert collect(other, NAME, tmp_path / "table.parquet")[0] == 1
    assert set(pq.read_table(tmp_path / "table.parquet")["run_id"].to_pylist()) == {second.id}
