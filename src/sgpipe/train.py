"""The trainer: a pack of runs in, ended runs in the store."""

import json
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
from filelock import Timeout

import sgpipe
from sgpipe.data.events import Task
from sgpipe.engine import Engine, Measures, Session, Weights
from sgpipe.errors import SgpipeError
from sgpipe.init.schemes import initial_weights
from sgpipe.results import Result, Row, Store, load_arrays, save_arrays
from sgpipe.rng import permutation, stream
from sgpipe.spec import RunSpec

CHECKPOINT_SECONDS = 60.0
Report = Callable[[RunSpec, int, Measures], None]


@dataclass
class Progress:
    """Where a run under way stands: everything that is not weights."""

    epoch: int = 0
    rows: list[Row] = field(default_factory=list)
    best_epoch: int = 0
    best: tuple[float, float] = (-1.0, 0.0)  # validation accuracy, then minus validation loss
    best_weights: Weights = field(default_factory=dict)
    seconds: float = 0.0


def train_pack(
    specs: Sequence[RunSpec],
    task: Task,
    store: Store,
    engine_for: Callable[[RunSpec], Engine],
    threads: int = 1,
    report: Report = lambda spec, epoch, measures: None,
    ended: Callable[[RunSpec, str], None] = lambda spec, status: None,
) -> list[Result]:
    """Return the results of all runs: from the store what it has, the rest trained and filed one by one.

    A run that another process is training is left to the end and then taken from the store, if that one filed it.
    A run that raises becomes a result of status `failed`; the pack goes on. Runs are spread over `threads`.
    """
    revision = git_revision()

    def settle(spec: RunSpec, wait: bool) -> Result | None:
        if found := store.get(spec):
            return found
        try:
            with store.lock(spec).acquire(timeout=-1 if wait else 0):
                if found := store.get(spec):
                    return found
                result = _attempt(spec, task, store, engine_for(spec), revision, report)
                store.put(result)
        except Timeout:
            return None
        ended(spec, result.status)
        return result

    with ThreadPoolExecutor(threads) as pool:
        results = list(pool.map(lambda spec: settle(spec, wait=False), specs))
    return [result or settle(spec, wait=True) for spec, result in zip(specs, results, strict=True)]


def _attempt(spec: RunSpec, task: Task, store: Store, engine: Engine, revision: str, report: Report) -> Result:
    """Train one run; whatever goes wrong inside it is its result."""
    provenance = {
        "sgpipe": sgpipe.__version__,
        "git": revision,
        "source": spec.data.source,
        "engine": engine.name,
        "device": getattr(engine, "device", "cpu"),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    try:
        result = train_run(spec, task, engine, store.checkpoint_path(spec), report)
    except (SgpipeError, KeyboardInterrupt):
        raise  # something for the user to put right, not a property of the run
    except Exception as error:
        message = f"{type(error).__name__}: {error}".splitlines()[0]
        print(f"sgpipe: run {spec.id} failed: {message}", file=sys.stderr)
        return Result(spec, "failed", (), message, provenance)
    return replace(result, provenance={**provenance, **result.provenance})


def train_run(
    spec: RunSpec,
    task: Task,
    engine: Engine,
    checkpoint: Path | None = None,
    report: Report = lambda spec, epoch, measures: None,
) -> Result:
    """Train one network and return its result, of status `finished` or `diverged`.

    Each epoch takes the training samples in an order of its own, drawn from (training.seed, epoch), and is followed
    by the validation split. The test split is measured after the last epoch and, unless that is the best by
    validation accuracy, with the weights of the best. If `checkpoint` is given, the state goes there about once a
    minute, and training goes on from what lies there.
    """
    weights = initial_weights(spec, task.units, task.classes)
    session = engine.open([spec], task, [weights])
    progress = _resume(session, checkpoint)
    saved, sound = time.monotonic(), True
    while progress.epoch < spec.training.epochs:
        started = time.perf_counter()
        sound = _epoch(spec, task, session, progress)
        progress.seconds += time.perf_counter() - started
        report(spec, progress.epoch, _measures(progress.rows[-1]))
        if not sound:
            break
        if checkpoint and time.monotonic() - saved > CHECKPOINT_SECONDS:
            _save_checkpoint(checkpoint, session, progress)
            saved = time.monotonic()
    if sound:
        progress.rows.append(_tested(spec.training.epochs, session))
    if 0 < progress.best_epoch < spec.training.epochs:
        best = _tested(progress.best_epoch, engine.open([spec], task, [progress.best_weights]))
        later = (place for place, row in enumerate(progress.rows) if row.epoch > progress.best_epoch)
        progress.rows.insert(next(later, len(progress.rows)), best)
    rows = [replace(row, best=row.epoch == progress.best_epoch) for row in progress.rows]
    return Result(
        spec,
        "finished" if sound else "diverged",
        tuple(rows),
        provenance={"seconds": round(progress.seconds, 3)},
        weights=progress.best_weights,
    )


def _epoch(spec: RunSpec, task: Task, session: Session, progress: Progress) -> bool:
    """Train and measure one epoch; return False if the run has diverged."""
    progress.epoch += 1
    epoch = progress.epoch
    order = permutation(stream(spec.training.seed, f"order/{epoch}"), len(task.train))
    (train,) = session.train_epoch([order])
    progress.rows.append(Row(epoch, "train", **asdict(train)))
    if not np.isfinite(train.loss + train.penalty):
        return False
    (valid,) = session.evaluate("valid")
    progress.rows.append(Row(epoch, "valid", **asdict(valid)))
    if not np.isfinite(valid.loss):
        return False
    score = (valid.accuracy, -valid.loss)
    if score > progress.best:
        (state,) = session.states()
        progress.best, progress.best_epoch = score, epoch
        progress.best_weights = {name: array for name, array in state.items() if not name.startswith("optimiser.")}
    return True


def _tested(epoch: int, session: Session) -> Row:
    (test,) = session.evaluate("test")
    return Row(epoch, "test", **asdict(test))


def _measures(row: Row) -> Measures:
    return Measures(row.loss, row.penalty, row.accuracy, row.spikes)


def _save_checkpoint(path: Path, session: Session, progress: Progress) -> None:
    plain = {
        "epoch": progress.epoch,
        "rows": [asdict(row) for row in progress.rows],
        "best_epoch": progress.best_epoch,
        "best": progress.best,
        "seconds": progress.seconds,
    }
    arrays = {f"state.{name}": array for name, array in session.states()[0].items()}
    arrays |= {f"best.{name}": array for name, array in progress.best_weights.items()}
    save_arrays(path, {**arrays, "progress": np.frombuffer(json.dumps(plain).encode(), np.uint8)})


def _resume(session: Session, path: Path | None) -> Progress:
    """Return the progress kept at `path` and load its state, or start anew if there is none that can be read."""
    arrays = load_arrays(path) if path else None
    if arrays is None:
        return Progress()
    plain = json.loads(arrays.pop("progress").tobytes())
    session.load([_part(arrays, "state.")])
    rows = [Row(**{**row, "spikes": tuple(row["spikes"])}) for row in plain["rows"]]
    return Progress(
        plain["epoch"],
        rows,
        plain["best_epoch"],
        tuple(plain["best"]),
        _part(arrays, "best."),
        plain["seconds"],
    )


def _part(arrays: Weights, prefix: str) -> Weights:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def git_revision() -> str:
    """Return the commit of the source tree, with `+` if it has changes; `unknown` outside a repository."""
    folder = Path(sgpipe.__file__).parent

    def git(*words: str) -> str:
        return subprocess.run(["git", "-C", folder, *words], capture_output=True, text=True, check=True).stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
