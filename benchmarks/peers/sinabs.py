"""Sinabs.

`LIF` and `LIFRecurrent` layers on (batch, time, units), which slice the input at every step by themselves; a `LIF`
layer without spikes as readout. Input acts within the step it arrives, reset together with the spike, recurrent
spikes one step later.
"""

import torch
from sinabs.activation import MembraneReset, SingleSpike
from sinabs.layers import LIF, LIFRecurrent

from peers import Contender
from peers.torch_parts import contender, parameters
from workloads import BETA, Workload

TAU_MEMBRANE, TAU_SYNAPSE = 10.0, 5.0


def super_spike(membrane, threshold):
    """Return the surrogate derivative."""
    return 1.0 / (BETA * (membrane - threshold).abs() + 1.0) ** 2


def build(workload: Workload) -> Contender:
    shape = workload.shape
    filters = {"tau_mem": TAU_MEMBRANE, "tau_syn": TAU_SYNAPSE, "norm_input": True}
    hidden = {
        **filters,
        "spike_fn": SingleSpike,
        "reset_fn": MembraneReset(),
        "surrogate_grad_fn": super_spike,
    }
    trained, rest, layers = [], iter(parameters(workload)), []
    for units in shape.hidden:
        w = next(rest)
        trained.append(w)
        if shape.recurrent:
            recurrent = torch.nn.Linear(units, units, bias=False)
            recurrent.weight.data = next(rest).detach()
            trained.append(recurrent.weight)
            node = LIFRecurrent(rec_connect=recurrent, **hidden)
            node.tau_mem.requires_grad_(False)
            node.tau_syn.requires_grad_(False)
        else:
            node = LIF(**hidden).requires_grad_(False)
        layers.append((w, node))
    w_out = next(rest)
    trained.append(w_out)
    out = LIF(**filters, spike_fn=None, spike_threshold=None).requires_grad_(False)
    raster = torch.from_numpy(workload.raster_batch_first)

    def forward():
        spikes, record = raster, []
        for w, node in layers:
            node.reset_states()
            spikes = node(spikes @ w.T)
            record.append(spikes)
        out.reset_states()
        return out(spikes @ w_out.T).max(1).values, torch.cat(record, -1)

    return contender(workload, trained, forward)
