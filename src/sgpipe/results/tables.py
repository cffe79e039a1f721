"""Tidy tables of ended runs: a row per run, epoch and split, with every knob as a column."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sgpipe.base.errors import SgpipeError
from sgpipe.base.files import atomic
from sgpipe.results.store import ROW_SCHEMA, Result, Row
from sgpipe.spec.knob import basic_type
from sgpipe.spec.run import RunSpec, knobs, rare_knobs
from sgpipe.spec.tasks import TASKS
from sgpipe.spec.tasks.data_knobs import DataKnobs

ARROW_TYPES = {bool: pa.bool_(), int: pa.int64(), float: pa.float64(), str: pa.string()}


def runs_table(results: Sequence[Result]) -> pa.Table:
    """Make the tidy table of ended runs: a row per run, epoch and split, with every knob as a column.

    A failed run has one row, of epoch 0. `network.hidden` becomes text such as `100-100` (empty for none). There is
    no provenance and no time in it: equal science is equal bytes. Sorted by run id, then as measured.
    """
    parts = []
    for result in sorted(results, key=lambda result: result.spec.id):
        rows = result.rows or (Row(0, "none", np.nan, np.nan, np.nan, ()),)
        table = pa.Table.from_pylist([asdict(row) for row in rows], schema=ROW_SCHEMA)
        columns = {"run_id": result.spec.id, "status": result.status}
        before = {name: pa.repeat(pa.scalar(value, pa.string()), len(table)) for name, value in columns.items()}
        after = {}  # knobs that not all tables have: last, so that they move no other column
        for name, value in result.spec.flat().items():
            if name == "network.hidden":
                value, kind = "-".join(map(str, value)), pa.string()
            else:
                kind = _arrow_type(result.spec, name)
            place = after if name in rare_knobs() else before
            place[name] = pa.repeat(pa.scalar(value, kind), len(table))
        measured = dict(zip(table.column_names, table.columns, strict=True))
        parts.append(pa.table({**before, **measured, **after}))
    if not parts:
        raise SgpipeError("a table of no runs was asked for")
    return pa.concat_tables(parts, promote_options="default")


def results_of_table(table: pa.Table, wanted: Mapping[str, RunSpec]) -> list[Result]:
    """Read the results of some runs back from a tidy table; they have no weights and no provenance.

    Args:
        table: A table as `runs_table` makes them.
        wanted: The runs by id; those that the table lacks are left out.
    """
    rows: dict[str, list[Row]] = {}
    table = table.filter(pc.is_in(table["run_id"], pa.array(sorted(wanted), pa.string())))
    names = ["run_id", "status", *(name for name in ROW_SCHEMA.names if name in table.column_names)]
    statuses = {}
    for row in table.select(names).to_pylist():
        run_id, status = row.pop("run_id"), row.pop("status")
        statuses[run_id] = status
        rows.setdefault(run_id, [])
        if row["split"] != "none":  # of a failed run
            rows[run_id].append(Row(**{**row, "spikes": tuple(row["spikes"])}))
    return [Result(wanted[run_id], statuses[run_id], tuple(measured)) for run_id, measured in rows.items()]


def spec_of_row(row: Mapping[str, object]) -> RunSpec:
    """Make the run that a table's row describes, from its columns of knobs; missing ones do not apply."""
    kinds = {key: basic_type(item.type) for key, item in knobs(row["data.task"]).items()}
    values = {}
    for key, kind in kinds.items():
        value = row.get(key)
        if kind is tuple:
            values[key] = [int(units) for units in value.split("-") if units]
        elif value is not None and value == value:  # a number that is missing among others is NaN
            values[key] = kind(value)
    return RunSpec.make(values, "a table's row")


def data_of_row(row: Mapping[str, object]) -> DataKnobs:
    """Make the data set that a table's row describes, from its `data.` columns; missing ones have their default."""
    values = {}
    for key, item in knobs(row["data.task"]).items():
        value = row.get(key)
        if key.startswith("data.") and key != "data.task" and value is not None and value == value:
            values[key.removeprefix("data.")] = basic_type(item.type)(value)
    return TASKS[row["data.task"]](**values)


def _arrow_type(spec: RunSpec, name: str) -> pa.DataType:
    return ARROW_TYPES[basic_type(knobs(spec.data.task)[name].type)]


def write_table(table: pa.Table, path: Path | str, metadata: Mapping[str, str] | None = None) -> None:
    """Write a Parquet table atomically.

    Args:
        table: The table.
        path: The file.
        metadata: Added to its schema.
    """
    table = table.replace_schema_metadata(dict(metadata) if metadata else None)
    # Hardly any two losses or membranes are equal: by bytes of a place they pack better than by a dictionary.
    floating = [field.name for field in table.schema if pa.types.is_floating(field.type)]
    distinct = [name for name in floating if name in ("loss", "penalty", "value")]
    layout = {"use_byte_stream_split": distinct} if distinct else {}
    repeated = [name for name in table.column_names if name not in distinct]
    with atomic(path) as temporary:
        pq.write_table(table, temporary, compression="zstd", compression_level=9, use_dictionary=repeated, **layout)


def merge_packs(packs: Iterable[pa.Table], sweeps: Mapping[str, tuple[str, ...]]) -> pa.Table:
    """Merge one experiment's table from the tables of its packs.

    Args:
        packs: The tables. Rows of other experiments' runs are left out.
        sweeps: For each run id of the experiment, the names of the sweeps that ask for it; the list column `sweeps`.

    Returns:
        The table, ordered by run id, whatever the packs.
    """
    table = pa.concat_tables(list(packs), promote_options="default")
    missing = set(sweeps) - set(table.column("run_id").to_pylist())
    if missing:
        raise SgpipeError(
            f"{len(missing)} runs are in no pack table, {sorted(missing)[0]} for one; delete the pack tables"
        )
    return experiment_table(table, sweeps)


def experiment_table(table: pa.Table, sweeps: Mapping[str, tuple[str, ...]]) -> pa.Table:
    """Take the rows of an experiment's runs, sorted by run id, with the list column `sweeps`."""
    ids = table.column("run_id").to_pylist()
    order = sorted((row for row, run_id in enumerate(ids) if run_id in sweeps), key=lambda row: (ids[row], row))
    table = table.take(order)
    labels = pa.array([list(sweeps[run_id]) for run_id in table.column("run_id").to_pylist()], pa.list_(pa.string()))
    return table.add_column(1, "sweeps", labels)
