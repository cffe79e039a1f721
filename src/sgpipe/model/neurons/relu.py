"""Rectified linear units: a conventional network's neurons, without spikes and without memory.

    y_t = max(0, W z_t + b)

They are here for comparison (zenke2021 section 2.4): shown an image in a single step, they make an ordinary network.
"""

from typing import ClassVar, NamedTuple

import torch


class ReLUState(NamedTuple):
    """Output, input (as `voltage`), and spikes, which are all 0; each (batch, units)."""

    output: torch.Tensor
    voltage: torch.Tensor
    spikes: torch.Tensor


class ReLU:
    """A layer of units."""

    spikes_precede: ClassVar[bool] = False

    def start(self, zeros: torch.Tensor) -> ReLUState:
        """Make the state before the first step, from zeros (batch, units)."""
        return ReLUState(zeros, zeros, zeros)

    def step(self, state: ReLUState, drive: torch.Tensor) -> ReLUState:
        """Compute the state at step t; `drive` is W z_t + b, (batch, units)."""
        return ReLUState(torch.relu(drive), drive, torch.zeros_like(drive))
