"""Norse.

`LIFCell` on unbound drives, `LIFRecurrentCell` (which multiplies by its input weights itself, step by step) and
`LICell`. Euler steps, set to our decays; input acts within the step it arrives, reset together with the spike, and
gradients flow through the reset of a feed-forward cell; its SuperSpike ignores the slope.
"""

import torch
from norse.torch import LICell, LIFCell, LIFParameters, LIFRecurrentCell, LIParameters

from peers import Contender
from peers.torch_parts import contender, parameters
from workloads import BETA, DECAY_MEMBRANE, DECAY_SYNAPSE, Workload

DT = 1e-3


def build(workload: Workload) -> Contender:
    shape = workload.shape
    inverse = [torch.tensor((1 - DECAY_SYNAPSE) / DT), torch.tensor((1 - DECAY_MEMBRANE) / DT)]
    p = LIFParameters(*inverse, method="super", alpha=torch.tensor(BETA))
    weights = [torch.nn.Parameter(w.detach()) for w in parameters(workload)]
    rest, layers = iter(weights), []
    for pre, units in zip([shape.inputs, *shape.hidden], shape.hidden, strict=False):
        w = next(rest)
        if shape.recurrent:
            layers.append(
                (
                    None,
                    LIFRecurrentCell(
                        pre, units, p, input_weights=w, recurrent_weights=next(rest), autapses=True, dt=DT
                    ),
                )
            )
        else:
            layers.append((w, LIFCell(p, dt=DT)))
    w_out = next(rest)
    out = LICell(LIParameters(*inverse), dt=DT)
    raster = torch.from_numpy(workload.raster)

    def forward():
        spikes, record = raster, []
        for w, cell in layers:
            state, steps = None, []
            for drive in (spikes if w is None else spikes @ w.T).unbind(0):
                now, state = cell(drive, state)
                steps.append(now)
            spikes = torch.stack(steps)
            record.append(spikes)
        state, trace = None, []
        for drive in (spikes @ w_out.T).unbind(0):
            voltage, state = out(drive, state)
            trace.append(voltage)
        return torch.stack(trace).max(0).values, torch.cat(record, -1)

    return contender(workload, weights, forward)
