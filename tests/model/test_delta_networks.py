"""herranz2022's networks against its equations in plain loops, scipy's filters and torch's own LSTM."""

from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import lfilter

import sgpipe.model.network
from sgpipe.base.rng import hashed, key
from sgpipe.data import prepare
from sgpipe.engines.reference import ReferenceEngine
from sgpipe.model.activity import detached
from sgpipe.model.dropout import dropout_factors
from sgpipe.model.network import as_tensors, forward
from sgpipe.model.neurons.slstm import SpikingLSTM
from sgpipe.model.neurons.spike import spike
from sgpipe.model.objectives import losses
from sgpipe.spec.initialisers import INITIALISERS
from sgpipe.spec.layer_settings import LayerSettings
from sgpipe.spec.run import RESETS, RunSpec
from sgpipe.training.trainer import train_run
from sgpipe.weights.schemes import initial_weights, layout, parameter_count
from tests.model.delta_loops import cross_entropy, simulate

QUICK = settings(max_examples=20, deadline=None, derandomize=True)
NEURONS = ("delta_lif", "alif", "slstm")


def network(neuron="delta_lif", hidden=(6, 5), **more):
    """Return a float64 run of recurrent layers with the paper's head and no regulariser."""
    values = {
        "network.neuron": neuron,
        "network.hidden": list(hidden),
        "network.recurrent": True,
        "objective.head": "steps",
        "objective.lower_strength": 0,
        "training.precision": "float64",
        "data.tau": 1.0,
    }
    return RunSpec.make({**values, **more})


def random_case(spec, seed, steps=12, batch=3, units=4, classes=3, scale=1.5):
    """Return random weights, nothing of them 0 but what must be, and random input spikes."""
    random, weights = np.random.default_rng(seed), {}
    for name, shape in layout(spec, units, classes).items():
        if name.startswith(("tau", "threshold", "adaptation")):
            weights[name] = random.uniform(0.5, 2.0, shape)
        else:
            weights[name] = random.normal(0.2, scale * shape[-1] ** -0.5, shape)
    return weights, (random.random((steps, batch, units)) < 0.4).astype(float)


def run(spec, weights, inputs, **more):
    """Return spikes and voltages of each layer and the logits as arrays."""
    with torch.no_grad():
        activity = forward(spec, as_tensors(weights), torch.from_numpy(inputs), **more)
    stacked = [[torch.stack(steps).numpy() for steps in part] for part in (activity.spikes, activity.membrane)]
    return *stacked, torch.stack(activity.readout).numpy()


def gradients_of(spec, weights, inputs, labels, **more):
    tensors = as_tensors({name: array.copy() for name, array in weights.items()}, trained=True)
    result = losses(spec, forward(spec, tensors, torch.from_numpy(inputs), **more), torch.from_numpy(labels))
    (result.supervised + result.penalty).mean().backward()
    return {name: np.zeros(t.shape) if t.grad is None else t.grad.numpy() for name, t in tensors.items()}


# ----------------------------------------------------------------------------------------------------------------
# Forward.

CASES = [
    *(network("delta_lif", **{"network.reset": reset, "network.bias": reset == "refractory"}) for reset in RESETS),
    *(network("alif", **{"network.reset": reset, "network.tau_adaptation": 3.0}) for reset in RESETS),
    network("delta_lif", **{"network.trained_neurons": True}),
    network("alif", (5, 4, 3), **{"network.trained_neurons": True, "network.bias": True}),
    network("slstm"),
    network("slstm", (4, 3, 3), **{"network.tanh": "printed"}),
    *(network(neuron, (5,), **{"network.recurrent": False}) for neuron in NEURONS),
]


@pytest.mark.parametrize("spec", CASES, ids=lambda spec: f"{spec.network.neuron}, {spec.network.reset}")
def test_spikes_voltages_and_logits_are_those_of_the_equations(spec):
    for seed in range(3):
        weights, inputs = random_case(spec, seed, scale=2.5)
        expected, found = simulate(spec, weights, inputs), run(spec, weights, inputs)
        for layer in range(len(spec.network.hidden)):
            assert 0.01 < expected[0][layer].mean() < 0.99, "a test without spikes, or without silence, proves little"
            np.testing.assert_array_equal(found[0][layer], expected[0][layer])
            np.testing.assert_allclose(found[1][layer], expected[1][layer], rtol=0, atol=1e-12)
        np.testing.assert_allclose(found[2], expected[2], rtol=0, atol=1e-12)


@QUICK
@given(alpha=st.floats(0, 0.99), seed=st.integers(0, 1000), reset=st.sampled_from(tuple(RESETS)))
def test_without_spikes_a_voltage_is_one_filter(alpha, seed, reset):
    spec = network(hidden=(5,), **{"network.membrane_decay": alpha, "network.threshold": 1e6, "network.reset": reset})
    weights, inputs = random_case(spec, seed)
    spikes, voltages, logits = run(spec, weights, inputs)
    gain = alpha if reset.endswith("scaled") else 1.0
    expected = lfilter([gain], [1, -alpha], inputs @ weights["W1"].T, axis=0)
    assert not spikes[0].any()
    np.testing.assert_allclose(voltages[0], expected, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(logits, np.broadcast_to(weights["b_out"], logits.shape))


def test_the_step_is_strict_at_the_threshold():
    spec = network(hidden=(1,), **{"network.recurrent": False})
    weights = {"W1": np.array([[1.0]]), "W_out": np.ones((1, 1)), "b_out": np.zeros(1)}
    assert run(spec, weights, np.array([[[1.0]]]))[0][0].item() == 0
    assert run(spec, weights, np.array([[[1.0 + 1e-12]]]))[0][0].item() == 1


def test_a_spike_passes_all_layers_within_its_step():
    spec = network(hidden=(1, 1, 1), **{"network.recurrent": False})
    weights = {name: np.full((1, 1), 2.0) for name in ("W1", "W2", "W3", "W_out")} | {"b_out": np.zeros(1)}
    inputs = np.zeros((4, 1, 1))
    inputs[1] = 1
    spikes, _, logits = run(spec, weights, inputs)
    assert [layer[:, 0, 0].argmax() for layer in spikes] == [1, 1, 1] and logits[1] == 2


def test_a_subtractive_reset_subtracts_the_threshold_and_a_multiplicative_one_clears():
    weights = {"W1": np.array([[4.0]]), "W_out": np.ones((1, 1)), "b_out": np.zeros(1)}
    inputs = np.zeros((3, 1, 1))
    inputs[0] = 1
    traces = {}
    for reset in RESETS:
        spec = network(
            hidden=(1,), **{"network.recurrent": False, "network.reset": reset, "network.membrane_decay": 0.5}
        )
        traces[reset] = run(spec, weights, inputs)[1][0][:, 0, 0].tolist()
    assert traces["subtractive"] == [4.0, 1.0, 0.5]
    assert traces["multiplicative"] == traces["refractory"] == [4.0, 0.0, 0.0]
    assert traces["multiplicative_scaled"] == traces["refractory_scaled"] == [2.0, 0.0, 0.0]


def test_an_adaptive_threshold_rises_with_each_spike_and_falls_back():
    knobs = {"network.recurrent": False, "network.tau_adaptation": 10.0, "network.membrane_decay": 0.0}
    spec = network("alif", (1,), **knobs, **{"network.reset": "multiplicative"})
    weights = {"W1": np.array([[1.5]]), "W_out": np.ones((1, 1)), "b_out": np.zeros(1)}
    d = np.exp(-0.1)
    # Driven by 1.5 in every step the neuron fires until 1 + 1.8 b >= 1.5; b after n spikes is 1 - d^n.
    spikes = run(spec, weights, np.ones((60, 1, 1)))[0][0][:, 0, 0]
    first = int(np.argmin(spikes))
    assert 1.8 * (1 - d**first) >= 0.5 > 1.8 * (1 - d ** (first - 1))
    assert 0.1 < spikes[first:].mean() < 0.6  # it falls back, fires, rises again


@pytest.mark.parametrize("neuron", NEURONS)
def test_a_pass_goes_on_where_the_one_before_ended(neuron):
    for spec in (network(neuron), network("lif", **{"objective.head": "max"})):
        weights, inputs = random_case(spec, 3, scale=4.0)
        whole = run(spec, weights, inputs)
        tensors, data = as_tensors(weights, trained=True), torch.from_numpy(inputs)
        first = forward(spec, tensors, data[:5])
        second = forward(spec, tensors, data[5:], state=detached(first.state))
        logits = torch.stack([*first.readout, *second.readout]).detach()
        np.testing.assert_allclose(logits, whole[2], rtol=0, atol=1e-12)
        alone = forward(spec, tensors, data[5:])
        assert not np.allclose(torch.stack(alone.readout).detach(), whole[2][5:])


# ----------------------------------------------------------------------------------------------------------------
# The spiking LSTM is an LSTM.


class SmoothLSTM(SpikingLSTM):
    def tanh(self, x):
        return torch.tanh(x)


def test_with_smooth_gates_the_spiking_lstm_is_torchs():
    random, n, units, steps, batch = np.random.default_rng(0), 5, 3, 9, 2
    theirs = torch.nn.LSTM(units, n).double()
    ours, inputs = SmoothLSTM(1, torch.sigmoid), torch.from_numpy(random.normal(size=(steps, batch, units)))
    w, v, b = theirs.weight_ih_l0, theirs.weight_hh_l0, theirs.bias_ih_l0 + theirs.bias_hh_l0
    state, outputs = ours.start(torch.zeros(batch, n, dtype=torch.float64)), []
    for data in inputs:
        state = ours.step(state, data @ w.T + state.output @ v.T + b)
        outputs.append(state.output)
    expected, (_, cell) = theirs(inputs)
    np.testing.assert_allclose(torch.stack(outputs).detach(), expected.detach(), atol=1e-12)
    np.testing.assert_allclose(state.voltage.detach(), cell[0].detach(), atol=1e-12)


@pytest.mark.parametrize(("name", "sign"), [("coded", 1.0), ("printed", -1.0)])
def test_what_stands_for_tanh_has_its_sign_and_the_surrogates_slope_twice(name, sign):
    x = torch.tensor([-2.0, -0.1, 0.0, 0.1, 2.0], requires_grad=True)
    found = SpikingLSTM(1 if name == "coded" else -1, lambda v: spike(v, "gaussian", sharpness=1.0)).tanh(x)
    np.testing.assert_array_equal(found.detach(), sign * np.array([-1, -1, -1, 1, 1]))
    found.sum().backward()
    np.testing.assert_allclose(x.grad, sign * 2 * np.exp(-np.pi * x.detach().numpy() ** 2), rtol=1e-6)


# ----------------------------------------------------------------------------------------------------------------
# Gradients: finite differences of the loops above, once the step is the function whose derivative the surrogate is.

BETA, DAMPENING = 0.8, 0.7


def ramp(x):
    return 0.5 + DAMPENING * x / (1 + BETA * abs(x))


class Smooth(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return ramp(x)

    @staticmethod
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        return gradient * DAMPENING / (1 + BETA * x.abs()) ** 2


@pytest.fixture
def smooth(monkeypatch):
    monkeypatch.setattr(sgpipe.model.network, "spike", lambda x, shape, **knobs: Smooth.apply(x))


def assert_gradients(spec, seed=0, masks=None):
    """Compare autograd with finite differences in which what the spec detaches is held at its recorded values."""
    weights, inputs = random_case(spec, seed, steps=7, batch=2, units=2, classes=2, scale=0.6)
    labels = np.array([0, 1])
    held, recorded = {}, simulate(spec, weights, inputs, ramp, masks=masks)[3]
    if spec.network.reset_gradient == "detached":
        held["reset"] = recorded
    if spec.network.recurrent_gradient == "detached":
        held["recurrent"] = recorded
    factors = None if masks is None else lambda layer, units: torch.from_numpy(masks[layer - 1])
    found = gradients_of(spec, weights, inputs, labels, factors=factors)
    for name, gradient in found.items():
        numeric = np.zeros_like(gradient)
        for index in np.ndindex(*gradient.shape):
            values = []
            for sign in (1, -1):
                moved = {**weights, name: weights[name].copy()}
                moved[name][index] += sign * 1e-6
                values.append(cross_entropy(simulate(spec, moved, inputs, ramp, held, masks)[2], labels))
            numeric[index] = (values[0] - values[1]) / 2e-6
        assert np.abs(numeric).max() > 1e-6, f"{name}: a gradient of zero proves nothing"
        np.testing.assert_allclose(gradient, numeric, rtol=1e-5, atol=1e-9 + 1e-6 * np.abs(numeric).max(), err_msg=name)


@pytest.mark.parametrize("reset", RESETS)
@pytest.mark.parametrize(("neuron", "gradient"), [*product(("delta_lif", "alif"), ("attached", "detached"))])
def test_gradients_of_every_reset(smooth, neuron, reset, gradient):
    knobs = {"network.reset": reset, "network.reset_gradient": gradient, "network.tau_adaptation": 2.0}
    assert_gradients(network(neuron, (3, 2), **knobs))


@pytest.mark.parametrize("recurrent", ["propagated", "detached"])
@pytest.mark.parametrize("tanh", ["coded", "printed"])
def test_gradients_of_the_spiking_lstm(smooth, tanh, recurrent):
    assert_gradients(network("slstm", (2, 2), **{"network.tanh": tanh, "network.recurrent_gradient": recurrent}))


@pytest.mark.parametrize("neuron", ["delta_lif", "alif"])
@pytest.mark.parametrize("gradient", ["attached", "detached"])
def test_gradients_of_trained_neurons(smooth, neuron, gradient):
    knobs = {"network.trained_neurons": True, "network.bias": True, "network.reset_gradient": gradient}
    assert_gradients(network(neuron, (3, 2), **knobs))


@pytest.mark.parametrize("neuron", ["delta_lif", "alif"])
def test_gradients_of_a_detached_recurrence(smooth, neuron):
    knobs = {"network.recurrent_gradient": "detached", "network.reset_gradient": "attached"}
    assert_gradients(network(neuron, (3, 2), **knobs))


def test_gradients_under_dropout(smooth):
    random = np.random.default_rng(0)
    masks = [(random.random((7, 2, n)) < 0.6) / 0.6 for n in (2, 3)]
    assert_gradients(network("alif", (3, 2)), masks=masks)


def test_the_surrogate_of_the_spec_is_the_one_that_is_used():
    inputs, labels = np.ones((1, 1, 1)), np.array([0])
    for shape, expected in (("gaussian", np.exp(-np.pi * (2 * 0.3) ** 2)), ("rectangular", 0.0)):
        knobs = {"surrogate.shape": shape, "surrogate.sharpness": 2.0, "surrogate.dampening": 0.5}
        spec = network(hidden=(1,), **{"network.recurrent": False}, **knobs)
        weights = {"W1": np.array([[1.3]]), "W_out": np.array([[1.0], [0.0]]), "b_out": np.zeros(2)}
        # dL/dW1 = (p_0 - 1) W_out[0] h(0.3), p_0 = sigmoid(1).
        slope = 1 / (1 + np.exp(-1.0)) - 1
        np.testing.assert_allclose(gradients_of(spec, weights, inputs, labels)["W1"], slope * 0.5 * expected)


# ----------------------------------------------------------------------------------------------------------------
# No neuron of eq. 1 sees itself.


@pytest.mark.parametrize("neuron", ["delta_lif", "alif"])
def test_the_diagonal_of_v_starts_at_zero_matters_to_nothing_and_is_not_trained(neuron):
    spec = network(neuron, **{"init.scheme": "glorot_uniform"})
    weights, inputs = random_case(spec, 0)
    cleared = {k: a - np.diag(np.diag(a)) if k.startswith("V") else a for k, a in weights.items()}
    np.testing.assert_array_equal(run(spec, weights, inputs)[2], run(spec, cleared, inputs)[2])
    gradients = gradients_of(spec, weights, inputs, np.array([0, 1, 2]))
    for name in ("V1", "V2"):
        assert not np.diag(gradients[name]).any() and np.abs(gradients[name]).max() > 0
        assert not np.diag(initial_weights(spec, 4, 3)[name]).any()


@pytest.mark.parametrize("name", ["adam", "adabelief"])
def test_training_leaves_the_diagonal_at_zero(tiny, name):
    knobs = {"network.neuron": "alif", "network.recurrent": True, "init.scheme": "orthogonal_normal"}
    spec = tiny({**knobs, "optimiser.name": name, "optimiser.weight_decay": 0.1, "optimiser.clip": 1.0})
    trained = train_run(spec, prepare(spec), ReferenceEngine()).weights["V1"]
    assert not np.diag(trained).any() and np.all(trained[~np.eye(12, dtype=bool)] != 0)


# ----------------------------------------------------------------------------------------------------------------
# Initial weights.


def count(neuron, hidden, units, classes, **more):
    spec = RunSpec.make({"network.neuron": neuron, "network.hidden": hidden, "network.recurrent": True, **more})
    return parameter_count(spec, units, classes)


def test_parameter_counts_are_those_of_the_papers_networks():
    assert count("delta_lif", [256, 256], 700, 20) == 380_948
    assert count("delta_lif", [128, 128], 784, 10) == 150_794
    assert count("slstm", [64, 64], 700, 20) == 230_164
    assert count("slstm", [42, 42], 700, 20) == 139_964
    text = {"data.task": "ptb", "network.embedding": 1300}
    assert count("delta_lif", [1300, 1300], 10_000, 10_000, **text) == 10_000 * 1300 + 4 * 1300**2
    trained = count("alif", [128, 128], 784, 10, **{"network.trained_neurons": True, "network.bias": True})
    assert trained == 150_794 + 2 * 5 * 128


@pytest.mark.parametrize("scheme", INITIALISERS)
def test_every_scheme_gives_its_variance_to_w_and_v(scheme):
    spec = network(hidden=(150, 120), **{"init.scheme": scheme})
    for name, array in initial_weights(spec, 100, 20).items():
        if name == "b_out":
            assert not array.any()
            continue
        rows, columns = array.shape
        kind = scheme.partition("_")[0]
        expected = {"glorot": 2 / (rows + columns), "he": 2 / columns, "orthogonal": 1 / max(rows, columns)}[kind]
        values = array[~np.eye(rows, columns, dtype=bool)] if name.startswith("V") else array
        assert np.mean(values**2) == pytest.approx(expected, rel=0.06), name
        assert abs(values.mean()) < 4 * (expected / values.size) ** 0.5


def test_the_gates_of_an_lstm_are_drawn_one_by_one():
    spec = network("slstm", (50,), **{"init.scheme": "orthogonal_normal"})
    weights = initial_weights(spec, 50, 3)
    for name in ("W1", "V1"):
        gates = weights[name].reshape(4, 50, 50)
        for gate in gates:
            np.testing.assert_allclose(gate @ gate.T, np.eye(50), atol=1e-12)
        assert len({gate[0, 0] for gate in gates}) == 4
    assert not weights["b1"].any()


def test_trained_neurons_start_about_the_given_values():
    spec = network("alif", (4000,), **{"network.trained_neurons": True, "network.recurrent": False})
    weights = initial_weights(spec, 2, 2)
    for name, p in {
        "tau_membrane1": -1 / np.log(0.9),
        "threshold1": 1.0,
        "adaptation1": 1.8,
        "tau_adaptation1": 100,
    }.items():
        values = weights[name] / p
        assert 1 / 7 <= values.min() < 0.16 and 1.85 < values.max() <= 13 / 7
        assert values.mean() == pytest.approx(1, abs=0.02)
        assert values.std() == pytest.approx(0.8796 * 3 / 7, rel=0.03)  # a normal cut at two deviations keeps 0.8796


def test_a_time_constant_trained_below_zero_is_a_memoryless_neuron():
    spec = network(hidden=(2,), **{"network.trained_neurons": True})
    weights, inputs = random_case(spec, 0)
    weights["tau_membrane1"] = np.array([-1.0, 1e-3])
    voltages, gradients = run(spec, weights, inputs)[1][0], gradients_of(spec, weights, inputs, np.array([0, 1, 2]))
    assert np.all(np.isfinite(voltages)) and not gradients["tau_membrane1"].any()


# ----------------------------------------------------------------------------------------------------------------
# What a theory sets.


@pytest.mark.parametrize("scheme", ["uniform", "glorot_uniform", "he_bigamma", "orthogonal_normal"])
def test_a_theory_sets_mean_and_variance_of_v_alone(scheme):
    spec = network(hidden=(200, 200), **{"init.scheme": scheme})
    plain = initial_weights(spec, 20, 5)
    theory = [LayerSettings(recurrent_mean=0.03, recurrent_variance=4e-4), LayerSettings()]
    given = initial_weights(spec, 20, 5, theory)
    for name, array in plain.items():
        assert name == "V1" or np.array_equal(given[name], array)
    values = given["V1"][~np.eye(200, dtype=bool)]
    assert not np.diag(given["V1"]).any()
    assert values.mean() == pytest.approx(0.03, abs=5e-4) and values.var() == pytest.approx(4e-4, rel=0.03)


def test_a_mean_alone_moves_the_weights_of_the_scheme():
    spec = network(hidden=(30,), **{"init.scheme": "glorot_uniform"})
    off = ~np.eye(30, dtype=bool)
    plain, moved = (initial_weights(spec, 4, 3, t)["V1"] for t in (None, [LayerSettings(recurrent_mean=0.5)]))
    np.testing.assert_allclose(moved[off], plain[off] + 0.5)


@pytest.mark.parametrize("neuron", ["lif", *NEURONS])
def test_a_theory_sets_the_surrogate_of_each_layer(neuron):
    def spec(**knobs):
        values = {"surrogate.shape": "q_pseudospike", **{f"surrogate.{name}": value for name, value in knobs.items()}}
        return network(neuron, (4, 3), **values)

    weights, inputs = random_case(spec(), 1, scale=3.0)
    labels, knobs = np.array([0, 1, 2]), {"dampening": 0.4, "sharpness": 1.7, "tail": 3.0}
    asked = gradients_of(spec(**knobs), weights, inputs, labels)
    same = gradients_of(spec(), weights, inputs, labels, theory=[LayerSettings(**knobs)] * 2)
    vectors = [LayerSettings(**{name: np.full(n, value) for name, value in knobs.items()}) for n in (4, 3)]
    also = gradients_of(spec(), weights, inputs, labels, theory=vectors)
    upper = gradients_of(spec(), weights, inputs, labels, theory=[LayerSettings(), LayerSettings(**knobs)])
    plain = gradients_of(spec(), weights, inputs, labels)
    for name in asked:
        np.testing.assert_array_equal(same[name], asked[name])
        np.testing.assert_allclose(also[name], asked[name], rtol=1e-12)
    assert not np.allclose(upper["W1"], asked["W1"]) and not np.allclose(upper["W1"], plain["W1"])


# ----------------------------------------------------------------------------------------------------------------
# Dropout.


def test_dropout_is_the_function_that_the_docs_give():
    spec = network(**{"network.dropout": 0.3, "training.seed": 5})
    factors = dropout_factors(spec, 2, 1, np.array([7, 3]), 4, 6)
    steps = spec.data.steps
    for t, place, unit in np.ndindex(4, 2, 6):
        counter = ((7, 3)[place] * steps + t) * 6 + unit
        dropped = hashed(key(5, "dropout/2/1"), np.array([counter]))[0] < 0.3
        assert factors[t, place, unit] == (0 if dropped else 1 / 0.7)


def test_dropout_keeps_the_mean_and_differs_between_epochs_layers_and_seeds():
    spec = network(**{"network.dropout": 0.25})
    base = dropout_factors(spec, 1, 1, np.arange(50), 40, 20)
    assert base.mean() == pytest.approx(1, abs=0.015)
    np.testing.assert_array_equal(dropout_factors(spec, 1, 1, np.array([3, 40]), 40, 20), base[:, [3, 40]])
    other = network(**{"network.dropout": 0.25, "training.seed": 1})
    for another in (
        dropout_factors(spec, 2, 1, np.arange(50), 40, 20),
        dropout_factors(spec, 1, 2, np.arange(50), 40, 20),
        dropout_factors(other, 1, 1, np.arange(50), 40, 20),
    ):
        assert (another != base).mean() == pytest.approx(2 * 0.25 * 0.75, abs=0.02)


@pytest.mark.parametrize("neuron", ["lif", "delta_lif"])
def test_dropout_is_before_every_hidden_layer_in_training_alone(tiny, neuron):
    knobs = {"network.neuron": neuron, "network.hidden": [12, 10], "network.dropout": 0.5}
    spec, plain = tiny(knobs), tiny({**knobs, "network.dropout": 0.0})
    task, indices = prepare(spec), np.arange(10)
    weights = initial_weights(spec, task.units, task.classes)
    session, other = (ReferenceEngine().open([one], task, [weights]) for one in (spec, plain))
    assert session.evaluate("valid") == other.evaluate("valid")
    assert session.batch(task.train, indices, True)[0].loss != other.batch(task.train, indices, True)[0].loss
    asked = []

    def factors(layer, units):
        asked.append((layer, units))
        return torch.zeros(task.steps, 10, units)

    raster = torch.from_numpy(task.train.take(indices).dense(task.steps, task.units))
    activity = forward(spec, as_tensors(weights), raster, factors=factors)
    assert asked == [(1, 8), (2, 12)]
    assert not any(torch.stack(layer).any() for layer in activity.spikes)
