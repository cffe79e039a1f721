"""The interface between a layer of neurons and its network: a state before the first step, and a step."""

from typing import Any, ClassVar, Protocol

import torch


class State(Protocol):
    """What a layer carries from one step to the next: a named tuple of tensors (batch, units), these among them."""

    @property
    def output(self) -> torch.Tensor:
        """What the layer above and the layer itself receive."""

    @property
    def spikes(self) -> torch.Tensor:
        """1 where a neuron fires, else 0."""

    @property
    def voltage(self) -> torch.Tensor:
        """The membrane; of an LSTM its cells."""


class Neuron(Protocol):
    """A layer's parameters."""

    # Whether the spikes of a step are those of the state before it, as in eq. 4.1 of zenke2021, so that what arrives
    # at a step acts on later ones; else they follow from what arrives, as in eq. 1 of herranz2022.
    spikes_precede: ClassVar[bool]

    def start(self, zeros: torch.Tensor) -> Any:
        """Make the state before the first step, at rest, from zeros (batch, units)."""

    def step(self, state: Any, drive: torch.Tensor) -> Any:
        """Compute the state after a step; `drive` is all that arrives at it, V state.output included."""
