"""The state of a run under way, as a file: where it stands, its session's arrays, and its best weights so far."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

import numpy as np

from sgpipe.base.arrays import load_arrays, save_arrays
from sgpipe.base.log import LOG
from sgpipe.engines.interface import Session, Weights
from sgpipe.results.store import Row

STATE, BEST = "state.", "best."


@dataclass
class Progress:
    """Where a run under way stands: everything that is not in the session."""

    epoch: int = 0
    sound: bool = True  # False once it has diverged
    rows: list[Row] = field(default_factory=list)
    best_epoch: int = 0
    best: tuple[float, float] = (-1.0, 0.0)  # validation accuracy, then minus validation loss
    best_weights: Weights = field(default_factory=dict)
    seconds: float = 0.0


PLAIN = {item.name for item in fields(Progress)} - {"best_weights"}


def save_checkpoints(paths: Sequence[Path], session: Session, runs: Sequence[Progress]) -> None:
    """Save the states of a session's runs.

    Args:
        paths: A file for each run.
        session: The session.
        runs: Where its runs stand.
    """
    for path, state, run in zip(paths, session.states(), runs, strict=True):
        plain = {name: getattr(run, name) for name in PLAIN} | {"rows": [asdict(row) for row in run.rows]}
        arrays = {STATE + name: array for name, array in state.items()}
        arrays |= {BEST + name: array for name, array in run.best_weights.items()}
        save_arrays(path, {**arrays, "progress": np.frombuffer(json.dumps(plain).encode(), np.uint8)})


def resume(session: Session, paths: Sequence[Path]) -> list[Progress]:
    """Load saved states into a session, if every run has a whole one that fits it.

    Args:
        session: The session; it stays as it was if nothing is loaded.
        paths: A file for each run.

    Returns:
        Where the runs stood; empty if nothing is loaded.
    """
    kept = [_load(path) for path in paths]
    if not kept or any(one is None for one in kept):
        return []
    for path, (state, _), own in zip(paths, kept, session.states(), strict=True):
        if not _shapes(own).items() <= _shapes(state).items():  # an optimiser may have begun to average since
            _leave(path, "it is of another network or engine")
            return []
    session.load([state for state, _ in kept])
    return [progress for _, progress in kept]


def epochs_done(path: Path) -> int:
    """Read after which epoch a checkpoint was written; 0 if there is none that can be used."""
    kept = _load(path)
    return kept[1].epoch if kept else 0


def _load(path: Path) -> tuple[Weights, Progress] | None:
    arrays = load_arrays(path)
    if arrays is None:
        if path.exists():
            _leave(path, "it is damaged")
        return None
    try:
        plain = json.loads(arrays["progress"].tobytes())
        plain["rows"] = [Row(**{**row, "spikes": tuple(row["spikes"])}) for row in plain["rows"]]
        plain["best"] = tuple(plain["best"])
        if set(plain) != PLAIN:
            raise KeyError("its fields are others")
        return _part(arrays, STATE), Progress(**plain, best_weights=_part(arrays, BEST))
    except (KeyError, TypeError, ValueError):
        _leave(path, "it is of another version")
        return None


def _leave(path: Path, reason: str) -> None:
    LOG.warning(f"{path}: this checkpoint is not used, its run begins anew: {reason}")


def _part(arrays: Weights, prefix: str) -> Weights:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def _shapes(state: Weights) -> dict[str, tuple]:
    return {name: (array.shape, array.dtype) for name, array in state.items()}
