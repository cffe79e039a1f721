"""Adam for stacked weights."""

from collections.abc import Sequence

import torch

from sgpipe.spec.run import RunSpec


class PackAdam:
    """`optimisers.Adam` for the weights (runs, weights) of a pack: the same operations in the same order."""

    def __init__(self, specs: Sequence[RunSpec], weights: torch.Tensor):
        self.settings = [spec.optimiser for spec in specs]
        self.weights, self.counts = weights, [0] * len(specs)
        self.first, self.second = torch.zeros_like(weights), torch.zeros_like(weights)
        # Rounded from double precision, as numpy rounds a Python float that meets an array.
        self.constants = [
            weights.new_tensor(values)[:, None]
            for values in zip(*((1 - s.beta1, s.beta2, 1 - s.beta2, s.eps) for s in self.settings), strict=True)
        ]

    def rates(self, updates: int) -> torch.Tensor:
        """Return the learning rates and roots of the next updates, (updates, 2, runs, 1)."""
        table = [
            [
                [s.lr / (1 - s.beta1**count) for s, count in zip(self.settings, counts, strict=True)],
                [(1 - s.beta2**count) ** 0.5 for s, count in zip(self.settings, counts, strict=True)],
            ]
            for counts in ([count + ahead for count in self.counts] for ahead in range(1, updates + 1))
        ]
        return self.weights.new_tensor(table)[..., None]

    def step(self, gradients: torch.Tensor, rates: torch.Tensor, alive: torch.Tensor) -> None:
        """Update the weights of the runs that are alive, (runs, 1), with the gradients."""
        (rate, root), (gain1, beta2, gain2, eps) = rates, self.constants
        first = self.first + gain1 * (gradients - self.first)
        second = self.second * beta2 + gain2 * gradients * gradients
        weights = self.weights - rate * (first / (second.sqrt() / root + eps))
        for old, new in ((self.first, first), (self.second, second), (self.weights, weights)):
            torch.where(alive, new, old, out=old)
