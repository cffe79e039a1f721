"""The spike: a step forward, a surrogate derivative backward."""

import torch

from sgpipe.surrogates import SURROGATES


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
    """Return 1 where the centred membrane U - threshold is above 0, else 0, with h(U - threshold) as derivative.

    Zenke & Vogels 2021, section 4.2.6; `shape` is a key of `sgpipe.surrogates.SURROGATES` and `knobs` are its.
    """
    return _Spike.apply(centred, shape, knobs)
