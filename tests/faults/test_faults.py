"""A few faults of each kind; `make faults` strikes many times at random. docs/reliability.md has the numbers."""

import os
import random
import shutil
import signal
import subprocess
import time

import numpy as np
import pytest

from sgpipe.data import prepare
from sgpipe.engines.reference import ReferenceEngine
from sgpipe.results.store import Store
from sgpipe.training.pack import Workshop, train_pack
from tests.conftest import ROOT
from tests.faults import strikes, trainers, workflows
from tests.rules.test_workflow import TABLE

MOUNTS = ["unshare", "--map-root-user", "--mount"]


def can_mount() -> bool:
    """Return whether a process may have mounts of its own here."""
    return bool(shutil.which("unshare")) and not subprocess.run([*MOUNTS, "true"], capture_output=True).returncode


mounts = pytest.mark.skipif(not can_mount(), reason="unshare may not make mounts here")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    return trainers.Undisturbed.trained(tmp_path_factory.mktemp("undisturbed") / "store")


def shell(script: str, store) -> subprocess.CompletedProcess:
    """Run a script, in which $STORE and $TRAIN stand for the store and the training, with mounts of its own."""
    known = {**os.environ, "STORE": str(store), "TRAIN": " ".join([*trainers.COMMAND, str(store)])}
    return subprocess.run([*MOUNTS, "sh", "-c", script], cwd=ROOT, env=known, capture_output=True, text=True)


def stop_at_a_known_batch(store, number) -> tuple[int, str]:
    """Train, send a signal within the first epochs, and return exit code and error stream."""
    store.mkdir()
    victim = trainers.start(store, "8")
    while not (store / "still").exists():
        assert victim.poll() is None
        time.sleep(0.02)
    victim.send_signal(number)
    _, told = victim.communicate()
    return victim.returncode, told


@pytest.mark.long
def test_slurms_signal_saves_the_state_and_the_next_start_ends_with_the_same_bytes(tmp_path, undisturbed):
    code, told = stop_at_a_known_batch(tmp_path / "store", signal.SIGUSR1)
    assert code == 1 and told.splitlines() == [
        "sgpipe: stopped by SIGUSR1: what was under way is saved; the same command goes on from there"
    ]
    assert len(list((tmp_path / "store").glob("??/*.checkpoint.npz"))) == 1
    assert trainers.finish(tmp_path / "store") == (0, "")
    assert trainers.content(tmp_path / "store") == undisturbed.content


@mounts
@pytest.mark.long
def test_a_full_disk_is_one_line_and_what_was_trained_stays(tmp_path, undisturbed):
    store = tmp_path / "store"
    store.mkdir()
    kept = tmp_path / "kept"
    size = 60  # kB: room for some of the runs
    done = shell(
        f"mount -t tmpfs -o size={size}k none $STORE && $TRAIN; code=$?; cp -r $STORE {kept}; exit $code", store
    )
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "the disk is full; free some space and give the same command again" in done.stderr.splitlines()[-1]
    early = {path.name: path.read_bytes() for path in kept.glob("??/*.parquet")}
    assert trainers.finish(kept)[0] == 0 and trainers.content(kept) == undisturbed.content
    assert early.items() <= {path.name: path.read_bytes() for path in kept.glob("??/*.parquet")}.items()


@mounts
@pytest.mark.long
def test_results_that_may_only_be_read_are_one_line_and_stay_as_they_are(tmp_path, undisturbed):
    store = tmp_path / "store"
    stop_at_a_known_batch(store, signal.SIGTERM)
    before = {path: path.read_bytes() for path in store.rglob("*") if path.is_file()}
    done = shell("mount --bind $STORE $STORE && mount -o remount,ro,bind $STORE && $TRAIN", store)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert done.stderr.startswith("sgpipe: ") and "Read-only file system" in done.stderr, done.stderr
    assert {path: path.read_bytes() for path in store.rglob("*") if path.is_file()} == before
    assert trainers.finish(store)[0] == 0 and trainers.content(store) == undisturbed.content


class Odd(ReferenceEngine):
    """Spoils a run from its second epoch on."""

    def __init__(self, spoiled, how):
        super().__init__()
        self.spoiled, self.how, self.batches = spoiled, how, 0

    def open(self, specs, task, *more, **named):
        session = super().open(specs, task, *more, **named)
        if specs[0] == self.spoiled:
            plain = session.batch

            def batch(samples, indices, train):
                sums, gradients = plain(samples, indices, train)
                if train and session.epoch >= 2:
                    sums.loss = self.how()
                return sums, gradients

            session.batch = batch
        return session


def raise_it():
    raise ValueError("no such number")


@pytest.mark.parametrize(("how", "status"), [(lambda: np.nan, "diverged"), (raise_it, "failed")])
def test_a_run_that_is_spoiled_from_epoch_2_spoils_no_other_and_is_not_trained_again(tmp_path, tiny, how, status):
    specs = [tiny({"surrogate.beta": beta, "training.epochs": 3}) for beta in (1, 5, 20)]
    task, store = prepare(specs[0]), Store(tmp_path)
    results = train_pack(specs, task, Workshop(store, lambda spec: Odd(specs[1], how)))
    assert [result.status for result in results] == ["finished", status, "finished"]
    stamps = {path: path.stat().st_mtime_ns for path in tmp_path.glob("??/*.parquet")}
    again = train_pack(specs, task, Workshop(store, lambda spec: ReferenceEngine()))
    assert repr([result.rows for result in again]) == repr([result.rows for result in results])  # nan is not nan
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("??/*.parquet")} == stamps
    whole = train_pack(specs, task, Workshop(Store(tmp_path / "whole"), lambda spec: ReferenceEngine()))
    assert [whole[place].rows for place in (0, 2)] == [results[place].rows for place in (0, 2)]


@pytest.mark.long
@pytest.mark.parametrize("number", range(3))
def test_trainings_struck_at_random_moments_lose_nothing(tmp_path, undisturbed, number):
    trainers.strike(tmp_path / "struck", random.Random(number), undisturbed)


@pytest.mark.long
def test_two_at_once_share_the_runs_and_end_with_the_same_bytes(tmp_path, undisturbed):
    store = tmp_path / "store"
    store.mkdir()
    both = [trainers.start(store) for _ in range(2)]
    assert [(*one.communicate(), one.returncode) for one in both] == [(None, "", 0)] * 2
    assert trainers.content(store) == undisturbed.content
    assert not list(store.glob("??/*.checkpoint*"))


@pytest.mark.long
@pytest.mark.parametrize("hours", [-48, 48])
def test_a_clock_that_jumps_between_stop_and_start_changes_nothing(tmp_path, undisturbed, hours):
    store = tmp_path / "store"
    stop_at_a_known_batch(store, signal.SIGTERM)
    strikes.move_the_clock(store, hours)
    assert trainers.finish(store)[0] == 0 and trainers.content(store) == undisturbed.content


@pytest.fixture(scope="module")
def undisturbed_workflow(tmp_path_factory):
    return workflows.Undisturbed.run(tmp_path_factory.mktemp("workflow") / "run")


@pytest.mark.long
@pytest.mark.workflow
def test_a_workflow_struck_at_a_random_moment_loses_nothing(tmp_path, undisturbed_workflow):
    workflows.strike(tmp_path / "struck", random.Random(1), undisturbed_workflow)


@pytest.mark.long
@pytest.mark.workflow
def test_two_snakemakes_at_once_and_a_clock_that_jumps_train_nothing_twice(tmp_path, undisturbed_workflow):
    project = workflows.new_project(tmp_path / "shared")
    both = [project.start(*workflows.WORDS) for _ in range(2)]
    for one in both:
        one.wait()
    project.run(*workflows.WORDS)  # where one took the other's files for its own unfinished ones
    stored = project.stored()
    assert len(stored) == 4 and (project.folder / TABLE).read_bytes() == undisturbed_workflow.table
    for part, hours in (("data", 48), ("packs", -48), ("smoke", -24)):
        strikes.move_the_clock(project.folder / "results" / part, hours)
    project.run(*workflows.WORDS)
    assert project.stored() == stored and (project.folder / TABLE).read_bytes() == undisturbed_workflow.table
    strikes.move_the_clock(project.folder / "results" / "packs", 96)  # Snakemake makes nothing from files of the future
    (project.folder / TABLE).unlink()
    project.run(*workflows.WORDS)
    assert project.stored() == stored and (project.folder / TABLE).read_bytes() == undisturbed_workflow.table
