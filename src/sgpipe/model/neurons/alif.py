"""The neuron of eq. 1 with an adaptive threshold (Herranz-Celotti & Rouat 2022, section 2.1; Bellec et al. 2018).

    b_t = d b_{t-1} + (1 - d) x_{t-1},     thr_t = thr + beta b_t
    y_t = alpha y_{t-1} + W_rec x_{t-1} + W_in z_t + b - thr_t x_{t-1}
    x_t = H(y_t - thr_t)

The paper prints no equations for this neuron; these are those of the authors' code. A detached reset stops only the
gradient through its own spike. Gradients still flow through the trace b_t, which is the neuron's memory.
"""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch

from sgpipe.model.neurons.delta_lif import DeltaLIF, Value


class AdaptiveState(NamedTuple):
    """Voltage y, spikes x and trace b of one layer at one step, each (batch, units)."""

    voltage: torch.Tensor
    spikes: torch.Tensor
    trace: torch.Tensor

    @property
    def output(self) -> torch.Tensor:
        """What the layer above and the layer itself receive."""
        return self.spikes


@dataclass(frozen=True)
class ALIF:
    """Parameters of a layer: those of eq. 1, the strength beta of the adaptation and its decay d per step."""

    membrane: DeltaLIF
    strength: Value
    decay: Value
    spikes_precede: ClassVar[bool] = False

    def start(self, zeros: torch.Tensor) -> AdaptiveState:
        """Make the state before the first step, at rest and not adapted, from zeros (batch, units)."""
        return AdaptiveState(zeros, zeros, zeros)

    def step(self, state: AdaptiveState, drive: torch.Tensor) -> AdaptiveState:
        """Compute the state at step t; `drive` is W_rec x_{t-1} + W_in z_t + b, (batch, units)."""
        trace = self.decay * state.trace + (1 - self.decay) * state.spikes
        threshold = self.membrane.threshold + self.strength * trace
        voltage = self.membrane.voltage(state.voltage, state.spikes, drive, threshold)
        return AdaptiveState(voltage, self.membrane.fire(voltage - threshold), trace)
