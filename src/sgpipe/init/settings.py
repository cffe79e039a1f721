"""What a theory of initialisation sets for one hidden layer, in the place of the run's own knobs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from sgpipe.spec import RunSpec


@dataclass(frozen=True)
class LayerSettings:
    """Mean and variance of V, and the surrogate derivative's knobs; None leaves a value as it is.

    The surrogate's may be arrays (units,), one value a neuron.
    """

    recurrent_mean: float | None = None
    recurrent_variance: float | None = None
    dampening: float | np.ndarray | None = None
    sharpness: float | np.ndarray | None = None
    tail: float | np.ndarray | None = None


def surrogate_knobs(spec: RunSpec, settings: LayerSettings | None) -> Mapping[str, Any]:
    """Return shape and knobs of a layer's surrogate derivative."""
    given = {name: getattr(settings, name, None) for name in ("dampening", "sharpness", "tail")}
    return vars(spec.surrogate) | {name: value for name, value in given.items() if value is not None}
