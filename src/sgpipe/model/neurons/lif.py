"""Current-based leaky integrate-and-fire neurons and the leaky readout (Zenke & Vogels 2021, sections 4.2.1-2).

    U[n+1] = (b_mem U[n] + (1 - b_mem) I[n]) (1 - S[n])                      (4.1)
    I[n+1] = b_syn I[n] + sum_j W_ij S_j^(l-1)[n] + sum_j V_ij S_j[n]
    S[n]   = 1 if U[n] > 1 else 0,   b = exp(-dt / tau)

Rest is 0 and the threshold 1. The readout is the same filter without spike and reset, with its own membrane
time constant.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch

THRESHOLD = 1.0


class State(NamedTuple):
    """Membrane U and synaptic current I of one layer, both (batch, units)."""

    membrane: torch.Tensor
    current: torch.Tensor


@dataclass(frozen=True)
class LIF:
    """Parameters of a hidden layer: its two decays per step, and whether gradients flow through the reset."""

    membrane_decay: float
    synapse_decay: float
    reset_attached: bool

    def step(self, state: State, spikes: torch.Tensor, drive: torch.Tensor) -> State:
        """Return the state at step n + 1.

        `spikes` is S[n] and `drive` the weighted spikes arriving at step n, both (batch, units).
        """
        reset = spikes if self.reset_attached else spikes.detach()
        membrane = (self.membrane_decay * state.membrane + (1 - self.membrane_decay) * state.current) * (1 - reset)
        return State(membrane, self.synapse_decay * state.current + drive)


@dataclass(frozen=True)
class Readout:
    """Parameters of the readout: its two decays per step."""

    membrane_decay: float
    synapse_decay: float

    def step(self, state: State, drive: torch.Tensor) -> State:
        """Return the state at step n + 1 from the weighted spikes arriving at step n, (batch, classes)."""
        membrane = self.membrane_decay * state.membrane + (1 - self.membrane_decay) * state.current
        return State(membrane, self.synapse_decay * state.current + drive)
