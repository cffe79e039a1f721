"""What a forward pass leaves behind."""

from typing import Any, NamedTuple

import torch


class Activity(NamedTuple):
    """Each but the last a list over time steps of (batch, units) tensors."""

    spikes: list[list[torch.Tensor]]  # one list a hidden layer
    readout: list[torch.Tensor]  # the readout membrane or, without one, the logits of the step
    membrane: list[list[torch.Tensor]]  # one list a hidden layer: voltages, of an LSTM its cells
    state: Any = None  # where the network stands after the last step, for a pass that goes on from there


def detached(state: Any) -> Any:
    """Copy a state of nested tuples and lists of tensors, through which no gradient flows."""
    if isinstance(state, torch.Tensor):
        return state.detach()
    parts = [detached(part) for part in state]
    return type(state)(*parts) if hasattr(state, "_fields") else type(state)(parts)
