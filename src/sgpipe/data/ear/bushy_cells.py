"""Nerve activity to spikes: one bushy cell per channel, which receives the 40 nerve fibres of its place.

A fibre fires at the rate set by its hair cell, but not within 1 ms of its last spike. A bushy cell is a leaky
integrate-and-fire neuron with current-based synapses (Cramer et al. 2020):

    dI/dt = -I / tau_syn + (spikes of the 40 fibres)        dv/dt = -v / tau_mem + weight I

with a threshold of 1; after a spike, v stays at 0 for a refractory time. The cell needs about a dozen input spikes
within a millisecond to fire, so its timing is more precise than its fibres', and it is nearly silent in quiet.

The fibres of a place are identical, so only the number that fires is drawn, by inverting the Poisson distribution. If
the expected number exceeds 1, the excess is added without noise: such volleys fire the cell in any case.
"""

from collections import deque
from dataclasses import dataclass

import numpy as np

from sgpipe.data.ear.hair_cells import lost

PUBLISHED_STEP = 1 / 24000  # s, of Cramer et al. (2020); a steady drive moves v as far here as theirs with this step
TERMS = 4  # the largest number that is drawn; more spikes have a probability below 0.004 at a mean of 1


@dataclass(frozen=True)
class BushyCell:
    """Parameters (Cramer et al. 2020), in s."""

    fibres: int = 40
    tau_mem: float = 1e-3
    tau_syn: float = 0.5e-3
    refractory: float = 1e-3  # of fibres and of the cell
    weight: float = 13e3 / 40  # 1/s


def _gain(cell: BushyCell, dt: float) -> float:
    """Return the v that a steady current builds up, for a step of dt s, in units of its weight in each step."""
    return dt / ((1 - np.exp(-dt / cell.tau_syn)) * (1 - np.exp(-dt / cell.tau_mem)))


class BushyCells:
    """Nerve fibres and bushy cells of many places, advanced step by step; float32 (places,)."""

    def __init__(self, cell: BushyCell, places: int, dt: float):
        rest = round(cell.refractory / dt)  # steps
        self.current, self.voltage = np.zeros((2, places), np.float32)
        self.free = np.full(places, cell.fibres, np.float32)  # fibres that are not refractory
        self.recent = np.zeros((rest, places), np.float32)  # fibres that fired in each of the last steps
        self.resting = deque([np.empty(0, np.int64)] * (rest - 1), maxlen=rest - 1)  # cells that fired in those steps
        self.excess, self.small, self.term, self.terms, self.sum = np.empty((5, places), np.float32)
        self.hit, self.drawn = np.empty((2, places), np.uint8)
        self.keep_current, self.keep_voltage = np.float32(np.exp([-dt / cell.tau_syn, -dt / cell.tau_mem]))
        self.weight = np.float32(cell.weight * _gain(cell, PUBLISHED_STEP) / _gain(cell, dt) * PUBLISHED_STEP)
        self.now = 0

    def step(self, rate: np.ndarray, random: np.ndarray) -> np.ndarray:
        """Advance all cells by one time step.

        Args:
            rate: Expected spikes per non-refractory fibre in this step, float32 (places,).
            random: Uniform in [0, 1), (places,).

        Returns:
            The indices of the cells that fire, int64.
        """
        fired = self._fibres(rate, random)
        self.current *= self.keep_current
        self.current += fired
        self.voltage *= self.keep_voltage
        np.multiply(self.current, self.weight, out=self.sum)
        self.voltage += self.sum
        self.voltage[np.concatenate(self.resting)] = 0
        spikes = np.greater_equal(self.voltage, 1, out=self.hit.view(bool)).nonzero()[0]
        self.voltage[spikes] = 0
        self.resting.append(spikes)
        return spikes

    def _fibres(self, rate: np.ndarray, random: np.ndarray) -> np.ndarray:
        """Return how many fibres fire at each place."""
        excess, small, term, terms, chance = self.excess, self.small, self.term, self.terms, self.sum
        place = self.now % len(self.recent)
        self.now += 1
        fired = self.recent[place]
        self.free += fired  # fibres that fired one refractory time ago
        np.multiply(rate, self.free, out=excess)
        np.minimum(excess, 1, out=small)
        excess -= small
        none = 1 - lost(small)
        np.greater(random, none, out=self.drawn.view(bool))
        term[:] = terms[:] = 1
        for number in range(1, TERMS):  # the probability of at most `number` is exp(-x) (1 + x + x^2 / 2 + ...)
            term *= small
            if number > 1:
                term *= np.float32(1 / number)
            terms += term
            np.multiply(none, terms, out=chance)
            np.greater(random, chance, out=self.hit.view(bool))
            self.drawn += self.hit
        np.add(self.drawn, excess, out=fired)
        np.minimum(fired, self.free, out=fired)
        self.free -= fired
        return fired
