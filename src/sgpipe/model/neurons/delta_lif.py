"""Leaky integrate-and-fire neurons whose voltage jumps with each spike (Herranz-Celotti & Rouat 2022, eqs. 1 and 80).

    y_t = alpha y_{t-1} + W_rec x_{t-1} + W_in z_t + b - thr x_{t-1}          (1)
    x_t = H(y_t - thr)

or with a multiplicative reset of appendix B.7, in one of the forms of `sgpipe.spec.resets.RESETS`. The paper's text has
H(0) = 1. The authors' code, and so this one, has H(0) = 0: exactly at the threshold a neuron is silent.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch

from sgpipe.spec.resets import Reset

Value = float | torch.Tensor  # one for the layer, or one per neuron (units,)


class DeltaState(NamedTuple):
    """Voltage y and spikes x of one layer at one step, both (batch, units)."""

    voltage: torch.Tensor
    spikes: torch.Tensor

    @property
    def output(self) -> torch.Tensor:
        """What the layer above and the layer itself receive."""
        return self.spikes


@dataclass(frozen=True)
class DeltaLIF:
    """Parameters of a layer: alpha per step, threshold, reset, and whether gradients flow through the reset's spike.

    `fire` maps the centred voltage y - thr to spikes.
    """

    decay: Value
    threshold: Value
    reset: Reset
    reset_attached: bool
    fire: Callable[[torch.Tensor], torch.Tensor]
    spikes_precede: ClassVar[bool] = False

    def start(self, zeros: torch.Tensor) -> DeltaState:
        """Make the state before the first step, at rest, from zeros (batch, units)."""
        return DeltaState(zeros, zeros)

    def step(self, state: DeltaState, drive: torch.Tensor) -> DeltaState:
        """Compute the state at step t; `drive` is W_rec x_{t-1} + W_in z_t + b, (batch, units)."""
        voltage = self.voltage(state.voltage, state.spikes, drive, self.threshold)
        return DeltaState(voltage, self.fire(voltage - self.threshold))

    def voltage(self, last: torch.Tensor, spikes: torch.Tensor, drive: torch.Tensor, threshold: Value) -> torch.Tensor:
        """Compute the voltage after a step.

        Args:
            last: y_{t-1}, (batch, units).
            spikes: x_{t-1}, likewise.
            drive: All input of the step, likewise.
            threshold: What a subtractive reset subtracts.
        """
        form, fired = self.reset, spikes if self.reset_attached else spikes.detach()
        if form.drive_decays:
            drive = self.decay * drive
        if form.gates_drive:
            drive = drive * (1 - fired)
        kept = self.decay * last
        if form.gates_voltage:
            kept = kept * (1 - fired)
        voltage = kept + drive
        return voltage - threshold * fired if form.subtracts else voltage
