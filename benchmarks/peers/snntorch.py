"""snnTorch.

`Synaptic` and `RSynaptic`, one call a step on unbound drives. The membrane sums the current with weight 1 instead of
1 - b (input and recurrent weights are scaled to make up for it), input acts within the step it arrives, the reset one
step after the spike; their decays are clamped at every step.
"""

import snntorch as snn
import torch
from snntorch import surrogate

from peers import Contender
from peers.torch_parts import contender, parameters
from workloads import BETA, DECAY_MEMBRANE, DECAY_SYNAPSE, Workload


def build(workload: Workload) -> Contender:
    shape = workload.shape
    weights = parameters(workload)
    decays = {"alpha": DECAY_SYNAPSE, "beta": DECAY_MEMBRANE}
    hidden = {**decays, "spike_grad": surrogate.fast_sigmoid(slope=BETA), "reset_mechanism": "zero"}
    trained, rest, layers = [], iter(weights), []
    for units in shape.hidden:
        w = (next(rest).detach() * (1 - DECAY_MEMBRANE)).requires_grad_()
        trained.append(w)
        if shape.recurrent:
            node = snn.RSynaptic(**hidden, linear_features=units)
            node.recurrent = torch.nn.Linear(units, units, bias=False)
            node.recurrent.weight.data = next(rest).detach() * (1 - DECAY_MEMBRANE)
            trained.append(node.recurrent.weight)
        else:
            node = snn.Synaptic(**hidden)
        layers.append((w, node))
    w_out = (next(rest).detach() * (1 - DECAY_MEMBRANE)).requires_grad_()
    trained.append(w_out)
    out = snn.Synaptic(**decays, reset_mechanism="none")
    raster = torch.from_numpy(workload.raster)

    def forward():
        spikes, record = raster, []
        for w, node in layers:
            states = node.reset_mem()
            steps = []
            for drive in (spikes @ w.T).unbind(0):
                now, *others = node(drive, *states)
                states = (now, *others) if shape.recurrent else others
                steps.append(now)
            spikes = torch.stack(steps)
            record.append(spikes)
        syn, mem = out.reset_mem()
        trace = []
        for drive in (spikes @ w_out.T).unbind(0):
            _, syn, mem = out(drive, syn, mem)
            trace.append(mem)
        return torch.stack(trace).max(0).values, torch.cat(record, -1)

    return contender(workload, trained, forward)
