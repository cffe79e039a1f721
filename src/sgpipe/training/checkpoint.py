"""The state of an unfinished run, as a file: its progress, its session's arrays, and its best weights so far.

The previous file is kept beside it (`.checkpoint.prev.npz`), in case the latest one is damaged.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path

import numpy as np

from sgpipe.base.arrays import load_arrays, save_arrays
from sgpipe.base.errors import SgpipeError
from sgpipe.base.log import LOG
from sgpipe.engines.interface import UNDER_WAY, Measures, Session, Weights
from sgpipe.results.store import Row, checkpoint_before, checkpoint_to_be

STATE, BEST = "state.", "best."


@dataclass
class Progress:
    """The progress of an unfinished run: everything that is not in the session."""

    epoch: int = 0
    sound: bool = True  # False once it has diverged
    rows: list[Row] = field(default_factory=list)
    best_epoch: int = 0
    best: tuple[float, float] = (-1.0, 0.0)  # validation accuracy, then minus validation loss
    best_weights: Weights = field(default_factory=dict)
    seconds: float = 0.0
    trained: Measures | None = None  # of the epoch after `epoch`, if that is trained but not yet evaluated
    engine: str = ""


PLAIN = {item.name for item in fields(Progress)} - {"best_weights"}
LATER = {"trained", "engine"}  # fields that checkpoints of earlier versions lack


def save_checkpoints(paths: Sequence[Path], session: Session, runs: Sequence[Progress]) -> None:
    """Save the states of a session's runs. The previous checkpoints are kept beside them until the next time.

    Args:
        paths: A file for each run.
        session: The session.
        runs: The progress of its runs.
    """
    for path, state, run in zip(paths, session.states(), runs, strict=True):
        plain = {name: getattr(run, name) for name in PLAIN} | {"rows": [asdict(row) for row in run.rows]}
        plain |= {"trained": run.trained and asdict(run.trained)}
        arrays = {STATE + name: array for name, array in state.items()}
        arrays |= {BEST + name: array for name, array in run.best_weights.items()}
        new = checkpoint_to_be(path)
        save_arrays(new, {**arrays, "progress": np.frombuffer(json.dumps(plain).encode(), np.uint8)})
        if path.exists():
            os.replace(path, checkpoint_before(path))
        os.replace(new, path)


def resume(session: Session, paths: Sequence[Path], engine: str) -> list[Progress]:
    """Load saved states into a session, if every run has an intact one that fits and all are at the same place.

    Args:
        session: The session; it stays as it was if nothing is loaded.
        paths: A file for each run.
        engine: The name of the session's engine.

    Returns:
        The progress of the runs; empty if nothing is loaded.
    """
    kept = [_load(path) for path in paths]
    if not kept or any(one is None for one in kept):
        return []
    for path, (state, progress), own in zip(paths, kept, session.states(), strict=True):
        if not _shapes(own).items() <= _shapes(state).items():  # an optimiser may have begun to average since
            _leave(path, "it is of another network or engine")
            return []
        if _within(state) and progress.engine != engine:
            _leave(path, f"it stands within an epoch of the engine {progress.engine}")
            return []
        if _place(state, progress) != _place(*kept[0]):
            _leave(path, "it stands elsewhere than those of the runs in step with it")
            return []
    session.load([state for state, _ in kept])
    return [progress for _, progress in kept]


Place = tuple[int, bool, bool]


def place_of(path: Path) -> Place:
    """Read a checkpoint's place: (epochs done, whether within the next, whether the next still has to be evaluated).

    Runs can be trained in step only from the same place. Without a usable checkpoint it is that of the start.
    """
    kept = _load(path)
    return _place(*kept) if kept else (0, False, False)


def _place(state: Weights, progress: Progress) -> Place:
    return progress.epoch, _within(state), progress.trained is not None


def _within(state: Weights) -> bool:
    return any(name.startswith(UNDER_WAY) for name in state)


def _load(path: Path) -> tuple[Weights, Progress] | None:
    """Read a checkpoint or, if it is damaged or was never put in its place, the previous one."""
    before = checkpoint_before(path)
    if not path.exists():
        return _read(before)
    if (arrays := load_arrays(path)) is not None:
        return _read(path, arrays)
    kept = _read(before)
    if kept is None:
        _leave(path, "it is damaged")
    else:
        LOG.warning(f"{path}: this checkpoint is damaged; its run goes on from the one before, {before.name}")
    return kept


def _read(path: Path, arrays: Weights | None = None) -> tuple[Weights, Progress] | None:
    arrays = load_arrays(path) if arrays is None else arrays
    if arrays is None:
        return None
    try:
        return _part(arrays, STATE), replace(progress_in(arrays["progress"]), best_weights=_part(arrays, BEST))
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        _leave(path, "it is of another version")
        return None


def progress_in(text: np.ndarray) -> Progress:
    """Read a run's progress, without its weights, from the array `progress` of a checkpoint.

    Args:
        text: JSON, as bytes.

    Raises:
        KeyError, TypeError, ValueError, AttributeError, RecursionError: It is of another version, or no checkpoint's.
    """
    plain = json.loads(text.tobytes())
    plain["rows"] = [Row(**{**row, "spikes": tuple(row["spikes"])}) for row in plain["rows"]]
    plain["best"] = tuple(plain["best"])
    if not PLAIN - LATER <= set(plain) <= PLAIN:
        raise KeyError("its fields are others")
    if trained := plain.get("trained"):
        plain["trained"] = Measures(**{**trained, "spikes": tuple(trained["spikes"])})
    return Progress(**plain)


def peek(path: Path) -> Progress | None:
    """Read a run's progress, without its weights, from its checkpoint or the previous one; None if neither can be read.

    Damaged ones are reported not here, but by the process that continues from them.
    """
    for one in (path, checkpoint_before(path)):
        try:
            if arrays := load_arrays(one, ["progress"]):
                return progress_in(arrays["progress"])
        except (SgpipeError, KeyError, TypeError, ValueError, AttributeError, RecursionError):
            continue
    return None


def _leave(path: Path, reason: str) -> None:
    LOG.warning(f"{path}: this checkpoint is not used, its run begins anew: {reason}")


def _part(arrays: Weights, prefix: str) -> Weights:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def _shapes(state: Weights) -> dict[str, tuple]:
    return {name: (array.shape, array.dtype) for name, array in state.items()}
