"""The reference engine: the torch network, differentiated by autograd, one minibatch at a time."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from sgpipe.data.samples import Samples, Task, Words
from sgpipe.engines.interface import Theory, Threads, Weights, one_thread
from sgpipe.engines.minibatch import MinibatchSession, Sums
from sgpipe.engines.reading import WordSession
from sgpipe.model.activity import detached, filled, leaves
from sgpipe.model.dropout import dropout_factors, input_kept
from sgpipe.model.network import as_tensors, forward
from sgpipe.model.objectives import losses
from sgpipe.spec.layer_settings import LayerSettings
from sgpipe.spec.run import RunSpec


class ReferenceEngine:
    """Plain torch. It takes every run; `device` is `cpu` or `cuda`."""

    name = "reference"
    takes_packs = False

    def __init__(self, device: str = "cpu"):
        self.device = device

    def refuses(self, spec: RunSpec) -> str | None:
        return None

    def open(
        self,
        specs: Sequence[RunSpec],
        task: Task,
        weights: Sequence[Weights],
        theory: Theory | None = None,
        threads: Threads = one_thread,
    ) -> "ReferenceSession":
        # Small matrices gain nothing from more threads, and runs side by side need the cores.
        torch.set_num_threads(1)
        (spec,), (weight,) = specs, weights
        session = ReferenceWordSession if isinstance(task.train, Words) else ReferenceSession
        return session(spec, task, weight, self.device, theory[0] if theory else None)


class ReferenceSession(MinibatchSession):
    """One run under autograd; `theory` has what a theory of initialisation sets for each hidden layer."""

    def __init__(
        self, spec: RunSpec, task: Task, weights: Weights, device: str, theory: Sequence[LayerSettings] | None = None
    ):
        super().__init__(spec, task, weights)
        self.device, self.theory = device, theory
        if spec.network.neuron not in (None, "lif"):
            self.evaluation_batch = 200  # all steps of every layer are held at once

    def batch(self, events: Samples, indices: np.ndarray, train: bool) -> tuple[Sums, Weights]:
        return self._pass(self.raster(events, indices, train), events.labels[indices], indices, train)[:2]

    def raster(self, events: Samples, indices: np.ndarray, train: bool) -> np.ndarray:
        """Return the input (steps, batch, units) of the samples at `indices`, with input dropout if training."""
        steps, units = self.task.steps, self.task.units
        raster = events.take(indices).dense(steps, units).astype(self.spec.training.dtype, copy=False)
        if not train or not self.spec.network.input_dropout:
            return raster
        return raster * input_kept(self.spec, self.epoch, indices, steps, units)

    def _pass(
        self, inputs: np.ndarray, labels: np.ndarray, samples: np.ndarray, train: bool, state: Any = None
    ) -> tuple[Sums, Weights, Any]:
        """Return totals, gradients if training, and the network's last state; `inputs` and `labels` as in `forward`.

        `samples` are numbers of the samples, for dropout.
        """
        targets = torch.from_numpy(labels).to(self.device)
        with torch.set_grad_enabled(train):
            weights = as_tensors(self.weights, self.device, trained=train)
            factors = self._dropout(samples, len(inputs)) if train and self.spec.network.dropout else None
            data = torch.from_numpy(inputs).to(self.device)
            activity = forward(self.spec, weights, data, self.theory, factors, state)
            result = losses(self.spec, activity, targets)
            gradients = {}
            if train:
                loss = (result.supervised + result.penalty).mean()
                if loss.requires_grad:  # in the first steps nothing depends on a weight yet
                    loss.backward()
                gradients = {name: _gradient(weight) for name, weight in weights.items()}
        answers = labels.size // len(samples)  # per sample: 1 or, in a text, its words
        counts = [count.sum().item() for count in result.counts]
        sums = Sums(
            labels.size,
            result.cross_entropy.sum().item() * answers,
            result.penalty.sum().item() * answers,
            result.correct.sum().item(),
            np.array(counts),
            None if result.moved is None else result.moved.cpu().numpy(),
        )
        return sums, gradients, activity.state

    def _dropout(self, samples: np.ndarray, steps: int):
        epoch, precision = self.epoch, getattr(torch, self.spec.training.dtype)

        def factors(layer: int, units: int) -> torch.Tensor:
            array = dropout_factors(self.spec, epoch, layer, samples, steps, units)
            return torch.from_numpy(array).to(self.device, precision)

        return factors


class ReferenceWordSession(WordSession, ReferenceSession):
    """One run that reads a text, under autograd; its state is the network's."""

    def read(
        self, words: np.ndarray, targets: np.ndarray, samples: np.ndarray, train: bool, state: Any
    ) -> tuple[Sums, Weights, Any]:
        words, targets = words.astype(np.int64), targets.astype(np.int64)
        sums, gradients, state = self._pass(words, targets, samples, train, state)
        return sums, gradients, detached(state)

    def arrays_of(self, state: Any) -> list[np.ndarray]:
        return [leaf.cpu().numpy() for leaf in leaves(state)]

    def state_of(self, arrays: Sequence[np.ndarray]) -> Any:
        *_, form = self.read(*next(self._batches("train")), False, None)
        return filled(form, iter([torch.tensor(array, device=self.device) for array in arrays]))


def _gradient(weight: torch.Tensor) -> np.ndarray:
    # Under the true derivative the hidden weights of a silent network get no gradient at all.
    gradient = torch.zeros_like(weight) if weight.grad is None else weight.grad
    return gradient.cpu().numpy()
