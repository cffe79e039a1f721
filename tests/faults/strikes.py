"""What can happen to processes that train, and to their files; drawn from a random stream, so that it can be repeated."""

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)


def of_session(leader: int, word: str = "") -> list[int]:
    """List the living processes of a session, by what their command lines must contain."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            state, _, _, session = (entry / "stat").read_text().rpartition(")")[2].split()[:4]
            if int(session) == leader and state != "Z" and word in (entry / "cmdline").read_text():
                found.append(int(entry.name))
        except (OSError, ValueError):  # it has ended meanwhile
            continue
    return found


def send(processes: Sequence[int], number: int) -> int:
    """Send a signal to some processes; return how many were still there."""
    reached = 0
    for process in processes:
        try:
            os.kill(process, number)
            reached += 1
        except ProcessLookupError:
            continue
    return reached


def wait_for_all(leader: int, seconds: float = 120.0) -> None:
    """Wait until no process of a session is left."""
    deadline = time.monotonic() + seconds
    while of_session(leader):
        if time.monotonic() > deadline:
            raise TimeoutError(f"processes of session {leader} live on: {of_session(leader)}")
        time.sleep(0.05)


def cut_a_file(root: Path, draw: random.Random) -> Path | None:
    """Cut a random result or checkpoint below a store at a random byte; return which, None if there is none yet."""
    files = sorted([*root.glob("??/*.parquet"), *root.glob("??/*.checkpoint*.npz")])
    if not files:
        return None
    path = draw.choice(files)
    path.write_bytes(path.read_bytes()[: draw.randrange(path.stat().st_size or 1)])
    return path


def move_the_clock(folder: Path, hours: float) -> float:
    """Give all files below a folder times of change as a clock that jumped would have; return by how many hours."""
    for path in folder.rglob("*"):
        if path.is_file():
            stamp = path.stat().st_mtime + 3600 * hours
            os.utime(path, (stamp, stamp))
    return hours


def kinds(trainer: str) -> dict[str, Callable[[subprocess.Popen, random.Random], int]]:
    """Return the ways to strike at a process that leads a session of its own; each returns how many were reached.

    Args:
        trainer: Is in the command line of the processes that train.
    """
    return {
        "kill the leader": lambda leader, draw: send([leader.pid], signal.SIGKILL),
        "kill all": lambda leader, draw: send(of_session(leader.pid), signal.SIGKILL),
        "kill a trainer": lambda leader, draw: send(of_session(leader.pid, trainer), signal.SIGKILL),
        "stop a trainer": lambda leader, draw: send(of_session(leader.pid, trainer), draw.choice(STOPS)),
        "stop all": lambda leader, draw: send(of_session(leader.pid), draw.choice(STOPS)),
    }
