"""Optimisers on plain arrays, in place; one update for every CPU engine, with no start-up cost of torch."""

from dataclasses import dataclass, field

import numpy as np

from sgpipe.spec import Optimiser


@dataclass
class Adam:
    """Adam (Kingma & Ba 2014, algorithm 1), as torch.optim.Adam computes it."""

    settings: Optimiser
    weights: dict[str, np.ndarray]
    step_count: int = 0
    moments: dict[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self):
        for name, weight in self.weights.items():
            self.moments.setdefault(f"first.{name}", np.zeros_like(weight))
            self.moments.setdefault(f"second.{name}", np.zeros_like(weight))

    def step(self, gradients: dict[str, np.ndarray]) -> None:
        """Move the weights, in place, against the gradients."""
        settings = self.settings
        self.step_count += 1
        rate = settings.lr / (1 - settings.beta1**self.step_count)
        root = (1 - settings.beta2**self.step_count) ** 0.5
        for name, weight in self.weights.items():
            gradient, first, second = (
                gradients[name],
                self.moments[f"first.{name}"],
                self.moments[f"second.{name}"],
            )
            first += (1 - settings.beta1) * (gradient - first)
            second *= settings.beta2
            second += (1 - settings.beta2) * gradient * gradient
            weight -= rate * (first / (np.sqrt(second) / root + settings.eps))

    def state(self) -> dict[str, np.ndarray]:
        """Return what a checkpoint needs to go on with the same bits."""
        return {**self.moments, "step_count": np.array(self.step_count)}

    def load(self, state: dict[str, np.ndarray]) -> None:
        """Take up a state that `state` returned."""
        for name, moment in self.moments.items():
            moment[...] = state[name]
        self.step_count = int(state["step_count"])


OPTIMISERS = {"adam": Adam}
