"""The trainer: a pack of runs in, ended runs in the store."""

import json
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from threading import Lock

import numpy as np
from filelock import Timeout

import sgpipe
from sgpipe.base.errors import SgpipeError
from sgpipe.base.rng import permutation, stream
from sgpipe.data.samples import Task
from sgpipe.engines.interface import Engine, Measures, Session, Theory, Weights, evaluated
from sgpipe.initial_state.state import setting_of
from sgpipe.results import selection
from sgpipe.results.store import Result, Row, Store, load_arrays, save_arrays
from sgpipe.spec.layer_settings import LayerSettings
from sgpipe.spec.run import RunSpec
from sgpipe.weights.schemes import initial_weights

CHECKPOINT_SECONDS = 60.0
Report = Callable[[RunSpec, int, Measures], None]
States = Mapping[str, Sequence[LayerSettings]]  # by init id: the initial states that conditions ask for


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


def train_pack(
    specs: Sequence[RunSpec],
    task: Task,
    store: Store,
    engine_for: Callable[[RunSpec], Engine],
    threads: int = 1,
    report: Report = lambda spec, epoch, measures: None,
    ended: Callable[[RunSpec, str], None] = lambda spec, status: None,
    states: States | None = None,
) -> list[Result]:
    """Return the results of all runs: from the store what it has, the rest trained and filed as they end.

    A run that another process is training is left to the end and then taken from the store, if that one filed it.
    A run that raises becomes a result of status `failed`; the pack goes on. An engine that takes packs gets all runs
    that can go in step at once; else each run goes alone, spread over `threads`. Once fewer runs than threads are
    left, each may use several. `states` has the initial state of every run with conditions.
    """
    revision = git_revision()
    results = {spec: found for spec in specs if (found := store.get(spec))}
    engines = {spec: engine_for(spec) for spec in specs if spec not in results}

    def attempt(mine: Sequence[RunSpec], engine: Engine) -> Iterable[Result]:
        return _attempt(mine, task, store, engine, revision, report, states or {})

    def settle(group: Sequence[RunSpec], wait: bool = False) -> None:
        with ExitStack() as locks:
            mine = []
            for spec in group:
                try:
                    locks.enter_context(store.lock(spec, timeout=-1 if wait else 0))
                except Timeout:
                    continue
                if found := store.get(spec):
                    results[spec] = found
                else:
                    mine.append(spec)
            for result in attempt(mine, engines[group[0]]) if mine else ():
                store.put(result)
                results[result.spec] = result
                ended(result.spec, result.status)

    groups, lock = _groups(engines, store), Lock()
    left = len(groups)

    def share_threads() -> None:
        for engine in set(engines.values()):
            engine.threads = max(1, threads // max(1, left))

    def settle_and_share(group: Sequence[RunSpec]) -> None:
        nonlocal left
        settle(group)
        with lock:
            left -= 1
            share_threads()

    share_threads()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(settle_and_share, groups))
    for spec in specs:
        if spec not in results:
            settle([spec], wait=True)
    return [results[spec] for spec in specs]


def _groups(engines: Mapping[RunSpec, Engine], store: Store) -> list[list[RunSpec]]:
    """Return which runs go in step: alone, or for an engine that takes packs, all of one shape, length and progress."""
    groups: dict[tuple, list[RunSpec]] = {}
    for spec, engine in engines.items():
        network, training = spec.network, spec.training
        shape = (network.neuron, network.hidden, network.recurrent)
        pace = (engine.name, *shape, training.epochs, training.batch_size, training.precision)
        key = (*pace, _epochs_done(store.checkpoint_path(spec))) if engine.takes_packs else (spec,)
        groups.setdefault(key, []).append(spec)
    return list(groups.values())


def _attempt(
    specs: Sequence[RunSpec],
    task: Task,
    store: Store,
    engine: Engine,
    revision: str,
    report: Report,
    states: States,
) -> Iterable[Result]:
    """Train runs in step; whatever goes wrong inside a run is its result."""
    provenance = {
        "sgpipe": sgpipe.__version__,
        "git": revision,
        "source": specs[0].data.source,
        "engine": engine.name,
        "device": engine.device,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    try:
        results = train_runs(specs, task, engine, [store.checkpoint_path(spec) for spec in specs], report, states)
    except SgpipeError:
        raise  # something for the user to put right, not a property of the run
    except Exception as error:
        if len(specs) > 1:  # find out which of them it was
            for spec in specs:
                yield from _attempt([spec], task, store, engine, revision, report, states)
            return
        message = f"{type(error).__name__}: {error}".splitlines()[0]
        print(f"sgpipe: run {specs[0].id} failed: {message}", file=sys.stderr)
        yield Result(specs[0], "failed", (), message, provenance)
        return
    for result in results:
        yield replace(result, provenance={**provenance, **result.provenance})


def train_runs(
    specs: Sequence[RunSpec],
    task: Task,
    engine: Engine,
    checkpoints: Sequence[Path] = (),
    report: Report = lambda spec, epoch, measures: None,
    states: States | None = None,
) -> list[Result]:
    """Train networks in step and return their results, each of status `finished` or `diverged`.

    The runs have equal epochs and batch sizes. Each epoch takes the training samples in an order of its own, drawn
    from (training.seed, epoch), and is followed by the validation split. The test split is measured after the last
    epoch and, unless that is the best by validation accuracy, with the weights of the best. If `checkpoints` are
    given, one path a run, the state goes there about once a minute, and training goes on from what lies there.
    `states` has the initial state of every run with conditions; raises SgpipeError if one is missing.
    """
    epochs = specs[0].training.epochs
    theory = [setting_of(states or {}, spec.init_id) for spec in specs]
    weights = [initial_weights(spec, task.units, task.classes, own) for spec, own in zip(specs, theory, strict=True)]
    session = engine.open(specs, task, weights, theory)
    runs = _resume(session, checkpoints) or [Progress() for _ in specs]
    saved = time.monotonic()
    while runs[0].epoch < epochs and any(run.sound for run in runs):
        started = time.perf_counter()
        _epoch(specs, task, session, runs)
        for spec, run in zip(specs, runs, strict=True):
            run.seconds += (time.perf_counter() - started) / len(runs)
            report(spec, run.epoch, _measures(run.rows[-1]))
        if checkpoints and time.monotonic() - saved > CHECKPOINT_SECONDS:
            for path, state, run in zip(checkpoints, session.states(), runs, strict=True):
                _save_checkpoint(path, state, run)
            saved = time.monotonic()
    _test(specs, task, engine, session, runs, theory)
    return [
        Result(
            spec,
            "finished" if run.sound else "diverged",
            tuple(replace(row, best=row.epoch == run.best_epoch) for row in run.rows),
            provenance={"seconds": round(run.seconds, 3)},
            weights=run.best_weights,
        )
        for spec, run in zip(specs, runs, strict=True)
    ]


def train_run(spec: RunSpec, task: Task, engine: Engine, *more, **named) -> Result:
    """Train one network and return its result; see `train_runs`."""
    return train_runs([spec], task, engine, *more, **named)[0]


def _epoch(specs: Sequence[RunSpec], task: Task, session: Session, runs: Sequence[Progress]) -> None:
    """Train and measure one epoch."""
    epoch = runs[0].epoch + 1
    orders = [permutation(stream(spec.training.seed, f"order/{epoch}"), len(task.train)) for spec in specs]
    for run, train in zip(runs, session.train_epoch(orders), strict=True):
        run.epoch = epoch
        if run.sound:
            run.rows.append(Row(epoch, "train", **asdict(train)))
            run.sound = bool(np.isfinite(train.loss + train.penalty))
    if not any(run.sound for run in runs):
        return
    better = []
    for place, (run, valid) in enumerate(zip(runs, session.evaluate("valid"), strict=True)):
        if run.sound:
            run.rows.append(Row(epoch, "valid", **asdict(valid)))
            run.sound = bool(np.isfinite(valid.loss))
        score = selection.score(valid.accuracy, valid.loss)
        if run.sound and score > run.best:
            run.best, run.best_epoch = score, epoch
            better.append(place)
    states = session.states() if better else []
    for place in better:
        runs[place].best_weights = evaluated(states[place])


def _test(
    specs: Sequence[RunSpec],
    task: Task,
    engine: Engine,
    session: Session,
    runs: Sequence[Progress],
    theory: Theory,
) -> None:
    """Measure the test split after the last epoch, and with the weights of the best epoch of each run."""
    weights = [run.best_weights or evaluated(state) for run, state in zip(runs, session.states(), strict=True)]
    at_end = session.evaluate("test")
    at_best = engine.open(specs, task, weights, theory).evaluate("test")
    for run, last, best in zip(runs, at_end, at_best, strict=True):
        if run.sound:
            run.rows.append(Row(run.epoch, "test", **asdict(last)))
        if run.best_epoch and not (run.sound and run.best_epoch == run.epoch):
            later = (place for place, row in enumerate(run.rows) if row.epoch > run.best_epoch)
            run.rows.insert(next(later, len(run.rows)), Row(run.best_epoch, "test", **asdict(best)))


def _measures(row: Row) -> Measures:
    return Measures(row.loss, row.penalty, row.accuracy, row.spikes)


def _save_checkpoint(path: Path, state: Weights, run: Progress) -> None:
    plain = {name: value for name, value in vars(run).items() if name not in ("rows", "best_weights")}
    plain["rows"] = [asdict(row) for row in run.rows]
    arrays = {f"state.{name}": array for name, array in state.items()}
    arrays |= {f"best.{name}": array for name, array in run.best_weights.items()}
    save_arrays(path, {**arrays, "progress": np.frombuffer(json.dumps(plain).encode(), np.uint8)})


def _resume(session: Session, paths: Sequence[Path]) -> list[Progress]:
    """Load the states kept at `paths` and return where the runs stood; empty if one cannot be read."""
    kept = [load_arrays(path) for path in paths]
    if not kept or any(arrays is None for arrays in kept):
        return []
    session.load([_part(arrays, "state.") for arrays in kept])
    runs = []
    for arrays in kept:
        plain = json.loads(arrays["progress"].tobytes())
        plain["rows"] = [Row(**{**row, "spikes": tuple(row["spikes"])}) for row in plain["rows"]]
        plain["best"] = tuple(plain["best"])
        runs.append(Progress(**plain, best_weights=_part(arrays, "best.")))
    return runs


def _epochs_done(path: Path) -> int:
    arrays = load_arrays(path)
    return json.loads(arrays["progress"].tobytes())["epoch"] if arrays else 0


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
