"""Plain loop.

The same model. The loop that tutorials teach: (batch, time, units) tensors, `drive[:, t]` at every step.
"""

import torch

from peers import Contender
from peers.torch_parts import SuperSpike, contender, parameters
from workloads import DECAY_MEMBRANE, DECAY_SYNAPSE, Workload


def layer(drive, v):
    """Return the spikes (batch, time, units) of a hidden layer."""
    membrane = current = torch.zeros_like(drive[:, 0])
    record = []
    for t in range(drive.shape[1]):
        spikes = SuperSpike.apply(membrane - 1.0)
        arriving = drive[:, t] if v is None else drive[:, t] + spikes @ v.T
        membrane = (DECAY_MEMBRANE * membrane + (1 - DECAY_MEMBRANE) * current) * (1.0 - spikes.detach())
        current = DECAY_SYNAPSE * current + arriving
        record.append(spikes)
    return torch.stack(record, 1)


def readout(drive):
    """Return the readout membrane (batch, time, classes)."""
    membrane = current = torch.zeros_like(drive[:, 0])
    record = []
    for t in range(drive.shape[1]):
        record.append(membrane)
        membrane = DECAY_MEMBRANE * membrane + (1 - DECAY_MEMBRANE) * current
        current = DECAY_SYNAPSE * current + drive[:, t]
    return torch.stack(record, 1)


def build(workload: Workload) -> Contender:
    weights = parameters(workload)
    raster = torch.from_numpy(workload.raster_batch_first)

    def forward():
        spikes, layers, rest = raster, [], iter(weights)
        for _ in workload.shape.hidden:
            w, v = next(rest), next(rest) if workload.shape.recurrent else None
            spikes = layer(spikes @ w.T, v)
            layers.append(spikes)
        return readout(spikes @ next(rest).T).max(1).values, torch.cat(layers, -1)

    return contender(workload, weights, forward, same_model=True)
