"""The table of an experiment that simulates networks before training."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import pyarrow as pa

from sgpipe.plan.plan import Plan
from sgpipe.results.tables import write_table
from sgpipe.rules.describe import as_cell
from sgpipe.rules.initial_state import ready_state
from sgpipe.rules.prepare_task import prepared
from sgpipe.rules.table_metadata import table_metadata


def simulate(
    plan: Plan, name: str, tasks: Mapping[str, Path | str], states: Mapping[str, Path | str], output: Path | str
) -> None:
    """Write the activity of an experiment's networks before training.

    Args:
        plan: The plan.
        name: The experiment.
        tasks: Prepared tasks by data id.
        states: Initial states by init id.
        output: The table. Its column `kind` tells what a row is: `course` (of a step) and `mean` of a run's layer, with
            its knobs; `phase` and `moment` of the first layer of the first run (see `sgpipe.initial_state.observe`).
    """
    from sgpipe.initial_state.observe import measured, moment_rows, phase_rows  # scipy, which training need not load

    experiment = plan.experiment(name)
    asked, rows = experiment.simulate, []
    for run_id, spec in experiment.runs.items():
        state = ready_state(plan, states[spec.init_id]) if spec.conditions else None
        found = measured(spec, prepared(plan, tasks[spec.data_id]), state, asked["samples"], asked["steps"])
        knobs = {key: as_cell(value) for key, value in spec.flat().items()}
        for kind, part in zip(("course", "mean"), found, strict=True):
            rows += [{"kind": kind, "sweeps": list(experiment.sweeps[run_id]), **knobs, **row} for row in part]
    first = next(iter(experiment.runs.values()))
    task = prepared(plan, tasks[first.data_id])
    phase = {key.removeprefix("phase."): value for key, value in asked.items() if key.startswith("phase.")}
    if phase:
        rows += [{"kind": "phase", **row} for row in phase_rows(first, task, **phase)]
    rows += [{"kind": "moment", **row} for row in moment_rows(first, task)]
    metadata = table_metadata(experiment) | plan.simulation_notes
    write_table(pa.Table.from_pylist(rows, _columns(rows)), output, metadata)


def _columns(rows: Iterable[Mapping[str, object]]) -> pa.Schema:
    """Return the schema of rows that differ in their columns: all of them, each of the type of its values."""
    values: dict[str, list] = {}
    for row in rows:
        for key, value in row.items():
            values.setdefault(key, []).append(value)
    return pa.schema([(key, pa.array(column).type) for key, column in values.items()])
