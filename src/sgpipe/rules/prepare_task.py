"""Rule `prepare_task`: a data set as the engines read it, with the statistics of its splits."""

import json
from pathlib import Path
from typing import Any

from sgpipe.base.errors import DamagedFile, first_line
from sgpipe.base.files import atomic
from sgpipe.data import Task, load_task, prepare, save_task, statistics
from sgpipe.plan.plan import Plan
from sgpipe.rules.whole import whole
from sgpipe.spec.run import RunSpec


def prepare_task(
    plan: Plan, data_id: str, task_path: Path | str, statistics_path: Path | str, workers: int = 1
) -> None:
    """Make a data set, and the statistics of its splits.

    Args:
        plan: The plan.
        data_id: The id of the data set.
        task_path: The file for the data set.
        statistics_path: The file for the statistics.
        workers: Parallel workers; the result does not depend on their number.

    Raises:
        SgpipeError: The files are not those with which the plan was made.
    """
    spec = plan.task(data_id)
    plan.sources.check(spec.data)
    task = prepare(spec, plan.config.data_dir, workers, keep=Path(task_path).parent)
    save_task(task, task_path, plan.task_notes(data_id))
    _write_statistics(spec, task, statistics_path)


def prepared(plan: Plan, path: Path | str) -> Task:
    """Read a prepared task; a damaged one is made again."""
    path = Path(path)
    return whole(plan, path, load_task, lambda: prepare_task(plan, path.stem, path, path.with_suffix(".json")))


def known_statistics(plan: Plan, task_path: Path | str) -> dict[str, Any]:
    """Read the statistics of a prepared task; damaged ones are made again from it."""
    path = Path(task_path).with_suffix(".json")

    def again() -> None:
        _write_statistics(plan.task(path.stem), prepared(plan, task_path), path)

    return whole(plan, path, _read_statistics, again)


def _write_statistics(spec: RunSpec, task: Task, path: Path | str) -> None:
    described = {"data": vars(spec.data), **statistics(task)}
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(described, indent=1) + "\n")


def _read_statistics(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text())
    except ValueError as error:
        raise DamagedFile(path, first_line(error)) from error
    if not isinstance(found, dict):
        raise DamagedFile(path, "it is not a table of statistics")
    return found
