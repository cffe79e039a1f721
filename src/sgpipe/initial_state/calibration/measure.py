"""Measure the activity of a hidden layer on a batch before training, with the network's own neurons.

These are the measurements of `sgpipe.initial_state.theory.simulate` on its small layer, for any neuron. The layer runs
from rest over some steps of the data, of which only the later ones count. They give the share of neurons that fire, the
median of the centred voltage, the variances of the drives V x and W z over samples and neurons, and the growth of a
tangent. The tangent is a perturbation of every voltage (in an LSTM, of every cell) at rest, of random sign and size 1.
It is carried forward in time through the surrogate derivatives and whatever else the run lets gradients flow through.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import inf, log

import numpy as np
import torch

from sgpipe.base.rng import stream
from sgpipe.initial_state.calibration.dual import Dual, spike_of
from sgpipe.model.network import WITHOUT_SELF, neuron_of
from sgpipe.model.neurons.lif import LIF, THRESHOLD
from sgpipe.model.neurons.spike import surrogate_knobs
from sgpipe.spec.layer_settings import LayerSettings
from sgpipe.spec.run import RunSpec
from sgpipe.weights.schemes import matrix

SIZES = (1e-50, 1e50)  # of a tangent, outside which it is rescaled


@dataclass(frozen=True)
class Drives:
    """Means over the steps that count.

    `rate`: the share of neurons that fire. `received`, `given`: the variances of V x and of W z. `parts`: the variances
    of a and of b and their covariance, in V x = m a + d b with V's mean m and deviation d. `median`: of the centred
    voltage, in thr.
    """

    rate: float
    received: float
    given: float
    parts: tuple[float, float, float]
    median: float = float("nan")

    @property
    def ratio(self) -> float:
        """The variance ratio that condition II asks to be 1."""
        return self.received / self.given if self.given else inf


class Bench:
    """One hidden layer on one batch. Its random numbers are drawn once: measurements differ only in what is asked for.

    `inputs` are W z, (steps, batch, gates x units), with the `weights` as they are without conditions. Measurements
    start at step `late`.
    """

    def __init__(
        self,
        spec: RunSpec,
        number: int,
        weights: Mapping[str, torch.Tensor],
        inputs: torch.Tensor,
        part: str,
        late: int,
    ):
        self.spec, self.number, self.weights, self.inputs = spec, number, weights, inputs
        self.units = spec.network.hidden[number - 1]
        self.loops = spec.network.neuron not in WITHOUT_SELF  # whether a neuron sees its own spikes
        self.late = late
        self.given = float(inputs[self.late :].var((1, 2), unbiased=False).mean())
        self.threshold = spec.network.threshold or THRESHOLD
        signs = stream(spec.init.seed, f"init/tangent{number}/{part}").random((inputs.shape[1], self.units)) - 0.5
        self.signs = torch.from_numpy(np.sign(signs))

    def standard(self, drawn: LayerSettings | None, deviation: float = 1.0) -> torch.Tensor:
        """Draw V divided by its deviation, (gates x units, units).

        Args:
            drawn: Its distribution, if a theory sets one; None for the run's scheme.
            deviation: What to divide the draws by.
        """
        draws = matrix(self.spec, f"V{self.number}", (self.inputs.shape[2], self.units), drawn) / deviation
        if not self.loops:
            np.fill_diagonal(draws, 0.0)
        return torch.from_numpy(draws)

    def drives(self, standard, mean: float, deviation: float, gain: float, median: bool = False) -> Drives:
        """Run the layer, and measure its drives and how many neurons fire.

        Args:
            standard: Draws of V divided by their deviation, (gates x units, units); None for a layer without V.
            mean: The mean of V.
            deviation: The deviation of V, which is mean + deviation x standard.
            gain: A factor on Var[W].
            median: Whether to compute the median of the centred voltage too, which costs time.
        """
        neuron, fired, medians, variances = self._neuron(None), 0.0, [], np.zeros(4)
        state = self._rest(neuron, None)
        for step, drive in enumerate(gain**0.5 * self.inputs):
            late = step >= self.late
            if standard is not None:
                a, b = self._arriving(standard, state.output)
                received = mean * a + deviation * b
                variances += _variances(a, b, received) if late else 0.0
                drive = drive + received
            state = neuron.step(state, drive)
            if late:
                centred = self._centred(state, drive)
                fired += float((centred > 0).double().mean())
                medians.append(float(np.median(centred.numpy())) / self.threshold if median else np.nan)
        *parts, received = (variances / len(medians)).tolist()
        return Drives(fired / len(medians), received, gain * self.given, tuple(parts), float(np.mean(medians)))

    def outputs(self, recurrent: torch.Tensor | None, gain: float) -> torch.Tensor:
        """Run the layer, and collect what the layer above receives, (steps, batch, units)."""
        neuron, passed = self._neuron(None), []
        state = self._rest(neuron, None)
        for drive in gain**0.5 * self.inputs:
            before = state.output
            state = neuron.step(state, drive if recurrent is None else drive + before @ recurrent.T)
            # Spikes of a current-based layer reach the layer above in the same step as the layer itself.
            passed.append(before if neuron.spikes_precede else state.output)
        return torch.stack(passed)

    def growth(self, recurrent: torch.Tensor | None, gain: float, settings: LayerSettings) -> tuple[float, float]:
        """Carry a tangent through the layer, and measure how it grows while the input arrives.

        Args:
            recurrent: V, (gates x units, units); None for a layer without V.
            gain: A factor on Var[W].
            settings: The surrogate derivative's knobs, in place of the run's.

        Returns:
            Logarithms of the mean factor per step of the tangent's maximum and of its variance; -inf where it dies out.
        """
        neuron, sizes, scale = self._neuron(settings), [], 0.0
        state = self._rest(neuron, self.signs)
        for drive in gain**0.5 * self.inputs:
            if recurrent is not None:
                held = self.spec.network.recurrent_gradient == "detached"
                drive = drive + (state.output.detach() if held else state.output) @ recurrent.T
            state = neuron.step(state, drive)
            tangent = state.voltage.tangent
            largest, variance = float(tangent.abs().max()), float(tangent.var(unbiased=False))
            if not (largest > 0 and variance > 0):
                return -inf, -inf
            sizes.append((log(largest) + scale, log(variance) + 2 * scale))
            if not SIZES[0] < largest < SIZES[1]:
                parts = (part.scaled(1 / largest) if isinstance(part, Dual) else part for part in state)
                state, scale = type(state)(*parts), scale + log(largest)
        first, last = np.array(sizes[self.late]), np.array(sizes[-1])
        return tuple(((last - first) / max(len(sizes) - 1 - self.late, 1)).tolist())

    def _neuron(self, settings: LayerSettings | None):
        network, knobs = self.spec.network, dict(surrogate_knobs(self.spec, settings, self.inputs))
        fire = spike_of(knobs.pop("shape"), knobs)
        neuron = neuron_of(self.spec, self.weights, self.number, settings)
        if network.neuron == "alif":
            return replace(neuron, membrane=replace(neuron.membrane, fire=fire))
        return replace(neuron, fire=fire)

    def _rest(self, neuron, tangent: torch.Tensor | None):
        """Return the state at rest. If a tangent is given, the voltages have it, and so do the spikes."""
        zeros = torch.zeros_like(self.signs)
        voltage = zeros if tangent is None else Dual(zeros, tangent)
        if isinstance(neuron, LIF):
            return neuron.at(voltage, zeros)
        state = neuron.start(zeros)._replace(voltage=voltage)
        if self.spec.network.neuron == "slstm":  # its output gates are shut
            return state
        membrane = neuron if self.spec.network.neuron == "delta_lif" else neuron.membrane
        return state._replace(spikes=membrane.fire(voltage - membrane.threshold))

    def _arriving(self, standard: torch.Tensor, spikes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Pass spikes through weights of 1, and through the standard draws."""
        total = spikes.sum(1, keepdim=True)
        ones = total.expand(-1, len(standard)) if self.loops else total - spikes
        return ones, spikes @ standard.T

    def _centred(self, state, drive: torch.Tensor) -> torch.Tensor:
        """Return the voltage less the threshold or, for an LSTM, the drives of its gates."""
        network, own = self.spec.network, self.weights if self.spec.network.trained_neurons else {}
        if network.neuron == "slstm":
            return drive
        if network.neuron == "lif":
            return state.voltage - THRESHOLD
        threshold = own.get(f"threshold{self.number}", network.threshold)
        if network.neuron == "alif":
            threshold = threshold + own.get(f"adaptation{self.number}", network.adaptation) * state.trace
        return state.voltage - threshold


def _variances(a: torch.Tensor, b: torch.Tensor, received: torch.Tensor) -> np.ndarray:
    """Return the variances of a and b, their covariance, and the variance of what is received."""
    da, db = a - a.mean(), b - b.mean()
    return np.array(
        [float(x) for x in ((da * da).mean(), (db * db).mean(), (da * db).mean(), received.var(unbiased=False))]
    )
