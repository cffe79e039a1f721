"""Well-written loop.

The same model. Time first, one product for all steps, unbound over time once.
"""

import torch

from peers import Contender
from peers.torch_parts import SuperSpike, contender, parameters
from workloads import DECAY_MEMBRANE, DECAY_SYNAPSE, Workload


def hidden_step(drive, membrane, current, v):
    """Return the spikes at a step and the state at the next."""
    spikes = SuperSpike.apply(membrane - 1.0)
    if v is not None:
        drive = drive + spikes @ v.mT
    membrane = (DECAY_MEMBRANE * membrane + (1 - DECAY_MEMBRANE) * current) * (1.0 - spikes.detach())
    return spikes, membrane, DECAY_SYNAPSE * current + drive


def readout_step(drive, membrane, current):
    """Return the readout's state at the next step."""
    return DECAY_MEMBRANE * membrane + (1 - DECAY_MEMBRANE) * current, DECAY_SYNAPSE * current + drive


def layer(drives, v):
    """Return the spikes (time, ..., batch, units) of a hidden layer."""
    membrane = current = torch.zeros_like(drives[0])
    record = []
    for drive in drives.unbind(0):
        spikes, membrane, current = hidden_step(drive, membrane, current, v)
        record.append(spikes)
    return torch.stack(record)


def readout(drives):
    """Return the readout membrane (time, ..., batch, classes)."""
    membrane = current = torch.zeros_like(drives[0])
    record = []
    for drive in drives.unbind(0):
        record.append(membrane)
        membrane, current = readout_step(drive, membrane, current)
    return torch.stack(record)


def forward_of(workload: Workload, weights, raster, layer=layer, readout=readout):
    """Return the forward pass; a leading axis of runs in the weights is carried along."""

    def forward():
        spikes, layers, rest = raster, [], iter(weights)
        for _ in workload.shape.hidden:
            w, v = next(rest), next(rest) if workload.shape.recurrent else None
            spikes = layer(spikes @ w.mT, v)
            layers.append(spikes)
        return readout(spikes @ next(rest).mT).max(0).values, torch.cat(layers, -1)

    return forward


def build(workload: Workload) -> Contender:
    weights = parameters(workload)
    return contender(
        workload, weights, forward_of(workload, weights, torch.from_numpy(workload.raster)), same_model=True
    )


def build_runs(workload: Workload, runs: int) -> Contender:
    """All runs in lockstep, the run as an axis of every tensor."""
    weights = [torch.tensor(w).expand(runs, *w.shape).clone().requires_grad_() for w in workload.weights]
    raster = torch.from_numpy(workload.raster)[:, None]
    return contender(workload, weights, forward_of(workload, weights, raster))
