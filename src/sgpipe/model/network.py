"""The reference network in torch: layers of neurons scanned over time, differentiated by autograd.

It is slow and readable, and it defines what is correct: the fast engines are tested against it. Layers are computed one
after another, each over all steps. In zenke2021's networks, layers of current-based neurons pass on the spikes of a
step before the input of that step takes effect, and the readout is leaky (section 4.2). In herranz2022's networks,
layer l + 1 sees x_t of layer l at the same step, as in section 2.5 and the authors' code (the stack equation of section
2.6 misprints its reset, but not this). A linear readout sees the last layer's x_t. Neurons of eq. 1 have no
self-connections: the diagonal of V stays at 0 and is not trained.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch

from sgpipe.model.activity import Activity
from sgpipe.model.neurons.alif import ALIF
from sgpipe.model.neurons.decay import decay
from sgpipe.model.neurons.delta_lif import DeltaLIF
from sgpipe.model.neurons.lif import LIF, Readout
from sgpipe.model.neurons.neuron import Neuron
from sgpipe.model.neurons.own import OwnNeuron
from sgpipe.model.neurons.relu import ReLU
from sgpipe.model.neurons.slstm import SpikingLSTM
from sgpipe.model.neurons.spike import spike, surrogate_knobs
from sgpipe.model.products import Product, plain, rounded_back
from sgpipe.spec.layer_settings import LayerSettings
from sgpipe.spec.resets import RESETS
from sgpipe.spec.run import RunSpec
from sgpipe.weights.schemes import WITHOUT_SELF
from sgpipe.weights.time_constants import SHORTEST_TAU, single, time_constants

Weights = Mapping[str, torch.Tensor]


def forward(
    spec: RunSpec,
    weights: Weights,
    inputs: torch.Tensor,
    theory: Sequence[LayerSettings] | None = None,
    factors: Callable[[int, int], torch.Tensor] | None = None,
    state: Sequence | None = None,
) -> Activity:
    """Run a run's network.

    Args:
        spec: The run.
        weights: The arrays that `sgpipe.weights.schemes.layout` lists.
        inputs: Spike counts or currents (steps, batch, units), or word ids (steps, batch).
        theory: What a theory of initialisation has set, one entry per hidden layer.
        factors: For dropout: takes the number of a hidden layer (from 1) and the number of its inputs, and returns the
            factors on these inputs, (steps, batch, inputs).
        state: The state in which an earlier pass ended (`Activity.state`); without it the network starts at rest.
    """
    signal = inputs if inputs.is_floating_point() else _word_inputs(weights, inputs)
    zeros, batch = signal.new_zeros, inputs.shape[1]
    spikes, membrane, ends = [], [], []
    product = rounded_back if spec.training.precision == "mixed" else plain
    for layer, units in enumerate(spec.network.hidden, start=1):
        if factors is not None:
            signal = signal * factors(layer, signal.shape[2])
        drives = product(signal, weights[f"W{layer}"])
        if f"b{layer}" in weights:
            drives = drives + weights[f"b{layer}"]
        neuron = neuron_of(spec, weights, layer, theory[layer - 1] if theory else None)
        now = neuron.start(zeros(batch, units)) if state is None else state[layer - 1]
        detach = spec.network.recurrent_gradient == "detached"
        passed, end = scan(neuron, now, drives, _recurrent(spec, weights, layer), detach, product)
        spikes.append([at.spikes for at in passed])
        membrane.append([at.voltage for at in passed])
        ends.append(end)
        signal = torch.stack([at.output for at in passed])
    drives = product(signal, weights["E"] if "E" in weights else weights["W_out"])
    if not spec.leaky:
        logits = drives if "E" in weights else drives + weights["b_out"]
        return Activity(spikes, list(logits.unbind(0)), membrane, ends)
    readout = _leaky_readout(spec)
    now = readout.start(zeros(batch, drives.shape[2])) if state is None else state[-1]
    passed, end = scan(readout, now, drives)
    return Activity(spikes, [at.voltage for at in passed], membrane, [*ends, end])


def scan(
    neuron: Neuron,
    state: Any,
    drives: torch.Tensor,
    recurrent: torch.Tensor | None = None,
    detach: bool = False,
    product: Product = plain,
) -> tuple[list, Any]:
    """Run a layer over time: the only loop over time steps.

    Args:
        neuron: The neurons.
        state: Before the first step.
        drives: W z + b of every step, (steps, batch, units).
        recurrent: V (units, units); None for a feed-forward layer.
        detach: Whether to stop gradients through V.
        product: Multiplies the layer's output by V.

    Returns:
        One state per step, which has the spikes of that step, and the state after the last step.
    """
    passed = []
    # Unbound once: selecting one step of a big tensor costs its whole size in the backward pass, so O(T^2) in all.
    for drive in drives.unbind(0):
        if recurrent is not None:
            drive = drive + product(state.output.detach() if detach else state.output, recurrent)
        after = neuron.step(state, drive)
        passed.append(state if neuron.spikes_precede else after)
        state = after
    return passed, state


def neuron_of(spec: RunSpec, weights: Weights, layer: int, settings: LayerSettings | None) -> Neuron:
    """Make the neurons of a hidden layer.

    Args:
        spec: The run.
        weights: Its weights, including the trained parameters of neurons.
        layer: The number of the layer, from 1.
        settings: The knobs of its surrogate derivative that a theory sets.
    """
    network = spec.network
    if network.neuron == "relu":
        return ReLU()
    fire = partial(spike, **surrogate_knobs(spec, settings, weights[f"W{layer}"]))
    if spec.own_neuron is not None:
        return OwnNeuron(spec.own_neuron, fire)
    attached = network.reset_gradient == "attached"
    if network.neuron == "lif":
        membrane, synapse = (_lif_decay(spec, weights, name, layer) for name in ("tau_membrane", "tau_synapse"))
        return LIF(membrane, synapse, attached, fire)
    if network.neuron == "slstm":
        return SpikingLSTM(1 if network.tanh == "coded" else -1, fire)

    def per_step(name: str, given: float) -> float | torch.Tensor:
        if not network.trained_neurons:
            return given
        return _per_step(weights[f"{name}{layer}"])

    def own(name: str) -> float | torch.Tensor:
        return weights[f"{name}{layer}"] if network.trained_neurons else getattr(network, name)

    alpha = per_step("tau_membrane", network.membrane_decay)
    membrane = DeltaLIF(alpha, own("threshold"), RESETS[network.reset], attached, fire)
    if network.neuron == "delta_lif":
        return membrane
    # Without adaptation its time constant has no effect; any value will do.
    tau = network.tau_adaptation or 1.0
    return ALIF(membrane, own("adaptation"), per_step("tau_adaptation", decay(1.0, tau)))


def _per_step(tau: torch.Tensor) -> torch.Tensor:
    """Return the decay per step for time constants given in steps."""
    return torch.exp(-1 / tau.clamp(min=SHORTEST_TAU))


def _lif_decay(spec: RunSpec, weights: Weights, name: str, layer: int) -> float | torch.Tensor:
    if spec.network.trained_neurons:
        return _per_step(weights[f"{name}{layer}"])
    if single(spec):
        return _per_step(torch.from_numpy(time_constants(spec, name, layer))).to(weights[f"W{layer}"])
    return decay(spec.data.dt, getattr(spec.network, name))


def _leaky_readout(spec: RunSpec) -> Readout:
    network, dt = spec.network, spec.data.dt
    return Readout(decay(dt, network.tau_readout), decay(dt, network.tau_synapse), network.readout_start)


def _recurrent(spec: RunSpec, weights: Weights, layer: int) -> torch.Tensor | None:
    if not spec.network.recurrent:
        return None
    matrix = weights[f"V{layer}"]
    return matrix - torch.diag(matrix.diagonal()) if spec.network.neuron in WITHOUT_SELF else matrix


def _word_inputs(weights: Weights, words: torch.Tensor) -> torch.Tensor:
    """Return embedded or, without an embedding, one-hot words (steps, batch, units)."""
    if "E" in weights:
        return torch.nn.functional.embedding(words, weights["E"])
    first = weights["W1"] if "W1" in weights else weights["W_out"]
    return torch.nn.functional.one_hot(words, first.shape[1]).to(first)


def as_tensors(
    weights: Mapping[str, np.ndarray], device: str = "cpu", trained: bool = False
) -> dict[str, torch.Tensor]:
    """Make tensors of the weights; on the CPU they share memory with the arrays.

    Args:
        weights: The arrays by name.
        device: The device of the tensors.
        trained: Whether they need gradients.
    """
    return {name: torch.from_numpy(array).to(device).requires_grad_(trained) for name, array in weights.items()}
