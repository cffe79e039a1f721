"""Weights of a layer as they are drawn: random numbers of mean 0 and variance 1, then scaled."""

import numpy as np

from sgpipe.initial_state.theory.layer import Layer, Weights
from sgpipe.weights.distributions import family


def standard_weights(layer: Layer, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw (n_rec, n_rec) and (n_rec, n_in) numbers of mean 0 and variance 1 from the layer's two families."""
    shapes = ((layer.w_rec.family, layer.n_rec), (layer.w_in.family, layer.n_in))
    return tuple(family(name).draw((layer.n_rec, size), generator) for name, size in shapes)


def drawn(weights: Weights, standard: np.ndarray) -> np.ndarray:
    """Scale standard draws to a mean and variance; eq. 1 leaves out the diagonal of recurrent ones."""
    return weights.mean + weights.variance**0.5 * standard
