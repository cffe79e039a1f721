"""Which input spikes a minibatch drops, passed to kernels as three numbers per run (`sgpipe.model.dropout`)."""

import math
from collections.abc import Sequence

import numpy as np
import torch

from sgpipe.base.rng import key
from sgpipe.spec.run import RunSpec

MIX = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))  # shifts and factors of `base.rng.hashed`
GOLDEN = 0x9E3779B97F4A7C15


def drops_of(specs: Sequence[RunSpec], epochs: Sequence[int], device: torch.device) -> torch.Tensor | None:
    """Return each run's dropout key in its epoch, the least hash that is kept, and the task's steps.

    Args:
        specs: The runs.
        epochs: The epoch, from 1, that each is in.
        device: The device of the result.

    Returns:
        int64 (runs, 3), with the bits of the unsigned key; None if no run drops input.
    """
    if not any(spec.network.input_dropout for spec in specs):
        return None
    rows = [
        (
            key(spec.training.seed, f"dropout/{epoch}/input"),
            math.ceil((spec.network.input_dropout or 0.0) * 2**53),
            spec.data.steps,
        )
        for spec, epoch in zip(specs, epochs, strict=True)
    ]
    return torch.from_numpy(np.array(rows, dtype=np.uint64).view(np.int64)).to(device)


def kept(drops: torch.Tensor, sample: torch.Tensor, step: torch.Tensor, unit: torch.Tensor, units: int) -> torch.Tensor:
    """Compute which events are kept.

    Args:
        drops: The three numbers of each event's run, (events, 3).
        sample: The events' positions in the split, int64 (events,).
        step: Their steps.
        unit: Their input units.
        units: The number of input units.
    """
    own_key, least, steps = drops.unbind(1)
    z = ((sample * steps + step) * units + unit + 1) * _signed(GOLDEN) + own_key
    for shift, factor in MIX:
        z = (z ^ _right(z, shift)) * _signed(factor)
    return _right(z ^ _right(z, 31), 11) >= least


def _right(z: torch.Tensor, shift: int) -> torch.Tensor:
    # torch has only signed numbers of 64 bits, and a shift copies their sign.
    return (z >> shift) & (2 ** (64 - shift) - 1)


def _signed(bits: int) -> int:
    return bits - 2**64 if bits >= 2**63 else bits
