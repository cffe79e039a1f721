"""The activity that a forward pass returns."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch


class Activity(NamedTuple):
    """The network's final state, and lists over time steps of (batch, units) tensors."""

    spikes: list[list[torch.Tensor]]  # one list per hidden layer
    readout: list[torch.Tensor]  # the readout membrane; without one, the logits of the step
    membrane: list[list[torch.Tensor]]  # one list per hidden layer: voltages, or an LSTM's cells
    state: Any = None  # the network's state after the last step, from which a later pass can continue


def detached(state: Any) -> Any:
    """Copy a state (nested tuples and lists of tensors) so that no gradient flows through it."""
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
    """Build a state with the structure of another one, filled with the given tensors in order."""
    if isinstance(form, torch.Tensor):
        return next(tensors)
    parts = [filled(part, tensors) for part in form]
    return type(form)(*parts) if hasattr(form, "_fields") else type(form)(parts)
