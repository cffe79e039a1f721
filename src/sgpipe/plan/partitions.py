"""How long Slurm's partitions let a job run, and what asks for more: refused before anything is submitted.

Slurm itself takes such a job by default, and lets it wait for ever.
"""

import math
import re
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sgpipe.base.errors import SgpipeError
from sgpipe.base.yamlfile import read_yaml

UNITS = {"s": 1 / 60, "m": 1, "h": 60, "d": 24 * 60}


@dataclass(frozen=True)
class Asked:
    """What a job asks a cluster for."""

    what: str  # names the job for people
    minutes: float
    partition: str | None = None  # None leaves the choice to the plugin


@dataclass
class Partitions:
    """The longest that each partition lets a job run, in minutes; those that are not known have no limit here."""

    limits: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of_cluster(cls, file: Path | str | None = None) -> "Partitions":
        """Ask Slurm, and read what a file says of partitions, which counts more.

        Args:
            file: As the plugin's `slurm-partition-config` has it.

        Raises:
            SgpipeError: The file is missing or is no YAML.
        """
        told = _asked()
        if file is not None:
            chosen = read_yaml(file)
            named = chosen.get("partitions") if isinstance(chosen, dict) else None
            # The plugin chooses among these alone.
            told = {
                str(name): minutes_of(limits.get("max_runtime")) if isinstance(limits, dict) else math.inf
                for name, limits in (named if isinstance(named, dict) else {}).items()
            }
        return cls(told)

    def longest(self, partition: str | None) -> float:
        """Return the longest time that a job of a partition may take, or of any, in minutes."""
        if partition is not None:
            return self.limits.get(partition, math.inf)
        return max(self.limits.values(), default=math.inf)

    def check(self, jobs: Iterable[Asked]) -> None:
        """Raise SgpipeError if jobs ask for more time than their partition allows."""
        long = [job for job in jobs if job.minutes > self.longest(job.partition)]
        if not long:
            return
        worst = max(long, key=lambda job: job.minutes)
        allowed = self.longest(worst.partition)
        where = f"partition {worst.partition} allows" if worst.partition else "the longest partition allows"
        others = f", and {len(long) - 1} more ask for too much" if len(long) > 1 else ""
        raise SgpipeError(
            f"{where} {allowed:.0f} minutes, and {worst.what} asks for {worst.minutes:.0f}{others}; "
            "give another slurm_partition, or a smaller pack_minutes"
        )


def minutes_of(limit: object) -> float:
    """Read a time limit as Slurm or the plugin writes it, in minutes.

    Args:
        limit: Minutes; `[days-]hours:minutes:seconds`, `minutes:seconds` or `days-hours`; a number with a unit, one of
            s, m, h, d; or a word such as `UNLIMITED`, or nothing, which mean no limit.
    """
    if isinstance(limit, int | float) and not isinstance(limit, bool):
        return float(limit)
    word = str(limit).strip()
    if parts := re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", word):
        return float(parts[1]) * UNITS[parts[2] or "m"]
    parts = re.fullmatch(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?", word)
    if parts is None:
        return math.inf
    days, *rest = (int(part) for part in parts.groups(default="0"))
    if parts[1] is None and parts[4] is None:  # minutes:seconds
        return rest[0] + rest[1] / 60
    return days * UNITS["d"] + rest[0] * 60 + rest[1] + rest[2] / 60


def _asked() -> dict[str, float]:
    """Ask Slurm for the limits of all its partitions; none where there is no Slurm to ask."""
    try:
        done = subprocess.run(
            ["scontrol", "show", "partition", "--oneliner"], capture_output=True, text=True, timeout=60
        )
    except (OSError, subprocess.TimeoutExpired):
        return {}
    found = re.findall(r"^PartitionName=(\S+).*?\bMaxTime=(\S+)", done.stdout, re.MULTILINE)
    return {name: minutes_of(limit) for name, limit in found}
