"""The reference network in torch: layers of neurons scanned over time, differentiated by autograd.

Slow, readable, the definition of right: the fast engines are tested against it. Here are zenke2021's networks of
current-based neurons; those of herranz2022 are in `sgpipe.model.stack`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from sgpipe.model.activity import Activity
from sgpipe.model.neurons.decay import decay
from sgpipe.model.neurons.lif import LIF, THRESHOLD, Readout, State
from sgpipe.model.neurons.spike import spike, surrogate_knobs
from sgpipe.model.stack import forward_stack
from sgpipe.spec.layer_settings import LayerSettings
from sgpipe.spec.run import RunSpec


def forward(
    spec: RunSpec,
    weights: Mapping[str, torch.Tensor],
    inputs: torch.Tensor,
    theory: Sequence[LayerSettings] | None = None,
    factors: Callable[[int, int], torch.Tensor] | None = None,
    state: Any = None,
) -> Activity:
    """Run a run's network on `inputs`: (steps, batch, units) of spike counts or currents, or (steps, batch) word ids.

    `weights` are those that `init.schemes.layout` lists. `theory` sets what a theory of initialisation chose, an entry
    a hidden layer. `factors`, for dropout, returns for a hidden layer (from 1) and the number of its inputs what to
    multiply these with, (steps, batch, inputs). `state` is where an earlier pass ended (`Activity.state`); without it
    all is at rest.
    """
    if not inputs.is_floating_point():
        inputs = _word_inputs(weights, inputs)
    run = current_based if spec.network.neuron in (None, "lif") else forward_stack
    return run(spec, weights, inputs, theory, factors, state)


def _word_inputs(weights: Mapping[str, torch.Tensor], words: torch.Tensor) -> torch.Tensor:
    """Return embedded or, without an embedding, one-hot words (steps, batch, units)."""
    if "E" in weights:
        return torch.nn.functional.embedding(words, weights["E"])
    first = weights["W1"] if "W1" in weights else weights["W_out"]
    return torch.nn.functional.one_hot(words, first.shape[1]).to(first)


def current_based(
    spec: RunSpec,
    weights: Mapping[str, torch.Tensor],
    inputs: torch.Tensor,
    theory: Sequence[LayerSettings] | None = None,
    factors: Callable[[int, int], torch.Tensor] | None = None,
    state: Any = None,
) -> Activity:
    """Run the network of zenke2021 section 4.2 on `inputs` (steps, batch, units); see `forward`."""
    network, dt = spec.network, spec.data.dt
    synapse_decay = decay(dt, network.tau_synapse)
    depth, batch = len(network.hidden), inputs.shape[1]
    detach_recurrent = network.recurrent_gradient == "detached"
    readout = Readout(decay(dt, network.tau_readout), synapse_decay)
    zero = inputs.new_zeros(())
    surrogates = [surrogate_knobs(spec, theory[layer] if theory else None, inputs) for layer in range(depth)]
    last = weights["E"] if "E" in weights else weights["W_out"]

    # One product for all steps, then unbound once: selecting a step from a big tensor costs its whole size on the
    # way back, and so O(T^2) in all.
    first = weights["W1"] if depth else last
    widths = (inputs.shape[2], *network.hidden[:-1])
    dropped = [factors(layer, width) for layer, width in enumerate(widths[:depth], start=1)] if factors else []
    drives = ((inputs * dropped[0] if dropped else inputs) @ first.T).unbind(0)

    classes = last.shape[0]
    if state is None:
        states = [State(zero.expand(batch, n), zero.expand(batch, n)) for n in network.hidden]
        out = State(zero.expand(batch, classes) + network.readout_start, zero.expand(batch, classes))
    else:
        states, out = list(state[0]), state[1]
    if depth:
        neuron = LIF(decay(dt, network.tau_membrane), synapse_decay, network.reset_gradient == "attached")

    activity = Activity([[] for _ in states], [], [[] for _ in states])
    for step, drive in enumerate(drives):
        activity.readout.append(out.membrane)
        for layer, at in enumerate(states):
            spikes = spike(at.membrane - THRESHOLD, **surrogates[layer])
            if network.recurrent:
                drive = drive + (spikes.detach() if detach_recurrent else spikes) @ weights[f"V{layer + 1}"].T
            activity.spikes[layer].append(spikes)
            activity.membrane[layer].append(at.membrane)
            states[layer] = neuron.step(at, spikes, drive)
            passed = spikes * dropped[layer + 1][step] if dropped and layer + 1 < depth else spikes
            drive = passed @ (weights[f"W{layer + 2}"] if layer + 1 < depth else last).T
        out = readout.step(out, drive)
    return activity._replace(state=(states, out))


def as_tensors(
    weights: Mapping[str, np.ndarray], device: str = "cpu", trained: bool = False
) -> dict[str, torch.Tensor]:
    """Return the weights as tensors; on the CPU they share memory with the arrays."""
    return {name: torch.from_numpy(array).to(device).requires_grad_(trained) for name, array in weights.items()}
