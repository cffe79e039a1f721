"""Rule `prepare_task`: a data set as the engines read it, with the statistics of its splits."""

import json
from pathlib import Path

from sgpipe.base.files import atomic
from sgpipe.data import prepare, save_task, statistics
from sgpipe.plan.plan import Plan


def prepare_task(
    plan: Plan, data_id: str, task_path: Path | str, statistics_path: Path | str, workers: int = 1
) -> None:
    """Make a data set, and the statistics of its splits.

    Raises SgpipeError if its files are not those that the plan was made with.
    """
    spec = plan.tasks[data_id]
    plan.sources.check(spec.data)
    task = prepare(spec, plan.config.data_dir, workers, keep=Path(task_path).parent)
    save_task(task, task_path)
    described = {"data": vars(spec.data), **statistics(task)}
    with atomic(statistics_path) as temporary:
        temporary.write_text(json.dumps(described, indent=1) + "\n")
