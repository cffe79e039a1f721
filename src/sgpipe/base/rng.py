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


def hashed(key: int, counters: np.ndarray) -> np.ndarray:
    """Return float64 values uniform in [0, 1), a pure function of a 64-bit key and each uint64 counter.

    The value of any counter can be had without those before it, so that an engine computes only what it needs, where
    it needs it: value = (mix(key + 0x9E3779B97F4A7C15 (counter + 1)) >> 11) / 2^53, modulo 2^64, with SplitMix64's mix
    (Steele, Lea & Flood 2014).
    """
    with np.errstate(over="ignore"):
        z = (counters.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        z += np.uint64(key)
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            z ^= z >> np.uint64(shift)
            z *= np.uint64(factor)
        z ^= z >> np.uint64(31)
    z >>= np.uint64(11)
    return z * 2.0**-53


def key(seed: int, name: str) -> int:
    """Return the key for `hashed` that belongs to a named stream."""
    high, low = (stream(seed, name).random(2) * 2**32).astype(np.uint64)
    return int(high << np.uint64(32) | low)
