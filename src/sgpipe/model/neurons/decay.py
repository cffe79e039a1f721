"""The decay of a leaky variable."""

import math


def decay(dt: float, tau: float) -> float:
    """Compute exp(-dt / tau), the factor by which a leaky variable decays in one step; both in ms."""
    return math.exp(-dt / tau)
