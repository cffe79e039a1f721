"""Tables that figures and claims are made from: those that are damaged are made again first."""

from collections.abc import Iterable
from pathlib import Path

from sgpipe.base.parquet import read_whole
from sgpipe.plan.plan import Plan
from sgpipe.rules.aggregate import aggregate
from sgpipe.rules.describe import describe
from sgpipe.rules.record import record_activity
from sgpipe.rules.simulate import simulate
from sgpipe.rules.whole import whole
from sgpipe.spec.run import RunSpec


def mend_tables(plan: Plan, paths: Iterable[Path | str]) -> None:
    """Make damaged tables of experiments and of their activity again; leave the others as they are."""
    for path in map(Path, paths):
        name, _, kind = path.name.partition(".")
        again = _activity if kind.startswith("activity") else _table
        whole(plan, path, read_whole, lambda path=path, name=name, again=again: again(plan, name, path))


def _table(plan: Plan, name: str, path: Path) -> None:
    experiment = plan.experiment(name)
    tasks = _tasks(plan, plan.shown(experiment))
    if experiment.trains:
        aggregate(plan, name, [plan.pack_path(pack) for pack in plan.packs_of[name]], path)
    elif experiment.simulate:
        asked = {spec.init_id for spec in experiment.runs.values() if spec.conditions}
        simulate(plan, name, tasks, {init_id: plan.init_path(init_id) for init_id in asked}, path)
    else:
        describe(plan, name, path, tasks.values())


def _activity(plan: Plan, name: str, path: Path) -> None:
    recorded = plan.experiment(name).recorded()
    record_activity(plan, name, [plan.task_path(spec.data_id) for spec in recorded], path)


def _tasks(plan: Plan, specs: Iterable[RunSpec]) -> dict[str, Path]:
    return {spec.data_id: plan.task_path(spec.data_id) for spec in specs}
