"""From a spec's data section to a prepared task, and the statistics of its inputs."""

import numpy as np

from sgpipe.data import randman
from sgpipe.data.events import Task
from sgpipe.spec import RunSpec

MAKERS = {"randman": randman.make}


def prepare(spec: RunSpec) -> Task:
    """Make the task of a run from its source."""
    return MAKERS[spec.data.task](spec.data).check(spec.data.task)


def statistics(task: Task) -> dict[str, float]:
    """Return mean and variance of the input per unit and step, from the train split only.

    The theory of initialisations needs them; events of one bin add up.
    """
    events, cells = task.train, len(task.train) * task.steps * task.units
    sample = np.repeat(np.arange(len(events)), np.diff(events.ptr))
    cell = (sample * task.steps + events.step) * task.units + events.unit
    counts = np.unique(cell, return_counts=True)[1].astype(float)
    mean = counts.sum() / cells
    return {"mean": mean, "variance": (counts**2).sum() / cells - mean**2, "samples": len(events)}
