"""Strikes at whole Snakemake runs: at Snakemake, at its jobs, at all of them."""

import random
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from sgpipe.engines.cpu.engine import built
from tests.conftest import Project
from tests.faults import strikes
from tests.rules.test_workflow import SETTINGS, TABLE, write

KINDS = strikes.kinds("train_pack.py")
# A pack a run, so that there is much to strike at; the reference, which trains where nothing is built, takes its time.
WORDS = [TABLE, *SETTINGS, "pack_minutes=1e-6"]
EPOCHS = 300 if built() else 20


def new_project(folder: Path) -> Project:
    """Make a workflow folder with an experiment of four packs of a run each."""
    folder.mkdir()
    project = Project(folder)
    write(project, epochs=EPOCHS)
    return project


@dataclass(frozen=True)
class Undisturbed:
    """A Snakemake run that nobody disturbed: its table, and how long it took."""

    table: bytes
    seconds: float

    @classmethod
    def run(cls, folder: Path) -> "Undisturbed":
        """Run one."""
        project, began = new_project(folder), time.monotonic()
        project.run(*WORDS)
        return cls((folder / TABLE).read_bytes(), time.monotonic() - began)


def strike(folder: Path, draw: random.Random, undisturbed: Undisturbed) -> str:
    """Strike at one Snakemake or at two at once, then give the same command again and compare what it ends with.

    Returns:
        What happened, in words.

    Raises:
        AssertionError: Something was lost, or is other than it would have been.
    """
    project = new_project(folder)
    victims: list[subprocess.Popen] = [project.start(*WORDS) for _ in range(draw.choice([1, 1, 1, 2]))]
    moment = draw.uniform(0, 1) * undisturbed.seconds
    time.sleep(moment)
    kind = draw.choice(sorted(KINDS))
    reached = sum(KINDS[kind](victim, draw) for victim in victims[:1])  # a second one lives on
    if kind != "kill the leader":
        victims[0].wait(timeout=600)
    store = folder / "results" / "runs"
    cut = strikes.cut_a_file(store, draw) if draw.random() < 0.3 else None
    clock = [
        strikes.move_the_clock(folder / "results" / part, draw.uniform(-48, 48))
        for part in ("data", "packs")
        if draw.random() < 0.2
    ]
    early = project.stored()
    project.run(*WORDS)  # no --unlock, no --rerun-incomplete
    for victim in victims:
        victim.wait(timeout=600)
        strikes.wait_for_all(victim.pid)
    late = project.stored()
    assert (folder / TABLE).read_bytes() == undisturbed.table, f"other bytes after {kind}"
    again = {name for name, stamp in early.items() if late[name] != stamp}
    assert len(late) == 4 and (not again or (cut and again == {cut.name})), f"trained twice: {again}"
    left = list(store.glob("??/*.checkpoint*"))
    assert not left, f"left behind: {left}"
    twice = f", beside {len(victims) - 1} more" if len(victims) > 1 else ""
    words = f"{kind} ({reached}) at {moment:.1f} s with {len(early)} of 4 runs stored{twice}"
    jumps = "".join(f", clock off by {hours:.0f} h" for hours in clock)
    return f"{words}{f', cut {cut.name}' if cut else ''}{jumps}"
