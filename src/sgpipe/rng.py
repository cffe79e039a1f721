"""Named random streams: every random number is a function of (seed, stream name) and of nothing else."""

import hashlib

import numpy as np


def stream(seed: int, name: str) -> np.random.Generator:
    """Return the generator of one named stream.

    Only `Generator.random` is drawn from it anywhere in the package: its bits are stable across numpy
    versions, which those of `permutation` or `normal` are not promised to be.
    """
    digest = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little")
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, digest])))


def permutation(generator: np.random.Generator, n: int) -> np.ndarray:
    """Return a random order of 0..n-1 as int64 (n,)."""
    return np.argsort(generator.random(n), kind="stable")


def uniform(generator: np.random.Generator, low: float, high: float, shape: tuple[int, ...]) -> np.ndarray:
    """Return float64 values uniform in [low, high)."""
    return low + (high - low) * generator.random(shape)
