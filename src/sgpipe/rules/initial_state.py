"""Rules `initial_state` and `calibrated_state`: the initial state of runs with conditions."""

from collections.abc import Sequence
from pathlib import Path

from sgpipe.base.errors import SgpipeError
from sgpipe.base.log import LOG
from sgpipe.initial_state.state import read_state, write_state
from sgpipe.plan.plan import Plan
from sgpipe.rules.prepare_task import known_statistics, prepared
from sgpipe.rules.whole import whole
from sgpipe.spec.layer_settings import LayerSettings


def initial_state(plan: Plan, init_id: str, task_path: Path | str, output: Path | str) -> None:
    """Write the initial state that conditions ask for.

    Each condition without a solution is named in a line on the error stream.

    Args:
        plan: The plan.
        init_id: The id of the initial state.
        task_path: The prepared task, with its statistics beside it.
        output: The file.

    Raises:
        SgpipeError: A condition has no solution and `init.infeasible` is `error`; the message names experiments and
            run.
    """
    from sgpipe.initial_state.make import initial_state  # scipy, which training need not load

    spec, path = plan.initial_state(init_id), Path(task_path)
    askers = [
        name for name, item in plan.experiments.items() if any(run.init_id == init_id for run in item.runs.values())
    ]
    where = f"{', '.join(askers)}: run {spec.id} ({spec.init.conditions})"
    task = prepared(plan, path)
    known = known_statistics(plan, path) if path.with_suffix(".json").exists() else None
    try:
        state = initial_state(spec, task, known)
    except SgpipeError as error:
        raise SgpipeError(f"{where}: {error}") from error
    for message in state.messages:
        LOG.warning(f"{where}: {message}")
    write_state(
        state, output, {"sgpipe.init": spec.init_id, "sgpipe.spec": spec.canonical(), **plan.init_notes(init_id)}
    )


def ready_state(plan: Plan, path: Path | str) -> Sequence[LayerSettings]:
    """Read an initial state; a damaged one is made again."""
    path = Path(path)

    def again() -> None:
        initial_state(plan, path.stem, plan.task_path(plan.initial_state(path.stem).data_id), path)

    return whole(plan, path, read_state, again)
