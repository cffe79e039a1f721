"""torch.compile.

The same model. The well-written loop in pieces of ten steps, each compiled by TorchInductor: larger pieces take
minutes to compile and are no faster.
"""

import torch

from peers import Contender, unbound_loop
from peers.torch_parts import contender, parameters
from workloads import Workload

PIECE = 10  # steps


def _layer_piece(drives, membrane, current, v):
    record = []
    for drive in drives.unbind(0):
        spikes, membrane, current = unbound_loop.hidden_step(drive, membrane, current, v)
        record.append(spikes)
    return torch.stack(record), membrane, current


def _readout_piece(drives, membrane, current):
    record = []
    for drive in drives.unbind(0):
        record.append(membrane)
        membrane, current = unbound_loop.readout_step(drive, membrane, current)
    return torch.stack(record), membrane, current


def build(workload: Workload) -> Contender:
    torch._dynamo.reset()
    hidden_piece = torch.compile(_layer_piece, dynamic=False)
    readout_piece = torch.compile(_readout_piece, dynamic=False)

    def scan(piece, drives, *more):
        membrane = current = torch.zeros_like(drives[0])
        record = []
        for part in drives.split(PIECE):
            out, membrane, current = piece(part, membrane, current, *more)
            record.append(out)
        return torch.cat(record)

    weights = parameters(workload)
    forward = unbound_loop.forward_of(
        workload,
        weights,
        torch.from_numpy(workload.raster),
        lambda drives, v: scan(hidden_piece, drives, v),
        lambda drives: scan(readout_piece, drives),
    )
    return contender(workload, weights, forward, same_model=True)
