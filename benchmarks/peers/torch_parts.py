"""What the contenders in torch share: surrogate, loss, Adam."""

from collections.abc import Callable, Iterable

import torch

from peers import Contender, Probe
from workloads import BETA, LEARNING_RATE, Workload


class SuperSpike(torch.autograd.Function):
    """A step forward, the derivative of a fast sigmoid backward."""

    @staticmethod
    def forward(ctx, centred):
        ctx.save_for_backward(centred)
        return (centred > 0).to(centred.dtype)

    @staticmethod
    def backward(ctx, gradient):
        (centred,) = ctx.saved_tensors
        return gradient / (BETA * centred.abs() + 1.0) ** 2


def parameters(workload: Workload) -> list[torch.Tensor]:
    """Return the weights as tensors to train."""
    return [torch.tensor(w, requires_grad=True) for w in workload.weights]


def contender(
    workload: Workload,
    trained: Iterable[torch.Tensor],
    forward: Callable[[], tuple[torch.Tensor, torch.Tensor]],
    same_model: bool = False,
) -> Contender:
    """Return the contender whose `forward` gives logits (..., batch, classes) and the hidden spikes in any layout."""
    trained = list(trained)
    optimiser = torch.optim.Adam(trained, lr=LEARNING_RATE, fused=True)
    labels = torch.tensor(workload.labels)

    def loss_of(logits):
        if logits.dim() == 2:
            return torch.nn.functional.cross_entropy(logits, labels)
        # Independent runs side by side: the sum over runs of each one's mean loss.
        flat = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.repeat(logits.shape[0]), reduction="sum")
        return flat / len(labels)

    def step():
        optimiser.zero_grad(set_to_none=True)
        loss_of(forward()[0]).backward()
        optimiser.step()

    def probe() -> Probe:
        optimiser.zero_grad(set_to_none=True)
        logits, spikes = forward()
        loss = loss_of(logits)
        loss.backward()
        gradients = [p.grad.numpy().copy() for p in trained] if same_model else None
        optimiser.zero_grad(set_to_none=True)
        return Probe(float(loss.detach()), gradients, float(spikes.detach().mean()))

    return Contender(step, probe)
