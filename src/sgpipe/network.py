"""The reference network in torch: layers of neurons scanned over time, differentiated by autograd.

Slow, readable, the definition of right: the fast engines are tested against it.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch

from sgpipe.neurons.decay import decay
from sgpipe.neurons.lif import LIF, THRESHOLD, Readout, State
from sgpipe.neurons.spike import spike
from sgpipe.spec import RunSpec


class Activity(NamedTuple):
    """What a forward pass leaves, each a list over time steps of (batch, units) tensors."""

    spikes: list[list[torch.Tensor]]  # one list a hidden layer
    readout: list[torch.Tensor]  # the readout membrane
    membrane: list[list[torch.Tensor]]  # one list a hidden layer


def forward(spec: RunSpec, weights: Mapping[str, torch.Tensor], inputs: torch.Tensor) -> Activity:
    """Run the network of section 4.2 on `inputs` (steps, batch, units) of spike counts or currents.

    `weights` has W1, V1 (if recurrent), W2, ..., W_out, each (units out, units in) as `init.schemes.layout` lists.
    """
    network, surrogate, dt = spec.network, spec.surrogate, spec.data.dt
    synapse_decay = decay(dt, network.tau_synapse)
    depth, batch = len(network.hidden), inputs.shape[1]
    detach_recurrent = network.recurrent_gradient == "detached"
    readout = Readout(decay(dt, network.tau_readout), synapse_decay)
    zero = inputs.new_zeros(())

    # One product for all steps, then unbound once: selecting a step from a big tensor costs its whole size on the
    # way back, and so O(T^2) in all.
    first = weights["W1"] if depth else weights["W_out"]
    drives = (inputs @ first.T).unbind(0)

    states = [State(zero.expand(batch, n), zero.expand(batch, n)) for n in network.hidden]
    classes = weights["W_out"].shape[0]
    out = State(zero.expand(batch, classes) + network.readout_start, zero.expand(batch, classes))
    if depth:
        neuron = LIF(decay(dt, network.tau_membrane), synapse_decay, network.reset_gradient == "attached")

    activity = Activity([[] for _ in states], [], [[] for _ in states])
    for drive in drives:
        activity.readout.append(out.membrane)
        for layer, state in enumerate(states):
            spikes = spike(state.membrane - THRESHOLD, surrogate.shape, surrogate.beta)
            if network.recurrent:
                drive = drive + (spikes.detach() if detach_recurrent else spikes) @ weights[f"V{layer + 1}"].T
            activity.spikes[layer].append(spikes)
            activity.membrane[layer].append(state.membrane)
            states[layer] = neuron.step(state, spikes, drive)
            drive = spikes @ weights[f"W{layer + 2}" if layer + 1 < depth else "W_out"].T
        out = readout.step(out, drive)
    return activity


def as_tensors(
    weights: Mapping[str, np.ndarray], device: str = "cpu", trained: bool = False
) -> dict[str, torch.Tensor]:
    """Return the weights as tensors; on the CPU they share memory with the arrays."""
    return {name: torch.from_numpy(array).to(device).requires_grad_(trained) for name, array in weights.items()}
