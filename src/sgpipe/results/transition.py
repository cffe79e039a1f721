"""Where accuracy rises with activity: a sigmoid over the logarithm of the spike count (zenke2021 section 2.6, Fig 9).

    accuracy(x) = chance + (plateau - chance) / (1 + (transition / x)^steepness)

x is the mean number of hidden spikes per input. The paper draws fitted sigmoids and does not print their form; this
one begins at the chance level, which is known, and has three parameters. Uncertainty is that of resampling networks.
"""

import hashlib
from typing import NamedTuple

import numpy as np

from sgpipe.base.rng import stream

RESAMPLES = 1000
SIDE = 3  # networks that must lie on each side of a transition
BEYOND = 0.025  # at most this share of resamples has its transition at the sparsest network, or at the busiest
ABOVE = 3  # how many standard deviations of the networks around the curve its rise must have
SILENT = 0.01  # spikes: fewer count as these, for the logarithm
STEEPNESS = np.geomspace(0.5, 60.0, 26)
AROUND = np.geomspace(0.125, 8.0, 31)  # of resamples, in units of the fit's steepness
ROUGH, STEP = 0.03, 0.01  # of the grids of transitions, decades


class Rise(NamedTuple):
    """Parameters of the sigmoid, each (resamples,); what a network of no activity reaches is the chance level."""

    transition: np.ndarray  # spikes per input at half of the rise
    steepness: np.ndarray
    plateau: np.ndarray
    chance: float

    def accuracy(self, spikes: np.ndarray) -> np.ndarray:
        """Return the accuracy at some spikes per input."""
        return self.chance + (self.plateau - self.chance) / (1 + (self.transition / spikes) ** self.steepness)

    def width(self) -> np.ndarray:
        """Return from a tenth to nine tenths of the rise, in orders of magnitude of the spike count."""
        return np.log10(81.0) / self.steepness

    def saturation(self, share: float = 0.95) -> np.ndarray:
        """Return the spikes per input at which `share` of the rise is reached."""
        return self.transition * (share / (1 - share)) ** (1 / self.steepness)

    def crossing(self, accuracy: float) -> np.ndarray:
        """Return the spikes per input at which an accuracy is reached; infinite where the plateau is below it."""
        above = self.plateau > accuracy
        share = (accuracy - self.chance) / np.where(above, self.plateau - self.chance, 2 * accuracy)
        return np.where(above, self.saturation(share), np.inf)


def fit_rise(spikes: np.ndarray, accuracy: np.ndarray, chance: float) -> Rise:
    """Return the least-squares sigmoid through networks of (n,) spikes per input and accuracy."""
    x, one = _log(spikes), np.ones((len(spikes), 1))
    rough = _search(x, accuracy, chance, np.arange(x.min(), x.max() + ROUGH, ROUGH), STEEPNESS, one)
    fine = np.log10(rough.transition[0]) + np.linspace(-ROUGH, ROUGH, 61)
    return _search(x, accuracy, chance, fine, rough.steepness[0] * np.geomspace(0.8, 1.25, 41), one)


def _log(spikes: np.ndarray) -> np.ndarray:
    return np.log10(np.maximum(spikes, SILENT))


def _search(x, accuracy, chance, centres, steepness, weights) -> Rise:
    """Return the best of a grid of transitions and steepness; the plateau (at most 1) is linear in the rest: exact."""
    m, p = (axis.ravel() for axis in np.meshgrid(centres, steepness, indexing="ij"))
    exponent = np.clip(p[:, None] * (m[:, None] - x), -300, 300)
    rise = 1.0 / (1.0 + 10.0**exponent)  # (grid, n)
    height = accuracy - chance
    along, square = (rise * height) @ weights, np.maximum((rise**2) @ weights, 1e-300)
    above = np.clip(along / square, 0, 1 - chance)
    best = np.argmax(2 * above * along - above**2 * square, axis=0)  # what the fit explains
    return Rise(10.0 ** m[best], p[best], chance + above[best, np.arange(weights.shape[1])], chance)


def distinct(spikes: np.ndarray, accuracy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return spikes and accuracies of unlike networks, by rising spikes.

    Regularisers that act on the same spikes train the same network: with exponent 1 all thresholds below one spike of
    one neuron do. Such copies are one observation.
    """
    return tuple(np.unique(np.stack([np.asarray(spikes, float), np.asarray(accuracy, float)], axis=1), axis=0).T)


def rise(spikes: np.ndarray, accuracy: np.ndarray, chance: float) -> tuple[Rise, Rise] | None:
    """Return the sigmoid fitted to distinct networks and those of resampled ones.

    The random stream of the resampling is named by the networks themselves: figure and claims give the same interval,
    and two sets of networks are resampled independently.

    None where it would be a guess: unless at least `SIDE` distinct networks lie on each side of the transition, the
    rise is `ABOVE` times as large as the scatter around it, and the transitions of resamples lie between the sparsest
    and the busiest network.
    """
    spikes, accuracy = distinct(spikes, accuracy)
    if len(spikes) < 2 * SIDE:
        return None
    found = fit_rise(spikes, accuracy, chance)
    below = int((spikes < found.transition[0]).sum())
    scatter = np.std(accuracy - found.accuracy(np.maximum(spikes, SILENT)))
    if min(below, len(spikes) - below) < SIDE or found.plateau[0] - chance < ABOVE * scatter:
        return None
    networks = hashlib.sha256(np.stack([spikes, accuracy]).tobytes()).hexdigest()
    drawn = (stream(0, f"transition/{networks}").random((RESAMPLES, len(spikes))) * len(spikes)).astype(int)
    weights = np.stack([np.bincount(row, minlength=len(spikes)) for row in drawn], axis=1).astype(float)
    # Grids that the fit itself lies on, so that it is no further from its resamples than they are from each other.
    x, middle = _log(spikes), np.log10(found.transition[0])
    low, high = np.ceil((middle - x.min()) / STEP), np.ceil((x.max() - middle) / STEP)
    centres = middle + STEP * np.arange(-low, high + 1)
    resampled = _search(x, accuracy, chance, centres, found.steepness[0] * AROUND, weights)
    at = np.log10(resampled.transition)
    beyond = max(np.mean(at < centres[0] + STEP / 2), np.mean(at > centres[-1] - STEP / 2))
    return None if beyond > BEYOND else (found, resampled)
