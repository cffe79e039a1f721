"""Movement to nerve activity: inner hair cells that release transmitter from pools, after Meddis (1986, 1988).

A cell's transmitter is ready for release (q), in the cleft (c) or on its way back (w), as shares of a full store M:

    permeability  k = g (v + A) / (v + A + B) where v + A > 0, else 0        v: velocity of the membrane
    dq/dt = y (M - q) + x w - k q        dc/dt = k q - (l + r) c        dw/dt = r c - x w

Each fibre of the auditory nerve at the cell fires at the rate h c. The pool is full at a sound's onset, so the response
is stronger there than later in the sound, and low tones are followed cycle by cycle.

The equations are stiff for a step of 1/8 ms, so a step is exact for constant k: the pool loses the share
1 - exp(-k dt), and the cleft relaxes exponentially to its balance.

The time steps are written out operation by operation: the compiled kernel (`src/listen.cpp`) does the same operations.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class HairCell:
    """Parameters that Cramer et al. (2020) use; rates in 1/s. At rest a fibre fires 65 times a second."""

    replenish: float = 5.05  # y
    permeability: float = 2000.0  # g
    loss: float = 2500.0  # l
    recovery: float = 6580.0  # r
    reprocess: float = 66.3  # x
    offset: float = 5.0  # A, in units of the velocity
    half: float = 300.0  # B, in units of the velocity
    firing: float = 50000.0  # h
    store: float = 1.0  # M

    def resting(self) -> tuple[float, float, float]:
        """Compute q, c and w in silence."""
        k = self.permeability * self.offset / (self.offset + self.half)
        c = self.store * self.replenish * k / (self.loss * k + self.replenish * (self.loss + self.recovery))
        return c * (self.loss + self.recovery) / k, c, c * self.recovery / self.reprocess


# (1 - exp(-y)) / y for y from 0 to 1, accurate to 3e-9: the polynomial through its values at the Chebyshev nodes.
SERIES = np.array(
    [1.0, -0.49999979, 0.16666341, -0.041646849, 0.0082755052, -0.0013007750, 0.00012907632], dtype=np.float32
)


def lost(y: np.ndarray) -> np.ndarray:
    """Compute 1 - exp(-y), float32, for y from 0 to 1; unlike a library's exp, it gives the same bits everywhere."""
    c = SERIES
    square = y * y
    low = (y * c[1] + c[0]) + square * (y * c[3] + c[2])
    high = (y * c[5] + c[4]) + square * c[6]
    return y * (low + square * square * high)


def released(cell: HairCell, velocity: np.ndarray, dt: float) -> np.ndarray:
    """Compute the share of the ready pool that is released in each step.

    Args:
        cell: The parameters.
        velocity: The membrane's velocity, float32 (channels, steps, samples per step). It is overwritten.
        dt: Time step in s.

    Returns:
        float32 (channels, steps).
    """
    push = np.maximum(velocity, np.float32(-cell.offset), out=velocity)
    push += np.float32(cell.offset)
    push /= push + np.float32(cell.half)
    k, *more = np.moveaxis(push, 2, 0)
    for part in more:  # much faster than a mean over the short axis
        k += part
    return lost(k * scale(cell, dt, push.shape[2]))


def scale(cell: HairCell, dt: float, samples: int) -> np.float32:
    """Compute the largest contribution of one sample to k dt.

    Args:
        cell: The parameters.
        dt: Time step in s.
        samples: Samples per step.

    Raises:
        ValueError: The contributions of a step can exceed 1.
    """
    if cell.permeability * dt > 1:
        raise ValueError(f"permeability {cell.permeability:g}/s: too much for steps of {dt:g} s, at most {1 / dt:g}/s")
    return np.float32(cell.permeability * dt / samples)


class Pools:
    """The transmitter of many hair cells, advanced step by step; float32 (cells,)."""

    def __init__(self, cell: HairCell, cells: int, dt: float):
        q, c, w = cell.resting()
        self.ready, self.cleft, self.returning = (np.full(cells, value, np.float32) for value in (q, c, w))
        self.ejected, self.work = np.empty((2, cells), np.float32)
        clearing = cell.loss + cell.recovery
        stays = np.exp(-clearing * dt)
        # Shares that leave the cleft within a step: of its content, and of what arrives evenly during the step.
        self.of_old, self.of_new = np.float32(1 - stays), np.float32(1 - (1 - stays) / (clearing * dt))
        self.keep, self.full = np.float32(1 - cell.replenish * dt), np.float32(cell.replenish * dt * cell.store)
        self.recovery, self.reprocess = np.float32(cell.recovery / clearing), np.float32(cell.reprocess * dt)
        self.firing = np.float32(cell.firing / clearing)  # times the amount that leaves = h dt (mean of c)

    def step(self, share: np.ndarray, out: np.ndarray) -> None:
        """Advance the pools of all channels by one time step.

        Args:
            share: The released share of the ready pool, float32 (channels,).
            out: Overwritten with the expected spikes per fibre in this step.
        """
        ready, cleft, returning, ejected, work = self.ready, self.cleft, self.returning, self.ejected, self.work
        np.multiply(ready, share, out=ejected)
        np.multiply(cleft, self.of_old, out=out)  # the amount that leaves the cleft
        np.multiply(ejected, self.of_new, out=work)
        out += work
        cleft += ejected
        cleft -= out
        ready -= ejected
        ready *= self.keep
        np.multiply(returning, self.reprocess, out=work)
        returning -= work
        work += self.full
        ready += work
        np.multiply(out, self.recovery, out=work)
        returning += work
        out *= self.firing
