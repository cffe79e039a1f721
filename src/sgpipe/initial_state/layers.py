"""A run's hidden layers as the theory of initialisation sees them."""

from dataclasses import replace

import numpy as np

from sgpipe.initial_state.make import Inputs, first_layer
from sgpipe.initial_state.theory.layer import Layer, Weights
from sgpipe.spec.layer_settings import LayerSettings
from sgpipe.spec.run import RunSpec
from sgpipe.weights.schemes import family_drawn, family_of, variance_of

EVENTS = Inputs(mean=0.0, variance=0.0, low=0.0, high=1.0)  # nothing is known of them but their bounds


def lowest(spec: RunSpec, inputs: Inputs = EVENTS) -> Layer:
    """Describe the lowest hidden layer of a run, with the weights and surrogate that it has without conditions."""
    return as_drawn(first_layer(spec, inputs, spec.data.units), spec)


def as_drawn(layer: Layer, spec: RunSpec, settings: LayerSettings | None = None) -> Layer:
    """Give a layer of a run the weights and the surrogate that it really has under some settings.

    Args:
        layer: The layer.
        spec: The run.
        settings: The settings of the layer. Where they have a value for each neuron, the layer gets the mean.
    """
    settings, scheme, surrogate = settings or LayerSettings(), spec.init.scheme, spec.surrogate
    feed = variance_of(scheme, (layer.n_rec, layer.n_in)) * spec.init.gain**2
    variance = settings.recurrent_variance
    return replace(
        layer,
        w_in=Weights(feed * _or(settings.input_gain, 1.0), family=family_drawn(scheme)),
        w_rec=Weights(
            variance_of(scheme, (layer.n_rec, layer.n_rec)) if variance is None else variance,
            _or(settings.recurrent_mean, 0.0),
            family_drawn(scheme) if variance is None else family_of(scheme),
        ),
        dampening=_or(settings.dampening, surrogate.dampening),
        sharpness=_or(settings.sharpness, surrogate.sharpness),
        tail=_or(settings.tail, surrogate.tail or 2.0),
    )


def _or(value: float | np.ndarray | None, other: float) -> float:
    return other if value is None else float(np.mean(value))
