"""The order of jobs, cheap figures first, and a line of progress with an estimate of the time left."""

from collections.abc import Iterable
from functools import cached_property

from sgpipe.plan import cost
from sgpipe.plan.plan import Pack, Plan
from sgpipe.plan.table import Speed, stored_runs_of, time_words

AT_ONCE = 10_000.0  # priority of what takes a second: tables and figures, as soon as what they need is there


class Order:
    """Snakemake priorities of a plan's jobs: higher runs first.

    Experiments rank by the estimated time of all their networks, the cheapest first, so that figures appear one after
    another. Among the packs of an experiment the longest comes first, which leaves short ones to fill the cores at the
    end. It follows from the plan alone.
    """

    def __init__(self, plan: Plan):
        self.plan = plan

    @cached_property
    def ranks(self) -> dict[str, int]:
        """Rank of each experiment, from the number of experiments (cheapest) down to 1."""
        seconds = {
            name: sum(map(cost.run_seconds, experiment.runs.values())) if experiment.trains else 0.0
            for name, experiment in self.plan.experiments.items()
        }
        by_cost = sorted(seconds, key=lambda name: (-seconds[name], name))
        return {name: rank for rank, name in enumerate(by_cost, start=1)}

    @cached_property
    def _packs(self) -> dict[str, int]:
        best: dict[str, int] = {}
        for name, packs in self.plan.packs_of.items():
            for pack in packs:
                best[pack] = max(best.get(pack, 0), self.ranks[name])
        return best

    def pack(self, pack_id: str) -> float:
        """Compute the priority of training a pack."""
        pack = self.plan.packs.get(pack_id)
        if pack is None:
            return 0.0
        return self._packs[pack_id] + 0.9 * min(1.0, seconds_of(pack) / (2 * self.plan.config.pack_seconds))

    def task(self, data_id: str) -> float:
        """Compute the priority of preparing a data set: just above the first packs that wait for it."""
        return self._needed(
            name
            for name, experiment in self.plan.experiments.items()
            if any(run.data_id == data_id for run in (*experiment.runs.values(), *self.plan.shown(experiment)))
        )

    def state(self, init_id: str) -> float:
        """Compute the priority of making an initial state."""
        return self._needed(
            name
            for name, experiment in self.plan.experiments.items()
            if any(run.init_id == init_id for run in experiment.runs.values() if run.conditions)
        )

    def _needed(self, names: Iterable[str]) -> float:
        return max((self.ranks[name] for name in names), default=0) + 0.95


def seconds_of(pack: Pack) -> float:
    """Estimate the time of a pack on one core, in seconds."""
    return sum(map(cost.run_seconds, pack.runs))


def progress_words(plan: Plan, cores: int, names: Iterable[str] = ()) -> str:
    """Say how far training is, e.g. `431 of 752 networks, 57 % of the work; about 4 min left on 2 cores`.

    Args:
        plan: The plan.
        cores: Among how many the work that is left is shared. Its time is the static estimate times this machine's
            measured speed.
        names: The experiments, by default all.
    """
    packs = {pack for name in names or plan.packs_of for pack in plan.packs_of.get(name, ())}
    runs = {run.id: run for pack in packs for run in plan.packs[pack].runs}
    stored = {run_id: path for run_id, path in stored_runs_of(plan).items() if run_id in runs}
    total = sum(map(cost.run_seconds, runs.values()))
    waiting = [run for run in runs.values() if run.id not in stored]
    share = 1 - sum(map(cost.run_seconds, waiting)) / total if total else 1.0
    words = f"{len(stored)} of {len(runs)} networks, {100 * share:.0f} % of the work"
    if waiting:
        left = sum(map(Speed(plan, stored).seconds, waiting))
        words += f"; about {time_words(left / max(cores, 1))} left on {cores} cores"
    return words
