"""A network in the Neuromorphic Intermediate Representation (Pedersen et al. 2024), as far as that can express it.

NIR's neurons are differential equations; ours are steps of dt. Three conventions connect the two (docs/nir.md). What a
layer receives in a step are impulses of no duration, each with an area of dt. A membrane is read once per step. Time
constants are either the network's own, so that the exact solution of the equations over a step equals our step; or, for
readers that take forward Euler steps of dt, they are chosen so that such a step equals ours.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from sgpipe.base.errors import SgpipeError
from sgpipe.model.neurons.lif import THRESHOLD
from sgpipe.spec.resets import RESETS
from sgpipe.spec.run import RunSpec
from sgpipe.weights.time_constants import NAMES, SHORTEST_TAU, single, time_constants

MISSING = "needs the package nir, which is not installed: pip install nir, or sgpipe[nir]"


def package() -> Any:
    """Import the package `nir`, which nothing else needs; raises SgpipeError if it is not installed."""
    try:
        import nir
    except ImportError as error:
        raise SgpipeError(MISSING) from error
    return nir


def refusal(spec: RunSpec, euler: bool) -> str | None:
    """Say why NIR cannot express a network; None if it can.

    Args:
        spec: The run.
        euler: Whether the time constants are to be those of forward Euler steps.
    """
    network = spec.network
    if spec.words:
        return f"data.task: {spec.data.task} is a text, whose words and embedding NIR has no node for"
    if not network.hidden or network.neuron == "lif":
        return None
    if spec.own_neuron is not None:
        return f"network.neuron: {network.neuron} is an extension's, whose equations NIR cannot know"
    if network.neuron != "delta_lif":
        lacks = {"alif": "an adaptive threshold", "slstm": "an LSTM of steps", "relu": "a rectifier"}
        return f"network.neuron: {network.neuron} is {lacks[network.neuron]}, which NIR has no node for"
    if RESETS[network.reset].subtracts:
        return (
            f"network.reset: {network.reset} lowers the voltage by the threshold, where a spike in NIR sets it to "
            "v_reset; the other resets can be said"
        )
    if not euler and not network.trained_neurons and network.membrane_decay == 0:
        return "network.membrane_decay: 0 has no time constant; with --euler it has"
    return None


def unsaid(spec: RunSpec, euler: bool) -> list[str]:
    """List what a reader of the file has to know in addition, one line each.

    Args:
        spec: The run.
        euler: Whether the time constants are those of forward Euler steps.
    """
    network, lines = spec.network, []
    if network.hidden and _holds(spec):
        lines.append("reset: a spike keeps the membrane at 0 for a step longer than NIR's reset (metadata: refractory)")
    if euler and network.recurrent and spec.leaky:
        lines.append("recurrent: spikes arrive a step later here than in a loop that a reader closes within a step")
    if spec.leaky and network.readout_start:
        lines.append(f"readout: starts at {network.readout_start:g} here, at 0 there")
    return [*lines, f"decision: {_decision(spec)}"]


def _decision(spec: RunSpec) -> str:
    objective = spec.objective
    if objective.accuracy == "mode":
        return "the class whose output is largest at most steps"
    if objective.head != "max":
        return "the class with the largest sum of outputs over all steps"
    return (
        f"the class whose output is largest at any step{f' from {objective.max_from} on' if objective.max_from else ''}"
    )


def graph(spec: RunSpec, weights: Mapping[str, np.ndarray], euler: bool = False, dt: float | None = None) -> Any:
    """Make the graph of a network.

    Args:
        spec: The run.
        weights: Its weights.
        euler: Whether time constants are those of forward Euler steps. Recurrent loops then get no delay, since readers
            close them with a delay of one step.
        dt: The duration of a step as written, in s; the run's own if not given. All times are scaled with it.

    Returns:
        A `nir.NIRGraph` with nodes `input`, `W1`, `hidden1`, ..., `W_out`, `readout`, `output`, and `V1`, `delay1` in
        recurrent networks; `metadata` has `dt`, `refractory`, `steps`, `decision` and `run`.

    Raises:
        SgpipeError: NIR cannot express the network, or the package is not installed.
    """
    nir = package()
    if reason := refusal(spec, euler):
        raise SgpipeError(f"run {spec.id}: {reason}")
    step = dt if dt is not None else spec.data.dt / 1000
    own = {name: array.astype(np.float64) for name, array in weights.items()}
    precision = np.dtype(spec.training.dtype)
    nodes: dict[str, Any] = {}
    edges: list[tuple[str, str]] = []

    def chain(source: str, name: str, node: Any) -> str:
        nodes[name] = node
        edges.append((source, name))
        return name

    def linear(matrix: np.ndarray, scale: np.ndarray, bias: np.ndarray | None = None) -> Any:
        scaled = (matrix * scale[:, None]).astype(precision)
        return nir.Linear(scaled) if bias is None else nir.Affine(scaled, (bias * scale).astype(precision))

    first = own["W1"] if "W1" in own else own["W_out"]
    nodes["input"] = nir.Input(np.array([first.shape[1]]))
    last = "input"
    for layer in range(1, len(spec.network.hidden) + 1):
        name = f"hidden{layer}"
        neuron, scale = _hidden(nir, spec, own, layer, step, euler)
        last = chain(last, f"W{layer}", linear(own[f"W{layer}"], scale, own.get(f"b{layer}")))
        last = chain(last, name, neuron)
        if spec.network.recurrent:
            matrix = own[f"V{layer}"]
            if spec.network.neuron == "delta_lif":  # no neuron has a connection to itself
                matrix = matrix - np.diag(matrix.diagonal())
            end = chain(name, f"V{layer}", linear(matrix, scale))
            if not euler:
                end = chain(end, f"delay{layer}", nir.Delay(np.full(len(matrix), step)))
            edges.append((end, name))
    if spec.leaky:
        neuron, scale = _readout(nir, spec, len(own["W_out"]), step, euler)
        last = chain(last, "W_out", linear(own["W_out"], scale))
        last = chain(last, "readout", neuron)
    else:
        last = chain(last, "W_out", linear(own["W_out"], np.ones(len(own["W_out"])), own["b_out"]))
    chain(last, "output", nir.Output(np.array([len(own["W_out"])])))
    about = {
        "dt": step,
        "refractory": step if spec.network.hidden and _holds(spec) else 0.0,
        "steps": "forward Euler" if euler else "exact",
        "decision": _decision(spec),
        "run": spec.id,
    }
    return nir.NIRGraph(nodes, edges, metadata=about)


def _holds(spec: RunSpec) -> bool:
    """Return whether input that arrives in the step after a spike is lost."""
    return spec.network.neuron == "lif" or RESETS[spec.network.reset].gates_drive


def _hidden(
    nir: Any, spec: RunSpec, weights: Mapping[str, np.ndarray], layer: int, step: float, euler: bool
) -> tuple[Any, np.ndarray]:
    """Return the neurons of a hidden layer, and the factors on their weights."""
    network, units = spec.network, len(weights[f"W{layer}"])
    if network.neuron == "lif":
        membrane, synapse = (_tau(spec, weights, name, layer) for name in NAMES)
        given, scale = _current_based(membrane, synapse, spec.data.dt, step, euler, units)
        return nir.CubaLIF(**given, v_threshold=np.full(units, THRESHOLD), v_reset=np.zeros(units)), scale
    threshold, decay = np.full(units, network.threshold), np.full(units, network.membrane_decay)
    if network.trained_neurons:
        threshold = weights[f"threshold{layer}"]
        decay = np.exp(-1 / np.maximum(weights[f"tau_membrane{layer}"], SHORTEST_TAU))
    taus = 1 / (1 - decay) if euler else -1 / np.log(decay)  # steps
    # An impulse of area dt raises the voltage by r dt / tau; here r is 1.
    scale = taus * (decay if RESETS[network.reset].drive_decays else 1)
    ones = np.ones(units)
    return nir.LIF(taus * step, ones, 0 * ones, v_threshold=threshold, v_reset=0 * ones), scale


def _tau(spec: RunSpec, weights: Mapping[str, np.ndarray], name: str, layer: int) -> float | np.ndarray:
    """Return a time constant of a layer's current-based neurons in ms, as an array if each has its own."""
    if spec.network.trained_neurons:
        return np.maximum(weights[f"{name}{layer}"].astype(np.float64), SHORTEST_TAU) * spec.data.dt
    return time_constants(spec, name, layer) * spec.data.dt if single(spec) else getattr(spec.network, name)


def _readout(nir: Any, spec: RunSpec, classes: int, step: float, euler: bool) -> tuple[Any, np.ndarray]:
    network = spec.network
    given, scale = _current_based(network.tau_readout, network.tau_synapse, spec.data.dt, step, euler, classes)
    return nir.CubaLI(**given), scale


def _current_based(
    tau_membrane: float | np.ndarray,
    tau_synapse: float | np.ndarray,
    dt: float,
    step: float,
    euler: bool,
    units: int,
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return the parameters of a CubaLIF or CubaLI, and the factors on its weights.

    Ours: U[n+1] = a U[n] + (1 - a) I[n] and I[n+1] = b I[n] + W S[n], with a = exp(-dt/tau_membrane) and b likewise.
    An impulse of area dt raises NIR's I by w_in dt / tau_syn, here 1. NIR's I then decays within the step, during which
    its v gains `gain` r I.

    Args:
        tau_membrane: In ms, one or (units,).
        tau_synapse: In ms, likewise.
        dt: The time step, in ms.
        step: Its duration as written, in s.
        euler: Whether the time constants are those of forward Euler steps.
        units: The number of neurons.
    """
    slow, fast = dt / tau_membrane, dt / tau_synapse
    a, b = np.exp(-slow), np.exp(-fast)
    if euler:
        mem, syn, gain = 1 / (1 - a), 1 / (1 - b), 1 - a  # steps
    else:
        mem, syn = 1 / slow, 1 / fast
        apart = np.asarray(slow - fast)
        gain = slow * a * np.divide(np.expm1(apart), apart, out=np.ones(apart.shape), where=apart != 0)
    values = {"tau_syn": syn * step, "tau_mem": mem * step, "r": mem, "v_leak": 0.0, "w_in": syn}
    scale = (1 - a) / (gain * mem)
    return {name: np.full(units, value) for name, value in values.items()}, np.full(units, scale)
