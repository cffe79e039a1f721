"""An experiment's table, from the tables of its packs or from whatever the store has."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from sgpipe.base.errors import SgpipeError
from sgpipe.plan.plan import Plan
from sgpipe.results.store import Result
from sgpipe.results.tables import experiment_table, merge_packs, runs_table, write_table
from sgpipe.rules.table_metadata import table_metadata


def aggregate(plan: Plan, name: str, packs: Iterable[Path | str], output: Path | str) -> None:
    """Write an experiment's table from the tables of its packs."""
    experiment = plan.experiment(name)
    write_table(merge_packs(packs, experiment.sweeps), output, table_metadata(experiment))


def begun(plan: Plan) -> Iterator[str]:
    """The experiments of which a run has ended."""
    for name, experiment in plan.experiments.items():
        if experiment.trains and any(spec in plan.store for spec in experiment.runs.values()):
            yield name


def collect(plan: Plan, name: str, output: Path | str) -> tuple[int, int]:
    """Write an experiment's table from whichever of its runs have ended; return how many, and of how many.

    The table says how many are missing, and so does a figure drawn from it; `<name>.missing.parquet` beside it says
    which, for claims about the others. Raises SgpipeError if none has ended.
    """
    experiment, output = plan.experiment(name), Path(output)
    results = [plan.store.get(spec) or Result(spec, "missing", ()) for spec in experiment.runs.values()]
    missing = [result for result in results if result.status == "missing"]
    if len(missing) == len(results):
        raise SgpipeError(f"{name}: none of its runs has ended yet")
    ended = [result for result in results if result.status != "missing"]
    write_table(
        experiment_table(runs_table(ended), experiment.sweeps), output, table_metadata(experiment, missing=len(missing))
    )
    beside = output.with_suffix(".missing.parquet")
    if missing:
        write_table(experiment_table(runs_table(missing), experiment.sweeps), beside)
    else:
        beside.unlink(missing_ok=True)
    return len(ended), len(results)
