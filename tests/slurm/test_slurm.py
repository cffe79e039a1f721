"""Snakemake on a real Slurm: whatever happens to its jobs, the tables are those of a local run, byte for byte.

Trainers wait in the middle of a run as long as there is a file `hold` and nobody asks them to stop, so that what strikes
their jobs strikes them there, however slow the machine.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

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
EPOCHS = 30
PATIENCE = float(os.environ.get("PATIENCE", 300))  # seconds; a busy machine takes minutes to start a job

# Before the script of the rule: training asks between minibatches whether it is to stop, here for the tenth time.
HOLD = """
import os
import time
from itertools import count
from pathlib import Path

from sgpipe.training.stopping import StopRequest

check, calls = StopRequest.check, count()


def hold(request):
    if next(calls) == 10 and Path("hold").exists():
        Path("held").mkdir(exist_ok=True)
        Path("held", str(os.getpid())).touch()
        while request.signal is None and Path("hold").exists():
            time.sleep(0.05)
    check(request)


StopRequest.check = hold
"""


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
        script = folder / "workflow" / "scripts" / "train_pack.py"
        script.write_text(HOLD + script.read_text())
        write(self, epochs=EPOCHS)
        # The plugin waits ten seconds for Slurm's settings, which a busy machine may need, and then asks for accounts.
        settings = folder / "settings"
        settings.write_text(Slurm.settings())
        self.program("scontrol", f'[ "$*" = \'show config\' ] || exec {shutil.which("scontrol")} "$@"\ncat {settings}')

    def program(self, name: str, script: str) -> None:
        """Put a program before one of Slurm's, for Snakemake to find."""
        path = self.folder / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    @property
    def environment(self) -> dict[str, str]:
        """The environment, with the programs of the test before all others."""
        known = super().environment
        return {**known, "PATH": f"{self.folder / 'bin'}:{known['PATH']}"}

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
            print(self.told())  # shown if the test fails

    def told(self) -> str:
        """Read what Snakemake has said."""
        return (self.folder / "told").read_text()

    def logs(self) -> str:
        """Read the logs of all training jobs."""
        return "".join(path.read_text() for path in self.folder.glob("results/logs/train/*.log"))

    def held(self, count: int) -> set[int]:
        """Wait until as many trainers wait in the middle of a run; return and forget their processes."""
        folder = self.folder / "held"

        def waiting() -> list[Path]:
            return [path for path in folder.glob("*") if Path("/proc", path.name).exists()]

        wait_until(lambda: len(waiting()) >= count, f"{count} trainers", PATIENCE)
        found = waiting()
        for path in found:
            path.unlink()
        return {int(path.name) for path in found}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> bytes:
    """The table of a local run."""
    project = Project(tmp_path_factory.mktemp("local"))
    write(project, epochs=EPOCHS)
    project.run(*WORDS[:-1])  # all in one pack
    return (project.folder / TABLE).read_bytes()


def test_jobs_cancelled_warned_out_of_time_and_on_a_node_that_dies_end_with_the_bytes_of_a_local_run(
    slurm, tmp_path, undisturbed
):
    project = OnSlurm(tmp_path / "remote", retries="3", jobs="2")
    hold = project.folder / "hold"
    hold.touch()
    with project.begun(*WORDS) as begun:
        struck = project.held(2)
        cancelled, late = slurm.jobs("RUNNING")
        slurm.asked("scancel", cancelled)  # srun kills what it runs as it ends: the state may or may not be saved
        slurm.limit(late, seconds=90)
        wait_until(lambda: slurm.about(late)["JobState"] == "FAILED", "the end of what is warned", PATIENCE)
        wait_until(lambda: slurm.about(cancelled)["JobState"] == "CANCELLED", "the end of what is cancelled", PATIENCE)
        wait_until(lambda: not any(Path(f"/proc/{one}").exists() for one in struck), "the end of trainers", PATIENCE)
        assert list(project.folder.glob("results/runs/??/*.checkpoint.npz"))
        assert "stopped by SIGUSR1" in project.logs()

        project.held(2)
        out_of_time = slurm.jobs("RUNNING")[0]
        slurm.limit(out_of_time, seconds=5)  # too late for a warning
        wait_until(lambda: slurm.about(out_of_time)["JobState"] == "TIMEOUT", "the time limit", PATIENCE)

        project.held(1)
        lost = slurm.jobs("RUNNING")
        early = project.stored()
        slurm.kill_node()
        hold.unlink()
        slurm.start_node()
        for job in lost:
            slurm.start_again(job)
        assert begun.wait(timeout=2 * PATIENCE) == 0
    assert [slurm.about(job)["Restarts"] for job in lost] == ["1", "1"]
    assert (project.folder / TABLE).read_bytes() == undisturbed
    late = project.stored()
    assert len(late) == 4 and early.items() <= late.items()
    assert not list(project.folder.glob("results/runs/??/*.checkpoint*"))


def test_arrays_ask_for_a_gpu_a_partition_and_an_account_of_digits(slurm, tmp_path, undisturbed):
    project = OnSlurm(tmp_path / "remote", slurm_array_jobs="train_pack", jobs="4")
    project.program("sacctmgr", "echo 4711")  # no accounts are kept here; the plugin asks whether there is such a one
    asked = ["--default-resources", "slurm_account=4711", "slurm_partition=main", "mem_mb=2000", "runtime=60"]
    of_training = ["--set-resources", "train_pack:gpu=1", "train_pack:slurm_partition=gpus"]
    with project.begun(*WORDS, *asked, *of_training) as begun:
        wait_until(lambda: any("_" in job for job in slurm.jobs()), "an array", PATIENCE)
        about = slurm.about(next(job for job in slurm.jobs() if "_" in job))
        assert (about["Account"], about["Partition"]) == ("4711", "gpus")
        assert "gpu" in about["TresPerJob"]
        assert begun.wait(timeout=2 * PATIENCE) == 0
    assert (project.folder / TABLE).read_bytes() == undisturbed


def test_what_a_partition_would_let_wait_for_ever_is_refused_before_anything_is_submitted(slurm, tmp_path):
    project = OnSlurm(tmp_path / "remote")
    before = slurm.jobs("all")
    done = project.run(*WORDS, "--default-resources", "slurm_partition=short", "runtime=60", check=False)
    assert done.returncode == 1 and slurm.jobs("all") == before
    (told,) = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("sgpipe: ")]
    assert told.startswith("sgpipe: partition short allows 1 minutes, and prepare_task ")
    assert "Traceback" not in done.stderr
