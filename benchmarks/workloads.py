"""The workloads: shapes, events, weights and labels that every contender gets, made from one seed."""

import itertools
import math
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

# Decays per step: synapse 5, membrane and readout 10 steps, the time constants of zenke2021 at 1 ms.
DECAY_SYNAPSE, DECAY_MEMBRANE = math.exp(-1 / 5), math.exp(-1 / 10)
BETA = 10.0  # slope of the SuperSpike surrogate
LEARNING_RATE = 1e-5  # so small that the activity stays what it is while the clock runs


@dataclass(frozen=True)
class Shape:
    """Sizes of a network and a batch, and how its input spikes."""

    name: str
    title: str
    batch: int
    steps: int
    inputs: int
    hidden: tuple[int, ...]
    recurrent: bool
    classes: int
    spikes: str  # a key of SPIKES
    gain: float  # on the input weights, for a moderate activity
    density: float = 0.01  # of the input, where `spikes` is "dense"
    mean: float = 0.6  # of the input weights, times the root of the number of inputs

    @property
    def network(self) -> str:
        """Return it as 20-100-10; r marks recurrent layers."""
        hidden = [f"{n}{'r' if self.recurrent else ''}" for n in self.hidden]
        return "-".join([str(self.inputs), *hidden, str(self.classes)])


SHAPES = {
    shape.name: shape
    for shape in (
        Shape("W1", "Randman-like: every input spikes once", 250, 100, 20, (100,), False, 10, "once", 1.0),
        Shape("W2", "latency-MNIST-like: at most one spike an input", 256, 100, 784, (100,), False, 10, "early", 3.0),
        Shape("W3", "SHD-like: input at 1 % density", 256, 250, 700, (256,), True, 20, "dense", 2.0),
    )
}


def _once(rng, shape):
    return rng.integers(0, shape.steps, shape.inputs), np.arange(shape.inputs)


def _early(rng, shape):
    unit = np.flatnonzero(rng.random(shape.inputs) < 0.2)
    step = np.minimum(rng.exponential(shape.steps / 8, len(unit)), shape.steps - 1)
    return step.astype(int), unit


def _dense(rng, shape):
    return np.nonzero(rng.random((shape.steps, shape.inputs)) < shape.density)


# One sample's (steps, units): each input once; a fifth of the inputs once, most of them early; a share of all places.
SPIKES = {"once": _once, "early": _early, "dense": _dense}


@dataclass(frozen=True)
class Workload:
    """One batch and the weights to start from. Matrices are (units out, units in): W1, V1 if recurrent, ..., W_out."""

    shape: Shape
    dtype: str
    ptr: np.ndarray = field(repr=False)  # events of sample i: ptr[i] to ptr[i + 1]
    step: np.ndarray = field(repr=False)
    unit: np.ndarray = field(repr=False)
    labels: np.ndarray = field(repr=False)
    weights: tuple[np.ndarray, ...] = field(repr=False)

    @property
    def names(self) -> list[str]:
        """Return the names of the weight matrices."""
        layers = range(1, len(self.shape.hidden) + 1)
        each = (("W", "V") if self.shape.recurrent else ("W",)) if layers else ()
        return [f"{kind}{layer}" for layer in layers for kind in each] + ["W_out"]

    @cached_property
    def raster(self) -> np.ndarray:
        """Return the input as (steps, batch, units), the layout that suits a time loop best."""
        shape = self.shape
        dense = np.zeros((shape.steps, shape.batch, shape.inputs), dtype=self.dtype)
        np.add.at(dense, (self.step, np.repeat(np.arange(shape.batch), np.diff(self.ptr)), self.unit), 1)
        return dense

    @cached_property
    def raster_batch_first(self) -> np.ndarray:
        """Return the input as (batch, steps, units)."""
        return np.ascontiguousarray(self.raster.transpose(1, 0, 2))

    @property
    def neuron_steps(self) -> int:
        """Return how many times a hidden neuron is updated in a forward pass."""
        return self.shape.batch * self.shape.steps * sum(self.shape.hidden)


def make(shape: Shape, dtype: str = "float32", seed: int = 0) -> Workload:
    """Return a workload of the given shape."""
    rng = np.random.default_rng(seed)
    samples = [SPIKES[shape.spikes](rng, shape) for _ in range(shape.batch)]
    order = [np.argsort(step, kind="stable") for step, _ in samples]
    ptr = np.cumsum([0] + [len(o) for o in order]).astype(np.int64)
    step = np.concatenate([s[o] for (s, _), o in zip(samples, order, strict=True)]).astype(np.int32)
    unit = np.concatenate([u[o] for (_, u), o in zip(samples, order, strict=True)]).astype(np.int32)
    weights = []
    for pre, post in itertools.pairwise([shape.inputs, *shape.hidden]):
        weights.append(rng.normal(shape.mean, 6.0 * shape.gain, (post, pre)) / np.sqrt(pre))
        if shape.recurrent:
            weights.append(rng.normal(0, 0.5, (post, post)) / np.sqrt(post))
    last = shape.hidden[-1]
    weights.append(rng.normal(0, 1, (shape.classes, last)) / np.sqrt(last))
    labels = rng.integers(0, shape.classes, shape.batch)
    return Workload(shape, dtype, ptr, step, unit, labels, tuple(w.astype(dtype) for w in weights))


def small(shape: Shape, batch: int) -> Shape:
    """Return the same shape with fewer samples."""
    return replace(shape, batch=batch)
