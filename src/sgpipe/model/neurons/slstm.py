"""The spiking LSTM: an LSTM whose sigmoids and tanhs are steps (Herranz-Celotti & Rouat 2022, section 2.1).

    i, f, g, o = H, H, T, H of W_in z_t + W_rec h_{t-1} + b
    c_t = f c_{t-1} + i g,     h_t = o T(c_t)

T takes the place of tanh. The paper prints 1 - 2 H, which has the opposite sign of tanh; the authors' code has 2 H - 1.
In both cases T's surrogate derivative has the factor of H, -2 or 2. h_t is -1, 0 or 1; a unit counts as active where
its output gate o is open. As in an LSTM, units see their own output.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch


class LSTMState(NamedTuple):
    """Output h, cell c and output gate o of one layer at one step, each (batch, units)."""

    output: torch.Tensor
    voltage: torch.Tensor
    spikes: torch.Tensor


@dataclass(frozen=True)
class SpikingLSTM:
    """A layer: the step `fire` and the sign of T, 1 as coded, -1 as printed."""

    sign: int
    fire: Callable[[torch.Tensor], torch.Tensor]
    spikes_precede: ClassVar[bool] = False

    def start(self, zeros: torch.Tensor) -> LSTMState:
        """Make the state before the first step, from zeros (batch, units)."""
        return LSTMState(zeros, zeros, zeros)

    def step(self, state: LSTMState, drive: torch.Tensor) -> LSTMState:
        """Compute the state at step t; `drive` (batch, 4 units) is what gates i, f, g and o receive, in that order."""
        i, f, g, o = drive.chunk(4, dim=1)
        gate = self.fire(o)
        cell = self.fire(f) * state.voltage + self.fire(i) * self.tanh(g)
        return LSTMState(gate * self.tanh(cell), cell, gate)

    def tanh(self, x: torch.Tensor) -> torch.Tensor:
        """Apply T, which takes the place of tanh."""
        return self.sign * (2 * self.fire(x) - 1)
