"""Strikes at single processes that train: cheap, so there can be many."""

import random
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from sgpipe.results.store import Store
from tests.conftest import ROOT
from tests.faults import strikes
from tests.faults.victim import SPECS

COMMAND = [sys.executable, "-m", "tests.faults.victim"]
KINDS = strikes.kinds("tests.faults.victim")


def start(folder: Path, *words: str) -> subprocess.Popen:
    """Start a process that trains into a store."""
    return subprocess.Popen(
        [*COMMAND, str(folder), *words], cwd=ROOT, start_new_session=True, stderr=subprocess.PIPE, text=True
    )


def finish(folder: Path) -> tuple[int, str]:
    """Train to the end, without being disturbed; return exit code and error stream."""
    process = start(folder)
    _, told = process.communicate()
    return process.returncode, told


def content(folder: Path) -> dict[str, bytes]:
    """Return what an undisturbed training leaves: its table, and the weights of every run."""
    store = Store(folder)
    weights = {f"{spec.id}": store.weights_path(spec).read_bytes() for spec in SPECS}
    return {"table": (folder / "table.parquet").read_bytes(), **weights}


@dataclass(frozen=True)
class Undisturbed:
    """A training that nobody disturbed: what it left, and how long it took."""

    content: dict[str, bytes]
    seconds: float

    @classmethod
    def trained(cls, folder: Path) -> "Undisturbed":
        """Train one."""
        folder.mkdir()
        began = time.monotonic()
        code, told = finish(folder)
        assert code == 0, told
        return cls(content(folder), time.monotonic() - began)


def strike(folder: Path, draw: random.Random, undisturbed: Undisturbed) -> str:
    """Strike at trainings of a store, one to three times, then start it once more and compare what it ends with.

    Returns:
        What happened, in words.

    Raises:
        AssertionError: Something was lost, or is other than it would have been.
    """
    folder.mkdir()
    told = []
    for _ in range(draw.randint(1, 3)):
        victims = [start(folder) for _ in range(draw.choice([1, 1, 2]))]
        moment = draw.uniform(0, 1.1) * undisturbed.seconds
        time.sleep(moment)
        kind = draw.choice(sorted(KINDS))
        reached = sum(KINDS[kind](victim, draw) for victim in victims)
        for victim in victims:
            _, error = victim.communicate(timeout=120)
            assert "Traceback" not in error or "KeyboardInterrupt" in error, error
        cut = strikes.cut_a_file(folder, draw) if draw.random() < 0.4 else None
        jump = strikes.move_the_clock(folder, draw.uniform(-48, 48)) if draw.random() < 0.2 else 0
        clock = f", clock off by {jump:.0f} h" if jump else ""
        told.append(f"{kind} ({reached}) at {moment:.1f} s{f', cut {cut.name}' if cut else ''}{clock}")
    early = {path: path.stat().st_mtime_ns for path in folder.glob("??/*.parquet")}
    code, error = finish(folder)
    assert code == 0, error
    assert content(folder) == undisturbed.content, f"other bytes after {told}"
    late = {path: path.stat().st_mtime_ns for path in folder.glob("??/*.parquet")}
    again = {path for path, stamp in early.items() if late[path] != stamp}
    assert len(again) <= sum(1 for path in folder.glob("??/*.damaged*")), f"trained twice: {again}"
    left = list(folder.glob("??/*.checkpoint*"))
    assert not left, f"left behind: {left}"
    return "; ".join(told)
