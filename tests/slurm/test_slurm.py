"""Snakemake on a real Slurm: whatever happens to its jobs, the tables are those of a local run, byte for byte.

Trainers are stopped (SIGSTOP) as they are seen, so that what strikes their jobs strikes them in the middle. Slurm wakes
what it ends.
"""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from sgpipe.engines.cpu.engine import built
from tests.conftest import Project
from tests.rules.test_workflow import SETTINGS, TABLE, write
from tests.slurm.cluster import Slurm, wait_until, why_not

pytestmark = [pytest.mark.slurm, pytest.mark.skipif(bool(why_not()), reason=why_not())]

# What a site sets, and the tests' patience; all else is the profile's own.
SITE = {
    "slurm-status-command": "squeue",
    "slurm-init-seconds-before-status-checks": "2",
    "seconds-between-status-checks": "2",
    "latency-wait": "5",
}
WORDS = [TABLE, *SETTINGS, "pack_minutes=1e-6"]  # a pack a run
EPOCHS = 1500 if built() else 30
PATIENCE = float(os.environ.get("PATIENCE", 300))  # seconds; a busy machine takes minutes to start a job


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    with Slurm(tmp_path_factory.mktemp("slurm")) as slurm:
        yield slurm


class OnSlurm(Project):
    """A workflow folder whose Snakemake submits its jobs as profiles/slurm says, but for a site's own lines."""

    def __init__(self, folder: Path, **lines: str):
        folder.mkdir()
        super().__init__(folder)
        profile = folder / "profiles" / "slurm" / "config.yaml"
        own = {**SITE, **{name.replace("_", "-"): value for name, value in lines.items()}}
        kept = [line for line in profile.read_text().splitlines() if line.partition(":")[0] not in own]
        profile.write_text("\n".join([*kept, *(f"{name}: {value}" for name, value in own.items())]) + "\n")
        write(self, epochs=EPOCHS)

    def command(self, *words):
        return [*super().command()[:3], "--profile", "profiles/slurm", *words]

    @contextmanager
    def begun(self, *words) -> Iterator[subprocess.Popen]:
        """Start Snakemake, with what it says in a file; end it with the block, if it has not ended."""
        with open(self.folder / "told", "w") as told:
            begun = subprocess.Popen(
                self.command(*words), cwd=self.folder, env=self.environment, stdout=told, stderr=subprocess.STDOUT
            )
        try:
            yield begun
        finally:
            begun.kill()
            begun.wait()

    def told(self) -> str:
        """Read what Snakemake has said."""
        return (self.folder / "told").read_text()

    def stop_trainers(self, count: int) -> set[int]:
        """Wait until as many processes train as are meant to, each stopped as it is seen; return them."""
        stopped: set[int] = set()

        def enough() -> bool:
            for process in trainers(self.folder) - stopped:
                os.kill(process, signal.SIGSTOP)
                stopped.add(process)
            return len(stopped) >= count

        wait_until(enough, f"{count} trainers\n{self.told()}", PATIENCE, every=0.05)
        return stopped


def trainers(folder: Path) -> set[int]:
    """List the processes that hold the lock of a run below a folder."""
    locks = str(folder / "results" / "runs" / "locks")
    return {
        int(entry.name)
        for entry in Path("/proc").glob("[0-9]*")
        if any(place.startswith(locks) for place in _open_files(entry))
    }


def _open_files(entry: Path) -> list[str]:
    try:
        return [os.readlink(file) for file in (entry / "fd").iterdir()]
    except OSError:  # it has ended meanwhile
        return []


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> bytes:
    """The table of a local run."""
    project = Project(tmp_path_factory.mktemp("local"))
    write(project, epochs=EPOCHS)
    project.run(*WORDS)
    return (project.folder / TABLE).read_bytes()


def test_jobs_cancelled_out_of_time_and_on_a_node_that_dies_end_with_the_bytes_of_a_local_run(
    slurm, tmp_path, undisturbed
):
    project = OnSlurm(tmp_path / "remote", retries="2", jobs="2")
    with project.begun(*WORDS) as begun:
        struck = project.stop_trainers(2)
        cancelled, late = slurm.jobs("RUNNING")
        slurm.asked("scancel", cancelled)
        slurm.asked("scontrol", "update", f"JobId={late}", f"EndTime={datetime.now() + timedelta(seconds=5):%FT%T}")
        wait_until(lambda: slurm.about(late)["JobState"] == "TIMEOUT", "the time limit", PATIENCE)
        assert slurm.about(cancelled)["JobState"] == "CANCELLED"
        wait_until(lambda: not struck & trainers(project.folder), "the end of what was struck", PATIENCE)
        assert len(list(project.folder.glob("results/runs/??/*.checkpoint.npz"))) == 2, project.told()

        project.stop_trainers(2)
        lost = slurm.jobs("RUNNING")
        early = project.stored()
        slurm.kill_node()
        slurm.start_node()
        for job in lost:  # which Slurm would let wait for two minutes
            slurm.asked("scontrol", "update", f"JobId={job}", "StartTime=now")
        assert begun.wait(timeout=2 * PATIENCE) == 0, project.told()
    assert [slurm.about(job)["Restarts"] for job in lost] == ["1", "1"]
    assert (project.folder / TABLE).read_bytes() == undisturbed
    late = project.stored()
    assert len(late) == 4 and early.items() <= late.items()
    assert not list(project.folder.glob("results/runs/??/*.checkpoint*"))


def test_arrays_ask_for_a_gpu_a_partition_and_an_account_of_digits(slurm, tmp_path, undisturbed, monkeypatch):
    # No accounts are kept here; the plugin asks whether there is such a one.
    known = tmp_path / "bin" / "sacctmgr"
    known.parent.mkdir()
    known.write_text("#!/bin/sh\necho 4711\n")
    known.chmod(0o755)
    monkeypatch.setenv("PATH", f"{known.parent}:{os.environ['PATH']}")
    project = OnSlurm(tmp_path / "remote", slurm_array_jobs="train_pack", jobs="2")
    asked = ["--default-resources", "slurm_account=4711", "slurm_partition=main", "mem_mb=2000", "runtime=60"]
    of_training = ["--set-resources", "train_pack:gpu=1", "train_pack:slurm_partition=gpus"]
    with project.begun(*WORDS, *asked, *of_training) as begun:
        wait_until(lambda: any("_" in job for job in slurm.jobs()), f"an array\n{project.told()}", PATIENCE)
        about = slurm.about(next(job for job in slurm.jobs() if "_" in job))
        assert (about["Account"], about["Partition"]) == ("4711", "gpus")
        assert "gpu" in about["TresPerJob"]
        assert begun.wait(timeout=2 * PATIENCE) == 0, project.told()
    assert (project.folder / TABLE).read_bytes() == undisturbed


def test_what_a_partition_would_let_wait_for_ever_is_refused_before_anything_is_submitted(slurm, tmp_path):
    project = OnSlurm(tmp_path / "remote")
    before = slurm.jobs("all")
    done = project.run(*WORDS, "--default-resources", "slurm_partition=short", "runtime=60", check=False)
    assert done.returncode == 1 and slurm.jobs("all") == before
    (told,) = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("sgpipe: ")]
    assert told.startswith("sgpipe: partition short allows 1 minutes, and prepare_task ")
    assert "Traceback" not in done.stderr
