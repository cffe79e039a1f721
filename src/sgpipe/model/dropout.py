"""Dropout before every hidden layer: each element of the input of each step is dropped by itself.

What is kept is divided by the share that is kept. Which elements are dropped is a function of (training.seed, epoch,
layer, sample, step, unit) alone, so that any engine can drop the same ones, in any order:

    hashed(key(training.seed, "dropout/<epoch>/<layer>"), (sample * steps + step) * units + unit) < dropout

with `steps` of the task, `units` of the layer's input, epoch and layer from 1, and the sample's position in the
training split (in a text: row + rows * batch).
"""

import numpy as np

from sgpipe.base.rng import hashed, key
from sgpipe.spec.run import RunSpec


def dropout_factors(spec: RunSpec, epoch: int, layer: int, samples: np.ndarray, steps: int, units: int) -> np.ndarray:
    """Compute what the input of a hidden layer is multiplied with.

    Args:
        spec: The run.
        epoch: The number of the epoch.
        layer: The number of the hidden layer that receives it.
        samples: Positions in the train split, (batch,).
        steps: Time steps.
        units: Units of the input.

    Returns:
        0 or 1/(1 - p), float64 (steps, batch, units).
    """
    share = spec.network.dropout
    step, sample, unit = np.ix_(np.arange(steps), samples, np.arange(units))
    counters = (sample.astype(np.uint64) * np.uint64(spec.data.steps) + step.astype(np.uint64)) * np.uint64(units)
    values = hashed(key(spec.training.seed, f"dropout/{epoch}/{layer}"), counters + unit.astype(np.uint64))
    return (values >= share) / (1 - share)
