"""Tables that exist, but have other runs than the plan.

Snakemake notices a changed plan by what it has noted of earlier jobs in `.snakemake`. Where that is lost, or the
results were made in another folder, only the tables themselves tell.
"""

import json
from pathlib import Path

import numpy as np

from sgpipe.base.errors import SgpipeError
from sgpipe.base.parquet import metadata_of, read_whole
from sgpipe.plan.plan import Plan

ABOUT = "sgpipe.experiment"
OF_RUNS = ("run_id", "sweeps")


def is_outdated(plan: Plan, name: str, path: Path | str) -> bool:
    """Tell whether the table of an experiment is there and of other runs, sweeps or settings than the plan's.

    A damaged table is not: it is set aside and made again by whoever reads it.

    Args:
        plan: The plan.
        name: The experiment, or one in a reading.
        path: Its table.
    """
    experiment = plan.experiment(name)
    try:
        table = read_whole(path, OF_RUNS if experiment.trains else [])
        about = json.loads(metadata_of(table)[ABOUT])
    except (SgpipeError, FileNotFoundError, KeyError, ValueError):
        return False
    wanted = json.loads(json.dumps(experiment.metadata()))
    if wanted != {key: about.get(key) for key in wanted}:
        return True
    return experiment.trains and _sweeps(table) != {run: list(names) for run, names in experiment.sweeps.items()}


def _sweeps(table) -> dict[str, list[str]]:
    """Return the sweeps of each run of a table, whose rows stand together."""
    ids = table.column("run_id").to_numpy(zero_copy_only=False)
    first = np.flatnonzero(np.concatenate([[True], ids[1:] != ids[:-1]])) if len(ids) else []
    return dict(zip(ids[first], table.column("sweeps").take(first).to_pylist(), strict=True)) if len(ids) else {}
