"""Products with weights, in the precision of the run or mixed."""

from collections.abc import Callable
from typing import Any

import torch

Product = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def plain(inputs: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Multiply inputs (..., pre) by weights (post, pre), which gives (..., post)."""
    return inputs @ weights.T


def rounded_back(inputs: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Return the same; its backward product through the weights takes numbers rounded to bfloat16.

    Sums, and the gradient of the weights, keep the precision of the inputs.
    """
    return _RoundedBack.apply(inputs, weights)


def to_bfloat16(numbers: torch.Tensor) -> torch.Tensor:
    """Round numbers to the nearest bfloat16, ties to even; they keep their type."""
    return numbers.to(torch.bfloat16).to(numbers.dtype)


class _RoundedBack(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, inputs: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        ctx.save_for_backward(inputs, weights)
        return plain(inputs, weights)

    @staticmethod
    def backward(ctx: Any, adjoint: torch.Tensor) -> tuple[torch.Tensor | None, torch.Tensor | None]:  # type: ignore[override]
        inputs, weights = ctx.saved_tensors
        of_inputs, of_weights = ctx.needs_input_grad
        return (
            to_bfloat16(adjoint) @ to_bfloat16(weights) if of_inputs else None,
            adjoint.flatten(0, -2).T @ inputs.flatten(0, -2) if of_weights else None,
        )
