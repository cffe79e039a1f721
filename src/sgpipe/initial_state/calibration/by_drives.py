"""Meet conditions I and II through a layer's input: the mean and deviation of V, and the gain of W.

These conditions do not depend on the surrogate derivative. The GAINS are tried from the smallest on. At each gain the
mean is searched for, and at every mean the deviation is the one that meets II; the search ends at the first gain at
which both conditions hold. A feed-forward layer meets I by the gain alone, which may then be below 1: it has no mean to
calm it.
"""

from collections.abc import Collection
from dataclasses import dataclass
from math import exp, inf, log, sqrt

import numpy as np

from sgpipe.initial_state.calibration.draws import Draws
from sgpipe.initial_state.calibration.found import GAINS, TOLERANCES, Found
from sgpipe.initial_state.calibration.measure import Bench, Drives
from sgpipe.initial_state.calibration.search import Search
from sgpipe.initial_state.theory.conditions import recurrent_mean
from sgpipe.initial_state.theory.layer import Layer
from sgpipe.spec.condition_choices import HALF, THEORY_NEURONS
from sgpipe.spec.run import RunSpec

RATE_WITHIN = 0.5 * TOLERANCES["I"]  # tolerance of the rate in the search, as a share of the wanted one


@dataclass(frozen=True)
class _Point:
    """A mean of V at a gain, the deviation that meets II there (None unless asked for), and what the layer does."""

    mean: float
    gain: float
    deviation: float | None
    drives: Drives
    rate: float  # the wanted one
    excess: float  # of the rate over its target, as a share of the wanted one

    def missed(self) -> float:
        """By how many tolerances I and, if asked for, II are missed; 0 if both hold."""
        misses = [abs(self.drives.rate / self.rate - 1) / TOLERANCES["I"]]
        misses += [] if self.deviation is None else [abs(self.drives.ratio - 1) / TOLERANCES["II"]]
        return sum(max(0.0, miss - 1) for miss in misses)

    def rank(self) -> tuple[float, float]:
        """The best point is the one of lowest rank."""
        return self.missed(), abs(self.excess)


@dataclass(frozen=True)
class _Aim:
    """The aim of the search for V's mean: its start, the share of the wanted rate, and whether II is met everywhere."""

    start: float
    share: float
    matched: bool


def meet_recurrent(spec: RunSpec, bench: Bench, draws: Draws, found: Found) -> None:
    """Set the mean, the deviation and the gain of a recurrent layer in `found`, as far as I and II are asked for.

    Args:
        spec: The run.
        bench: The layer, and the batch to measure it on.
        draws: The random numbers of its V.
        found: What is known of the layer; changed in place.

    Raises:
        SgpipeError: A condition cannot be met, and `init.infeasible` is `error`.
    """
    if "I" in spec.conditions:
        _meet_rate(spec, bench, draws, found)
    if "II" in spec.conditions and found.deviation is None:
        drives, deviation = _matched(bench, draws, found.mean or 0.0, 1.0, None, found)
        if found.settle("II", abs(drives.ratio - 1), f"the variance ratio is {drives.ratio:.3g} at best"):
            found.deviation = deviation


def meet_feed_forward(bench: Bench, chosen: Collection[str], found: Found) -> None:
    """Set the gain of a feed-forward layer in `found` by condition I; the others do not apply to it.

    Args:
        bench: The layer, and the batch to measure it on.
        chosen: The conditions asked for.
        found: What is known of the layer; changed in place.

    Raises:
        SgpipeError: A condition cannot be met, and `init.infeasible` is `error`.
    """
    if "I" in chosen:
        rates: dict[float, float] = {}

        def excess(logarithm: float) -> float:
            found.passes += 1
            rates[logarithm] = bench.drives(None, 0.0, 0.0, exp(logarithm)).rate
            return rates[logarithm] / found.rate - 1 + RATE_WITHIN  # from below: it cannot reach one half

        search = Search(excess, RATE_WITHIN)
        most = GAINS[-1]
        search.run(0.0, log(4.0), limits=(-log(most), log(most)))
        rate = rates[search.best]
        text = f"the rate is {rate:.3g} at best, with Var[W] times {1 / most:.2g} to {most:g}"
        if found.settle("I", abs(rate / found.rate - 1), text):
            found.gain = exp(search.best)
    for name in ("II", "III", "IV"):
        if name in chosen:
            found.settle(name, inf, "it is about recurrent layers, and this one has no V")


def _meet_rate(spec: RunSpec, bench: Bench, draws: Draws, found: Found) -> None:
    """Set the mean and, if II is asked for, its deviation, at the smallest gain at which both conditions hold."""
    network = spec.network
    # The target is one half, or a little less for neurons that cannot fire in two steps in a row.
    gated = found.rate == HALF and (network.neuron == "lif" or (network.reset or "").startswith("refractory"))
    aim = _Aim(_theory_mean(spec, bench), 1 - RATE_WITHIN * gated, "II" in spec.conditions)
    points: list[_Point] = []
    for gain in GAINS:
        points += _at_gain(bench, draws, gain, aim, found)
        best = min(points, key=_Point.rank)
        if best.missed() == 0:
            break
    missed, drives = best.missed(), best.drives
    text = f"the rate is {drives.rate:.3g} and the variance ratio {drives.ratio:.3g} at best, with Var[W] times 1 to "
    if found.settle("I", (1 + missed) * TOLERANCES["I"] if missed else 0.0, f"{text}{GAINS[-1]:g}"):
        found.mean, found.deviation, found.gain = best.mean, best.deviation, best.gain
        if gated:
            found.messages.append("condition I: half is the most that neurons fire that are silent after each spike")


def _theory_mean(spec: RunSpec, bench: Bench) -> float:
    """Return the mean to start from: the theory's for neurons of eq. 1, else 0."""
    network = spec.network
    if network.neuron not in THEORY_NEURONS or bench.units < 2:
        return 0.0
    return recurrent_mean(Layer(bench.units, 1, network.membrane_decay, network.threshold, reset=network.reset))


def _at_gain(bench: Bench, draws: Draws, gain: float, aim: _Aim, found: Found) -> list[_Point]:
    """Search for the mean at one gain; return all points seen."""
    points: dict[float, _Point] = {}

    def excess(mean: float) -> float:
        if aim.matched:
            guess = next(reversed(points.values())).deviation if points else None
            drives, deviation = _matched(bench, draws, mean, gain, guess, found)
        else:
            found.passes += 1
            drives, deviation = bench.drives(draws.scheme, mean, draws.deviation, gain), None
        points[mean] = _Point(mean, gain, deviation, drives, found.rate, drives.rate / found.rate - aim.share)
        return points[mean].excess

    search = Search(excess, RATE_WITHIN)
    unit = max(bench.threshold, sqrt(gain * bench.given)) / bench.units
    search.run(aim.start, 0.5 * unit, most=5)
    return list(points.values())


def _matched(
    bench: Bench, draws: Draws, mean: float, gain: float, guess: float | None, found: Found
) -> tuple[Drives, float]:
    """Search for the deviation at which V x has the variance of W z; return the drives there and the deviation.

    For fixed spikes the wanted deviation is the root of a quadratic equation; the spikes then change with it.
    """
    given = gain * bench.given
    deviation = guess or sqrt(2 * given / bench.units) or draws.deviation
    limit, best = 8 * sqrt(2 * given / bench.units), None
    for _ in range(6):
        found.passes += 1
        drives = bench.drives(draws.given, mean, deviation, gain)
        miss = abs(drives.ratio - 1)
        if best is None or miss < best[0]:
            best = miss, drives, deviation
        if miss <= 0.4 * TOLERANCES["II"]:
            break
        deviation = float(np.clip(_wanted(drives, mean, deviation, given), 1e-3 * limit, limit))
    return best[1], best[2]


def _wanted(drives: Drives, mean: float, deviation: float, given: float) -> float:
    """Solve Var[m a + d b] = given for the deviation d, with a and b as measured at the last d."""
    a, b, both = drives.parts
    if b == 0:  # silent: more variance may wake it
        return 2 * deviation
    inner = (mean * both) ** 2 - b * (mean**2 * a - given)
    return (sqrt(inner) - mean * both) / b if b > 0 and inner > 0 else 0.5 * deviation
