"""Warnings about a plan before it starts: it would take months, or more memory than there is."""

import os
from collections.abc import Iterable, Iterator

from sgpipe.base.errors import SgpipeError
from sgpipe.plan import cost
from sgpipe.plan.changed import changed_extensions
from sgpipe.plan.plan import Plan

LONG_HOURS = 1_000  # of one core, all together
LONG_JOB_HOURS = 24 * 7  # more than a cluster gives one job
ABSURD_HOURS = 1e8  # ten thousand years
ABSURD_BYTES = 1e14  # a hundred times the memory of any machine
COPIES = 4  # of each weight in training: itself, its gradient and two moments


def notices(plan: Plan, names: Iterable[str] = ()) -> Iterator[str]:
    """Return a line for everything that is larger than was probably intended.

    Args:
        plan: The plan. Runs that are already in its store are not counted.
        names: The experiments, by default all.

    Raises:
        SgpipeError: It is larger than any machine could handle.
    """
    chosen = [plan.experiment(name) for name in names or plan.experiments]
    yield from changed_extensions(plan, chosen)
    runs = {run_id: (one.id, spec) for one in chosen if one.trains for run_id, spec in one.runs.items()}
    if not runs:
        return
    hours = {run_id: cost.run_seconds(spec) / 3600 for run_id, (_, spec) in runs.items()}
    if sum(hours.values()) > LONG_HOURS:  # looking into the store costs time too
        hours = {run_id: value for run_id, value in hours.items() if runs[run_id][1] not in plan.store}
    if sum(hours.values()) > LONG_HOURS:
        words = f"the plan takes about {sum(hours.values()):,.0f} hours of one core"
        longest = max(hours, key=hours.get)
        if hours[longest] > LONG_JOB_HOURS:
            words += f", one run of {runs[longest][0]} alone {hours[longest]:,.0f}"
        if sum(hours.values()) > ABSURD_HOURS:
            raise SgpipeError(f"{words}; no machine lives that long: give smaller values")
        yield f"{words}; `sgpipe plan` says which"
    largest = max(runs, key=lambda run_id: run_bytes(runs[run_id][1]))
    name, size = runs[largest][0], run_bytes(runs[largest][1])
    if size > ABSURD_BYTES:
        raise SgpipeError(f"{name}: a run needs about {size / 2**30:,.0f} GiB of memory; give smaller values")
    if size > memory_here():
        yield (
            f"{name}: a run needs about {size / 2**30:,.0f} GiB of memory, and this machine has "
            f"{memory_here() / 2**30:,.0f}"
        )


def run_bytes(spec) -> float:
    """Estimate the memory that the weights of a run and the activity of a minibatch take in training, in bytes."""
    wide = 8 if spec.training.precision == "float64" else 4
    return wide * COPIES * cost.weights(spec) + cost.memory_mb([spec]) * 2.0**20


def memory_here() -> float:
    """Ask for the memory of this machine, in bytes; infinity where it does not say."""
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, OSError, ValueError):
        return float("inf")
