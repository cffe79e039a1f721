"""Taking turns with the clock running, so that a busy machine is busy for everybody."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

SHORTEST = 0.1  # seconds a measurement lasts at least, and the warming up before it
REST = 0.25  # seconds before each, in which the last one's idle threads stop turning in circles on a core
CLOCK = "wall"  # or "cpu": on a busy machine the processor's time is the steadier, for one thread


@dataclass
class Laps:
    """Seconds of a step by the wall clock and by the processor's, and the ratio to the pacemaker beside it."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    ratio: list[float] = field(default_factory=list)

    def summary(self) -> dict[str, float | int]:
        """Return medians, quartiles of the ratio, cores in use, and the number of rounds."""
        seconds = self.wall if CLOCK == "wall" else self.cpu
        summary = {"ms": statistics.median(seconds) * 1e3, "cores": sum(self.cpu) / sum(self.wall)}
        if self.ratio:
            low, high = (self.ratio[0],) * 2
            if len(self.ratio) > 1:
                low, _, high = statistics.quantiles(self.ratio, n=4, method="inclusive")
            summary |= {"ratio": statistics.median(self.ratio), "ratio_low": low, "ratio_high": high}
        return summary | {"rounds": len(self.wall)}


def lap(step: Callable[[], object], steps: int) -> tuple[float, float]:
    """Return seconds a step, by the wall clock and by the processor's."""
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(steps):
        step()
    return (time.perf_counter() - wall) / steps, (time.process_time() - cpu) / steps


def clocked(lap: tuple[float, float]) -> float:
    """Return what the clock says that the race goes by."""
    return lap[CLOCK == "cpu"]


def _steps(step: Callable[[], object]) -> int:
    """Warm up; return how many steps make a measurement long enough: one of a slow contender, else two or more."""
    first = lap(step, 1)[0]
    return 1 if first > 3 * SHORTEST else max(2, round(SHORTEST / lap(step, 1)[0]))


def turn(step: Callable[[], object], steps: int) -> tuple[float, float]:
    """Rest, then time the steps: short ones after as many more, which wake the cores and fill their caches."""
    time.sleep(REST)
    if steps > 1:
        lap(step, steps)
    return lap(step, steps)


def race(
    pacemaker: Callable[[], object],
    others: Mapping[str, Callable[[], object]],
    rounds: int,
    seconds: float = 30.0,
    known: Mapping[str, float] | None = None,
) -> tuple[Laps, dict[str, Laps]]:
    """Time the pacemaker before and after each of the others, round after round.

    A ratio is taken within a round, to the mean of the pacemaker's laps before and after. One that has used up its
    seconds drops out, after two rounds at the earliest. `known` are seconds a step of contenders that have warmed up.
    """
    own, laps = Laps(), {name: Laps() for name in others}
    often = _steps(pacemaker)
    slow = {name for name, spent in (known or {}).items() if spent > 3 * SHORTEST}
    steps = {name: 1 if name in slow else _steps(step) for name, step in others.items()}

    def pace() -> float:
        wall, cpu = turn(pacemaker, often)
        own.wall.append(wall)
        own.cpu.append(cpu)
        return clocked((wall, cpu))

    before = pace()
    for number in range(rounds):
        for name, step in others.items():
            record = laps[name]
            if number >= 2 and sum(record.wall) * steps[name] > seconds:
                continue
            wall, cpu = turn(step, steps[name])
            after = pace()
            record.wall.append(wall)
            record.cpu.append(cpu)
            record.ratio.append(clocked((wall, cpu)) / ((before + after) / 2))
            before = after
    return own, laps


def turns(steps: Mapping[object, Callable[[], object]], rounds: int) -> dict[object, float]:
    """Time each in turn, round after round; return the median of milliseconds a step."""
    often = {key: _steps(step) for key, step in steps.items()}
    walls = {key: [] for key in steps}
    for _ in range(rounds):
        for key, step in steps.items():
            walls[key].append(turn(step, often[key])[0])
    return {key: statistics.median(wall) * 1e3 for key, wall in walls.items()}
