"""Neurons of an extension: the user's step function, wrapped to take and return the network's state."""

from collections import namedtuple
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import torch

from sgpipe.base.errors import SgpipeError
from sgpipe.spec.own.faults import fault


@cache
def _state_of(names: str) -> type:
    """Make the type of a state: a named tuple whose output is its spikes."""
    plain = namedtuple("OwnState", names.split())
    return type("OwnState", (plain,), {"__slots__": (), "output": property(lambda state: state.spikes)})


@dataclass(frozen=True)
class OwnNeuron:
    """A layer: the knobs of the extension's neuron, and `fire`, which maps a centred membrane to spikes."""

    knobs: Any
    fire: Callable[[torch.Tensor], torch.Tensor]
    spikes_precede: ClassVar[bool] = False

    def start(self, zeros: torch.Tensor) -> Any:
        """Make the state before the first step, at rest, from zeros (batch, units)."""
        kind = _state_of(self.knobs.OWN.told["state"])
        return kind(*(zeros for _ in kind._fields))

    def step(self, state: Any, drive: torch.Tensor) -> Any:
        """Compute the state after a step; `drive` is all its input, (batch, units).

        Raises:
            SgpipeError: The user's code raises, or does not return a state.
        """
        own = self.knobs.OWN
        try:
            after = self.knobs.step(state, drive, self.fire)
        except (SgpipeError, MemoryError):
            raise
        except Exception as error:
            raise fault(own.file, own.words, error) from error
        if not isinstance(after, tuple) or len(after) != len(state):
            raise SgpipeError(
                f"{own.file}: {own.words}: step returns {type(after).__name__}, not the {len(state)} parts of its "
                f"state: {', '.join(state._fields)}"
            )
        for name, part in zip(state._fields, after, strict=True):
            if not isinstance(part, torch.Tensor) or part.shape != drive.shape:
                found = f"of shape {tuple(part.shape)}" if isinstance(part, torch.Tensor) else type(part).__name__
                raise SgpipeError(
                    f"{own.file}: {own.words}: step returns {name} {found}, not a tensor {tuple(drive.shape)}"
                )
        return type(state)(*after)
