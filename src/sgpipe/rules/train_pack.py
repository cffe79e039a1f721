"""Rule `train_pack`: train the runs of a pack, or take them from the store."""

import resource
import sys
import time
from pathlib import Path

from sgpipe.engines.choose import chooser
from sgpipe.plan.plan import Pack, Plan
from sgpipe.results.tables import runs_table, write_table
from sgpipe.rules.initial_state import ready_state
from sgpipe.rules.notice import tell_of_failures, tell_of_progress
from sgpipe.rules.prepare_task import prepared
from sgpipe.spec.config import Config
from sgpipe.training.pack import Workshop, train_pack
from sgpipe.training.progress import ProgressLog
from sgpipe.training.stopping import stop_signals


def train(
    plan: Plan, pack_id: str, task_path: Path | str, output: Path | str | None = None, cores: int | None = None
) -> None:
    """Train the runs of a pack that the store does not have.

    Args:
        plan: The plan.
        pack_id: The pack.
        task_path: The prepared task.
        output: The table of its runs; None to write none.
        cores: The number of cores that Snakemake uses. If given, progress is printed on the terminal.

    Raises:
        SgpipeError: The user has to mend something first, such as a missing initial state.
        Stopped: A signal asked for it; the states of the runs under way are saved.
    """
    pack, began = plan.pack(pack_id), time.monotonic()
    train_pack_of(plan, pack, task_path, output)
    minutes, asked = (time.monotonic() - began) / 60, plan.minutes(pack_id)
    print(
        f"pack {pack_id}: took {minutes:.1f} minutes and {peak_memory_mb():.0f} MB of memory at most; "
        f"a cluster is asked for {asked} minutes and {pack.memory_mb()} MB",
        file=sys.stderr,
    )
    if cores:
        tell_of_progress(plan, pack_id, cores)


def peak_memory_mb() -> float:
    """Return the most memory that this process has had, in MB."""
    unit = 1 if sys.platform == "darwin" else 1024  # what the system counts in, in bytes
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def train_pack_of(plan: Plan, pack: Pack, task_path: Path | str, output: Path | str | None = None) -> None:
    """Train the runs of a pack that the plan need not have; see `train`."""
    config: Config = plan.config
    with ProgressLog(f"pack {pack.id}", pack.runs) as log, stop_signals() as request:
        results = train_pack(
            pack.runs,
            prepared(plan, task_path),
            Workshop(plan.store, chooser(config.engine, config.device), config.threads, log, request.check),
            {init_id: ready_state(plan, plan.init_path(init_id)) for init_id in pack.init_ids},
        )
    if output is not None:
        write_table(runs_table(results), output, pack.notes)
    tell_of_failures(config, f"pack {pack.id}", (result.status for result in results))
