"""JAX scan.

The same model. `lax.scan` over time, a custom derivative for the spike, the whole training step in one `jit`.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from peers import Contender, Probe
from workloads import BETA, DECAY_MEMBRANE, DECAY_SYNAPSE, LEARNING_RATE, Workload


@jax.custom_vjp
def spike(centred):
    return (centred > 0).astype(centred.dtype)


spike.defvjp(
    lambda centred: (spike(centred), centred),
    lambda centred, gradient: (gradient / (BETA * jnp.abs(centred) + 1.0) ** 2,),
)


def _layer(drives, v):
    def step(state, drive):
        membrane, current = state
        spikes = spike(membrane - 1.0)
        if v is not None:
            drive = drive + spikes @ v.T
        kept = 1.0 - lax.stop_gradient(spikes)
        membrane = (DECAY_MEMBRANE * membrane + (1 - DECAY_MEMBRANE) * current) * kept
        return (membrane, DECAY_SYNAPSE * current + drive), spikes

    zero = jnp.zeros_like(drives[0])
    return lax.scan(step, (zero, zero), drives)[1]


def _readout(drives):
    def step(state, drive):
        membrane, current = state
        after = DECAY_MEMBRANE * membrane + (1 - DECAY_MEMBRANE) * current
        return (after, DECAY_SYNAPSE * current + drive), membrane

    zero = jnp.zeros_like(drives[0])
    return lax.scan(step, (zero, zero), drives)[1]


def _functions(workload: Workload):
    shape = workload.shape

    def loss(weights, raster, labels):
        spikes, rest, count = raster, iter(weights), 0.0
        for _ in shape.hidden:
            w, v = next(rest), next(rest) if shape.recurrent else None
            spikes = _layer(spikes @ w.T, v)
            count += spikes.sum()
        trace = _readout(spikes @ next(rest).T)
        # A tie of the maximum takes its first step, as in the other contenders; the derivative of max would share it.
        logits = jnp.take_along_axis(trace, trace.argmax(0)[None], 0)[0]
        hit = jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], 1)
        return -hit.mean(), count

    def train(weights, first, second, number, raster, labels):
        gradients = jax.grad(loss, has_aux=True)(weights, raster, labels)[0]
        first = [0.9 * m + 0.1 * g for m, g in zip(first, gradients, strict=True)]
        second = [0.999 * m + 0.001 * g * g for m, g in zip(second, gradients, strict=True)]
        rate = LEARNING_RATE * jnp.sqrt(1 - 0.999**number) / (1 - 0.9**number)
        moved = [w - rate * m / (jnp.sqrt(s) + 1e-8) for w, m, s in zip(weights, first, second, strict=True)]
        return moved, first, second

    return loss, train


def _contender(workload: Workload, weights, loss, train) -> Contender:
    # Double precision is a switch of the process: on for as long as a float64 contender is called.
    def wide(function):
        def call():
            with jax.enable_x64(workload.dtype == "float64"):
                return function()

        return call

    @wide
    def given():
        return jnp.asarray(workload.raster), jnp.asarray(workload.labels)

    state = [weights, [np.zeros_like(w) for w in weights], [np.zeros_like(w) for w in weights]]
    data, count = given(), [0]
    compiled, probed = jax.jit(train, donate_argnums=(0, 1, 2)), jax.jit(jax.value_and_grad(loss, has_aux=True))

    @wide
    def step():
        count[0] += 1
        state[:] = jax.block_until_ready(compiled(*state, float(count[0]), *data))

    @wide
    def probe():
        (value, spikes), gradients = probed([jnp.asarray(w) for w in workload.weights], *data)
        return Probe(float(value), [np.array(g) for g in gradients], float(spikes) / workload.neuron_steps)

    return Contender(step, probe)


def build(workload: Workload) -> Contender:
    return _contender(workload, list(workload.weights), *_functions(workload))


def build_runs(workload: Workload, runs: int) -> Contender:
    """All runs in lockstep by `vmap`."""
    loss, train = _functions(workload)
    weights = [np.repeat(w[None], runs, 0) for w in workload.weights]
    return _contender(workload, weights, loss, jax.vmap(train, in_axes=(0, 0, 0, None, None, None)))
