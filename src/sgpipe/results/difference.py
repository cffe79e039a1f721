"""The difference between the means of two samples, with its 95 % interval."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from sgpipe.results.selection import CONFIDENCE, summary


class Difference(NamedTuple):
    """A difference of means, the bounds of its 95 % interval (NaN without a spread), and the sizes of the samples."""

    value: float
    low: float
    high: float
    n: int  # pairs, or the size of the smaller sample


def paired(differences: Sequence[float]) -> Difference:
    """Compute the mean of differences within pairs, with the interval of Student's t; missing ones are left out."""
    found = summary(differences)
    return Difference(found.mean, found.low, found.high, found.n)


def welch(one: Sequence[float], other: Sequence[float]) -> Difference:
    """Compute the mean of one sample less that of another, with the interval of Welch's t.

    Missing values are left out. A sample of fewer than two has no spread, and the difference then no interval.
    """
    a, b = summary(one), summary(other)
    value, n = a.mean - b.mean, min(a.n, b.n)
    if n < 2:
        return Difference(value, np.nan, np.nan, n)
    parts = np.array([a.sd**2 / a.n, b.sd**2 / b.n])
    if not parts.sum():
        return Difference(value, value, value, n)
    from scipy.special import stdtrit

    freedom = parts.sum() ** 2 / (parts**2 / [a.n - 1, b.n - 1]).sum()
    half = float(stdtrit(freedom, 0.5 + CONFIDENCE / 2)) * np.sqrt(parts.sum())
    return Difference(value, value - half, value + half, n)
