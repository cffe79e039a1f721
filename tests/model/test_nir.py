"""Networks leave as NIR: read back and simulated by its definitions alone, they give the spikes that ours give."""

import sys

import numpy as np
import pytest
import torch

from sgpipe.base.errors import SgpipeError
from sgpipe.cli import main
from sgpipe.data import prepare
from sgpipe.model.network import as_tensors, forward
from sgpipe.model.nir_graph import graph, refusal, unsaid
from sgpipe.results.store import Result, Row, Store
from sgpipe.rules.write_nir import write_nir
from sgpipe.spec.run import RunSpec
from sgpipe.weights.schemes import initial_weights

SHAPE = {
    "data.classes": 3,
    "data.samples_per_class": 20,
    "data.units": 8,
    "data.steps": 60,
    "network.hidden": [12, 9],
    "training.precision": "float64",
}
ONE = {"network.neuron": "delta_lif", "network.bias": True, "init.gain": 10.0}
NETWORKS = {
    "lif": {"init.gain": 12.0},
    "lif, recurrent": {"init.gain": 12.0, "network.recurrent": True, "network.tau_membrane": 5.0},
    "lif, own time constants": {"init.gain": 20.0, "network.tau_membrane_shape": 3, "network.tau_synapse_shape": 3},
    "lif, trained": {"init.gain": 12.0, "network.tau_synapse_shape": 3, "network.trained_neurons": True},
    "no hidden layer": {"network.hidden": []},
    "delta_lif": {**ONE, "network.reset": "multiplicative", "network.recurrent": True},
    "delta_lif, scaled": {**ONE, "network.reset": "multiplicative_scaled"},
    "delta_lif, refractory": {**ONE, "network.reset": "refractory", "network.recurrent": True},
    "delta_lif, refractory, scaled": {**ONE, "network.reset": "refractory_scaled", "network.trained_neurons": True},
}
TOLERANCE = 1e-9  # of membranes after 60 steps of some dozen operations in float64; no spike hangs on so little
nir = pytest.importorskip("nir", reason="the package nir is not installed")


def network_of(name, **more):
    spec = RunSpec.make({**SHAPE, **NETWORKS[name], **more})
    task = prepare(spec)
    weights = initial_weights(spec, task.units, task.classes)
    random = np.random.default_rng(0)
    for key, array in weights.items():
        if key.startswith("b"):
            array[...] = random.normal(0, 0.1, array.shape)
    return spec, weights, task.test.dense(task.steps, task.units).astype(np.float64)


def read_back(path, spec, weights, **more):
    nir.write(path, graph(spec, weights, **more))
    return nir.read(path)


def simulate(network, inputs, exact, refractory, lag=1):
    """Simulate a graph by NIR's equations, on inputs (steps, samples, units) that are impulses of area dt.

    Args:
        network: The graph.
        inputs: The impulses.
        exact: Whether the equations are solved over each step, or steps are forward Euler's.
        refractory: Whether the membrane stays where a spike has set it for the metadata's `refractory`, or for no time.
        lag: Steps by which a loop without a Delay lags.

    Returns:
        The outputs of every node, (steps, samples, units), by name.
    """
    dt = float(network.metadata["dt"])
    order = topological(network)
    state, found = {}, {name: [] for name in network.nodes}
    hold = refractory and float(network.metadata["refractory"]) > 0
    if hold:
        assert float(network.metadata["refractory"]) == dt
    for step in inputs:
        for name in order:
            arriving = 0
            for source, target in network.edges:
                if target == name:
                    later = order.index(source) > order.index(name)
                    back = len(found[source]) - lag if later else len(found[source]) - 1
                    arriving = arriving + (found[source][back] if back >= 0 else 0)
            found[name].append(output(network.nodes[name], step, arriving, state.setdefault(name, {}), dt, exact, hold))
    return {name: np.array(values) for name, values in found.items()}


def topological(network):
    """Order the nodes so that those of a loop come as the way from the input leads to them."""
    order, waiting = [], ["input"]
    while waiting:
        name = waiting.pop(0)
        if name not in order:
            order.append(name)
            waiting += sorted(target for source, target in network.edges if source == name and target[0] not in "Vd")
    return order + [name for name in network.nodes if name[0] == "V"] + [n for n in network.nodes if n[0] == "d"]


def output(node, step, arriving, state, dt, exact, hold):
    kind = type(node).__name__
    if kind == "Input":
        return step
    if kind in ("Linear", "Affine"):
        return arriving @ node.weight.T + (node.bias if kind == "Affine" else 0)
    if kind == "Delay":
        assert np.all(node.delay == dt)  # which the loop's own lag is
        return arriving
    if kind == "Output":
        return arriving
    v, current, fired = (state.get(key, np.zeros_like(arriving)) for key in ("v", "i", "z"))
    if kind == "LIF":
        tau = node.tau / dt
        kept = np.exp(-1 / tau) if exact else 1 - 1 / tau
        v = node.v_leak + kept * (v - node.v_leak) + node.r / tau * arriving
    else:
        mem, syn = node.tau_mem / dt, node.tau_syn / dt
        if exact:  # the current decays while the membrane follows; impulses arrive at the end of the step
            gain = (
                syn / (syn - mem) * (np.exp(-1 / syn) - np.exp(-1 / mem))
                if np.all(syn != mem)
                else np.exp(-1 / mem) / mem
            )
            v = np.exp(-1 / mem) * v + gain * node.r * current
            current = np.exp(-1 / syn) * current + node.w_in / syn * arriving
        else:
            current = current + (-current + node.w_in * arriving) / syn
            v = v + (node.v_leak - v + node.r * current) / mem
    if kind == "CubaLI":
        state.update(v=v, i=current)
        return v
    if hold:
        v = np.where(fired > 0, node.v_reset, v)
    z = (v > node.v_threshold).astype(float)
    state.update(v=np.where(z > 0, node.v_reset, v), i=current, z=z)
    return z


def ours(spec, weights, inputs):
    with torch.no_grad():
        activity = forward(spec, as_tensors(weights), torch.from_numpy(inputs))
    return [np.stack([one.numpy() for one in layer]) for layer in activity.spikes], np.stack(
        [one.numpy() for one in activity.readout]
    )


def shifts(spec, euler):
    """Return by how many steps each layer's spikes come later here, and the readout: current-based synapses take steps."""
    layers = len(spec.network.hidden)
    a_layer = (2 if euler else 1) if spec.network.neuron in (None, "lif") else 0
    readout = a_layer * (layers + 1) if a_layer else 0
    return [a_layer * (layer + 1) for layer in range(layers)], readout


@pytest.mark.parametrize("euler", [False, True], ids=["exact", "euler"])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_graph_read_back_and_simulated_by_nirs_equations_gives_our_spikes(tmp_path, name, euler):
    spec, weights, inputs = network_of(name)
    spikes, readout = ours(spec, weights, inputs)
    network = read_back(tmp_path / "a.nir", spec, weights, euler=euler)
    lag = 2 if euler and spec.network.neuron == "lif" else 1
    found = simulate(network, inputs, not euler, True, lag)
    later, last = shifts(spec, euler)
    for layer, (mine, shift) in enumerate(zip(spikes, later, strict=True), start=1):
        assert 0.02 < mine.mean() < 0.9
        np.testing.assert_array_equal(found[f"hidden{layer}"][: len(mine) - shift], mine[shift:])
        assert np.all(mine[:shift] == 0)
    np.testing.assert_allclose(found["output"][: len(readout) - last], readout[last:], rtol=TOLERANCE, atol=TOLERANCE)


@pytest.mark.parametrize("euler", [False, True], ids=["exact", "euler"])
def test_time_can_be_called_otherwise(tmp_path, euler):
    spec, weights, inputs = network_of("lif")
    one = read_back(tmp_path / "a.nir", spec, weights, euler=euler)
    other = read_back(tmp_path / "b.nir", spec, weights, euler=euler, dt=1e-4)
    assert (float(one.metadata["dt"]), float(other.metadata["dt"])) == (1e-3, 1e-4)
    np.testing.assert_allclose(other.nodes["hidden1"].tau_mem, one.nodes["hidden1"].tau_mem / 10)
    # What readers of forward Euler steps ask for: r = tau_mem / dt and w_in = tau_syn / dt.
    node = other.nodes["hidden2"]
    np.testing.assert_allclose(node.r, node.tau_mem / 1e-4, rtol=1e-12)
    np.testing.assert_allclose(node.w_in, node.tau_syn / 1e-4, rtol=1e-12)
    results = [simulate(network, inputs, not euler, True)["output"] for network in (one, other)]
    np.testing.assert_allclose(*results, rtol=1e-9)


def test_the_time_constants_are_the_networks_own_unless_they_are_for_euler_steps(tmp_path):
    spec, weights, _ = network_of("lif")
    exact, euler = (read_back(tmp_path / "a.nir", spec, weights, euler=euler).nodes for euler in (False, True))
    np.testing.assert_allclose([exact["hidden1"].tau_mem[0], exact["hidden1"].tau_syn[0]], [0.010, 0.005])
    np.testing.assert_allclose(exact["readout"].tau_mem, 0.020)
    decays = 1 - 1e-3 / np.array([euler["hidden1"].tau_mem[0], euler["readout"].tau_mem[0]])
    np.testing.assert_allclose(decays, np.exp([-1 / 10, -1 / 20]))


def test_what_nirs_reset_differs_by_is_small():
    """A spike holds the membrane for a step here and for no time there, so neurons fire more often there."""
    spec, weights, inputs = network_of("lif")
    network = graph(spec, weights)
    held, plain = (simulate(network, inputs, True, hold)["hidden1"].sum() for hold in (True, False))
    assert held < plain < 1.2 * held


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"network.neuron": "alif"}, "network.neuron: alif is an adaptive threshold, which NIR has no node for"),
        ({"network.neuron": "slstm"}, "network.neuron: slstm is an LSTM of steps"),
        ({"network.neuron": "relu"}, "network.neuron: relu is a rectifier"),
        ({"network.neuron": "delta_lif"}, "network.reset: subtractive lowers the voltage by the threshold"),
        ({"data.task": "ptb"}, "data.task: ptb is a text"),
        (
            {"network.neuron": "delta_lif", "network.reset": "multiplicative", "network.membrane_decay": 0.0},
            "network.membrane_decay: 0 has no time constant; with --euler it has",
        ),
    ],
)
def test_what_nir_cannot_say_is_one_line(changes, words):
    spec = RunSpec.make(changes)
    assert refusal(spec, False).startswith(words)
    with pytest.raises(SgpipeError, match=f"run {spec.id}: {words}"):
        graph(spec, {})


def test_what_a_reader_has_to_know_besides_is_listed():
    lines = unsaid(RunSpec.make({"network.recurrent": True, "network.readout_start": -1e-3}), True)
    assert [line.split(":")[0] for line in lines] == ["reset", "recurrent", "readout", "decision"]
    assert unsaid(RunSpec.make({"objective.head": "sum", "network.hidden": []}), False) == [
        "decision: the class with the largest sum of outputs over all steps"
    ]


@pytest.fixture
def stored(tmp_path):
    spec, weights, _ = network_of("lif, recurrent")
    store = Store(tmp_path / "results/runs")
    store.put(Result(spec, "finished", (Row(1, "valid", 1.0, 0.0, 0.5, (1.0, 1.0), True),), weights=weights))
    return store, spec, weights


def test_the_command_writes_a_stored_run_and_says_what_is_not_in_the_file(stored, tmp_path, capsys, monkeypatch):
    _, spec, weights = stored
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.yaml").write_text("")
    assert main(["nir", spec.id, "net.nir", "--euler", "--dt", "1e-4"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "net.nir" and len(lines) == 4 and all(line.startswith("not said in it: ") for line in lines[1:])
    network = nir.read("net.nir")
    assert network.metadata["run"] == spec.id and float(network.metadata["dt"]) == 1e-4
    np.testing.assert_allclose(network.nodes["V1"].weight, (1 - np.exp(-1 / 5)) * weights["V1"])
    for words, said in (
        (["nir", "0" * 16, "net.nir"], f"run {'0' * 16}: not in results/runs"),
        (["nir", "../../x", "net.nir"], "run '../../x': is no run id"),
        (["nir", spec.id, "."], "is a folder, and is not replaced"),
    ):
        assert main(words) == 1
        error = capsys.readouterr().err
        assert said in error and error.count("\n") == 1
    with pytest.raises(SystemExit):
        main(["nir", spec.id, "net.nir", "--dt", "-1"])
    assert capsys.readouterr().err.count("\n") == 1


def test_a_run_that_did_not_finish_or_is_of_another_version_has_no_network(stored, tmp_path):
    store, spec, _ = stored
    diverged = RunSpec.make({"optimiser.lr": 1e9})
    store.put(Result(diverged, "diverged", ()))
    with pytest.raises(SgpipeError, match="diverged, and so not a network to hand on"):
        write_nir(store, diverged.id, tmp_path / "a.nir")
    store.path(spec).rename(store.path(spec).with_name(f"{spec.id}-000000.parquet"))
    with pytest.raises(SgpipeError, match="was trained by another version of sgpipe"):
        write_nir(store, spec.id, tmp_path / "a.nir")


def test_without_the_package_it_says_what_to_install(stored, tmp_path, monkeypatch):
    store, spec, _ = stored
    monkeypatch.setitem(sys.modules, "nir", None)
    with pytest.raises(SgpipeError, match="needs the package nir, which is not installed: pip install nir"):
        write_nir(store, spec.id, tmp_path / "a.nir")
