"""The links in the computational graph of a hidden layer: found in the graph that autograd builds, not declared.

The nodes are the variables of zenke2021's section 4.2.1 at one step n: input spikes S0, synaptic current I, membrane U
and output spikes S. A link goes from a node at step n to one at step n (delay 0) or n + 1 (delay 1). It passes
gradients if the reference network's backward graph leads directly from the later node to the earlier one. It exists if
this is so in the same network with nothing detached.
"""

from dataclasses import replace
from typing import NamedTuple

import torch

from sgpipe.base.errors import SgpipeError
from sgpipe.model.network import forward, neuron_of
from sgpipe.model.neurons.lif import ReadoutState
from sgpipe.spec.run import RunSpec

STEPS = 2  # enough to see every link between neighbouring steps
NODES = ("S0", "I", "U", "S")


class Link(NamedTuple):
    """One link of the graph."""

    source: str
    target: str
    delay: int  # steps
    gradient: bool  # whether gradients flow back along it


def layer_links(spec: RunSpec) -> list[Link]:
    """List the links of a run's first hidden layer, sorted; raises SgpipeError for neurons without current."""
    network = spec.network
    if not network.hidden or network.neuron != "lif":
        raise SgpipeError("the computational graph is of current-based neurons in a hidden layer: network.neuron: lif")
    flowing = replace(network, reset_gradient="attached", recurrent_gradient="propagated")
    open_to = probe(spec)
    return sorted(Link(*link, link in open_to) for link in probe(replace(spec, network=flowing)))


def probe(spec: RunSpec) -> set[tuple[str, str, int]]:
    """Find the links (source, target, delay) along which gradients flow in a small network."""
    small = replace(spec, network=replace(spec.network, hidden=(2,)))
    weights = {"W1": torch.ones(2, 2), "W_out": torch.ones(2, 2), "V1": torch.ones(2, 2)}
    start = [torch.zeros(1, 2, requires_grad=True) for _ in range(2)]
    state = [neuron_of(small, weights, 1, None).at(*start), ReadoutState(torch.zeros(1, 2), torch.zeros(1, 2))]
    nodes: dict[tuple[str, int], torch.Tensor] = {("U", 0): start[0], ("I", 0): start[1]}
    for step in range(STEPS):
        arriving = torch.zeros(1, 1, 2, requires_grad=True)
        activity = forward(small, weights, arriving, state=state)  # one step, so that every node is accessible
        state = activity.state
        nodes |= {("S0", step): arriving, ("S", step): activity.spikes[0][0]}
        nodes |= {("U", step + 1): state[0].voltage, ("I", step + 1): state[0].current}
    places = {_origin(tensor): node for node, tensor in nodes.items()}
    found = set()
    for (name, step), tensor in nodes.items():
        for source, at in _reached(tensor, places):
            found.add((source, name, step - at))
    return found


def _origin(tensor: torch.Tensor) -> object:
    """Return a tensor's node in the backward graph; a leaf has none and stands for itself."""
    return tensor.grad_fn if tensor.grad_fn is not None else tensor


def _reached(tensor: torch.Tensor, places: dict[object, tuple[str, int]]) -> set[tuple[str, int]]:
    """Return the nodes that the backward graph of a node reaches without passing through another node."""
    seen, found = set(), set()
    waiting = [function for function, _ in tensor.grad_fn.next_functions] if tensor.grad_fn is not None else []
    while waiting:
        function = waiting.pop()
        if function is None or function in seen:
            continue
        seen.add(function)
        node = places.get(getattr(function, "variable", function))
        if node is not None:
            found.add(node)
        else:
            waiting += [further for further, _ in function.next_functions]
    return found
