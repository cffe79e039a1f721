"""Initial weights, drawn on the CPU from named streams and so the same for every engine."""

import re
from collections.abc import Sequence
from math import log, prod
from typing import Any

import numpy as np

from sgpipe.base.errors import SgpipeError
from sgpipe.base.rng import stream, uniform
from sgpipe.spec.layer_settings import LayerSettings
from sgpipe.spec.own.faults import faults
from sgpipe.spec.own.registry import EXTENSIONS
from sgpipe.spec.run import RunSpec
from sgpipe.weights.time_constants import NAMES, time_constants

# What `network.trained_neurons` trains, one value per neuron. Decays are trained as time constants in steps,
# exp(-1/tau), as in the authors' code.
TRAINED = {
    "lif": NAMES,
    "delta_lif": ("tau_membrane", "threshold"),
    "alif": ("tau_membrane", "threshold", "adaptation", "tau_adaptation"),
}
WITHOUT_SELF = ("delta_lif", "alif")  # neurons of eq. 1
LSTM_GATES = "ifgo"  # the rows of an slstm's W, V and b, in the order of torch.nn.LSTM


def layout(spec: RunSpec, units: int, classes: int) -> dict[str, tuple[int, ...]]:
    """List the weight arrays of a run by name, with their shapes.

    Args:
        spec: The run.
        units: Input units.
        classes: The number of classes or, for a text, of words.

    Returns:
        Shapes; those of matrices are (units out, units in). The arrays are E (words, size) if there is an embedding;
        for each hidden layer l, Wl, Vl if recurrent, bl if biased, and the trained parameters of its neurons, e.g.
        threshold1; W_out, and b_out for all neurons but zenke2021's. The four gates of an slstm lie below one another.
    """
    network, shapes = spec.network, {}
    embedded, own = spec.words and network.embedding, TRAINED.get(network.neuron, ())
    if embedded:
        shapes["E"] = (classes, network.embedding)
        units = network.embedding
    gates = len(LSTM_GATES) if network.neuron == "slstm" else 1
    for layer, size in enumerate(network.hidden, start=1):
        shapes[f"W{layer}"] = (gates * size, units)
        if network.recurrent:
            shapes[f"V{layer}"] = (gates * size, size)
        if (network.bias and network.neuron != "lif") or network.neuron == "slstm":
            shapes[f"b{layer}"] = (gates * size,)
        if network.trained_neurons:
            shapes |= {f"{name}{layer}": (size,) for name in own}
        units = size
    if not embedded:
        shapes["W_out"] = (classes, units)
        if not spec.leaky:
            shapes["b_out"] = (classes,)
    return shapes


def parameter_count(spec: RunSpec, units: int, classes: int) -> int:
    """Count the trained values as the papers do, including the diagonal of V, which stays 0."""
    return sum(prod(shape) for shape in layout(spec, units, classes).values())


def initial_weights(
    spec: RunSpec, units: int, classes: int, theory: Sequence[LayerSettings] | None = None
) -> dict[str, np.ndarray]:
    """Make the weights before training.

    Matrices are drawn by `init.scheme`, the gates of an slstm one by one. An embedding is always drawn from Glorot's
    uniform distribution. `init.gain` multiplies the feed-forward weights of the hidden layers. Biases are 0. Neurons of
    eq. 1 have no self-connections.

    Args:
        spec: The run.
        units: Input units.
        classes: The number of classes or, for a text, of words.
        theory: The settings of each hidden layer: they may set the mean and variance of V, and multiply the variance of
            W.

    Returns:
        The arrays of `layout`, in the run's precision.
    """
    weights = {}
    for name, shape in layout(spec, units, classes).items():
        kind, layer = re.fullmatch(r"(\w*?)(\d*)", name).groups()
        settings = theory[int(layer) - 1] if theory and layer else None
        if kind.startswith("b"):
            drawn = np.zeros(shape)
        elif len(shape) == 1:
            drawn = _of_neurons(spec, kind, int(layer))
        else:
            drawn = matrix(spec, name, shape, settings if kind == "V" else None)
        if kind == "W":
            drawn *= spec.init.gain * (1.0 if settings is None else (settings.input_gain or 1.0) ** 0.5)
        if kind == "V" and spec.network.neuron in WITHOUT_SELF:
            np.fill_diagonal(drawn, 0.0)
        weights[name] = drawn.astype(spec.training.dtype)
    return weights


def matrix(spec: RunSpec, name: str, shape: tuple[int, int], settings: LayerSettings | None = None) -> np.ndarray:
    """Draw a weight matrix, float64, before `init.gain`.

    Args:
        spec: The run.
        name: The name of the matrix, which also names its random stream.
        shape: Units out, units in.
        settings: May set its mean and variance.
    """
    seed, scheme = spec.init.seed, "glorot_uniform" if name == "E" else spec.init.scheme
    if spec.own_initialiser and name != "E":
        return _own(spec.own_initialiser, name, shape, stream(seed, f"init/{name}"))
    if spec.network.neuron != "slstm" or name in ("E", "W_out"):
        return _drawn(scheme, shape, stream(seed, f"init/{name}"), settings)
    gate = (shape[0] // len(LSTM_GATES), shape[1])
    return np.vstack([_drawn(scheme, gate, stream(seed, f"init/{name}/{part}"), settings) for part in LSTM_GATES])


def _own(knobs: Any, name: str, shape: tuple[int, int], generator: np.random.Generator) -> np.ndarray:
    """Draw a matrix by an extension's initialiser; raises SgpipeError if its code fails or returns no such matrix."""
    own = knobs.OWN
    with faults(own.file, own.words):
        drawn = np.array(knobs.draw(shape, generator, name), dtype=np.float64)
    if drawn.shape != shape or not np.isfinite(drawn).all():
        found = f"of shape {drawn.shape}" if drawn.shape != shape else "with numbers that are not finite"
        raise SgpipeError(f"{own.file}: {own.words}: draw returns an array {found} for {name}, which is {shape}")
    return drawn


def _drawn(
    scheme: str, shape: tuple[int, int], generator: np.random.Generator, settings: LayerSettings | None
) -> np.ndarray:
    """Draw a matrix by a scheme, float64, or with the mean and variance that a theory asks for."""
    mean, variance = (settings.recurrent_mean, settings.recurrent_variance) if settings else (None, None)
    if scheme == "uniform" and variance is None:
        bound = shape[1] ** -0.5
        drawn = uniform(generator, -bound, bound, shape)
    else:
        # Imported here: scipy takes a third of a second, for which runs of the scheme above need not wait.
        from sgpipe.weights.distributions import family, initial

        if variance is None:
            drawn = initial(scheme, shape, generator)
        else:
            drawn = variance**0.5 * family(family_of(scheme)).draw(shape, generator)
    return drawn if mean is None else drawn + mean


def variance_of(scheme: str, shape: tuple[int, int]) -> float:
    """Compute the variance of a scheme's elements, for a matrix (units out, units in).

    Raises:
        SgpipeError: The scheme is an extension's; only its draws are known.
    """
    if scheme in EXTENSIONS.initialisers:
        raise SgpipeError(f"init.scheme: the theory knows no variance of {scheme}, an extension's; name another")
    from sgpipe.weights.distributions import VARIANCES

    kind = scheme.partition("_")[0]
    if kind == "uniform":
        return 1 / (3 * shape[1])
    return 1 / max(shape) if kind == "orthogonal" else VARIANCES[kind](shape)


def family_of(scheme: str) -> str:
    """Name the distribution that a scheme draws from."""
    return scheme.partition("_")[2] or scheme


def family_drawn(scheme: str) -> str:
    """Name the distribution that the elements of a scheme's matrices have, at least nearly.

    Those of a random orthogonal matrix are nearly normal, whatever it was made from.
    """
    return "normal" if scheme.startswith("orthogonal") else family_of(scheme)


def _of_neurons(spec: RunSpec, kind: str, layer: int) -> np.ndarray:
    """Return the initial values, float64, of a trained parameter of a layer's neurons."""
    if spec.network.neuron == "lif":
        return time_constants(spec, kind, layer)
    return _about(_typical(spec, kind), spec.init.seed, f"{kind}{layer}", (spec.network.hidden[layer - 1],))


def _typical(spec: RunSpec, kind: str) -> float:
    """Return the value around which a trained parameter of the neurons is drawn."""
    network = spec.network
    if kind == "tau_membrane":
        return -1 / log(network.membrane_decay) if network.membrane_decay else 0.0
    return getattr(network, kind)


def _about(typical: float, seed: int, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Draw values from a normal distribution of mean p and deviation 3 p / 7, cut at two deviations.

    So they lie between p / 7 and 13 p / 7, and are positive if p is.
    """
    from sgpipe.weights.distributions import family

    normal = family("truncated_normal")
    return typical * (1 + 6 / 7 * normal.draw(shape, stream(seed, f"init/{name}")) / normal.bound)
