"""Readout heads, loss and activity regularisers (Zenke & Vogels 2021, sections 4.2.4 and 4.2.5), in torch."""

from typing import NamedTuple

import torch

from sgpipe.network import Activity
from sgpipe.spec import RunSpec


class Losses(NamedTuple):
    """Per-sample losses, each (batch,), the logits (batch, classes) and spike counts, one (batch, units) a layer."""

    supervised: torch.Tensor
    penalty: torch.Tensor
    logits: torch.Tensor
    counts: list[torch.Tensor]


def losses(spec: RunSpec, activity: Activity, labels: torch.Tensor) -> Losses:
    """Return cross-entropy and regularisation of every sample; the training loss is the mean of their sum."""
    logits = head(torch.stack(activity.readout), spec.objective.head)
    supervised = torch.nn.functional.cross_entropy(logits, labels, reduction="none")
    counts = [torch.stack(spikes).sum(0) for spikes in activity.spikes]
    penalty = torch.zeros_like(supervised)
    for count in counts:
        penalty = penalty + lower_penalty(spec, count) + upper_penalty(spec, count)
    return Losses(supervised, penalty, logits, counts)


def head(readout: torch.Tensor, kind: str) -> torch.Tensor:
    """Return the logits (batch, classes) from the readout membrane (steps, batch, classes)."""
    # torch.max passes the gradient to one index, and on the CPU ties go to the first step, as the engines do.
    return readout.max(0).values if kind == "max" else readout.sum(0)


def lower_penalty(spec: RunSpec, count: torch.Tensor) -> torch.Tensor:
    """Return g_lower (batch,): lambda / M sum_i [nu - count_i]_+^2, against silent neurons."""
    if not spec.objective.lower_strength:
        return count.new_zeros(len(count))
    return spec.objective.lower_strength * torch.relu(spec.objective.lower_threshold - count).square().mean(1)


def upper_penalty(spec: RunSpec, count: torch.Tensor) -> torch.Tensor:
    """Return g_upper (batch,): lambda [mean_i count_i - nu]_+^L, against a busy population.

    The paper prints a minus sign before lambda, which would reward spikes; it is taken as a slip.
    """
    if not spec.objective.upper_strength:
        return count.new_zeros(len(count))
    excess = torch.relu(count.mean(1) - spec.objective.upper_threshold)
    return spec.objective.upper_strength * excess**spec.objective.upper_exponent
