"""Initial weights, drawn on the CPU from named streams and so the same for every engine."""

import numpy as np

from sgpipe.rng import stream, uniform
from sgpipe.spec import RunSpec


def layout(spec: RunSpec, units: int, classes: int) -> dict[str, tuple[int, int]]:
    """Return name and shape (units out, units in) of each weight matrix: W1, V1 if recurrent, W2, ..., W_out."""
    shapes = {}
    for layer, size in enumerate(spec.network.hidden, start=1):
        shapes[f"W{layer}"] = (size, units)
        if spec.network.recurrent:
            shapes[f"V{layer}"] = (size, size)
        units = size
    return shapes | {"W_out": (classes, units)}


def initial_weights(spec: RunSpec, units: int, classes: int) -> dict[str, np.ndarray]:
    """Return the weights before training, of the spec's precision: U(-1/sqrt(n), 1/sqrt(n)) with n afferents.

    Zenke & Vogels 2021, section 4.2.3. `init.gain` multiplies the feed-forward weights of the hidden layers.
    """
    weights = {}
    for name, shape in layout(spec, units, classes).items():
        bound = shape[1] ** -0.5
        drawn = uniform(stream(spec.init.seed, f"init/{name}"), -bound, bound, shape)
        if name.startswith("W") and name != "W_out":
            drawn *= spec.init.gain
        weights[name] = drawn.astype(spec.training.precision)
    return weights
