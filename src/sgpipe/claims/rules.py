"""Rules: which numbers a claim is about, and where they have to lie.

Every rule comes down to comparisons: a number with an interval, and a target. All of a claim's comparisons hold
together with 95 % confidence: k of them have intervals of 1 - 0.05 / k each (Bonferroni).
"""

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

from sgpipe.claims.declare import Claim
from sgpipe.claims.estimates import Estimate, Interval, contrast, ratio, standardised
from sgpipe.results.selection import CONFIDENCE


class Target(NamedTuple):
    """Where a number must lie. An infinite bound is none; next to one the other is open, so that 0 is not above 0."""

    low: float
    high: float

    def holds(self, number: Interval) -> bool:
        """Return whether the whole interval lies in the target."""
        if math.isinf(self.high) or math.isinf(self.low):
            return number.low > self.low if math.isinf(self.high) else number.high < self.high
        return self.low <= number.low and number.high <= self.high

    def fails(self, number: Interval) -> bool:
        """Return whether the whole interval lies outside of it."""
        if math.isinf(self.high) or math.isinf(self.low):
            return number.high < self.low if math.isinf(self.high) else number.low > self.high
        return number.high < self.low or number.low > self.high

    def holds_at_0(self) -> bool:
        """Return whether no difference at all lies in it."""
        return self.holds(Interval(0.0, 0.0, 0.0))


class Comparison(NamedTuple):
    """One number of a claim beside its target."""

    label: str
    number: Interval
    target: Target
    n: int  # runs of the smaller group
    standardised: float  # Hedges' g of two means, or sds from the published value; NaN where there is none


def comparisons(
    claim: Claim, parts: Sequence[Estimate], chance: float, paired: Estimate | None = None
) -> list[Comparison]:
    """Return a claim's comparisons from the numbers of its groups, in their order.

    `paired` is the mean difference of matched runs, where the claim matches them.
    """
    names = [group.name for group in claim.groups]
    if claim.rule in PAIRS:
        pairs, target = PAIRS[claim.rule](len(parts), claim.value)
        confidence = 1 - (1 - CONFIDENCE) / len(pairs)
        return [
            _comparison(f"{names[i]} − {names[j]}", [parts[i], parts[j]], (1, -1), target, confidence) for i, j in pairs
        ]
    target = TARGETS[claim.rule](claim)
    if claim.rule == "at_chance":
        number = contrast(parts, (1,))
        above = Interval(*(value - chance for value in number))
        return [Comparison(f"{names[0]} − chance", above, target, parts[0].n, float("nan"))]
    if paired is not None:
        size = paired.value / paired.sd if paired.sd > 0 else math.nan
        return [Comparison(" − ".join(names), contrast([paired], (1,)), target, paired.n, size)]
    if claim.ratio:
        return [Comparison(" / ".join(names), ratio(parts), target, min(part.n for part in parts), float("nan"))]
    factors = claim.contrast or ((1, -1) if len(parts) == 2 else (1,))
    label = " − ".join(names) if claim.contrast is None else _sum(names, factors)
    one = _comparison(label, parts, factors, target, CONFIDENCE)
    if len(parts) == 1 and claim.published is not None and claim.spread:
        one = one._replace(standardised=(one.number.value - claim.published) / claim.spread)
    return [one]


def _comparison(label, parts, factors, target, confidence) -> Comparison:
    number = contrast(parts, factors, confidence)
    return Comparison(label, number, target, min(part.n for part in parts), standardised(parts, factors))


def _sum(names: Sequence[str], factors: Sequence[float]) -> str:
    """Return e.g. `(A − B) − (C − D)` as `A − B − C + D`."""
    words = ""
    for name, factor in zip(names, factors, strict=True):
        sign = "−" if factor < 0 else "+" if words else ""
        size = "" if abs(factor) == 1 else f"{abs(factor):g} "
        words += f" {sign} {size}{name}" if words else f"{sign}{size}{name}"
    return words


def _spread_target(claim: Claim) -> Target:
    reach = claim.value * claim.spread
    return Target(claim.published - reach, claim.published + reach)


TARGETS = {
    "larger_than": lambda claim: Target(claim.value, math.inf),
    "smaller_than": lambda claim: Target(-math.inf, claim.value),
    "within": lambda claim: Target(*claim.value),
    "within_spread": _spread_target,
    "within_factor": lambda claim: Target(claim.published / claim.value, claim.published * claim.value),
    "at_chance": lambda claim: Target(-claim.value, claim.value),
}
PAIRS = {
    "same": lambda n, most: (list(itertools.combinations(range(n), 2)), Target(-most, most)),
    "ordering": lambda n, least: (list(itertools.pairwise(range(n))), Target(least, math.inf)),
    "highest_of": lambda n, least: ([(0, i) for i in range(1, n)], Target(least, math.inf)),
    "lowest_of": lambda n, least: ([(0, i) for i in range(1, n)], Target(-math.inf, -least)),
}
