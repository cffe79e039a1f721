"""The recorded activity of an experiment's trained networks."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa

from sgpipe.base.errors import SgpipeError
from sgpipe.base.log import LOG
from sgpipe.plan.plan import Plan
from sgpipe.results.tables import write_table
from sgpipe.rules.initial_state import ready_state
from sgpipe.rules.prepare_task import prepared


def record_activity(plan: Plan, name: str, tasks: Iterable[Path | str], output: Path | str) -> None:
    """Write the activity of an experiment's recorded runs on some test samples, and their spike counts on all of them.

    A run that did not finish has no activity.

    Args:
        plan: The plan.
        name: The experiment.
        tasks: The prepared tasks of its recorded runs, in their order.
        output: The table.
    """
    from sgpipe.model.recording import (
        MOMENTS,
        SCHEMA,
        Trained,
        count_spikes,
        record,
    )  # torch, which training need not load

    experiment = plan.experiment(name)
    asked, parts = experiment.record, [SCHEMA.empty_table()]
    for spec, path in zip(experiment.recorded(), tasks, strict=True):
        ended = plan.store.get(spec)
        if ended is not None and ended.status != "finished":
            LOG.warning(f"{name}: run {spec.id} {ended.status}: its activity is not recorded")
            continue
        task, weights = prepared(plan, path), plan.store.weights(spec)
        samples = _first_of_each_class(name, task.test.labels, asked["samples_per_class"], asked.get("labels"))
        theory = ready_state(plan, plan.init_path(spec.init_id)) if spec.conditions else None
        network, moments = Trained(spec, task, weights, theory), asked.get("moments", MOMENTS)
        parts.append(record(network, samples, moments, asked.get("membranes")))
        if asked.get("counts"):
            parts.append(count_spikes(network, moments))
    write_table(pa.concat_tables(parts), output)


def _first_of_each_class(name: str, labels: np.ndarray, count: int, wanted: Iterable[int] | None = None) -> np.ndarray:
    """Return the places of the first samples of each class, or of each of the `wanted` ones; raises SgpipeError."""
    classes = np.unique(labels) if wanted is None else np.asarray(list(wanted))
    found = np.sort(np.concatenate([np.flatnonzero(labels == label)[:count] for label in classes]))
    if not len(found):
        raise SgpipeError(f"{name}: record.labels: no test sample has label {' or '.join(map(str, classes))}")
    return found
