"""Smooth random manifolds (Zenke & Vogels 2021, section 4.1.1), as printed and as in the authors' code.

A class is a random smooth map f from the unit cube of dimension D into M input units,

    f_i(x) = prod_j sum_k s_k A_ijk sin(2 pi (k x_j B_ijk + C_ijk)),     A, B, C ~ U(0, 1),

whose coordinates, rescaled to [0, tau), are the spike times of the units: one spike per unit and sample.

variant         k           s_k                  frequencies            split
printed         1..1000     k^-alpha             1000                   800 / 100 / 100 of each class
authors_torch   0..F-1      1/((k+1)^alpha + 1)  F = min(1000^(1/alpha), 1000), A_0 = 0   shuffled over classes
authors_numpy   0..F-1      (k+1)^-alpha         the same               shuffled over classes
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sgpipe.base.rng import permutation, stream, uniform
from sgpipe.data.samples import SPLITS, Events, Task
from sgpipe.spec.tasks import RandmanData

PRINTED_CUTOFF = 1000
AUTHORS_PRECISION = 1e-3
SHARES = (0.8, 0.1, 0.1)


@dataclass(frozen=True)
class Spectrum:
    """Frequencies k and their weights s_k, both float64 (K,)."""

    frequency: np.ndarray
    weight: np.ndarray
    has_offset: bool  # whether the component with the lowest frequency is kept


def spectrum(variant: str, alpha: float) -> Spectrum:
    """Choose the frequencies of a variant and their weights.

    Args:
        variant: The formula as printed, or as in the authors' code.
        alpha: The smoothness.
    """
    if variant == "printed":
        k = np.arange(1.0, PRINTED_CUTOFF + 1)
        return Spectrum(k, k**-alpha, has_offset=True)
    cutoff = int(min(np.ceil(AUTHORS_PRECISION ** (-1.0 / alpha)), PRINTED_CUTOFF))
    k = np.arange(float(cutoff))
    weight = 1.0 / ((k + 1) ** alpha + 1.0) if variant == "authors_torch" else (k + 1) ** -alpha
    return Spectrum(k, weight, has_offset=False)


def coefficients(data: RandmanData, label: int) -> np.ndarray:
    """Draw A, B and C of one class, float64 (3, M, D, K)."""
    modes = spectrum(data.variant, data.alpha)
    shape = (3, data.units, data.dim, len(modes.frequency))
    drawn = uniform(stream(data.seed, f"data/randman/manifold/{label}"), 0.0, 1.0, shape)
    if not modes.has_offset:
        drawn[0, ..., 0] = 0.0
    return drawn


def points(data: RandmanData, label: int) -> np.ndarray:
    """Draw the intrinsic coordinates of one class's samples, float64 (samples, D), uniform in the unit cube."""
    shape = (data.samples_per_class, data.dim)
    return uniform(stream(data.seed, f"data/randman/points/{label}"), 0.0, 1.0, shape)


def manifold(data: RandmanData, theta: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Compute f(x), before rescaling.

    Args:
        data: The knobs.
        theta: A, B and C, (3, M, D, K).
        x: Intrinsic coordinates, (samples, D).

    Returns:
        float64 (samples, M).
    """
    modes = spectrum(data.variant, data.alpha)
    amplitude, rate, phase = theta
    values = np.ones((len(x), data.units))
    for unit in range(data.units):
        for axis in range(data.dim):
            angle = 2 * np.pi * (np.outer(x[:, axis], modes.frequency * rate[unit, axis]) + phase[unit, axis])
            values[:, unit] *= np.sin(angle, out=angle) @ (modes.weight * amplitude[unit, axis])
    return values


def embed(data: RandmanData, label: int) -> tuple[np.ndarray, np.ndarray]:
    """Make the samples of one class.

    Each embedding coordinate is standardised over all samples of the class, as in the paper and its code.

    Args:
        data: The knobs.
        label: The class.

    Returns:
        Intrinsic coordinates (samples, D), and embedding coordinates (samples, M) in [0, 1].
    """
    x = points(data, label)
    y = manifold(data, coefficients(data, label), x)
    low, high = y.min(axis=0), y.max(axis=0)
    return x, (y - low) / (high - low)


def make(data: RandmanData, folder: Path | None = None, workers: int = 1) -> Task:
    """Make the task: every unit of every sample fires once, at floor(tau y / dt). No folder or workers are used."""
    # y = 1 falls on tau itself, which the interval excludes; 0.07 / 0.01 is slightly above 7, but means 7 steps.
    last = int(np.ceil(data.tau / data.dt * (1 - 2e-9))) - 1
    samples, classes = data.samples_per_class, data.classes
    steps = np.stack([np.floor(data.tau / data.dt * embed(data, label)[1]) for label in range(classes)])
    steps = np.minimum(steps, last).astype(np.int32).reshape(classes * samples, data.units)
    labels = np.repeat(np.arange(classes), samples)
    sample = np.repeat(np.arange(len(labels)), data.units)
    unit = np.tile(np.arange(data.units), len(labels))
    everything = Events.from_spikes(sample, steps.ravel(), unit, labels)
    rows = _split(data)
    return Task(data.units, classes, data.steps, *(everything.take(rows[split]) for split in SPLITS))


def _split(data: RandmanData) -> dict[str, np.ndarray]:
    """Return the samples of each split; sample s of class c is row c * samples_per_class + s."""
    n = data.samples_per_class
    if data.variant == "printed":
        rows = np.arange(data.classes * n).reshape(data.classes, n)
    else:
        rows = permutation(stream(data.seed, "data/randman/split"), data.classes * n)[None]
    cuts = (np.cumsum(SHARES[:-1]) * rows.shape[1]).round().astype(int)
    return {split: part.ravel() for split, part in zip(SPLITS, np.split(rows, cuts, axis=1), strict=True)}
