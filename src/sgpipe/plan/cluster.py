"""Time and memory that training jobs request from a cluster, within its limits."""

import math
from collections.abc import Iterable
from pathlib import Path

from sgpipe.plan.partitions import Asked, Partitions
from sgpipe.plan.plan import Plan


class Cluster:
    """Time and memory of training jobs: the plan's, but for what Slurm's partitions and job arrays make of them.

    A further attempt asks for no more than its partition allows: it goes on from what the one before has left. The
    jobs of an array get what its first asks for, so all ask for what the largest needs.
    """

    def __init__(self, plan: Plan):
        self.plan = plan
        self._limit = math.inf
        self._together: frozenset[str] = frozenset()
        self._largest: dict[int, tuple[int, int]] = {}  # of those together: minutes and MB, by attempt

    def begin(self, jobs: Iterable[Asked], file: Path | str | None = None, together: Iterable[str] = ()) -> None:
        """Look at a Slurm cluster before anything is submitted.

        Args:
            jobs: What is going to be submitted, each as at its first attempt.
            file: What the plugin is told of partitions (`slurm-partition-config`).
            together: The packs that are submitted as job arrays.

        Raises:
            SgpipeError: A job asks for more time than its partition allows.
        """
        partitions, jobs = Partitions.of_cluster(file), list(jobs)
        partitions.check(jobs)
        self._limit = min((partitions.longest(job.partition) for job in jobs), default=math.inf)
        self._together, self._largest = frozenset(together), {}

    def minutes(self, pack_id: str, attempt: int) -> int:
        """Compute the time that a pack's job asks for, in minutes."""
        asked = self._asked(pack_id, attempt)[0]
        return asked if attempt == 1 else int(min(asked, self._limit))

    def memory_mb(self, pack_id: str, attempt: int) -> int:
        """Compute the memory that a pack's job asks for, in MB."""
        return self._asked(pack_id, attempt)[1]

    def _asked(self, pack_id: str, attempt: int) -> tuple[int, int]:
        if pack_id not in self._together:
            return self.plan.minutes(pack_id, attempt), self.plan.pack(pack_id).memory_mb(attempt)
        if attempt not in self._largest:
            all_minutes = [self.plan.minutes(one, attempt) for one in self._together]
            all_mb = [self.plan.pack(one).memory_mb(attempt) for one in self._together]
            self._largest[attempt] = max(all_minutes), max(all_mb)
        return self._largest[attempt]
