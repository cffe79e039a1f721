"""Make runs and data sets from knobs, and read the tables of runs that have ended."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from sgpipe.base.errors import SgpipeError
from sgpipe.base.parquet import metadata_of, read_whole
from sgpipe.data.prepare import prepare
from sgpipe.data.samples import Task
from sgpipe.results.listing import stored_runs
from sgpipe.results.selection import outcomes
from sgpipe.results.store import Store
from sgpipe.results.tables import runs_table
from sgpipe.spec.points import flatten
from sgpipe.spec.run import RunSpec

Run = RunSpec | Mapping[str, Any]


def make_run(run: Run) -> RunSpec:
    """Make a run from knobs, written as in an experiment file.

    Args:
        run: Knobs, nested or dotted, e.g. `{"network": {"hidden": [64]}, "surrogate.beta": 10}`; all others have their
            defaults (docs/knobs.md). A run is returned unchanged.

    Returns:
        The run. `run.id` is its id in every store.

    Raises:
        SgpipeError: A knob is unknown, a value is out of range, or the combination is impossible.
    """
    return run if isinstance(run, RunSpec) else RunSpec.make(flatten(run, "knobs"), "knobs")


def make_task(run: Run, folder: Path | str | None = None) -> Task:
    """Make the data set of a run.

    Args:
        run: The run, or its knobs. With `data.source: original` published files are read; with any
            other source the data are generated.
        folder: Where the files are, e.g. `data`.

    Returns:
        `train`, `valid` and `test` samples, and the numbers of input `units`, `classes` and time `steps`.

    Raises:
        SgpipeError: A knob is wrong, or a file is missing or damaged.
    """
    return prepare(make_run(run), folder)


def runs(source: Path | str = "results", rows: Literal["epochs", "runs"] = "epochs") -> pd.DataFrame:
    """Read the runs that have ended.

    Args:
        source: A results folder, for all runs in its store; or the table of an experiment, e.g.
            `results/laptop/zenke2021_fig3.parquet`.
        rows: `epochs`: a row per run, epoch and split. `runs`: a row per run, with accuracies at its best validation
            epoch; the choice of an epoch never looks at the test split.

    Returns:
        A column for each knob, by dotted name, and the measurements: `loss` and `penalty` in nats, `accuracy` as a
        fraction, `spikes` as the mean number per sample in each hidden layer. If the source is an experiment's table,
        `attrs["experiment"]` describes the experiment.

    Raises:
        SgpipeError: There is no such file or folder, or it is not a table of runs.
    """
    path = Path(source)
    if path.is_dir():
        frame = _of_store(path)
    elif path.is_file():
        table = read_whole(path)
        frame = table.to_pandas(use_threads=False)
        frame.attrs["experiment"] = json.loads(metadata_of(table).get("sgpipe.experiment", "{}"))
    else:
        raise SgpipeError(f"{source}: no such file or folder; give a results folder, or the table of an experiment")
    if not {"run_id", "epoch", "split"} <= set(frame.columns):
        raise SgpipeError(f"{source}: is no table of trained runs")
    return outcomes(frame) if rows == "runs" else frame


def _of_store(folder: Path) -> pd.DataFrame:
    store = Store(folder / "runs")
    found = {run.spec.id: store.get(run.spec) for run in stored_runs(store.root)}
    results = [result for result in found.values() if result is not None]
    if not results:
        raise SgpipeError(f"{folder}: no run in its store, {store.root}")
    frame: pd.DataFrame = runs_table(results).to_pandas(use_threads=False)
    frame.insert(1, "sweeps", [() for _ in range(len(frame))])
    return frame
