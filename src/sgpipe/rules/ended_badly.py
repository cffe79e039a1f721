"""Runs that failed or diverged: list them, and have failed ones trained again."""

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from sgpipe.base.errors import SgpipeError
from sgpipe.base.parquet import read_whole
from sgpipe.plan.plan import Plan
from sgpipe.results.listing import StoredRun, stored_runs
from sgpipe.results.store import Store

DIVERGED = "its loss or gradients left the finite numbers, which is a result"


def failed_lines(plan: Plan) -> Iterator[str]:
    """Yield a line for each stored run that failed or diverged: id, status, experiments, reason, and its pack's log."""
    packs = {run.id: pack.id for pack in plan.packs.values() for run in pack.runs}
    logs = Path(plan.config.results) / "logs" / "train"
    for run in stored_runs(plan.store.root):
        if run.status == "finished":
            continue
        run_id = run.spec.id
        asked = [name for name, one in plan.experiments.items() if one.trains and run_id in one.runs]
        by = ", ".join(asked) or f"no experiment at scale {plan.config.scale}"
        log = f"; {logs / packs[run_id]}.log" if run_id in packs else ""
        yield f"{run_id}  {run.status}  {by}: {run.error or DIVERGED}{log}"


def retry(results: Path | str, run_ids: Sequence[str]) -> list[str]:
    """Forget failed runs, so that the next `snakemake` trains them again, and the tables of their packs.

    Args:
        results: The results folder.
        run_ids: The runs; if empty, all that failed.

    Returns:
        Lines that say which runs were forgotten, which were kept, and why.

    Raises:
        SgpipeError: One of the runs is not in the store.
    """
    root = Path(results)
    store = Store(root / "runs")
    stored = {run.spec.id: run for run in stored_runs(store.root)}
    unread = {run_id: store.files_of(run_id) for run_id in run_ids if run_id not in stored}
    if unknown := [run_id for run_id, files in unread.items() if not files]:
        raise SgpipeError(f"run {unknown[0]}: not in {store.root}; `sgpipe failed` lists those that failed")
    chosen = list(run_ids) or [run_id for run_id, run in stored.items() if run.status == "failed"]
    for run_id in chosen:
        if run_id in stored:
            store.forget(stored[run_id].spec)
        for path in unread.get(run_id, ()):
            path.unlink()
    for path in (root / "packs").glob("*.parquet"):
        if set(chosen) & _runs_in(path):
            path.unlink()
    there = f"{len(chosen)} runs forgotten; the next `snakemake` trains them again"
    first = there if chosen else f"no run of {len(stored)} has failed; nothing to train again"
    return [first, *([] if run_ids else _kept(stored.values()))]


def _kept(stored: Sequence[StoredRun]) -> Iterator[str]:
    """Yield why runs that did not finish were kept."""
    counts = Counter(run.status for run in stored)
    if counts["diverged"]:
        one = next(run.spec.id for run in stored if run.status == "diverged")
        yield (
            f"{counts['diverged']} diverged runs kept: to diverge is a result, and they would again; "
            f"`sgpipe retry {one}` trains one all the same"
        )


def _runs_in(pack_table: Path) -> set[str]:
    """Return the ids of the runs in a pack's table; none if it is damaged, since whoever needs it makes it again."""
    try:
        return set(read_whole(pack_table, ["run_id"]).column(0).to_pylist())
    except SgpipeError as error:
        print(f"sgpipe: {error}", file=sys.stderr)
        return set()
