"""Where a claim's number, interval and target lie on a little strip of their own.

Units differ from claim to claim, so each strip has its own scale, from -1 to 1. A target with two bounds fills the
middle. One with a single bound begins or ends in the middle, and the scale is as large as the interval needs.
"""

import math
from typing import NamedTuple

import numpy as np

from sgpipe.claims.judge import Judgement

TARGET = 0.4  # half-width of a target with two bounds
REACH = 0.85  # how far from the middle an interval may reach beside a single bound


class Strip(NamedTuple):
    """Places on a strip; what lies beyond it is at its end."""

    zone: tuple[float, float]  # where the claim holds
    value: float
    interval: tuple[float, float]
    published: float  # NaN if the printed number is not of this kind
    published_interval: tuple[float, float]


def strip_of(judgement: Judgement) -> Strip | None:
    """Return the strip of the comparison that decides, None if there is no number."""
    one = judgement.deciding
    if one is None or math.isnan(one.number.value):
        return None
    (low, high), number, claim = one.target, one.number, judgement.claim
    single = len(judgement.comparisons) == 1 and claim.published is not None and claim.rule != "at_chance"
    printed = claim.published if single else math.nan
    spread = claim.spread or 0.0
    if math.isinf(low) or math.isinf(high):
        middle = high if math.isinf(low) else low
        known = [value for value in (*number, printed) if math.isfinite(value)]
        scale = max([abs(value - middle) for value in known] + [1e-12]) / REACH
        zone = (-1.0, 0.0) if math.isinf(low) else (0.0, 1.0)
    else:
        middle, scale, zone = (low + high) / 2, max((high - low) / 2, 1e-12) / TARGET, (-TARGET, TARGET)

    def place(value: float) -> float:
        return float(np.clip((value - middle) / scale, -1, 1))

    return Strip(
        zone,
        place(number.value),
        (place(number.low), place(number.high)),
        place(printed),
        (place(printed - spread), place(printed + spread)),
    )
