"""Herranz-Celotti & Rouat's networks in torch: recurrent layers whose spikes arrive at once, and a linear readout.

Layer l + 1 sees x_t of layer l at the same step, as in section 2.5 and the authors' code (the stack equation of section
2.6 misprints its reset, not this). The readout sees the last layer's x_t, at every step. Neurons of eq. 1 have no
connection to themselves: the diagonal of V stays at 0, untrained.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import torch

from sgpipe.model.activity import Activity
from sgpipe.model.neurons.alif import ALIF
from sgpipe.model.neurons.decay import decay
from sgpipe.model.neurons.delta_lif import DeltaLIF
from sgpipe.model.neurons.relu import ReLU
from sgpipe.model.neurons.slstm import SpikingLSTM
from sgpipe.model.neurons.spike import spike, surrogate_knobs
from sgpipe.spec.layer_settings import LayerSettings
from sgpipe.spec.resets import RESETS
from sgpipe.spec.run import RunSpec

Weights = Mapping[str, torch.Tensor]
SHORTEST_TAU = 1e-2  # steps: a trained time constant below acts as this one, for exp(-1/tau) has no sense below 0


def forward_stack(
    spec: RunSpec,
    weights: Weights,
    inputs: torch.Tensor,
    theory: Sequence[LayerSettings] | None = None,
    factors: Callable[[int, int], torch.Tensor] | None = None,
    state: Sequence | None = None,
) -> Activity:
    """Run the network on `inputs` (steps, batch, units); see `sgpipe.model.network.forward`."""
    spikes, membrane, states, signal = [], [], [], inputs
    for layer, units in enumerate(spec.network.hidden, start=1):
        if factors is not None:
            signal = signal * factors(layer, signal.shape[2])
        drives = signal @ weights[f"W{layer}"].T
        if f"b{layer}" in weights:
            drives = drives + weights[f"b{layer}"]
        neuron = neuron_of(spec, weights, layer, theory[layer - 1] if theory else None)
        now = neuron.start(inputs.new_zeros(inputs.shape[1], units)) if state is None else state[layer - 1]
        passed = _scan(spec, neuron, now, drives, _recurrent(spec, weights, layer))
        spikes.append([at.spikes for at in passed])
        membrane.append([at.voltage for at in passed])
        states.append(passed[-1])
        signal = torch.stack([at.output for at in passed])
    logits = signal @ weights["E"].T if "E" in weights else signal @ weights["W_out"].T + weights["b_out"]
    return Activity(spikes, list(logits.unbind(0)), membrane, states)


def _scan(spec: RunSpec, neuron, state, drives: torch.Tensor, recurrent: torch.Tensor | None) -> list:
    """Return a layer's state at every step."""
    passed = []
    for drive in drives.unbind(0):
        if recurrent is not None:
            seen = state.output.detach() if spec.network.recurrent_gradient == "detached" else state.output
            drive = drive + seen @ recurrent.T
        state = neuron.step(state, drive)
        passed.append(state)
    return passed


def _recurrent(spec: RunSpec, weights: Weights, layer: int) -> torch.Tensor | None:
    if not spec.network.recurrent:
        return None
    matrix = weights[f"V{layer}"]
    return matrix if spec.network.neuron == "slstm" else matrix - torch.diag(matrix.diagonal())


def neuron_of(
    spec: RunSpec, weights: Weights, layer: int, settings: LayerSettings | None
) -> DeltaLIF | ALIF | SpikingLSTM | ReLU:
    """Return the neurons of a hidden layer (from 1), with what a theory sets of their surrogate derivative."""
    network = spec.network
    if network.neuron == "relu":
        return ReLU()
    fire = partial(spike, **surrogate_knobs(spec, settings, weights[f"W{layer}"]))
    if network.neuron == "slstm":
        return SpikingLSTM(1 if network.tanh == "coded" else -1, fire)

    def per_step(name: str, given: float) -> float | torch.Tensor:
        if not network.trained_neurons:
            return given
        return torch.exp(-1 / weights[f"{name}{layer}"].clamp(min=SHORTEST_TAU))

    def own(name: str) -> float | torch.Tensor:
        return weights[f"{name}{layer}"] if network.trained_neurons else getattr(network, name)

    attached = network.reset_gradient == "attached"
    alpha = per_step("tau_membrane", network.membrane_decay)
    membrane = DeltaLIF(alpha, own("threshold"), RESETS[network.reset], attached, fire)
    if network.neuron == "delta_lif":
        return membrane
    # Without adaptation its time constant is idle; any will do.
    tau = network.tau_adaptation or 1.0
    return ALIF(membrane, own("adaptation"), per_step("tau_adaptation", decay(1.0, tau)))
