"""The settings of one hidden layer from the theory of initialisation, which replace the run's own knobs."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class LayerSettings:
    """Mean and variance of V, the surrogate derivative's knobs, and a factor on the variance of W.

    None leaves a value unchanged. The surrogate's knobs may be arrays (units,), one value per neuron.
    """

    recurrent_mean: float | None = None
    recurrent_variance: float | None = None
    dampening: float | np.ndarray | None = None
    sharpness: float | np.ndarray | None = None
    tail: float | np.ndarray | None = None
    input_gain: float | None = None

    def surrogate(self) -> dict[str, float | np.ndarray]:
        """Select the surrogate's knobs that are set."""
        values = {name: getattr(self, name) for name in ("dampening", "sharpness", "tail")}
        return {name: value for name, value in values.items() if value is not None}
