"""Fourier transforms of many channels side by side, with a fixed order of operations.

The inner ear's compiled kernel (`src/transform.hpp`) does the same additions and multiplications in the same order, so
both give the same bits; library transforms do not guarantee any order. Mixed radix, decimation in frequency: for
n = p m s,

    y[q + s (p j + i)] = exp(2 pi i' i j / (p m)) sum over r of x[q + s (j + m r)] exp(2 pi i' i r / p)

is one pass over n numbers. s is 1 at first and s p after the pass; the transform is complete after the pass with m = 1
(Stockham). For a long row, k = k1 M2 + k2 and t = t1 + M1 t2: the columns (k1 to t1) are transformed first and then the
rows, so that the numbers in use stay in the cache.
"""

from dataclasses import dataclass

import numpy as np

RADICES = (4, 2, 3, 5, 7, 11, 13)

Parts = tuple[np.ndarray, np.ndarray]  # real and imaginary parts, float32


@dataclass(frozen=True, eq=False)
class Pass:
    """One step of a transform of n = radix x m x s numbers."""

    radix: int
    roots: np.ndarray  # float32 (radix, 2): cos and sin of 2 pi i / radix
    twiddles: np.ndarray  # float32 (m, radix - 1, 2): the first factor above, for i = 1, 2, ...


@dataclass(frozen=True, eq=False)
class Plan:
    """How rows of M1 x M2 numbers are transformed."""

    columns: tuple[Pass, ...]  # of M1 numbers
    rows: tuple[Pass, ...]  # of M2 numbers
    between: np.ndarray  # float32 (M2, M1, 2): exp(2 pi i' k2 t1 / (M1 M2))


def smooth(number: int) -> bool:
    """Tell whether rows of a given length can be planned, i.e. whether it has no prime factor above 13."""
    for radix in RADICES:
        while number % radix == 0:
            number //= radix
    return number == 1


def plan(number: int) -> Plan:
    """Plan the transform of rows of `number` values; `number` must have no prime factor above 13."""
    if not smooth(number):
        raise ValueError(f"{number} has a prime factor above 13")
    divisors = [size for size in range(1, number + 1) if number % size == 0]
    first = max(size for size in divisors if size * size <= number)
    second = number // first
    return Plan(_passes(first), _passes(second), _unit(np.outer(np.arange(second), np.arange(first)) / number))


def _passes(number: int) -> tuple[Pass, ...]:
    passes, left = [], number
    for radix in RADICES:
        while left % radix == 0:
            i, j = np.arange(1, radix), np.arange(left // radix)
            passes.append(Pass(radix, _unit(np.arange(radix) / radix), _unit(np.outer(j, i) / left)))
            left //= radix
    return tuple(passes)


def _unit(turns: np.ndarray) -> np.ndarray:
    angle = 2 * np.pi * turns
    return np.stack([np.cos(angle), np.sin(angle)], axis=-1).astype(np.float32)


def transform(row: Parts, how: Plan) -> Parts:
    """Compute the sum over k of row[k] exp(2 pi i' k t / M) for each t.

    Args:
        row: Real and imaginary part, float32 (M, channels).
        how: The plan for M.

    Returns:
        Real and imaginary part, float32 (M, channels).
    """
    (second, first, _), channels = how.between.shape, row[0].shape[1]
    real, imaginary = _small(tuple(part.reshape(first, second, channels) for part in row), how.columns)
    turned = _turn((real, imaginary), how.between.transpose(1, 0, 2)[:, :, None])
    found = _small(tuple(part.transpose(1, 0, 2) for part in turned), how.rows)
    return tuple(part.reshape(-1, channels) for part in found)


def _turn(x: Parts, by: np.ndarray) -> Parts:
    (a, b), (c, d) = x, (by[..., 0], by[..., 1])
    return a * c - b * d, a * d + b * c


def _small(x: Parts, passes: tuple[Pass, ...]) -> Parts:
    """Transform over the first axis."""
    shape, s = x[0].shape, 1
    for step in passes:
        m = shape[0] // (step.radix * s)
        real, imaginary = (part.reshape(step.radix, m, s, *shape[1:]) for part in x)
        found = _butterfly(list(zip(real, imaginary, strict=True)), step)
        if m > 1:
            by = step.twiddles.reshape(m, step.radix - 1, *[1] * len(shape), 2)
            found[1:] = [_turn(part, by[:, i]) for i, part in enumerate(found[1:])]
        x = tuple(np.stack(parts, axis=1).reshape(shape) for parts in zip(*found, strict=True))
        s *= step.radix
    return x


def _butterfly(x: list[Parts], step: Pass) -> list[Parts]:
    """Return the transform of the few numbers x."""
    if step.radix == 2:
        return [_add(x[0], x[1]), _less(x[0], x[1])]
    if step.radix == 4:
        even, odd = _add(x[0], x[2]), _add(x[1], x[3])
        left, (d, e) = _less(x[0], x[2]), _less(x[1], x[3])
        return [_add(even, odd), _add(left, (-e, d)), _less(even, odd), _less(left, (-e, d))]
    p, half = step.radix, (step.radix - 1) // 2
    sums = [_add(x[r], x[p - r]) for r in range(1, half + 1)]
    differences = [_less(x[r], x[p - r]) for r in range(1, half + 1)]
    first = x[0]
    for part in sums:
        first = _add(first, part)
    found = [first] + [None] * (p - 1)
    for i in range(1, half + 1):
        (a, b), (c, d) = x[0], (None, None)
        for r in range(1, half + 1):
            cos, sin = step.roots[i * r % p]
            (e, f), (g, h) = sums[r - 1], differences[r - 1]
            a, b = a + cos * e, b + cos * f
            c, d = (sin * g, sin * h) if r == 1 else (c + sin * g, d + sin * h)
        found[i], found[p - i] = (a - d, b + c), (a + d, b - c)
    return found


def _add(x: Parts, y: Parts) -> Parts:
    return x[0] + y[0], x[1] + y[1]


def _less(x: Parts, y: Parts) -> Parts:
    return x[0] - y[0], x[1] - y[1]
