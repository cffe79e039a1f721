"""Time constants of single current-based neurons: equal, or from a gamma distribution (Perez-Nieves et al. 2021).

Perez-Nieves, Leung, Dragotti & Goodman (Nature Communications 12:5791) draw them from a gamma distribution of shape 3
and scale tau / 3, train them, both or neither. Here shape and training are knobs of their own, so that all four can be
compared. In their code (npvoid/neural_heterogeneity, SuGD_code/layers.py) the decays themselves are trained, within 2/e
and 0.995, the gradient takes 1 - b_mem as a constant, and the readout's decays are drawn too. Here time constants are
trained, by the whole gradient, and the readout has one of its own.
"""

import numpy as np

from sgpipe.base.rng import stream
from sgpipe.spec.run import RunSpec

NAMES = ("tau_membrane", "tau_synapse")
SHORTEST_TAU = 1e-2  # steps: a time constant below acts as this one, for exp(-1/tau) has no sense below 0


def single(spec: RunSpec) -> bool:
    """Tell whether the hidden neurons of a run have time constants of their own, trained or not."""
    network = spec.network
    shapes = network.tau_membrane_shape or network.tau_synapse_shape
    return bool(network.neuron == "lif" and (network.trained_neurons or shapes))


def time_constants(spec: RunSpec, name: str, layer: int) -> np.ndarray:
    """Make the time constants with which the neurons of a hidden layer start, and stay unless they are trained.

    They are gamma distributed about the run's, by inversion of its distribution function; a shape k gives a standard
    deviation of 1/sqrt(k) of the mean.

    Args:
        spec: The run, of `lif` neurons.
        name: One of NAMES.
        layer: Its number, from 1.

    Returns:
        float64 (units,), in steps, at least SHORTEST_TAU.
    """
    units = spec.network.hidden[layer - 1]
    mean, shape = getattr(spec.network, name) / spec.data.dt, getattr(spec.network, f"{name}_shape")
    if not shape:
        return np.full(units, max(mean, SHORTEST_TAU))
    from scipy.special import gammaincinv  # here: it takes a third of a second, which others need not wait for

    drawn = gammaincinv(shape, stream(spec.init.seed, f"init/{name}{layer}").random(units))
    return np.maximum(mean / shape * drawn, SHORTEST_TAU)
