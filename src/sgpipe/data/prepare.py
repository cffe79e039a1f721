"""From a spec's data section to a prepared task, and the statistics of its inputs.

The module `sgpipe.data.<task>` makes a task with `make(data, folder, workers)`, where `folder` holds the data files
and is None for a stand-in. The result must not depend on `workers`, the number of parallel workers. If a module's
intermediate result can serve other tasks of the same source, `make` has a fourth argument, `keep`: a folder for it.
A missing or damaged file raises SgpipeError. `find(folder, data)` is described in `sgpipe.data.files.sources`.
"""

import importlib
import inspect
from pathlib import Path
from typing import Any

import numpy as np

from sgpipe.base.errors import SgpipeError
from sgpipe.data.own import own_of, own_task
from sgpipe.data.samples import SPLITS, Analog, Events, Task, Words
from sgpipe.spec.run import RunSpec

ROWS = 500  # samples processed together: enough to be fast, few enough to fit in memory


def prepare(spec: RunSpec, folder: Path | str | None = None, workers: int = 1, keep: Path | str | None = None) -> Task:
    """Make the task of a run from its source.

    Args:
        spec: The run.
        folder: The data folder.
        workers: Parallel workers; the result does not depend on their number.
        keep: A folder for intermediate results that are costly and serve other tasks too; they are reused from there.

    Raises:
        SgpipeError: Files are needed but no folder is given, or a file is bad.
    """
    data = spec.data
    needs_files = data.source in ("original", "derived")
    if needs_files and folder is None:
        wanted = 'give it, as in folder="data"'
        raise SgpipeError(f"{data.task}: source {data.source} needs the folder of the data files; {wanted}")
    if own := own_of(data):
        return own_task(own, data, Path(folder) if needs_files else None)
    module = importlib.import_module(f"sgpipe.data.{data.task}")
    kept = {"keep": Path(keep)} if keep is not None and "keep" in inspect.signature(module.make).parameters else {}
    return module.make(data, Path(folder) if needs_files else None, workers, **kept).check(data.task)


def statistics(task: Task) -> dict[str, Any]:
    """Compute the mean, variance, smallest and largest value of the input per unit and time step.

    Events in one bin add up. A word activates one of `units` inputs.

    Returns:
        `mean`, `variance`, `low` and `high` of the train split, which the theory of initialisation needs; and `splits`,
        the same numbers for every split.
    """
    splits = {split: _split_statistics(getattr(task, split), task) for split in SPLITS}
    return {**splits["train"], "splits": splits}


def _split_statistics(samples: Events | Analog | Words, task: Task) -> dict[str, float]:
    mean, square, low, high = _moments(samples, task.steps, task.units)
    return {"mean": mean, "variance": square - mean**2, "low": low, "high": high, "samples": len(samples)}


def _moments(samples: Events | Analog | Words, steps: int, units: int) -> tuple[float, float, float, float]:
    """Return the mean, mean square, smallest and largest value over all cells (sample, step, unit)."""
    if isinstance(samples, Words):
        return 1 / units, 1 / units, 0.0, 1.0
    first = square = 0.0
    ends, filled = [], 0
    for start in range(0, len(samples), ROWS):
        stop = min(start + ROWS, len(samples))
        if isinstance(samples, Analog):  # holding a frame repeats it, which changes none of these numbers
            values = samples.frames[start:stop].astype(float)
        else:
            begin, end = samples.ptr[start], samples.ptr[stop]
            sample = np.repeat(np.arange(stop - start), np.diff(samples.ptr[start : stop + 1]))
            cell = (sample * steps + samples.step[begin:end]) * units + samples.unit[begin:end]
            values = np.unique(cell, return_counts=True)[1].astype(float)
        first, square, filled = first + float(values.sum()), square + float((values**2).sum()), filled + values.size
        ends += [float(values.min()), float(values.max())] if values.size else []
    cells = max(samples.frames.size if isinstance(samples, Analog) else len(samples) * steps * units, 1)
    ends += [0.0] if filled < cells else []
    return first / cells, square / cells, min(ends), max(ends)
