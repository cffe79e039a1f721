"""The spike: a step forward, a surrogate derivative backward."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from sgpipe.spec.layer_settings import LayerSettings
from sgpipe.spec.run import RunSpec
from sgpipe.spec.surrogates import SURROGATES


class _Spike(torch.autograd.Function):
    @staticmethod
    def forward(ctx, centred, shape, knobs):
        ctx.save_for_backward(centred)
        ctx.shape, ctx.knobs = shape, knobs
        return (centred > 0).to(centred.dtype)

    @staticmethod
    def backward(ctx, gradient):
        (centred,) = ctx.saved_tensors
        return gradient * SURROGATES[ctx.shape](centred, torch, **ctx.knobs), None, None


def spike(centred: torch.Tensor, shape: str, **knobs: float | None) -> torch.Tensor:
    """Spike where the centred membrane is above 0, with a surrogate derivative (zenke2021, section 4.2.6).

    Args:
        centred: U - threshold, any shape.
        shape: A key of `sgpipe.spec.surrogates.SURROGATES`, or a formula.
        knobs: The surrogate's parameters.

    Returns:
        1 or 0, with the derivative h(U - threshold).
    """
    return _Spike.apply(centred, shape, knobs)


def surrogate_knobs(spec: RunSpec, settings: LayerSettings | None, like: torch.Tensor) -> Mapping[str, Any]:
    """Gather shape and knobs of a layer's surrogate derivative for `spike`.

    Args:
        spec: The run.
        settings: What a theory sets, in place of the run's own.
        like: A tensor of the type and device to which arrays (one value per neuron) are converted.
    """
    given = settings.surrogate() if settings else {}
    for name, value in given.items():
        if isinstance(value, np.ndarray):
            given[name] = torch.from_numpy(value).to(like)
    return spec.surrogate.numbers() | given
