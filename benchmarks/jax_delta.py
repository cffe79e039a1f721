"""herranz2022's LIF and ALIF networks as a JAX scan: the model of `delta.py`, the training step in one `jit`."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from sgpipe.spec.run import RunSpec


def surrogate(shape: str, sharpness: float) -> Callable:
    """Return the step whose derivative is a shape of the centred membrane."""
    derivatives = {
        "exponential": lambda size: jnp.exp(-2 * size),
        "triangular": lambda size: jnp.maximum(1 - size, 0),
        "rectangular": lambda size: (size < 0.5).astype(size.dtype),
    }
    spike = jax.custom_vjp(lambda centred: (centred > 0).astype(centred.dtype))
    spike.defvjp(
        lambda centred: (spike(centred), centred),
        lambda centred, gradient: (gradient * derivatives[shape](jnp.abs(centred) * sharpness),),
    )
    return spike


def training_step(spec: RunSpec, weights: dict[str, np.ndarray], raster: np.ndarray, labels: np.ndarray) -> Callable:
    """Return a function that gives loss and gradients by name; raster (steps, batch, channels)."""
    network = spec.network
    spike = surrogate(spec.surrogate.shape, spec.surrogate.sharpness)
    adaptive = network.neuron == "alif"
    fading = float(np.exp(-1 / network.tau_adaptation)) if adaptive else 0.0

    def layer(drives, v):
        v = (v - jnp.diag(jnp.diagonal(v))).T

        def step(state, drive):
            voltage, spikes, trace = state
            trace = fading * trace + (1 - fading) * spikes if adaptive else trace
            level = network.threshold + network.adaptation * trace if adaptive else network.threshold
            voltage = network.membrane_decay * voltage + drive + spikes @ v - level * spikes
            spikes = spike(voltage - level)
            return (voltage, spikes, trace), spikes

        zero = jnp.zeros_like(drives[0])
        return lax.scan(step, (zero, zero, zero), drives)[1]

    def loss(weights, raster, labels):
        signal = raster
        for number in range(1, len(network.hidden) + 1):
            signal = layer(signal @ weights[f"W{number}"].T, weights[f"V{number}"])
        logits = jax.nn.log_softmax(signal @ weights["W_out"].T + weights["b_out"])
        return -jnp.take_along_axis(logits, labels[None, :, None], 2).mean()

    # Double precision is a switch of the process: on for as long as a float64 step is called.
    dtype = weights["W1"].dtype
    wide = dtype == np.float64
    compiled = jax.jit(jax.value_and_grad(loss))
    with jax.enable_x64(wide):
        arrays = {name: jnp.asarray(array) for name, array in weights.items()}
        given = arrays, jnp.asarray(raster, dtype), jnp.asarray(labels)

    def step():
        with jax.enable_x64(wide):
            return jax.block_until_ready(compiled(*given))

    return step
