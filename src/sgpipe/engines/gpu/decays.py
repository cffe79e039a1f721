"""Decays of single neurons, which the scans of a pack use in place of those that a layer shares."""

from collections.abc import Sequence

import numpy as np
import torch

from sgpipe.spec.run import RunSpec
from sgpipe.weights.time_constants import NAMES, SHORTEST_TAU, single, time_constants

ROWS = 3  # decay of the membrane, 1 less that, decay of the current


def kind_of(spec: RunSpec) -> tuple[bool, bool]:
    """Return whether neurons have decays of their own, and whether these are trained: the same for all of a pack."""
    return single(spec), single(spec) and bool(spec.network.trained_neurons)


def decays_of(taus: Sequence[torch.Tensor]) -> torch.Tensor:
    """Compute the decays (runs, ROWS, units) for the time constants of NAMES in steps, each (runs, units)."""
    membrane, synapse = (-1 / tau.clamp(min=SHORTEST_TAU) for tau in taus)
    # Not 1 - decay, which a long time constant would round to nothing: the gradients are divided by it.
    return torch.stack([membrane.exp(), -membrane.expm1(), synapse.exp()], 1)


def fixed_decays(specs: Sequence[RunSpec], layer: int, like: torch.Tensor) -> torch.Tensor | None:
    """Return the decays (runs, ROWS, units) of a hidden layer if its neurons have their own, untrained; else None.

    They are computed in double precision and rounded to the type of `like`, on its device.
    """
    if kind_of(specs[0]) != (True, False):
        return None
    taus = (np.stack([time_constants(spec, name, layer) for spec in specs]) for name in NAMES)
    return decays_of([torch.from_numpy(tau) for tau in taus]).to(like)


def to_time_constant(tau: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
    """Turn the gradient of a decay into that of its time constant, which is 0 below the shortest."""
    held = tau.clamp(min=SHORTEST_TAU)
    return torch.where(tau < SHORTEST_TAU, 0.0, gradient * torch.exp(-1 / held) / (held * held))
