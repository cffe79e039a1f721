"""The tables of experiments that train nothing: samples of data, knobs, links of the computational graph, manifolds."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa

from sgpipe.base.errors import SgpipeError
from sgpipe.data import Analog, Events, Task
from sgpipe.data.randman import embed
from sgpipe.plan.plan import Plan
from sgpipe.results.tables import write_table
from sgpipe.rules.prepare_task import prepared
from sgpipe.rules.table_metadata import table_metadata
from sgpipe.spec.experiments import Experiment
from sgpipe.spec.run import RunSpec


def describe(plan: Plan, name: str, output: Path | str, tasks: Iterable[Path | str] = ()) -> None:
    """Write the table of an experiment that trains nothing.

    The experiment decides what is in it: samples; the knobs of its sweeps; the links of their computational graphs;
    points of its manifolds; or, if it has no runs of its own, the knobs of all runs of its paper.

    Args:
        plan: The plan.
        name: The experiment.
        output: The table.
        tasks: The prepared tasks whose samples are shown, in the order of `plan.shown`.
    """
    experiment = plan.experiment(name)
    if experiment.samples:
        table = shown_samples(experiment, plan.shown(experiment), (prepared(plan, path) for path in tasks))
    elif experiment.shows == "knobs":
        table = knobs_of_sweeps(experiment)
    elif experiment.shows == "graph":
        table = links_of_sweeps(experiment)
    else:
        table = manifold_points(experiment) if experiment.runs else knobs_in_use(plan, experiment)
    write_table(table, output, table_metadata(experiment))


def shown_samples(experiment: Experiment, specs: Iterable[RunSpec], tasks: Iterable[Task]) -> pa.Table:
    """Tabulate the inputs of samples: a row per event, or per frame and unit.

    For each label that the experiment asks for, the first test sample is taken. If a small `limit` left none, the
    sample is from the validation or training split.

    Args:
        experiment: The experiment.
        specs: Runs, one per task.
        tasks: Their data, likewise.

    Returns:
        Columns `sweep`, the data knobs, `label`, `step`, `unit`, `value` (1 for an event).

    Raises:
        SgpipeError: There is no sample with such a label.
    """
    parts = []
    for spec, task in zip(specs, tasks, strict=True):
        sweep = experiment.sweeps[spec.id][0]
        for label in experiment.samples.get(sweep, ()):
            found = [split.take(np.flatnonzero(split.labels == label)) for split in (task.test, task.valid, task.train)]
            found = [samples for samples in found if len(samples)]
            if not found:
                raise SgpipeError(f"{experiment.id}: samples.{sweep}: no sample has label {label}; raise data.limit")
            step, unit, value = input_of(found[0].take(np.array([0])))
            data = {f"data.{key}": [given] * len(step) for key, given in vars(spec.data).items()}
            columns = {"sweep": [sweep] * len(step), **data, "label": [label] * len(step)}
            parts.append(pa.table({**columns, "step": step, "unit": unit, "value": value}))
    return pa.concat_tables(parts, promote_options="permissive")


def input_of(sample: Events | Analog) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """List the input of one sample as steps, units and values: its events, or its frames where they begin."""
    if isinstance(sample, Events):
        return sample.step, sample.unit, np.ones(len(sample.step), np.float32)
    frame, unit = np.indices(sample.frames.shape[1:]).reshape(2, -1)
    return frame * sample.hold, unit, sample.frames.reshape(-1)


def knobs_of_sweeps(experiment: Experiment) -> pa.Table:
    """Tabulate the knobs of an experiment's sweeps, except those of data: a row per point, in the file's order."""
    rows = [
        {"sweeps": list(experiment.sweeps[run_id])}
        | {key: as_cell(value) for key, value in spec.flat().items() if not key.startswith("data.")}
        for run_id, spec in experiment.runs.items()
    ]
    return _table(rows)


def links_of_sweeps(experiment: Experiment) -> pa.Table:
    """Tabulate the computational graphs of an experiment's networks: a row per sweep and link.

    Returns:
        Columns `sweep`, the knobs of the network, `source`, `target`, `delay` (steps), `gradient` (see
        `sgpipe.model.graph`).
    """
    from sgpipe.model.graph import layer_links  # torch, which the other steps need not load

    rows = []
    for run_id, spec in experiment.runs.items():
        network = {f"network.{key}": as_cell(value) for key, value in vars(spec.network).items()}
        sweep = {"sweep": experiment.sweeps[run_id][0], **network}
        rows += [{**sweep, **link._asdict()} for link in layer_links(spec)]
    return pa.Table.from_pylist(rows)


def manifold_points(experiment: Experiment) -> pa.Table:
    """Tabulate the points of an experiment's manifolds: a row per class and sample.

    Returns:
        Columns `sweeps`, the data knobs, `class`, `x` (intrinsic coordinates) and `y` (embedding coordinates in [0, 1];
        times tau, they are spike times).
    """
    parts = []
    for run_id, spec in experiment.runs.items():
        for label in range(spec.data.classes):
            x, y = embed(spec.data, label)
            columns: dict[str, object] = {"sweeps": [list(experiment.sweeps[run_id])] * len(x)}
            columns |= {f"data.{key}": [value] * len(x) for key, value in vars(spec.data).items()}
            parts.append(pa.table({**columns, "class": [label] * len(x), "x": list(x), "y": list(y)}))
    return pa.concat_tables(parts)


def knobs_in_use(plan: Plan, experiment: Experiment) -> pa.Table:
    """Tabulate the knobs of every run that the experiment's paper trains: a row per experiment and run, no results."""
    rows = [
        {
            "experiment": asked_by,
            "run_id": spec.id,
            **{key: as_cell(value) for key, value in spec.flat().items()},
        }
        for asked_by, spec in plan.paper_runs(experiment.paper)
    ]
    if not rows:
        raise SgpipeError(f"{experiment.id}: no experiment of {experiment.paper} trains anything")
    return _table(rows)


def _table(rows: list[dict[str, object]]) -> pa.Table:
    names = dict.fromkeys(name for row in rows for name in row)  # not all have the same knobs
    return pa.Table.from_pylist([{name: row.get(name) for name in names} for row in rows])


def as_cell(value: object) -> object:
    """Convert a knob's value for a table: layers become text such as `100-100`."""
    return "-".join(map(str, value)) if isinstance(value, tuple) else value
