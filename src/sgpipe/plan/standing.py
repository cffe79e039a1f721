"""The state of each run of a plan, read from its store alone: ended, locked by a process, or saved part of the way.

This works on any machine that sees the results folder, while the jobs run on others.
"""

import calendar
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sgpipe.base.errors import SgpipeError
from sgpipe.base.parquet import read_metadata
from sgpipe.plan.plan import Plan
from sgpipe.results.store import CHECKPOINT
from sgpipe.spec.run import RunSpec
from sgpipe.training.checkpoint import Progress, peek


@dataclass(frozen=True)
class Ended:
    """How a run has ended."""

    status: str
    error: str
    seconds: float  # of one core; 0 if its file does not say
    at: float  # seconds since 1970


@dataclass(frozen=True)
class Standing:
    """The states of a plan's runs: each is in `ended`, in `running`, or yet to be done."""

    runs: Mapping[str, RunSpec]
    ended: Mapping[str, Ended]
    running: frozenset[str]
    saved: Mapping[str, Progress]  # states of runs that have not ended, whether or not they are running
    at: float

    def failed(self) -> list[str]:
        """List the runs that raised an error."""
        return [run_id for run_id, one in self.ended.items() if one.status == "failed"]


class Looker:
    """Looks at a plan's runs again and again; a file that has not changed is read once.

    Folders are listed rather than asked for thousands of files, of which a plan's beginning has few.
    """

    def __init__(self, plan: Plan):
        self.store = plan.store
        self.runs = {run.id: run for pack in plan.packs.values() for run in pack.runs}
        self.paths = {run_id: self.store.path(run) for run_id, run in self.runs.items()}
        self.known: dict[Path, tuple[int, Ended]] = {}

    def look(self) -> Standing:
        """Return where every run stands now."""
        there = {path.name for path in self.store.root.glob("??/*")}
        names = self.paths.items()
        ended = {run_id: found for run_id, path in names if path.name in there and (found := self._ended(path))}
        begun = {name.partition(".")[0] for name in there if CHECKPOINT in name}
        waiting = [(run_id, path) for run_id, path in names if run_id not in ended]
        states = {run_id: peek(path.with_suffix(f"{CHECKPOINT}.npz")) for run_id, path in waiting if path.stem in begun}
        saved = {run_id: progress for run_id, progress in states.items() if progress}
        running = self.store.locked() & {run_id for run_id, _ in waiting}
        return Standing(self.runs, ended, frozenset(running), saved, time.time())

    def _ended(self, path: Path) -> Ended | None:
        try:
            changed = path.stat().st_mtime_ns
        except OSError:
            return None
        if path not in self.known or self.known[path][0] != changed:
            self.known[path] = changed, _read(path, changed * 1e-9)
        return self.known[path][1]


def _read(path: Path, changed: float) -> Ended | None:
    try:
        about = read_metadata(path)
        known = json.loads(about["sgpipe.provenance"])
        seconds = float(known.get("seconds") or 0.0)
        return Ended(
            about["sgpipe.status"], about["sgpipe.error"], seconds, min(changed, _end(known, seconds, changed))
        )
    except (SgpipeError, KeyError, ValueError, TypeError, AttributeError, OSError):
        return None  # damaged: whoever needs the run sets the file aside and trains it again


def _end(known: Mapping, seconds: float, changed: float) -> float:
    """Return when a run ended that was perhaps brought here from another store later."""
    try:
        return calendar.timegm(time.strptime(known["started"], "%Y-%m-%dT%H:%M:%SZ")) + seconds + 1
    except (KeyError, ValueError, TypeError):
        return changed
