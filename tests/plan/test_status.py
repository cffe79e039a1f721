"""`sgpipe status` and `sgpipe show`: read from the store, its locks and checkpoints alone."""

import subprocess
import sys
import time

import numpy as np
import pytest

from sgpipe.base.arrays import save_arrays
from sgpipe.cli import main
from sgpipe.plan.plan import make_plan
from sgpipe.results.store import Result, Row, checkpoint_before
from sgpipe.spec.config import load_config

YAML = """
paper: mine
base:
  data: {classes: 3, samples_per_class: 30, units: 8, steps: 30, tau: 20, alpha: 2}
  network: {hidden: [12]}
  training: {epochs: 4, batch_size: 16}
experiments:
  mine_fig1:
    title: Two shapes
    draw: zenke2021.fig3
    sweeps:
      shapes: {grid: {surrogate.shape: [superspike, sigmoid], surrogate.beta: [1, 10, 100], optimiser.lr: [0.05]}}
"""
PROGRESS = (
    b'{"epoch": 1, "sound": true, "rows": [], "best_epoch": 0, "best": [-1.0, 0.0], "seconds": 30.0, '
    b'"trained": null, "engine": "cpu"}'
)
ROWS = (Row(4, "valid", 0.5, 0.0, 0.75, (3.5,), True), Row(4, "test", 0.6, 0.0, 0.7, (3.25,), True))


@pytest.fixture
def plan(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text(YAML)
    (tmp_path / "config.yaml").write_text("experiments: [mine.yaml]\nscale: smoke\nresults: kept\n")
    return make_plan(load_config("config.yaml"))


@pytest.fixture
def runs(plan):
    return list(plan.experiment("mine_fig1").runs.values())


def provenance(**more):
    return {"seconds": 12.0, "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 12)), **more}


def test_each_run_is_counted_once_by_what_the_store_and_its_locks_say(plan, runs, capsys):
    store = plan.store
    store.put(Result(runs[0], "finished", ROWS, provenance=provenance()))
    store.put(Result(runs[1], "diverged", ROWS, provenance=provenance()))
    store.put(Result(runs[2], "failed", (), "ValueError: no such thing", provenance()))
    for run in runs[3:5]:
        save_arrays(store.checkpoint_path(run), {"progress": np.frombuffer(PROGRESS, np.uint8)})
    with store.lock(runs[3]):
        assert main(["status"]) == 0
    told = capsys.readouterr().out
    line = next(line.split() for line in told.splitlines() if line.startswith("mine_fig1"))
    assert line[:6] == ["mine_fig1", "6", "2", "1", "1", "2"]  # runs, done, running, failed, to do
    assert "core-hours: 0.03 spent, 0.05 left" in told  # 3 x 12 s and 2 x 30 s; of two runs three epochs of 30 s
    assert "3 runs ended in the last" in told and "left at 1 run at a time" in told
    assert "of those to do 1 has a saved state" in told and "1 diverged, which is a result" in told
    assert f"failed: 1 run, e.g. {runs[2].id} of mine_fig1: ValueError: no such thing" in told
    main(["status"])
    assert "nothing is running; `snakemake` trains what is left" in capsys.readouterr().out


def test_damaged_files_are_left_to_who_needs_them(plan, runs, capsys):
    store = plan.store
    for path in (store.path(runs[0]), store.checkpoint_path(runs[1]), store.checkpoint_path(runs[2])):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"PK\x03\x04 cut short")
    save_arrays(checkpoint_before(store.checkpoint_path(runs[2])), {"progress": np.frombuffer(PROGRESS, np.uint8)})
    before = sorted(path.name for path in store.root.glob("??/*"))
    assert main(["status"]) == 0
    told = capsys.readouterr()
    assert "of those to do 1 has a saved state" in told.out and not told.err
    assert sorted(path.name for path in store.root.glob("??/*")) == before


def test_watching_ends_when_all_has_ended(plan, runs, capsys):
    for run in runs:
        plan.store.put(Result(run, "finished", ROWS, provenance=provenance()))
    assert main(["status", "--watch", "1"]) == 0
    assert capsys.readouterr().out.count("all, shared once") == 1


def test_show_tells_all_about_a_run_by_the_beginning_of_its_id(plan, runs, capsys):
    spec = runs[1]
    plan.store.put(Result(spec, "finished", ROWS, provenance=provenance(git="abc123", engine="cpu", machine="x86_64")))
    assert main(["show", spec.id[:8]]) == 0
    told = capsys.readouterr().out
    assert f"run {spec.id}, of mine_fig1 at scale smoke" in told and "finished after 4 of 4 epochs" in told
    assert " *surrogate.beta " not in told and "  surrogate.beta                 10.0" in told  # the default
    assert " *training.epochs                4" in told and "git abc123" in told and "engine cpu" in told
    assert f"sgpipe train {spec.id} --set scale=smoke results=again" in told

    main(["show", runs[2].id])
    told = capsys.readouterr().out
    assert "not trained yet" in told and "(not there)" in told


def test_the_command_that_show_prints_trains_that_run_alone(plan, runs, capsys):
    main(["show", runs[0].id])
    words = capsys.readouterr().out.splitlines()[-1].split()
    assert words[:2] == ["sgpipe", "train"] and main(words[1:]) == 0
    assert len(list(plan.store.root.parent.parent.glob("again/runs/??/*.parquet"))) == 1
    main(["show", runs[0].id, "--set", "results=again"])
    assert "finished after 4 of 4 epochs" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("start", "message"),
    [
        ("x1", "run 'x1': is no run id, nor the beginning of one: up to 16 digits from 0 to f"),
        ("ffffffffffffffff", "run ffffffffffffffff: neither the plan nor the store has it"),
    ],
)
def test_what_is_no_run_is_one_line(plan, start, message, capsys):
    assert main(["show", start]) == 1
    told = capsys.readouterr().err
    assert told.startswith(f"sgpipe: {message}") and told.count("\n") == 1


def test_several_runs_that_begin_so_are_named(plan, runs, capsys):
    first = {}
    pair = next((first[run.id[0]], run.id) for run in runs if first.setdefault(run.id[0], run.id) != run.id)
    assert main(["show", pair[0][0]]) == 1
    told = capsys.readouterr().err
    assert all(run_id in told for run_id in pair) and "begin so; give more digits" in told


def test_the_plan_says_how_far_its_estimate_was_off(plan, runs, capsys):
    plan.store.put(Result(runs[0], "finished", ROWS, provenance=provenance()))
    main(["plan"])
    told = capsys.readouterr().out
    assert "randman, lif" in told and f"slowest beside its estimate: run {runs[0].id}" in told


def test_each_further_attempt_asks_for_twice_the_memory_and_in_the_end_the_time(plan):
    (pack,) = plan.packs
    memory = [plan.pack(pack).memory_mb(attempt) for attempt in (1, 2, 3)]
    assert memory == [memory[0], 2 * memory[0], 4 * memory[0]]
    minutes = [plan.minutes(pack, attempt) for attempt in (1, 2, 3, 4)]
    assert minutes[0] <= minutes[1] and minutes[2:] == [2 * minutes[1], 4 * minutes[1]]


def test_neither_command_loads_torch(plan):
    code = "import sys; from sgpipe.cli import main; main(['status']); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0
