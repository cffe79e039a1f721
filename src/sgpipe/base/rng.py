"""Named random streams: every random number is a function of (seed, stream name) and of nothing else."""

import hashlib

import numpy as np


def stream(seed: int, name: str) -> np.random.Generator:
    """Make the generator of one named stream.

    Only `Generator.random` is drawn from it anywhere in the package: numpy promises that its bits stay the same from
    version to version, but not those of `permutation` or `normal`.

    Args:
        seed: The seed of the run or of the data.
        name: The name of the stream, e.g. `init/W1`.
    """
    digest = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little")
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, digest])))


def permutation(generator: np.random.Generator, n: int) -> np.ndarray:
    """Draw a random order of 0..n-1, int64 (n,)."""
    return np.argsort(generator.random(n), kind="stable")


def uniform(generator: np.random.Generator, low: float, high: float, shape: tuple[int, ...]) -> np.ndarray:
    """Draw float64 values uniform in [low, high).

    Args:
        generator: The generator to draw from.
        low: The lower bound.
        high: The upper bound.
        shape: The shape of the result.
    """
    return low + (high - low) * generator.random(shape)


def hashed(key: int, counters: np.ndarray) -> np.ndarray:
    """Compute values uniform in [0, 1) as a pure function of a 64-bit key and a counter.

    The value of a counter does not depend on earlier ones, so an engine computes only the values that it needs:
    value = (mix(key + 0x9E3779B97F4A7C15 (counter + 1)) >> 11) / 2^53, modulo 2^64, with SplitMix64's mix
    (Steele, Lea & Flood 2014).

    Args:
        key: The 64-bit key, such as from `key`.
        counters: uint64, of any shape.

    Returns:
        float64 of the same shape.
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
    """Derive the key for `hashed` from a seed and the name of a stream."""
    high, low = (stream(seed, name).random(2) * 2**32).astype(np.uint64)
    return int(high << np.uint64(32) | low)
