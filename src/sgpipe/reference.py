"""The reference engine: the torch network, differentiated by autograd, one minibatch at a time."""

from collections.abc import Sequence

import numpy as np
import torch

from sgpipe.data.events import Events, Task
from sgpipe.engine import MinibatchSession, Sums, Weights
from sgpipe.network import as_tensors, forward
from sgpipe.objectives import losses
from sgpipe.spec import RunSpec


class ReferenceEngine:
    """Plain torch. It takes every run; `device` is `cpu` or `cuda`."""

    name = "reference"
    takes_packs = False

    def __init__(self, device: str = "cpu"):
        self.device = device

    def refuses(self, spec: RunSpec) -> str | None:
        return None

    def open(self, specs: Sequence[RunSpec], task: Task, weights: Sequence[Weights]) -> "ReferenceSession":
        # Small matrices gain nothing from more threads, and runs side by side need the cores.
        torch.set_num_threads(1)
        (spec,), (weight,) = specs, weights
        return ReferenceSession(spec, task, weight, self.device)


class ReferenceSession(MinibatchSession):
    """One run under autograd."""

    def __init__(self, spec: RunSpec, task: Task, weights: Weights, device: str):
        super().__init__(spec, task, weights)
        self.device = device

    def batch(self, events: Events, indices: np.ndarray, train: bool) -> tuple[Sums, Weights]:
        part = events.take(indices)
        raster = part.dense(self.task.steps, self.task.units).astype(self.spec.training.precision, copy=False)
        inputs = torch.from_numpy(raster).to(self.device)
        labels = torch.from_numpy(part.labels).to(self.device)
        with torch.set_grad_enabled(train):
            weights = as_tensors(self.weights, self.device, trained=train)
            result = losses(self.spec, forward(self.spec, weights, inputs), labels)
            gradients = {}
            if train:
                loss = (result.supervised + result.penalty).mean()
                if loss.requires_grad:  # in the first steps nothing has arrived that depends on a weight
                    loss.backward()
                gradients = {name: _gradient(weight) for name, weight in weights.items()}
        counts = [count.sum().item() for count in result.counts]
        sums = Sums(
            len(indices),
            result.supervised.sum().item(),
            result.penalty.sum().item(),
            int((result.logits.argmax(1) == labels).sum().item()),
            np.array(counts),
        )
        return sums, gradients


def _gradient(weight: torch.Tensor) -> np.ndarray:
    # Hidden weights get none at all under the true derivative of a silent network.
    gradient = torch.zeros_like(weight) if weight.grad is None else weight.grad
    return gradient.cpu().numpy()
