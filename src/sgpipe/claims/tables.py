"""The tables on which claims are tested, and the runs in them that a claim selects."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.compute as pc

from sgpipe.base.errors import SgpipeError
from sgpipe.base.parquet import metadata_of, read_whole
from sgpipe.claims.declare import Group
from sgpipe.data.files.published import data_kind, data_name
from sgpipe.results import selection
from sgpipe.results.tables import data_of_row, spec_of_row
from sgpipe.spec.run import knobs
from sgpipe.weights.schemes import parameter_count

LARGEST, HIGH = 0.95, 0.5  # spike counts that are as good as the largest possible, and that are high, in its units
UNTRAINED = {"parameters"}  # columns that are known of runs that are yet to come
RANGE = {
    "at_least": np.greater_equal,
    "above": np.greater,
    "at_most": np.less_equal,
    "below": np.less,
}


@dataclass(frozen=True)
class ExperimentTable:
    """An experiment at one scale: a row per run, how many its figure calls best, and the runs that are yet to come."""

    id: str
    scale: str
    best: int | None
    missing: pd.DataFrame
    runs: pd.DataFrame
    _fits: dict[tuple[str, str], np.ndarray] = field(default_factory=dict, init=False, repr=False, compare=False)

    def fits(self, key: str, wanted: Any) -> np.ndarray:
        """Tell which runs have the wanted value of a knob, as `fits` does, with a cache: many groups ask the same."""
        asked = key, repr(wanted)
        if asked not in self._fits:
            self._fits[asked] = fits(self.runs, key, wanted).to_numpy()
        return self._fits[asked]


def read_tables(folder: Path | str, names: Iterable[str]) -> dict[str, ExperimentTable]:
    """Return those of the named experiments whose tables are in a folder, `<name>.parquet`.

    Spike counts are taken from `<name>.activity.parquet`, if that is there, and the runs that `sgpipe collect` found
    missing from `<name>.missing.parquet`.
    """
    found = {}
    for name in names:
        path = Path(folder) / f"{name}.parquet"
        if path.exists():
            activity = path.with_suffix(".activity.parquet")
            found[name] = read_table(path, activity if activity.exists() else None)
    return found


def read_table(path: Path | str, activity: Path | str | None = None) -> ExperimentTable:
    """Return an experiment's table; raises SgpipeError if the file is not one.

    With the table of its activity, if spikes were counted, there are the columns of `spike_counts`.
    """
    table, beside = read_whole(path), Path(path).with_suffix(".missing.parquet")
    try:
        about = json.loads(metadata_of(table)["sgpipe.experiment"])
        runs = outcomes(table.to_pandas(use_threads=False))
        if activity is not None:
            runs = runs.join(spike_counts(_counts_after(activity), runs), on="run_id")
        missing = runs.head(0)
        if about.get("missing"):
            if not beside.exists():
                raise SgpipeError(f"{beside}: is not there, but {path} lacks runs; copy it too, or collect again")
            missing = outcomes(read_whole(beside).to_pandas(use_threads=False))
    except (KeyError, ValueError) as error:
        raise SgpipeError(f"{path}: not the table of an experiment that trains; delete it and make it anew") from error
    return ExperimentTable(about["id"], about["scale"], about.get("best"), _together(missing), _together(runs))


def _together(runs: pd.DataFrame) -> pd.DataFrame:
    """Keep columns of one type in one piece of memory: rows are taken hundreds of times, four times as fast from it."""
    strings = {name: object for name, kind in runs.dtypes.items() if isinstance(kind, pd.StringDtype)}
    return runs.astype(strings).copy()


def _counts_after(activity: Path | str) -> pd.DataFrame:
    """Return the spike counts after training of a table of activity."""
    table = read_whole(activity)
    wanted = pc.and_(pc.equal(table["kind"], "count"), pc.equal(table["moment"], "after"))
    return table.filter(wanted).to_pandas(use_threads=False)


def spike_counts(counts: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """Return, a row a run, what claims about the spike counts of single hidden units are about; none without counts.

    `spikes_largest`, the largest number of spikes of any unit in any test sample; `share_largest` and `share_high`, the
    shares of all pairs of a unit and a test sample with at least 95 % and half of the largest possible number. As the
    reset acts a step after the spike, that is a spike every other step: the paper's 500 in 1000 steps of 1 ms.
    """
    if not len(counts):
        return pd.DataFrame(index=pd.Index([], name="run_id"))
    runs = runs.set_index("run_id")
    rows = {}
    for run, own in counts[counts["run_id"].isin(runs.index)].groupby("run_id"):
        data = data_of_row(runs.loc[run].to_dict())
        level = own["spikes"] / (data.steps * getattr(data, "hold", 1) / 2)
        share = {
            name: own["value"][level >= bound].sum() / own["value"].sum()
            for name, bound in (("share_largest", LARGEST), ("share_high", HIGH))
        }
        rows[run] = {"spikes_largest": float(own["spikes"].max()), **share}
    return pd.DataFrame.from_dict(rows, orient="index")


def outcomes(table: pd.DataFrame) -> pd.DataFrame:
    """Return what `choose.outcomes` returns, with the further columns that claims use.

    `train_accuracy` at the best validation epoch and `train_accuracy_last`; `train_loss_last` and `train_loss_change`,
    its ratio to that of the first epoch; of validation loss over the epochs `valid_loss_lowest`, `valid_loss_last`,
    `valid_loss_rise` from the one to the other (overfitting), and `valid_loss_mean` (small where learning is fast);
    `generalisation_gap`, training less test accuracy; `parameters`, how many the network has; `chance`; `kind`
    and `data` of the data (see `data_kind` and `data_name`).
    """
    runs = selection.outcomes(table).set_index("run_id")
    finished = table[table["status"] == "finished"].sort_values("epoch", kind="stable")
    train, valid = (finished[finished["split"] == split].set_index("run_id") for split in ("train", "valid"))
    by_run = train.groupby(level="run_id")
    runs["train_accuracy"] = train[train["best"]]["accuracy"]
    runs["train_accuracy_last"] = by_run["accuracy"].last()
    runs["train_loss_last"] = by_run["loss"].last()
    runs["train_loss_change"] = by_run["loss"].last() / by_run["loss"].first()
    losses = valid.groupby(level="run_id")["loss"]
    runs["valid_loss_lowest"], runs["valid_loss_last"] = losses.min(), losses.last()
    runs["valid_loss_rise"] = runs["valid_loss_last"] - runs["valid_loss_lowest"]
    runs["valid_loss_mean"] = losses.mean()
    runs["generalisation_gap"] = runs["train_accuracy"] - runs["test_accuracy"]
    runs = runs.reset_index()
    runs["parameters"] = _parameters(runs)
    runs["chance"] = [1 / data_of_row(run).classes for run in runs.to_dict("records")]
    runs["kind"] = [data_kind(run) for run in runs.to_dict("records")]
    runs["data"] = [data_name(run) for run in runs.to_dict("records")]
    return runs


def _parameters(runs: pd.DataFrame) -> list[float]:
    """Return how many parameters each run's network has; runs of equal network and data are counted once."""
    shape = [key for key in runs if key.startswith(("data.", "network."))]
    found: dict[str, float] = {}
    alike = [str(list(values)) for values in runs[shape].itertuples(index=False)]
    for key, row in zip(alike, runs.to_dict("records"), strict=True):
        if key not in found:
            spec = spec_of_row(row)
            found[key] = float(parameter_count(spec, spec.data.units, spec.data.classes))
    return [found[key] for key in alike]


def runs_of(group: Group, table: ExperimentTable) -> pd.DataFrame:
    """Return the runs that a group selects, before any choice of the best."""
    if group.column in UNTRAINED and len(table.missing):
        table = replace(
            table, runs=pd.concat([table.runs, table.missing], ignore_index=True), missing=table.runs.head(0)
        )
    runs = table.runs
    wanted = np.ones(len(runs), dtype=bool)
    for key, value in group.where.items():
        wanted &= table.fits(key, value)
    return runs[wanted & selection.in_sweep(runs, *group.sweeps)] if group.sweeps and len(runs) else runs[wanted]


def missing_of(group: Group, table: ExperimentTable) -> int:
    """Return how many runs that a group would select are yet to come; of their spikes nothing is known."""
    if group.column in UNTRAINED:
        return 0
    known = {key: wanted for key, wanted in group.where.items() if key != "spikes_total"}
    return len(runs_of(replace(group, where=known), replace(table, runs=table.missing)))


def chosen(group: Group, table: ExperimentTable, runs: pd.DataFrame | None = None) -> pd.DataFrame:
    """Return the runs that count: all that a group selects (`runs`, if they are known), or the best by validation."""
    runs = runs_of(group, table) if runs is None else runs
    if group.best is None:
        return runs
    return selection.best(runs, table.best if group.best == "experiment" else group.best)


def fits(runs: pd.DataFrame, key: str, wanted: Any) -> pd.Series:
    """Return which runs have a knob's value, one of its values, or a value in its range."""
    column = runs[key] if key in runs else _default(runs, key)
    if isinstance(wanted, Mapping):
        numbers = pd.to_numeric(column, errors="coerce")
        found = numbers.notna()
        for word, bound in wanted.items():
            if word not in RANGE:
                raise SgpipeError(f"claims: where: {key}: {word!r} is not one of {', '.join(RANGE)}")
            found &= RANGE[word](numbers, bound)
        return found
    values = wanted if isinstance(wanted, list) else [wanted]
    found = pd.Series(False, index=runs.index)
    for value in values:
        found |= column.isna() if value is None else _equal(column, value)
    return found


def _equal(column: pd.Series, value: Any) -> pd.Series:
    if isinstance(value, bool | str):
        return column.map(lambda have: not _missing(have) and have == value).astype(bool)
    return pd.Series(
        np.isclose(pd.to_numeric(column, errors="coerce").astype(float), value, rtol=1e-9, atol=0), column.index
    )


def _missing(value: Any) -> bool:
    return value is None or value != value


def _default(runs: pd.DataFrame, key: str) -> pd.Series:
    """Return the default of a knob that was added after the table was written; missing where no task has it."""
    tasks = sorted(runs["data.task"].unique()) if len(runs) else []
    defaults = {task: knobs(task)[key].default for task in tasks if key in knobs(task)}
    return runs["data.task"].map(defaults) if defaults else pd.Series(None, index=runs.index, dtype=object)
