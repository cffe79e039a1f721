"""Readout heads, losses and activity regularisers, in torch.

Zenke & Vogels 2021, sections 4.2.4 and 4.2.5; Herranz-Celotti & Rouat 2022, section 2.5.
"""

from typing import NamedTuple

import torch

from sgpipe.model.activity import Activity
from sgpipe.spec.run import RunSpec


class Losses(NamedTuple):
    """Losses and measures per sample (batch,), logits (batch, classes), and spike counts (batch, units) per layer.

    `supervised` is the loss to train on, and `cross_entropy` is the same without label smoothing; both are means over
    the steps where each step has a target. `correct` is the sum of a sample's answers as scored by `right`. In a text
    each word is an answer, and the logits are those of the last step. For the maximum of a leaky readout, `moved`
    (classes,) says for which classes it lies past the readout's start in any sample.
    """

    supervised: torch.Tensor
    penalty: torch.Tensor
    logits: torch.Tensor
    counts: list[torch.Tensor]
    cross_entropy: torch.Tensor
    correct: torch.Tensor
    moved: torch.Tensor | None = None


def losses(spec: RunSpec, activity: Activity, labels: torch.Tensor) -> Losses:
    """Compute cross-entropy and regularisation of every sample; the training loss is the mean of their sum.

    Args:
        spec: The run.
        activity: The network's activity on a batch.
        labels: Classes (batch,) or, for a text, the words (steps, batch) to be predicted.
    """
    objective, readout = spec.objective, torch.stack(activity.readout)
    if labels.ndim == 2:
        logits, correct = readout[-1], right(ahead(readout, labels)).sum(0)
    else:
        logits = head(readout[objective.max_from or 0 :], objective.head, objective.accuracy)
        # torch.sum adds the last elements of a tensor in another order, which would break ties between classes.
        summed = objective.head != "max" and objective.accuracy != "mode"
        correct = right(ahead(readout.detach().cumsum(0)[-1] if summed else logits, labels))
    every_step = labels.ndim == 2 or objective.head == "steps"

    def entropy(smoothing: float) -> torch.Tensor:
        if every_step:
            return cross_entropy_of_steps(readout, labels, smoothing)
        return torch.nn.functional.cross_entropy(logits, labels, reduction="none", label_smoothing=smoothing)

    supervised = entropy(objective.label_smoothing)
    plain = entropy(0.0).detach() if objective.label_smoothing else supervised.detach()
    counts = [torch.stack(spikes).sum(0) for spikes in activity.spikes]
    penalty = torch.zeros_like(supervised)
    for count in counts:
        penalty = penalty + lower_penalty(spec, count) + upper_penalty(spec, count)
    moved = None
    if objective.max_from is not None:
        moved = ((readout[objective.max_from :].argmax(0) + objective.max_from) > 0).any(0)
    return Losses(supervised, penalty, logits, counts, plain, correct, moved)


def ahead(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Count how many classes share the first place with the label.

    Args:
        logits: (..., classes).
        labels: (...).

    Returns:
        (...); 0 where the label is not in first place, or the largest logit is not a number.
    """
    first = logits == logits.amax(-1, keepdim=True)
    return first.sum(-1) * first.gather(-1, labels[..., None])[..., 0]


def right(ahead: torch.Tensor) -> torch.Tensor:
    """Score an answer, in float64: 1/m if the label is one of m classes that are `ahead`, else 0.

    That is the expected score of a guess among the m, so a network that cannot tell any classes apart scores 1/classes
    on any data. Scores are rounded to 32 binary places: sums of up to two million answers are then exact, and equal in
    any order.
    """
    unit = 2.0**32
    return torch.where(ahead > 0, torch.floor(unit / ahead.double() + 0.5) / unit, 0.0)


def head(readout: torch.Tensor, kind: str, accuracy: str | None = None) -> torch.Tensor:
    """Compute logits (batch, classes) from the readout membrane.

    With the head `steps` these logits serve only to choose the answer. Depending on `accuracy` they are sums over time
    (`summed`), or the number of steps at which a class is ahead (`mode`). Classes that tie at a step are all ahead.

    Args:
        readout: (steps, batch, classes).
        kind: The head, `objective.head`.
        accuracy: How the answer is chosen, `objective.accuracy`.
    """
    if kind == "steps" and accuracy == "mode":
        return (readout == readout.amax(2, keepdim=True)).sum(0)
    # torch.max passes the gradient to one index; on the CPU ties go to the first step, as in the engines.
    return readout.max(0).values if kind == "max" else readout.sum(0)


def cross_entropy_of_steps(readout: torch.Tensor, labels: torch.Tensor, smoothing: float) -> torch.Tensor:
    """Compute the mean over steps of the cross-entropy (herranz2022, section 2.5).

    Args:
        readout: Logits, (steps, batch, classes).
        labels: (batch,), the target at every step, or (steps, batch).
        smoothing: The label smoothing.

    Returns:
        (batch,).
    """
    targets = labels.expand(readout.shape[:2])
    costs = torch.nn.functional.cross_entropy(
        readout.flatten(0, 1), targets.flatten(), reduction="none", label_smoothing=smoothing
    )
    return costs.view(targets.shape).mean(0)


def lower_penalty(spec: RunSpec, count: torch.Tensor) -> torch.Tensor:
    """Compute g_lower (batch,): lambda / M sum_i [nu - count_i]_+^2, against silent neurons."""
    if not spec.objective.lower_strength:
        return count.new_zeros(len(count))
    return spec.objective.lower_strength * torch.relu(spec.objective.lower_threshold - count).square().mean(1)


def upper_penalty(spec: RunSpec, count: torch.Tensor) -> torch.Tensor:
    """Compute g_upper (batch,): lambda [mean_i count_i - nu]_+^L, against a busy population.

    The paper prints a minus sign before lambda, which would reward spikes; it is taken as a slip.
    """
    if not spec.objective.upper_strength:
        return count.new_zeros(len(count))
    excess = torch.relu(count.mean(1) - spec.objective.upper_threshold)
    return spec.objective.upper_strength * excess**spec.objective.upper_exponent
