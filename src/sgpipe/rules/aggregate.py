"""An experiment's table, from the tables of its packs or from whatever the store has."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pyarrow as pa

from sgpipe.base.errors import SgpipeError
from sgpipe.base.parquet import read_whole
from sgpipe.plan.plan import NUMERICS, Plan
from sgpipe.results.store import Result
from sgpipe.results.tables import experiment_table, merge_packs, results_of_table, runs_table, write_table
from sgpipe.rules.notice import tell_of_failures
from sgpipe.rules.table_metadata import table_metadata
from sgpipe.rules.whole import whole
from sgpipe.spec.numerics import versions
from sgpipe.spec.run import RunSpec


def aggregate(plan: Plan, name: str, packs: Iterable[Path | str], output: Path | str) -> None:
    """Write the table of an experiment from the tables of its packs.

    Args:
        plan: The plan.
        name: The experiment.
        packs: The tables of its packs; a damaged one is made again.
        output: The table.
    """
    experiment = plan.experiment(name)
    table = merge_packs((pack_table(plan, path) for path in packs), experiment.sweeps)
    write_table(table, output, table_metadata(experiment))
    statuses = dict(zip(table["run_id"].to_pylist(), table["status"].to_pylist(), strict=True))
    tell_of_failures(plan.config, name, statuses.values())


def pack_table(plan: Plan, path: Path | str) -> pa.Table:
    """Read the table of a pack; a damaged one is made again from the store.

    Args:
        plan: The plan.
        path: The table.

    Raises:
        SgpipeError: The store lacks some of the runs. The damaged table has then been set aside, so that `snakemake`
            trains them.
    """
    path = Path(path)

    def again() -> None:
        pack = plan.pack(path.stem)
        results = [result for spec in pack.runs if (result := plan.store.get(spec))]
        if len(results) < len(pack.runs):
            missing = f"{len(pack.runs) - len(results)} of its {len(pack.runs)} runs are not in the store"
            raise SgpipeError(f"{path}: {missing}; give the same command again to train them")
        write_table(runs_table(results), path, pack.notes)

    return whole(plan, path, read_whole, again)


def begun(plan: Plan) -> Iterator[str]:
    """Yield the experiments that have at least one ended run."""
    for name, experiment in plan.experiments.items():
        if experiment.trains and any(spec in plan.store for spec in experiment.runs.values()):
            yield name


def collect(plan: Plan, name: str, output: Path | str) -> tuple[int, int]:
    """Write the table of an experiment from those of its runs that have ended.

    Runs that an existing table has and the store lacks stay in the table: the store may be gone, or be on another
    machine. They are dropped if one of their numerics versions has been raised since. The table says how many are
    missing, and so does a figure drawn from it. `<name>.missing.parquet` beside it lists them, so that claims about the
    others can be judged.

    Args:
        plan: The plan.
        name: The experiment.
        output: The table.

    Returns:
        The number of runs that have ended, and the number of all runs.

    Raises:
        SgpipeError: None has ended.
    """
    experiment, output = plan.experiment(name), Path(output)
    known = _known(output, experiment.runs)
    results = [
        plan.store.get(spec) or known.get(run_id) or Result(spec, "missing", ())
        for run_id, spec in experiment.runs.items()
    ]
    missing = [result for result in results if result.status == "missing"]
    if len(missing) == len(results):
        raise SgpipeError(f"{name}: none of its runs has ended yet")
    ended = [result for result in results if result.status != "missing"]
    metadata = table_metadata(experiment, missing=len(missing)) | {NUMERICS: _numerics(result.spec for result in ended)}
    write_table(experiment_table(runs_table(ended), experiment.sweeps), output, metadata)
    beside = output.with_suffix(".missing.parquet")
    if missing:
        write_table(experiment_table(runs_table(missing), experiment.sweeps), beside)
    else:
        beside.unlink(missing_ok=True)
    return len(ended), len(results)


def _numerics(specs: Iterable[RunSpec]) -> str:
    """Write the numerics versions of everything that some runs use as one string."""
    return ",".join(sorted({one for spec in specs for one in versions(spec).split(",")}))


def _known(path: Path, runs: Mapping[str, RunSpec]) -> dict[str, Result]:
    """Return the results by run id that a table has, if it was collected with the numerics versions of today."""
    if not path.exists():
        return {}
    table = read_whole(path)
    with_versions = (table.schema.metadata or {}).get(NUMERICS.encode(), b"").decode()
    results = results_of_table(table, runs)
    # A table from before they were noted is taken as it is.
    current = set(with_versions.split(","))
    return {one.spec.id: one for one in results if not with_versions or set(versions(one.spec).split(",")) <= current}
