"""An experiment's table, from the tables of its packs or from whatever the store has."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa

from sgpipe.base.errors import SgpipeError
from sgpipe.base.parquet import read_whole
from sgpipe.plan.plan import Plan
from sgpipe.results.store import Result
from sgpipe.results.tables import experiment_table, merge_packs, runs_table, write_table
from sgpipe.rules.notice import tell_of_failures
from sgpipe.rules.table_metadata import table_metadata
from sgpipe.rules.whole import whole


def aggregate(plan: Plan, name: str, packs: Iterable[Path | str], output: Path | str) -> None:
    """Write an experiment's table from the tables of its packs; of those, damaged ones are made again."""
    experiment = plan.experiment(name)
    table = merge_packs((pack_table(plan, path) for path in packs), experiment.sweeps)
    write_table(table, output, table_metadata(experiment))
    statuses = dict(zip(table["run_id"].to_pylist(), table["status"].to_pylist(), strict=True))
    tell_of_failures(plan.config, name, statuses.values())


def pack_table(plan: Plan, path: Path | str) -> pa.Table:
    """Return the table of a pack; one that is damaged is made again from the store.

    Raises SgpipeError if runs are missing there. The damaged table is out of the way by then, so that `snakemake`
    trains them.
    """
    path = Path(path)

    def again() -> None:
        runs = plan.pack(path.stem).runs
        results = [result for spec in runs if (result := plan.store.get(spec))]
        if len(results) < len(runs):
            missing = f"{len(runs) - len(results)} of its {len(runs)} runs are not in the store"
            raise SgpipeError(f"{path}: {missing}; give the same command again to train them")
        write_table(runs_table(results), path)

    return whole(plan, path, read_whole, again)


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
