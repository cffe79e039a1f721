"""Training one network, without a store."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from sgpipe.base.errors import SgpipeError, first_line, one_of
from sgpipe.data.samples import Task, Words
from sgpipe.engines.choose import chooser
from sgpipe.initial_state.make import initial_state
from sgpipe.library.network import Network
from sgpipe.library.runs import Run, make_run, make_task
from sgpipe.results.store import ROW_SCHEMA
from sgpipe.spec.layer_settings import LayerSettings
from sgpipe.spec.run import RunSpec
from sgpipe.training.failures import OWN_FAILURES
from sgpipe.training.trainer import train_run

ENGINES = ("auto", "cpu", "gpu", "reference")


@dataclass(frozen=True)
class Trained:
    """A network that `train` has trained.

    Attributes:
        spec: The run.
        status: `finished`, or `diverged` if the loss became NaN or infinite.
        weights: Arrays by name (W1, V1, ..., W_out) at the best validation epoch; matrices are (units out, units in).
        epochs: A row per epoch and split: `loss` and `penalty` in nats, `accuracy` as a fraction, `spikes` as the mean
            number per sample in each hidden layer, and `best`, true at the epoch of best validation accuracy.
        layers: The settings of each hidden layer that follow from the conditions on the initial state; None without
            conditions.
    """

    spec: RunSpec
    status: str
    weights: Mapping[str, np.ndarray]
    epochs: pd.DataFrame
    layers: tuple[LayerSettings, ...] | None = None

    def network(self) -> Network:
        """Return the network as a torch module; raises SgpipeError if it diverged in its first epoch."""
        if not self.weights:
            raise SgpipeError("the network diverged in its first epoch, and has no weights")
        return Network(self.spec, self.weights, self.layers)


def train(
    run: Run,
    task: Task | None = None,
    *,
    engine: Literal["auto", "cpu", "gpu", "reference"] = "auto",
    device: Literal["cpu", "cuda"] = "cpu",
    folder: Path | str | None = None,
) -> Trained:
    """Train one network, as the pipeline would.

    Args:
        run: The run, or its knobs (see `make_run`).
        task: The data set, of any shape; by default the one that the data knobs describe. The knob `data.dt` applies
            to your own data set as well.
        engine: The engine to train with. `auto` takes the fastest one that supports the run.
        device: The device of the torch reference and of the gpu engine.
        folder: The folder of data files, for a task that is read from files.

    Returns:
        The trained network, with its weights and a table of epochs.

    Raises:
        SgpipeError: A knob is wrong, the task does not fit the run, the engine does not support it, or training
            fails.
    """
    spec = make_run(run)
    if engine not in ENGINES:
        raise one_of("engine", engine, ENGINES)
    task = make_task(spec, folder) if task is None else _fitting(spec, task)
    layers = initial_state(spec, task).layers if spec.conditions else None
    states = {spec.init_id: layers} if layers is not None and spec.init_id else {}
    try:
        result = train_run(spec, task, chooser(engine, device)(spec), states=states)
    except OWN_FAILURES as error:
        raise SgpipeError(f"run {spec.id} fails: {type(error).__name__}: {first_line(error)}") from error
    epochs = pd.DataFrame([vars(row) for row in result.rows], columns=ROW_SCHEMA.names)
    return Trained(spec, result.status, dict(result.weights), epochs, layers)


def _fitting(spec: RunSpec, task: Task) -> Task:
    """Return a task that was given; raises SgpipeError if the run cannot be trained on it."""
    if isinstance(task.train, Words) != spec.words:
        raise SgpipeError(f"task: {type(task.train).__name__} are not what a run on {spec.data.task} reads")
    if (spec.objective.max_from or 0) >= task.steps:
        raise SgpipeError(f"objective.max_from: {spec.objective.max_from} is not one of the task's {task.steps} steps")
    if (spec.network.dropout or spec.network.input_dropout) and task.steps != spec.data.steps:
        raise SgpipeError(f"task: has {task.steps} steps; dropout needs as many as data.steps, {spec.data.steps}")
    return task.check("task")
