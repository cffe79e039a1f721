"""A neuron of one's own: resonate-and-fire (Izhikevich 2001), which prefers input at its own rhythm."""

from dataclasses import dataclass
from math import cos, pi, sin

from sgpipe.extend import knob, neuron


@neuron("resonator", state="voltage spikes current")
@dataclass(frozen=True)
class Resonator:
    """z_t = decay e^(2 pi i / period) z_{t-1} + drive. It fires where its voltage, Im z, is above 1, and loses 1."""

    decay: float = knob(0.95, "by which z shrinks", "per step", least=0, below=1)
    period: float = knob(20.0, "of its oscillation", "steps", above=2, most=1e6)

    def step(self, state, drive, fire):
        voltage, spikes, current = state
        turn, across = self.decay * cos(2 * pi / self.period), self.decay * sin(2 * pi / self.period)
        next_current = turn * current - across * voltage + drive
        next_voltage = across * current + turn * voltage - spikes.detach()
        return next_voltage, fire(next_voltage - 1), next_current
