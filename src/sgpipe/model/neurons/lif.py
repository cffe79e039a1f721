"""Current-based leaky integrate-and-fire neurons and the leaky readout (Zenke & Vogels 2021, sections 4.2.1-2).

    U[n+1] = (b_mem U[n] + (1 - b_mem) I[n]) (1 - S[n])                      (4.1)
    I[n+1] = b_syn I[n] + sum_j W_ij S_j^(l-1)[n] + sum_j V_ij S_j[n]
    S[n]   = 1 if U[n] > 1 else 0,   b = exp(-dt / tau)

Rest is 0 and the threshold 1. The readout is the same filter without spike and reset, with its own membrane
time constant.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch

THRESHOLD = 1.0
Value = float | torch.Tensor  # one for the layer, or one per neuron (units,)


class LIFState(NamedTuple):
    """Membrane U[n] (`voltage`), synaptic current I[n] and spikes S[n] of one layer, each (batch, units)."""

    voltage: torch.Tensor
    current: torch.Tensor
    spikes: torch.Tensor

    @property
    def output(self) -> torch.Tensor:
        """What the layer above and the layer itself receive."""
        return self.spikes


@dataclass(frozen=True)
class LIF:
    """Parameters of a hidden layer: its two decays per step, and whether gradients flow through the reset.

    The decays are shared or each neuron's own. `fire` maps the centred membrane U - 1 to spikes.
    """

    membrane_decay: Value
    synapse_decay: Value
    reset_attached: bool
    fire: Callable[[torch.Tensor], torch.Tensor]
    spikes_precede: ClassVar[bool] = True

    def start(self, zeros: torch.Tensor) -> LIFState:
        """Make the state before the first step, at rest, from zeros (batch, units)."""
        return self.at(zeros, zeros)

    def at(self, voltage: torch.Tensor, current: torch.Tensor) -> LIFState:
        """Make the state with a membrane and a synaptic current, and the spikes that follow from them."""
        return LIFState(voltage, current, self.fire(voltage - THRESHOLD))

    def step(self, state: LIFState, drive: torch.Tensor) -> LIFState:
        """Compute the state at step n + 1; `drive` is W S^(l-1)[n] + V S[n], (batch, units)."""
        reset = state.spikes if self.reset_attached else state.spikes.detach()
        voltage = (self.membrane_decay * state.voltage + (1 - self.membrane_decay) * state.current) * (1 - reset)
        return self.at(voltage, self.synapse_decay * state.current + drive)


class ReadoutState(NamedTuple):
    """Membrane U[n] (`voltage`) and synaptic current I[n] of the readout, each (batch, classes)."""

    voltage: torch.Tensor
    current: torch.Tensor


@dataclass(frozen=True)
class Readout:
    """Parameters of the readout: its two decays per step, and its membrane at step 0."""

    membrane_decay: float
    synapse_decay: float
    rest: float = 0.0
    spikes_precede: ClassVar[bool] = True

    def start(self, zeros: torch.Tensor) -> ReadoutState:
        """Make the state before the first step, from zeros (batch, classes)."""
        return ReadoutState(zeros + self.rest, zeros)

    def step(self, state: ReadoutState, drive: torch.Tensor) -> ReadoutState:
        """Compute the state at step n + 1 from the weighted spikes arriving at step n, (batch, classes)."""
        voltage = self.membrane_decay * state.voltage + (1 - self.membrane_decay) * state.current
        return ReadoutState(voltage, self.synapse_decay * state.current + drive)
