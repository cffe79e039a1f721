"""SpikingJelly.

Multi-step `LIFNode` (its CPU implementation with a hand-written backward pass), step by step where the layer is
recurrent; `NonSpikingLIFNode` as readout. One filter less than ours, which favours it: `LIFNode` has no synaptic
current. Input acts within the step it arrives, reset together with the spike; its SuperSpike has a fixed width.
"""

import torch
from spikingjelly.activation_based import functional, neuron, surrogate

from peers import Contender
from peers.torch_parts import contender, parameters
from workloads import DECAY_MEMBRANE, DECAY_SYNAPSE, Workload

TAU = 1 / (1 - DECAY_MEMBRANE)


def build(workload: Workload) -> Contender:
    shape = workload.shape
    # A synapse would multiply what a spike brings in all by 1 / (1 - b_syn).
    scale = 1 / (1 - DECAY_SYNAPSE)
    trained = [(w.detach() * scale).requires_grad_() for w in parameters(workload)]
    nodes = [
        neuron.LIFNode(
            TAU,
            surrogate_function=surrogate.SuperSpike(1.0),
            detach_reset=True,
            step_mode="s" if shape.recurrent else "m",
        )
        for _ in shape.hidden
    ]
    out = neuron.NonSpikingLIFNode(TAU, decode="max-mem")
    out.step_mode = "m"
    net = torch.nn.ModuleList([*nodes, out])
    raster = torch.from_numpy(workload.raster)

    def forward():
        functional.reset_net(net)
        spikes, record, rest = raster, [], iter(trained)
        for node in nodes:
            drives = spikes @ next(rest).T
            if shape.recurrent:
                v, now, steps = next(rest), torch.zeros_like(drives[0]), []
                for drive in drives.unbind(0):
                    now = node(drive + now @ v.T)
                    steps.append(now)
                spikes = torch.stack(steps)
            else:
                spikes = node(drives)
            record.append(spikes)
        return out(spikes @ next(rest).T), torch.cat(record, -1)

    return contender(workload, trained, forward)
