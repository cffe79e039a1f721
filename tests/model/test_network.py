"""The reference network against eq. 4.1 in plain loops, against closed forms, and against scipy's filters."""

import math

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.signal import lfilter

from sgpipe.model.network import as_tensors, forward
from sgpipe.model.neurons.decay import decay
from sgpipe.spec.run import RunSpec
from sgpipe.weights.schemes import initial_weights, layout

QUICK = settings(max_examples=20, deadline=None, derandomize=True)


def by_loops(spec, weights, inputs):
    """Return spikes, membranes (per layer) and readout by eq. 4.1, one neuron at a time; each (steps, batch, units)."""
    net, dt = spec.network, spec.data.dt
    b_syn = math.exp(-dt / net.tau_synapse)
    b_mem = math.exp(-dt / net.tau_membrane) if net.hidden else None
    b_out = math.exp(-dt / net.tau_readout)
    steps, batch, _ = inputs.shape
    sizes, classes = net.hidden, len(weights["W_out"])
    spikes = [np.zeros((steps, batch, n)) for n in sizes]
    membranes = [np.zeros((steps, batch, n)) for n in sizes]
    readout = np.zeros((steps, batch, classes))
    for sample in range(batch):
        u = [[0.0] * n for n in sizes]
        i = [[0.0] * n for n in sizes]
        u_out, i_out = [net.readout_start] * classes, [0.0] * classes
        for n in range(steps):
            s = [[1.0 if value > 1.0 else 0.0 for value in layer] for layer in u]  # S[n] of every layer
            for layer in range(len(sizes)):
                spikes[layer][n, sample] = s[layer]
                membranes[layer][n, sample] = u[layer]
            readout[n, sample] = u_out
            below = inputs[n, sample]
            for layer, size in enumerate(sizes):
                w, v = weights[f"W{layer + 1}"], weights.get(f"V{layer + 1}")
                new_u, new_i = [], []
                for k in range(size):
                    new_u.append((b_mem * u[layer][k] + (1 - b_mem) * i[layer][k]) * (1 - s[layer][k]))
                    arriving = sum(w[k, j] * below[j] for j in range(len(below)))
                    if v is not None:
                        arriving += sum(v[k, j] * s[layer][j] for j in range(size))
                    new_i.append(b_syn * i[layer][k] + arriving)
                u[layer], i[layer], below = new_u, new_i, s[layer]
            w = weights["W_out"]
            u_out = [b_out * u_out[c] + (1 - b_out) * i_out[c] for c in range(classes)]
            i_out = [b_syn * i_out[c] + sum(w[c, j] * below[j] for j in range(len(below))) for c in range(classes)]
    return spikes, membranes, readout


def run(spec, weights, inputs):
    """Return the same from the network under test."""
    with torch.no_grad():
        activity = forward(spec, as_tensors(weights), torch.from_numpy(inputs))
    stacked = [[torch.stack(steps).numpy() for steps in part] for part in (activity.spikes, activity.membrane)]
    return *stacked, torch.stack(activity.readout).numpy()


def network(hidden, **more):
    return RunSpec.make({"network.hidden": hidden, "training.precision": "float64", "data.tau": 1.0, **more})


def random_case(spec, seed, steps=25, batch=3, units=4, classes=3, gain=6.0):
    """Return random weights and random input spikes, strong enough for healthy activity in every layer."""
    random = np.random.default_rng(seed)
    weights = {}
    for name, shape in layout(spec, units, classes).items():
        scale = gain if name.startswith("W") and name != "W_out" else 1.0
        weights[name] = scale * random.normal(0.3 if scale > 1 else 0.0, shape[1] ** -0.5, shape)
    return weights, (random.random((steps, batch, units)) < 0.3).astype(float)


@pytest.mark.parametrize(
    ("hidden", "recurrent"),
    [([], False), ([5], False), ([5, 4], False), ([6, 5, 4], False), ([5], True), ([5, 4], True), ([6, 5, 4], True)],
)
def test_spikes_membranes_and_readout_are_those_of_the_equations(hidden, recurrent):
    changes = {"network.readout_start": -0.01, "network.tau_membrane": 7.0, "network.tau_synapse": 4.0, "data.dt": 1.5}
    spec = network(hidden, **{"network.recurrent": recurrent, **changes})
    for seed in range(3):
        weights, inputs = random_case(spec, seed)
        expected, found = by_loops(spec, weights, inputs), run(spec, weights, inputs)
        for layer in range(len(hidden)):
            assert 0.03 < expected[0][layer].mean() < 0.5, "a test with hardly a spike proves little"
            np.testing.assert_array_equal(found[0][layer], expected[0][layer])
            np.testing.assert_allclose(found[1][layer], expected[1][layer], rtol=0, atol=1e-12)
        np.testing.assert_allclose(found[2], expected[2], rtol=0, atol=1e-12)


@pytest.mark.parametrize("reset", ["attached", "detached"])
@pytest.mark.parametrize("recurrent", ["propagated", "detached"])
def test_what_is_detached_does_not_change_the_forward_pass(reset, recurrent):
    base = network([6], **{"network.recurrent": True})
    changed = {"network.reset_gradient": reset, "network.recurrent_gradient": recurrent, "network.recurrent": True}
    weights, inputs = random_case(base, 0)
    one, other = run(base, weights, inputs), run(network([6], **changed), weights, inputs)
    np.testing.assert_array_equal(one[0][0], other[0][0])
    np.testing.assert_array_equal(one[2], other[2])


def test_single_precision_follows_double_precision():
    spec = network([8])
    weights, inputs = random_case(spec, 1)
    rough = run(spec, {name: array.astype(np.float32) for name, array in weights.items()}, inputs.astype(np.float32))
    fine = run(spec, weights, inputs)
    assert rough[2].dtype == np.float32
    np.testing.assert_array_equal(rough[0][0], fine[0][0])
    np.testing.assert_allclose(rough[2], fine[2], atol=1e-5)


def test_samples_do_not_see_each_other():
    spec = network([5], **{"network.recurrent": True})
    weights, inputs = random_case(spec, 2, batch=4)
    together = run(spec, weights, inputs)[2]
    for sample in range(4):
        alone = run(spec, weights, inputs[:, [sample]])[2][:, 0]
        np.testing.assert_allclose(together[:, sample], alone, atol=1e-12)


taus = st.floats(1.0, 50.0)


def single_neuron(weight, tau_membrane, tau_synapse, steps=60, dt=1.0):
    """Return spikes and membrane of one neuron that gets one input spike in every step."""
    taus = {"network.tau_membrane": tau_membrane, "network.tau_synapse": tau_synapse, "data.dt": dt}
    weights = {"W1": np.array([[weight]]), "W_out": np.zeros((2, 1))}
    spikes, membrane, _ = run(network([1], **taus), weights, np.ones((steps, 1, 1)))
    return spikes[0][:, 0, 0], membrane[0][:, 0, 0]


@QUICK
@given(tau_membrane=taus, tau_synapse=taus, dt=st.floats(0.1, 2.0), level=st.floats(-2.0, 0.99))
def test_below_threshold_a_neuron_is_two_filters(tau_membrane, tau_synapse, dt, level):
    assume(abs(tau_membrane - tau_synapse) > 0.5)  # the closed form divides by the difference
    b, d, n = math.exp(-dt / tau_membrane), math.exp(-dt / tau_synapse), np.arange(60)
    # I[n] = w (1 - d^n) / (1 - d), whose limit is `level`, and U[n] = (1 - b) sum_k b^(n-1-k) I[k], both summed up.
    expected = level * (1 - b**n - (1 - b) * (b**n - d**n) / (b - d))
    spikes, membrane = single_neuron(level * (1 - d), tau_membrane, tau_synapse, dt=dt)
    assert not spikes.any()
    np.testing.assert_allclose(membrane, expected, rtol=0, atol=1e-12)


@QUICK
@given(tau_membrane=taus, tau_synapse=taus, weight=st.floats(0.5, 1000.0))
def test_a_neuron_is_at_rest_the_step_after_a_spike_and_cannot_fire_twice_running(tau_membrane, tau_synapse, weight):
    spikes, membrane = single_neuron(weight, tau_membrane, tau_synapse)
    np.testing.assert_array_equal(spikes, membrane > 1)
    assert np.all(membrane[1:][spikes[:-1] == 1] == 0)
    assert np.all(spikes[1:] + spikes[:-1] <= 1)


def test_strong_drive_makes_a_neuron_fire_every_second_step():
    spikes, _ = single_neuron(1e6, 10.0, 5.0)
    # The input of step 0 is current in step 1 and membrane in step 2.
    np.testing.assert_array_equal(spikes, [0, 0] + 29 * [1, 0])


@QUICK
@given(dt=st.floats(0.01, 10), tau=st.floats(0.1, 1000))
def test_a_time_constant_is_the_time_in_which_a_variable_falls_to_one_over_e(dt, tau):
    assert decay(dt, tau) ** (tau / dt) == pytest.approx(math.exp(-1))
    assert 0 < decay(dt, tau) < 1


@QUICK
@given(tau_readout=taus, tau_synapse=taus, start=st.floats(-1, 1), seed=st.integers(0, 1000))
def test_the_readout_is_two_filters_and_a_fading_start(tau_readout, tau_synapse, start, seed):
    settings = {
        "network.tau_readout": tau_readout,
        "network.tau_synapse": tau_synapse,
        "network.readout_start": start,
    }
    spec = network([], **settings)
    weights, inputs = random_case(spec, seed, steps=40)
    b, d = math.exp(-1 / tau_readout), math.exp(-1 / tau_synapse)
    current = lfilter([0, 1], [1, -d], inputs @ weights["W_out"].T, axis=0)
    expected = lfilter([0, 1 - b], [1, -b], current, axis=0)
    expected += (start * b ** np.arange(40))[:, None, None]
    np.testing.assert_allclose(run(spec, weights, inputs)[2], expected, rtol=0, atol=1e-12)


def test_a_spike_crosses_one_layer_in_two_steps():
    # Through the synapse in one step, through the membrane in another: input at 0, layer l at 2 l, readout after.
    spec = network([1, 1, 1])
    weights = {name: np.full((1, 1), 100.0) for name in ("W1", "W2", "W3", "W_out")}
    inputs = np.zeros((10, 1, 1))
    inputs[0] = 1
    spikes, _, readout = run(spec, weights, inputs)
    assert [int(np.argmax(layer[:, 0, 0])) for layer in spikes] == [2, 4, 6]
    assert int(np.argmax(readout[:, 0, 0] > 0)) == 8


# ----------------------------------------------------------------------------------------------------------------
# Initial weights (section 4.2.3).


def test_the_weights_are_those_of_the_layout():
    spec = network([7, 5], **{"network.recurrent": True})
    shapes = {"W1": (7, 4), "V1": (7, 7), "W2": (5, 7), "V2": (5, 5), "W_out": (3, 5)}
    assert layout(spec, 4, 3) == shapes
    assert {name: array.shape for name, array in initial_weights(spec, 4, 3).items()} == shapes
    assert layout(network([]), 4, 3) == {"W_out": (3, 4)}


def test_initial_weights_are_uniform_within_one_over_the_root_of_the_afferents():
    spec = network([300, 200], **{"network.recurrent": True})
    for name, array in initial_weights(spec, 100, 150).items():
        bound = array.shape[1] ** -0.5
        assert np.abs(array).max() <= bound and np.abs(array).max() > 0.99 * bound, name
        assert abs(array.mean()) < 0.03 * bound
        assert array.std() == pytest.approx(bound / 3**0.5, rel=0.03)


def test_the_gain_scales_the_feed_forward_hidden_weights_alone():
    plain = network([6, 5], **{"network.recurrent": True})
    scaled = network([6, 5], **{"network.recurrent": True, "init.gain": 3})
    one, other = initial_weights(plain, 4, 3), initial_weights(scaled, 4, 3)
    for name in one:
        factor = 3 if name in ("W1", "W2") else 1
        np.testing.assert_array_equal(other[name], factor * one[name])


def test_weights_are_drawn_in_double_precision_and_then_rounded():
    fine, rough = network([6]), RunSpec.make({"network.hidden": [6], "training.precision": "float32"})
    for name, array in initial_weights(rough, 4, 3).items():
        assert array.dtype == np.float32
        np.testing.assert_array_equal(array, initial_weights(fine, 4, 3)[name].astype(np.float32))
