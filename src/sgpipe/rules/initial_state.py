"""Rules `initial_state` and `calibrated_state`: what runs with conditions start from."""

import json
import sys
from pathlib import Path

from sgpipe.base.errors import SgpipeError
from sgpipe.data import load_task
from sgpipe.initial_state.state import write_state
from sgpipe.plan.plan import Plan


def initial_state(plan: Plan, init_id: str, task_path: Path | str, output: Path | str) -> None:
    """Write the initial state that conditions ask for, from a prepared task and its statistics beside it.

    A condition without a solution is a line on the error stream. Raises SgpipeError, naming experiments and run, if
    `init.infeasible` is `error`.
    """
    from sgpipe.initial_state.make import initial_state  # scipy, which training need not load

    spec, path = plan.initial_states[init_id], Path(task_path)
    askers = [
        name for name, item in plan.experiments.items() if any(run.init_id == init_id for run in item.runs.values())
    ]
    where = f"{', '.join(askers)}: run {spec.id} ({spec.init.conditions})"
    described = path.with_suffix(".json")
    try:
        known = json.loads(described.read_text()) if described.exists() else None
        state = initial_state(spec, load_task(path), known)
    except SgpipeError as error:
        raise SgpipeError(f"{where}: {error}") from error
    for message in state.messages:
        print(f"sgpipe: {where}: {message}", file=sys.stderr)
    write_state(state, output, {"sgpipe.init": spec.init_id, "sgpipe.spec": spec.canonical()})
