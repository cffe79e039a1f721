"""A Slurm of one node, started for the tests and stopped after them; the node is this machine.

The daemons want to be root's, and their commands look for /etc/slurm/slurm.conf, which must therefore not be there yet.
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

SETTINGS = Path("/etc/slurm")
PROGRAMS = ("slurmctld", "slurmd", "munged", "sbatch", "squeue", "scancel", "scontrol")
CORES = min(4, os.cpu_count() or 1)

# A second partition allows a minute, a third has a GPU, which is none. A node that a busy machine keeps from answering does
# not count as dead, and finished jobs stay on the list, which alone says how they ended where no accounts are kept.
CONFIGURATION = """
ClusterName=tested
SlurmctldHost={host}
SlurmUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdTimeout=300
MessageTimeout=60
InactiveLimit=0
KillWait=30
MinJobAge=3600
ReturnToService=2
GresTypes=gpu
NodeName={host} CPUs={cores} RealMemory={memory} Gres=gpu:1 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
PartitionName=short Nodes={host} MaxTime=1 State=UP
PartitionName=gpus Nodes={host} MaxTime=60 State=UP
"""


def why_not() -> str:
    """Say in a few words why no Slurm can be started here; nothing if one can."""
    lacking = [name for name in PROGRAMS if not _program(name)]
    if lacking:
        return f"Slurm is not installed: no {lacking[0]}"
    if os.geteuid() != 0:
        return "Slurm's daemons can be started by root alone"
    if (SETTINGS / "slurm.conf").exists():
        return f"a Slurm is set up here already, in {SETTINGS}"
    return ""


def _program(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")


class Slurm:
    """The daemons, and what is asked of them."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.host = os.uname().nodename.partition(".")[0]
        self._own_munge = False

    def __enter__(self) -> "Slurm":
        for name in ("state", "spool"):
            (self.folder / name).mkdir(parents=True)
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
        text = CONFIGURATION.format(folder=self.folder, host=self.host, cores=CORES, memory=memory * 3 // 4)
        SETTINGS.mkdir(exist_ok=True)
        (SETTINGS / "slurm.conf").write_text(text)
        (SETTINGS / "gres.conf").write_text(f"NodeName={self.host} Name=gpu File=/dev/zero\n")
        try:
            self._start_munge()
            _call("slurmctld")
            self.start_node()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for job in self.jobs():
            subprocess.run(["scancel", job], capture_output=True)
        for name in ("slurmd.pid", "slurmctld.pid"):
            _end(self.folder / name)
        if self._own_munge:
            _end(Path("/run/munge/munged.pid"))
        for name in ("slurm.conf", "gres.conf"):
            (SETTINGS / name).unlink(missing_ok=True)

    def _start_munge(self) -> None:
        """Start what signs the daemons' messages, unless it runs."""
        if subprocess.run(["munge", "-n"], capture_output=True).returncode == 0:
            return
        run = Path("/run/munge")
        run.mkdir(exist_ok=True)
        shutil.chown(run, "munge", "munge")
        run.chmod(0o755)
        subprocess.run(["runuser", "-u", "munge", "--", _program("munged")], check=True)
        self._own_munge = True
        wait_until(lambda: subprocess.run(["munge", "-n"], capture_output=True).returncode == 0, "munge")

    def start_node(self) -> None:
        """Start the node's daemon, and wait until jobs can run on it."""
        wait_until(lambda: subprocess.run(["scontrol", "ping"], capture_output=True).returncode == 0, "slurmctld")
        _call("slurmd", "-N", self.host)
        wait_until(lambda: self.node() in ("idle", "mixed", "allocated"), "the node")

    def limit(self, job: str, seconds: float) -> None:
        """Have the time limit of a job strike some seconds from now."""
        self.asked("scontrol", "update", f"JobId={job}", f"EndTime={datetime.now() + timedelta(seconds=seconds):%FT%T}")

    def kill_node(self) -> None:
        """Kill the node's daemon and all that runs below it, as if the power had gone, and have Slurm know of it at once."""
        daemon = int((self.folder / "slurmd.pid").read_text())
        steps = [int(step) for step in self.asked("pgrep", "-x", "slurmstepd").split()]
        for process in (daemon, *steps, *(child for step in steps for child in _below(step))):
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.asked("scontrol", "update", f"NodeName={self.host}", "State=DOWN", "Reason=power")
        wait_until(lambda: self.node() == "down", "the end of the node")

    def start_again(self, job: str) -> None:
        """Start a job of a dead node again, once the node is back: Slurm itself waits for two minutes.

        It waits so long for what the node may still say of the job's first start. Slurm 22.05 dies of what comes too late.
        """
        wait_until(lambda: self.about(job)["JobState"] == "PENDING", f"job {job} to be queued again")
        time.sleep(5)
        self.asked("scontrol", "update", f"JobId={job}", "StartTime=now")

    def node(self) -> str:
        """Ask for the node's state, such as `idle`."""
        return self.asked("sinfo", "--noheader", "--partition", "main", "--format", "%T").strip().rstrip("*~#!%$@+^-")

    def jobs(self, *states: str) -> list[str]:
        """List the ids of jobs that wait or run, or of those in some states."""
        asked = ["--states", ",".join(states)] if states else []
        return self.asked("squeue", "--noheader", "--array", "--format", "%i", *asked).split()

    def about(self, job: str) -> dict[str, str]:
        """Ask for all that is known of a job, by Slurm's names."""
        words = self.asked("scontrol", "show", "job", job, "--oneliner").split()
        return dict(word.split("=", 1) for word in words if "=" in word)

    @classmethod
    def settings(cls) -> str:
        """Ask for Slurm's settings, which it may take some time to tell."""
        wait_until(lambda: "MinJobAge" in cls.asked("scontrol", "show", "config"), "Slurm's settings", 120)
        return cls.asked("scontrol", "show", "config")

    @staticmethod
    def asked(*words: str) -> str:
        """Return what a command prints."""
        return subprocess.run(words, capture_output=True, text=True).stdout


def wait_until(true: Callable[[], object], what: str, seconds: float = 30.0, every: float = 0.2) -> None:
    """Wait for something to hold; raise TimeoutError, with the word for it, if it does not."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:.0f} s for {what}")
        time.sleep(every)


def _call(name: str, *words: str) -> None:
    subprocess.run([_program(name), *words], check=True, capture_output=True)


def _below(process: int) -> list[int]:
    """List the processes that one has started, and those that these have."""
    found = []
    for file in Path(f"/proc/{process}/task").glob("*/children"):
        for child in map(int, file.read_text().split()):
            found += [child, *_below(child)]
    return found


def _end(file: Path) -> None:
    """End the process whose number is in a file."""
    try:
        process = int(file.read_text())
        os.kill(process, signal.SIGTERM)
        wait_until(lambda: not Path(f"/proc/{process}").exists(), f"the end of {file.stem}", 10)
    except (OSError, ValueError, TimeoutError):
        return
