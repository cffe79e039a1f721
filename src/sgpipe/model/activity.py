"""The activity that a forward pass returns."""

from collections.abc import Iterator
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
    return filled(state, (leaf.detach() for leaf in leaves(state)))


def leaves(state: Any) -> Iterator[torch.Tensor]:
    """Yield the tensors of a state of nested tuples and lists, in order."""
    if isinstance(state, torch.Tensor):
        yield state
        return
    for part in state:
        yield from leaves(part)


def filled(form: Any, tensors: Iterator[torch.Tensor]) -> Any:
    """Make a state of the form of another, of the tensors that come in place of its own."""
    if isinstance(form, torch.Tensor):
        return next(tensors)
    parts = [filled(part, tensors) for part in form]
    return type(form)(*parts) if hasattr(form, "_fields") else type(form)(parts)
