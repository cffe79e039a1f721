"""The trainer: trains runs in step, one epoch at a time, and returns their results."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np

from sgpipe.base.rng import permutation, stream
from sgpipe.data.samples import Task
from sgpipe.engines.interface import Engine, Measures, Pause, Session, Threads, evaluated, go_on, one_thread
from sgpipe.initial_state.state import setting_of
from sgpipe.results import selection
from sgpipe.results.store import Result, Row
from sgpipe.spec.layer_settings import LayerSettings
from sgpipe.spec.run import RunSpec
from sgpipe.training.checkpoint import Progress, resume, save_checkpoints
from sgpipe.training.stopping import Stopped
from sgpipe.weights.schemes import initial_weights

CHECKPOINT_SECONDS = 60.0
Report = Callable[[RunSpec, int, Measures], None]
States = Mapping[str, Sequence[LayerSettings]]  # by init id: the initial states that conditions ask for


def train_runs(
    specs: Sequence[RunSpec],
    task: Task,
    engine: Engine,
    checkpoints: Sequence[Path] = (),
    report: Report = lambda spec, epoch, measures: None,
    states: States | None = None,
    threads: Threads = one_thread,
    stop: Pause = go_on,
) -> list[Result]:
    """Train networks in step.

    Each epoch takes the training samples in an order of its own, drawn from (training.seed, epoch), and ends with an
    evaluation on the validation split. The test split is evaluated after the last epoch and, unless that is the best by
    validation accuracy, also with the weights of the best epoch.

    Args:
        specs: The runs, with equal epochs and batch sizes.
        task: Their data.
        engine: The engine.
        checkpoints: A file for each run. Its state is saved there about once a minute, also within an epoch if the
            engine can, and training resumes from it. Empty to train without checkpoints.
        report: Called after each epoch of each run.
        states: The initial state of every run with conditions, by init id.
        threads: Returns how many threads the engine may use at the moment.
        stop: Called between minibatches; raises Stopped to end training, which saves its state first.

    Returns:
        The result of each run, with status `finished` or `diverged`.

    Raises:
        SgpipeError: An initial state is missing.
        Stopped: As `stop` raised it.
    """
    epochs = specs[0].training.epochs
    theory = [setting_of(states or {}, spec.init_id) for spec in specs]
    weights = [initial_weights(spec, task.units, task.classes, own) for spec, own in zip(specs, theory, strict=True)]
    begin = partial(engine.open, specs, task, theory=theory, threads=threads)
    session = begin(weights=weights)
    runs = resume(session, checkpoints, engine.name) or [Progress() for _ in specs]
    under_way = _UnderWay(session, [replace(run, engine=engine.name) for run in runs], checkpoints, stop)
    runs = under_way.runs
    try:
        while runs[0].epoch < epochs and any(run.sound for run in runs):
            _epoch(specs, task, under_way)
            for spec, run in zip(specs, runs, strict=True):
                report(spec, run.epoch, _measures(run.rows[-1]))
            under_way.between_minibatches()
        weights = [run.best_weights or evaluated(state) for run, state in zip(runs, session.states(), strict=True)]
        _test(session, begin(weights=weights), runs, stop)
    except Stopped:
        under_way.save()
        raise
    under_way.count_time()
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
    """Train one network; see `train_runs`."""
    return train_runs([spec], task, engine, *more, **named)[0]


@dataclass
class _UnderWay:
    """A session in training: the progress of its runs, and when it is saved."""

    session: Session
    runs: list[Progress]
    checkpoints: Sequence[Path]
    stop: Pause
    saved: float = field(default_factory=time.monotonic)
    counted: float = field(default_factory=time.perf_counter)

    def between_minibatches(self) -> None:
        """Save if it is time to. To be called only when the session can return its states."""
        self.stop()
        if time.monotonic() - self.saved > CHECKPOINT_SECONDS:
            self.save()

    def save(self) -> None:
        """Save the progress of the runs, if they have checkpoint files."""
        self.count_time()
        if self.checkpoints:
            save_checkpoints(self.checkpoints, self.session, self.runs)
        self.saved = time.monotonic()

    def count_time(self) -> None:
        """Divide the time since the last call equally among the runs."""
        now = time.perf_counter()
        for run in self.runs:
            run.seconds += (now - self.counted) / len(self.runs)
        self.counted = now


def _epoch(specs: Sequence[RunSpec], task: Task, under_way: _UnderWay) -> None:
    """Train and evaluate one epoch, or what is left of it."""
    runs, session = under_way.runs, under_way.session
    epoch = runs[0].epoch + 1
    if runs[0].trained is None:
        orders = [permutation(stream(spec.training.seed, f"order/{epoch}"), len(task.train)) for spec in specs]
        trained = session.train_epoch(orders, under_way.between_minibatches)
        for run, measures in zip(runs, trained, strict=True):
            run.trained = measures
        under_way.between_minibatches()  # the evaluation that follows cannot be saved midway
    sound = [run.sound and bool(np.isfinite(run.trained.loss + run.trained.penalty)) for run in runs]
    measured = session.evaluate("valid", under_way.stop) if any(sound) else [None] * len(runs)
    better = []
    for place, (run, valid) in enumerate(zip(runs, measured, strict=True)):
        train, run.trained, run.epoch = run.trained, None, epoch
        if run.sound:
            run.rows.append(Row(epoch, "train", **asdict(train)))
        run.sound = sound[place]
        if valid is None:
            continue
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


def _test(session: Session, best: Session, runs: Sequence[Progress], stop: Pause) -> None:
    """Evaluate the test split after the last epoch, and with the weights of the best epoch of each run."""
    at_end = session.evaluate("test", stop)
    at_best = best.evaluate("test", stop)
    for run, last, chosen in zip(runs, at_end, at_best, strict=True):
        if run.sound:
            run.rows.append(Row(run.epoch, "test", **asdict(last)))
        if run.best_epoch and not (run.sound and run.best_epoch == run.epoch):
            later = (place for place, row in enumerate(run.rows) if row.epoch > run.best_epoch)
            run.rows.insert(next(later, len(run.rows)), Row(run.best_epoch, "test", **asdict(chosen)))


def _measures(row: Row) -> Measures:
    return Measures(row.loss, row.penalty, row.accuracy, row.spikes, row.dead)
