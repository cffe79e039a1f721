"""Files that exist, but have other runs or other numerics versions than the plan.

Snakemake notices a changed plan by what it has noted of earlier jobs in `.snakemake`. Where that is lost, or the
results were made in another folder, only the files themselves tell.
"""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa

from sgpipe.base.errors import SgpipeError
from sgpipe.base.parquet import metadata_of, read_metadata, read_whole
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
    if experiment.simulate and _differ(metadata_of(table), plan.simulation_notes):
        return True
    wanted = json.loads(json.dumps(experiment.metadata()))
    if wanted != {key: about.get(key) for key in wanted}:
        return True
    return experiment.trains and _sweeps(table) != {run: list(names) for run, names in experiment.sweeps.items()}


def is_made_otherwise(path: Path | str, notes: Mapping[str, str]) -> bool:
    """Tell whether the table of a pack, a prepared task or an initial state is there and of other versions.

    One from before versions were noted in it is taken as it is, and so is a damaged one, as above.

    Args:
        path: The file.
        notes: What it says of its making, if it is as the plan would have it made.
    """
    try:
        if Path(path).suffix == ".arrow":
            with pa.memory_map(str(path)) as source:
                return _differ(metadata_of(pa.ipc.open_file(source).schema), notes)
        return _differ(read_metadata(path), notes)
    except (SgpipeError, OSError, pa.ArrowException, UnicodeDecodeError):
        return False


def _differ(found: Mapping[str, str], notes: Mapping[str, str]) -> bool:
    return any(found.get(name, value) != value for name, value in notes.items())


def _sweeps(table) -> dict[str, list[str]]:
    """Return the sweeps of each run of a table, whose rows stand together."""
    ids = table.column("run_id").to_numpy(zero_copy_only=False)
    first = np.flatnonzero(np.concatenate([[True], ids[1:] != ids[:-1]])) if len(ids) else []
    return dict(zip(ids[first], table.column("sweeps").take(first).to_pylist(), strict=True)) if len(ids) else {}
