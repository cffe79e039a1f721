"""Where accuracy rises with activity: a sigmoid over the spike count (zenke2021 section 2.6, Fig 9).

    accuracy(x) = chance + (plateau - chance) / (1 + (transition / x)^steepness)

x is the mean number of hidden spikes per input. The paper draws fitted sigmoids and does not print their form, so it
is a named choice, `FORMS`. All begin at the chance level, which is known, and have three parameters; uncertainty is
that of resampling networks. The default is `free`, by what the text says (docs/claims.md), not by what it gives.
"""

import hashlib
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from sgpipe.base.rng import stream

# What is fitted: over the logarithm of the spikes, with a plateau as least squares have it; the same with a plateau of
# at most 1, on which good networks lie in every resample; a sigmoid over the spikes themselves, its plateau free.
FORMS = FREE, CAPPED, LINEAR = ("free", "capped", "linear")
RESAMPLES = 1000
SIDE = 3  # networks that must lie on each side of a transition
BEYOND = 0.025  # at most this share of resamples has its transition at the sparsest network, or at the busiest
ABOVE = 3  # how many standard deviations of the networks around the curve its rise must have
SILENT = 0.01  # spikes: fewer count as these, for the logarithm
CURVES = 256  # fits that are remembered: several claims are about one curve
STEEPNESS = np.geomspace(0.5, 60.0, 26)
SAME = 1e-9  # fits that explain as much of the variance but for this share are equally good
AROUND = np.geomspace(0.125, 8.0, 31)  # of resamples, in units of the fit's steepness
CLOSER = np.geomspace(0.93, 1 / 0.93, 13)  # then of each resample, in units of its own
ROUGH, STEP, FINE = 0.03, 0.01, 0.001  # of the grids of transitions, decades


class Rise(NamedTuple):
    """Parameters of the sigmoid, each (resamples,); what a network of no activity reaches is the chance level."""

    transition: np.ndarray  # spikes per input at half of the rise
    steepness: np.ndarray  # 4 / the rise, times the slope at the transition over relative changes of the spikes
    plateau: np.ndarray
    chance: float
    form: str = FREE

    def accuracy(self, spikes: np.ndarray) -> np.ndarray:
        """Compute the accuracy at some spikes per input."""
        if self.form == LINEAR:
            odds = np.exp(np.clip(self.steepness * (1 - spikes / self.transition), -300, 300))
        else:
            odds = (self.transition / spikes) ** self.steepness
        return self.chance + (self.plateau - self.chance) / (1 + odds)

    def width(self) -> np.ndarray:
        """Compute the distance from a tenth to nine tenths of the rise, in orders of magnitude of the spike count.

        It is infinite if more than a tenth of the rise is there without any spike, as a linear sigmoid may have it.
        """
        with np.errstate(divide="ignore"):
            return np.log10(self.saturation(0.9) / self.saturation(0.1))

    def saturation(self, share: float | np.ndarray = 0.95) -> np.ndarray:
        """Compute the spikes per input at which `share` of the rise is reached."""
        odds = share / (1 - share)
        if self.form == LINEAR:
            return self.transition * np.maximum(1 + np.log(odds) / self.steepness, 0.0)
        return self.transition * odds ** (1 / self.steepness)

    def crossing(self, accuracy: float) -> np.ndarray:
        """Compute the spikes per input at which an accuracy is reached; infinite where the plateau is below it."""
        above = self.plateau > accuracy
        share = (accuracy - self.chance) / np.where(above, self.plateau - self.chance, 2 * accuracy)
        return np.where(above, self.saturation(share), np.inf)


def fit_rise(spikes: np.ndarray, accuracy: np.ndarray, chance: float, form: str = FREE) -> Rise:
    """Fit a sigmoid of accuracy over the logarithm of spikes by least squares.

    Args:
        spikes: Per input, of each network, (n,).
        accuracy: Of each network, (n,).
        chance: The accuracy of a guess.
        form: Of the sigmoid.
    """
    x, one = _log(spikes), np.ones((len(spikes), 1))
    points = _Points(x, accuracy, chance, form)
    rough = _search(points, np.arange(x.min(), x.max() + ROUGH, ROUGH), STEEPNESS, one)
    fine = np.log10(rough.transition[0]) + np.linspace(-ROUGH, ROUGH, 61)
    return _search(points, fine, rough.steepness[0] * np.geomspace(0.8, 1.25, 41), one)


def _log(spikes: np.ndarray) -> np.ndarray:
    return np.log10(np.maximum(spikes, SILENT))


class _Points(NamedTuple):
    """What a sigmoid is fitted to: logarithms of spikes and accuracies, (n,), the chance level, and its form."""

    x: np.ndarray
    accuracy: np.ndarray
    chance: float
    form: str


def _search(points: _Points, centres: np.ndarray, steepness: np.ndarray, weights: np.ndarray) -> Rise:
    """Find the best of a grid of transitions and steepness, for each column of weights (n, resamples).

    The plateau is linear in the rest, and so exact.
    """
    m, p = (axis.ravel()[:, None] for axis in np.meshgrid(centres, steepness, indexing="ij"))
    rise, height = _risen(points, m, p), points.accuracy - points.chance
    above, best = _best(points, (rise * height) @ weights, (rise**2) @ weights)
    return Rise(10.0 ** m[best, 0], p[best, 0], points.chance + above, points.chance, points.form)


def _closer(points: _Points, found: Rise, weights: np.ndarray) -> Rise:
    """Search finer grids of transitions and steepness, each around what was found for one column of weights."""
    shifts = np.arange(-STEP / 2, STEP / 2 + FINE / 2, FINE)
    shift, factor = (axis.ravel()[:, None] for axis in np.meshgrid(shifts, CLOSER, indexing="ij"))
    m, p = np.log10(found.transition) + shift, found.steepness * factor  # (grid, resamples)
    height, along, square = points.accuracy - points.chance, np.empty(m.shape), np.empty(m.shape)
    for k in range(len(m)):
        rise = _risen(points, m[k, :, None], p[k, :, None])
        along[k], square[k] = ((rise * height).T * weights).sum(axis=0), ((rise**2).T * weights).sum(axis=0)
    above, best = _best(points, along, square)
    at = best, np.arange(m.shape[1])
    return Rise(10.0 ** m[at], p[at], points.chance + above, points.chance, points.form)


def _risen(points: _Points, m: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Compute the share of the rise at each point for the logarithms m of transitions and steepness p, (..., 1)."""
    exponent = p * (1 - 10.0 ** (points.x - m)) / np.log(10) if points.form == LINEAR else p * (m - points.x)
    return 1.0 / (1.0 + 10.0 ** np.clip(exponent, -300, 300))


def _best(points: _Points, along: np.ndarray, square: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Choose from a grid, for each column of sums (grid, resamples): the height of the plateau, and the place."""
    square = np.maximum(square, 1e-300)
    above = np.clip(along / square, 0, 1 - points.chance if points.form == CAPPED else None)
    explained = 2 * above * along - above**2 * square
    # The first of those that are as good to rounding: sums of other machines, or of other threads, choose alike.
    best = np.argmax(explained >= (1 - SAME) * explained.max(axis=0), axis=0)
    return above[best, np.arange(above.shape[1])], best


def distinct(spikes: np.ndarray, accuracy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sort spikes and accuracies of unlike networks, by rising spikes.

    Regularisers that act on the same spikes train the same network: with exponent 1 all thresholds below one spike of
    one neuron do. Such copies are one observation.
    """
    return tuple(np.unique(np.stack([np.asarray(spikes, float), np.asarray(accuracy, float)], axis=1), axis=0).T)


def rise(spikes: np.ndarray, accuracy: np.ndarray, chance: float, form: str = FREE) -> tuple[Rise, Rise] | None:
    """Fit a sigmoid to distinct networks, and to resamples of them.

    The random stream of the resampling is named by the networks themselves: figure and claims give the same interval,
    and two sets of networks are resampled independently.

    Args:
        spikes: Per input, of each network, (n,).
        accuracy: The accuracy of each network, (n,).
        chance: The accuracy of a guess.
        form: The form of the sigmoid, one of `FORMS`.

    Returns:
        The rise, and those of the resamples. None where it would be a guess: unless at least `SIDE` distinct networks
        lie on each side of the transition, the rise is `ABOVE` times as large as the scatter around it, and the
        transitions of resamples lie between the sparsest and the busiest network.
    """
    networks = np.stack(distinct(spikes, accuracy))
    return _rise(networks.tobytes(), float(chance), form, RESAMPLES, BEYOND) if networks.shape[1] >= 2 * SIDE else None


@lru_cache(CURVES)
def _rise(networks: bytes, chance: float, form: str, resamples: int, most_beyond: float) -> tuple[Rise, Rise] | None:
    """Fit as `rise` does, from two rows of float64: spikes and accuracies of distinct networks."""
    spikes, accuracy = np.frombuffer(networks).reshape(2, -1)
    found = fit_rise(spikes, accuracy, chance, form)
    below = int((spikes < found.transition[0]).sum())
    scatter = np.std(accuracy - found.accuracy(np.maximum(spikes, SILENT)))
    if min(below, len(spikes) - below) < SIDE or found.plateau[0] - chance < ABOVE * scatter:
        return None
    name = hashlib.sha256(networks).hexdigest()
    drawn = (stream(0, f"transition/{name}").random((resamples, len(spikes))) * len(spikes)).astype(int)
    weights = np.stack([np.bincount(row, minlength=len(spikes)) for row in drawn], axis=1).astype(float)
    # Grids that the fit itself lies on, so that it is no further from its resamples than they are from each other.
    x, middle = _log(spikes), np.log10(found.transition[0])
    low, high = np.ceil((middle - x.min()) / STEP), np.ceil((x.max() - middle) / STEP)
    centres = middle + STEP * np.arange(-low, high + 1)
    points = _Points(x, accuracy, chance, form)
    resampled = _search(points, centres, found.steepness[0] * AROUND, weights)
    at = np.log10(resampled.transition)
    beyond = max(np.mean(at < centres[0] + STEP / 2), np.mean(at > centres[-1] - STEP / 2))
    return None if beyond > most_beyond else (found, _closer(points, resampled, weights))
