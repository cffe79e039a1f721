"""What a plan amounts to: runs, store hits, packs and time, by experiment."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from sgpipe.base.errors import SgpipeError
from sgpipe.base.parquet import read_metadata
from sgpipe.plan import cost
from sgpipe.plan.other_jobs import other_jobs
from sgpipe.plan.plan import Plan
from sgpipe.spec.run import RunSpec


def overview(plan: Plan) -> str:
    """Write the table that `sgpipe plan` prints.

    Times are for one core. Training times are the static estimate times this machine's speed, measured on the plan's
    runs in the store if there are any.
    """
    stored = stored_runs_of(plan)
    speed = Speed(plan, stored)
    lines = [f"{'experiment':<20}{'runs':>7}{'stored':>8}{'to train':>10}{'packs':>7}{'core time':>12}"]
    for name, experiment in plan.experiments.items():
        if experiment.trains:
            lines.append(_line(name, list(experiment.runs.values()), len(plan.packs_of[name]), stored, speed))
    everything = [run for pack in plan.packs.values() for run in pack.runs]
    lines.append(_line("all, shared once", everything, len(plan.packs), stored, speed))
    lines += [f"{'besides':<20}{'files':>7}{'there':>8}{'to make':>10}{'':>7}{'core time':>12}"]
    others = other_jobs(plan)
    for jobs in others:
        made = jobs.total - jobs.waiting
        lines.append(f"{jobs.name:<20}{jobs.total:>7}{made:>8}{jobs.waiting:>10}{'':>7}{time_words(jobs.seconds):>12}")
    starts = sum(any(run.id not in stored for run in pack.runs) for pack in plan.packs.values())
    training = sum(speed.seconds(run) for run in everything if run.id not in stored) + starts * cost.START_SECONDS
    total = training + sum(jobs.seconds for jobs in others)
    lines.append(f"{'everything together':<52}{time_words(total):>12}")
    return "\n".join([f"scale {plan.config.scale}, results in {plan.config.folder}", *lines, *_basis(speed)])


def _basis(speed: "Speed") -> Iterator[str]:
    """Yield what times of training rest on, and how far the static estimate was off."""
    if None not in speed.measured:
        yield "core time of training: static estimate for the C++ engine"
        return
    yield f"core time of training: measured here: {speed.of_all:.2f} x the static estimate"
    for group, (took, estimated, count) in speed.measured.items():
        if group is not None:
            task, neuron, recurrent = group
            words = f"{task}, {neuron or 'no hidden layer'}{', recurrent' if recurrent else ''}"
            yield f"  {words:<32}{took / estimated:>7.2f} x, in {count} run{'s' if count != 1 else ''}"
    run_id, ratio = speed.slowest
    yield f"  slowest beside its estimate: run {run_id}, {ratio:.1f} x; a cluster is asked for {cost.MARGIN:.0f} x"


def stored_runs_of(plan: Plan) -> dict[str, Path]:
    """Find where each of a plan's runs lies that has ended, by run id."""
    return {
        run.id: path for pack in plan.packs.values() for run in pack.runs if (path := plan.store.path(run)).exists()
    }


def _line(name: str, runs: list, packs: int, stored: dict, speed: "Speed") -> str:
    waiting = [run for run in runs if run.id not in stored]
    seconds = sum(map(speed.seconds, waiting))
    return f"{name:<20}{len(runs):>7}{len(runs) - len(waiting):>8}{len(waiting):>10}{packs:>7}{time_words(seconds):>12}"


def time_words(seconds: float) -> str:
    """Say a time in words: s, min or h."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 100 * 60 else f"{seconds / 3600:.1f} h"


class Speed:
    """This machine's speed: measured over estimated seconds of up to 100 of the stored runs; 1 if there are none.

    It is measured separately for each task and neuron that has runs, since the error of the static estimate differs
    between them by up to a factor of two. All others have the ratio of all runs.
    """

    def __init__(self, plan: Plan, stored: Mapping[str, Path]):
        runs = {run.id: run for pack in plan.packs.values() for run in pack.runs}
        # By task and neuron, and of all as None: seconds measured, seconds estimated, and of how many runs.
        self.measured: dict[tuple | None, list[float]] = {}
        self.slowest = "", 0.0  # the run that took the longest beside its estimate, and how many times as long
        for run_id in sorted(stored)[:: 1 + len(stored) // 100]:
            if seconds := _seconds(stored[run_id]):
                estimated = cost.run_seconds(runs[run_id])
                for group in (None, _group(runs[run_id])):
                    sums = self.measured.setdefault(group, [0.0, 0.0, 0])
                    for place, value in enumerate((seconds, estimated, 1)):
                        sums[place] += value
                self.slowest = max(self.slowest, (run_id, seconds / estimated), key=lambda one: one[1])
        self._ratios = {group: took / estimated for group, (took, estimated, _) in self.measured.items()}

    @property
    def of_all(self) -> float:
        """The ratio of all runs."""
        return self._ratios.get(None, 1.0)

    def seconds(self, run: RunSpec) -> float:
        """Estimate the time of a run on one core of this machine, in seconds."""
        return cost.run_seconds(run) * self._ratios.get(_group(run), self.of_all)


def _group(run: RunSpec) -> tuple:
    return run.data.task, run.network.neuron, run.network.recurrent


def _seconds(path: Path) -> float | None:
    """Return how long a stored run took; None if its file does not say."""
    try:
        return json.loads(read_metadata(path)["sgpipe.provenance"]).get("seconds")
    except (SgpipeError, KeyError, ValueError, AttributeError, FileNotFoundError):
        return None  # whoever needs the run deals with its file
