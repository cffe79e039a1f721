"""The interface between a layer of neurons and its network: a state before the first step, and a step."""

from typing import Any, ClassVar, Protocol

import torch


class State(Protocol):
    """The state that a layer carries from step to step: a named tuple of tensors (batch, units), including these."""

    @property
    def output(self) -> torch.Tensor:
        """What the layer above and the layer itself receive."""

    @property
    def spikes(self) -> torch.Tensor:
        """1 where a neuron fires, else 0."""

    @property
    def voltage(self) -> torch.Tensor:
        """The membrane, or the cells of an LSTM."""


class Neuron(Protocol):
    """A layer's parameters."""

    # Whether the spikes of a step come from the state before it, so that the input of a step acts only on later ones,
    # as in eq. 4.1 of zenke2021. Otherwise they follow from the input of the same step, as in eq. 1 of herranz2022.
    spikes_precede: ClassVar[bool]

    def start(self, zeros: torch.Tensor) -> Any:
        """Make the state before the first step, at rest, from zeros (batch, units)."""

    def step(self, state: Any, drive: torch.Tensor) -> Any:
        """Compute the state after a step; `drive` is all its input, including V state.output."""
