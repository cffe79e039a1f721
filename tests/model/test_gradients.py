"""Surrogate gradients: against a case worked out by hand, a tangent recursion, and finite differences.

The network's step function has no derivative, so the gradient cannot be checked as it stands. What can be: the hand
calculation; the same rules applied forward in time instead of backward; the readout weights, behind which nothing is
a step; and the whole network once the step is replaced by the function whose derivative the surrogate is.
"""

import math

import numpy as np
import pytest
import torch

import sgpipe.model.network
from sgpipe.model.network import as_tensors, forward
from sgpipe.model.objectives import losses
from sgpipe.spec.run import RunSpec
from sgpipe.spec.surrogates import SURROGATES
from sgpipe.weights.schemes import layout
from tests.conftest import longer_after

SWITCHES = [(reset, recurrent) for reset in ("detached", "attached") for recurrent in ("detached", "propagated")]


def network(hidden, reset="detached", recurrent=None, **more):
    """Return a float64 run; `recurrent` is None for a feed-forward net, else what its gradient does."""
    values = {"network.hidden": hidden, "network.reset_gradient": reset, "training.precision": "float64"}
    if recurrent:
        values |= {"network.recurrent": True, "network.recurrent_gradient": recurrent}
    return RunSpec.make({**values, **more})


def random_case(spec, seed, steps=20, batch=3, units=4, classes=3):
    """Return random weights, input spikes and labels with healthy hidden activity."""
    random = np.random.default_rng(seed)
    weights = {}
    for name, shape in layout(spec, units, classes).items():
        driving = name.startswith("W") and name != "W_out"
        scale = (6.0 if driving else 2.0) * shape[1] ** -0.5
        weights[name] = random.normal(0.3 * scale if driving else 0.0, scale, shape)
    inputs = (random.random((steps, batch, units)) < 0.3).astype(float)
    return weights, inputs, random.integers(0, classes, batch)


def loss_and_gradients(spec, weights, inputs, labels):
    """Return the training loss and, by autograd, its gradients."""
    tensors = as_tensors({name: array.copy() for name, array in weights.items()}, trained=True)
    result = losses(spec, forward(spec, tensors, torch.from_numpy(inputs)), torch.from_numpy(labels))
    loss = (result.supervised + result.penalty).mean()
    loss.backward()
    gradients = {name: np.zeros(t.shape) if t.grad is None else t.grad.numpy() for name, t in tensors.items()}
    return loss.item(), gradients


def finite_differences(spec, weights, inputs, labels, name, step=1e-6):
    """Return the central differences of the loss in every entry of one weight matrix."""

    def loss(change):
        tensors = as_tensors({**weights, name: weights[name] + change})
        result = losses(spec, forward(spec, tensors, torch.from_numpy(inputs)), torch.from_numpy(labels))
        return (result.supervised + result.penalty).mean().item()

    found = np.zeros_like(weights[name])
    for index in np.ndindex(*found.shape):
        change = np.zeros_like(found)
        change[index] = step
        found[index] = (loss(change) - loss(-change)) / (2 * step)
    return found


# ----------------------------------------------------------------------------------------------------------------
# By hand.


@pytest.mark.parametrize(("reset", "recurrent"), SWITCHES)
@pytest.mark.parametrize("shape", ["superspike", "sigmoid", "asymptotic_superspike"])
def test_one_neuron_by_hand(shape, reset, recurrent):
    """One input, one hidden neuron with weights w (input) and v (itself), one input spike at step 0, L = sum_n S[n].

    With b = exp(-dt/tau_membrane), a = 1 - b, d = exp(-dt/tau_synapse), eq. 4.1 gives

        n   I[n]             U[n]                              S[n]
        0   0                0                                 0
        1   w                0                                 0
        2   d w              a w                               1  (a w > 1)
        3   d^2 w + v S[2]   (b U[2] + a I[2]) (1 - S[2]) = 0  0
        4                    (b U[3] + a I[3]) (1 - S[3])      0 or 1

    Write h_n = h(U[n] - 1), so that dS[n] = h_n dU[n]. Let r be 1 if the reset is attached and p be 1 if the
    recurrence is propagated, else 0. With respect to w:

        dU[2] = a                                                          dS[2] = h_2 a
        dU[3] = - r (b U[2] + a I[2]) dS[2] = - r (b a w + a d w) h_2 a    dS[3] = h_3 dU[3]
        dI[3] = d^2 + p v dS[2]
        dU[4] = b dU[3] + a dI[3] - r (a I[3]) dS[3]                       dS[4] = h_4 dU[4]

    where dU[3] keeps nothing else because its factor 1 - S[2] is 0, and dU[4] keeps all because 1 - S[3] is 1. For
    v only the spike of step 2 counts: dI[3] = S[2] = 1, dU[4] = a, and so dS[4] = h_4 a.
    """
    beta, w, v = 3.0, 14.0, -2.5
    b, d = math.exp(-1 / 10), math.exp(-1 / 5)
    a = 1 - b

    def h(u):
        x = abs(u - 1)
        if shape == "sigmoid":
            return math.exp(-beta * x) / (1 + math.exp(-beta * x)) ** 2
        return {"superspike": 1, "asymptotic_superspike": beta}[shape] / (beta * x + 1) ** 2

    r, p = float(reset == "attached"), float(recurrent == "propagated")
    i3 = d**2 * w + v
    assert a * w > 1 > a * i3 > 0.5
    ds2 = h(a * w) * a
    du3 = -r * (b * a * w + a * d * w) * ds2
    ds3 = h(0.0) * du3
    du4 = b * du3 + a * (d**2 + p * v * ds2) - r * a * i3 * ds3
    by_hand = {"W1": ds2 + ds3 + h(a * i3) * du4, "V1": h(a * i3) * a}

    spec = network([1], reset, recurrent, **{"surrogate.shape": shape, "surrogate.beta": beta})
    weights = {"W1": np.array([[w]]), "V1": np.array([[v]]), "W_out": np.zeros((1, 1))}
    inputs = np.zeros((5, 1, 1))
    inputs[0] = 1
    tensors = as_tensors(weights, trained=True)
    spikes = torch.stack(forward(spec, tensors, torch.from_numpy(inputs)).spikes[0])
    assert spikes[:, 0, 0].tolist() == [0, 0, 1, 0, 0]
    spikes.sum().backward()
    for name, expected in by_hand.items():
        assert tensors[name].grad.item() == pytest.approx(expected, rel=1e-12), name


def test_the_hand_calculation_tells_the_four_switches_apart():
    spec = network([3], "detached", "detached")
    case = random_case(spec, 0)
    found = {}
    for reset, recurrent in SWITCHES:
        _, found[reset, recurrent] = loss_and_gradients(network([3], reset, recurrent), *case)
    for one in SWITCHES:
        for other in SWITCHES:
            assert one == other or not np.allclose(found[one]["W1"], found[other]["W1"], rtol=1e-3)


# ----------------------------------------------------------------------------------------------------------------
# The same rules forward in time: every variable carries its derivative with respect to one weight.


def tangent(spec, weights, inputs, name, index):
    """Return dS[n] of every layer and the derivative of the readout with respect to one weight, in plain numpy."""
    net, surrogate, dt = spec.network, SURROGATES[spec.surrogate.shape], spec.data.dt
    slopes = {knob: getattr(spec.surrogate, knob) for knob in surrogate.knobs}
    b, d, o = (math.exp(-dt / tau) for tau in (net.tau_membrane, net.tau_synapse, net.tau_readout))
    attached, propagated = net.reset_gradient == "attached", net.recurrent_gradient == "propagated"
    seed = {key: np.zeros_like(array) for key, array in weights.items()}
    seed[name][index] = 1
    steps, batch, _ = inputs.shape
    u, i, du, di = ([np.zeros((batch, n)) for n in net.hidden] for _ in range(4))
    shape = batch, len(weights["W_out"])
    u_out, i_out = np.full(shape, net.readout_start), np.zeros(shape)
    du_out, di_out = np.zeros(shape), np.zeros(shape)
    ds_all, out_all, du_out_all = [], [], []
    for n in range(steps):
        s = [(layer > 1).astype(float) for layer in u]
        ds = [surrogate(layer - 1, **slopes) * change for layer, change in zip(u, du, strict=True)]
        ds_all.append(ds)
        out_all.append(u_out)
        du_out_all.append(du_out)
        below, dbelow = inputs[n], np.zeros_like(inputs[n])
        for layer in range(len(net.hidden)):
            w, dw = weights[f"W{layer + 1}"], seed[f"W{layer + 1}"]
            drive, ddrive = below @ w.T, below @ dw.T + dbelow @ w.T
            if net.recurrent:
                v, dv = weights[f"V{layer + 1}"], seed[f"V{layer + 1}"]
                drive = drive + s[layer] @ v.T
                ddrive = ddrive + s[layer] @ dv.T + propagated * ds[layer] @ v.T
            filtered, dfiltered = b * u[layer] + (1 - b) * i[layer], b * du[layer] + (1 - b) * di[layer]
            u[layer] = filtered * (1 - s[layer])
            du[layer] = dfiltered * (1 - s[layer]) - attached * filtered * ds[layer]
            i[layer], di[layer] = d * i[layer] + drive, d * di[layer] + ddrive
            below, dbelow = s[layer], ds[layer]
        u_out, du_out = o * u_out + (1 - o) * i_out, o * du_out + (1 - o) * di_out
        w, dw = weights["W_out"], seed["W_out"]
        i_out, di_out = d * i_out + below @ w.T, d * di_out + below @ dw.T + dbelow @ w.T
    return ds_all, np.array(out_all), np.array(du_out_all)


@pytest.mark.parametrize("shape", longer_after(6, SURROGATES))
@pytest.mark.parametrize("hidden", [[3], [3, 2]])
@pytest.mark.parametrize(("reset", "recurrent"), [*SWITCHES, ("attached", None)])
def test_autograd_agrees_with_the_rules_applied_forward_in_time(shape, hidden, reset, recurrent):
    slopes = {"surrogate.beta": 4.0, "surrogate.sharpness": 0.8, "surrogate.dampening": 0.9, "surrogate.tail": 1.7}
    spec = network(hidden, reset, recurrent, **{"surrogate.shape": shape, **slopes})
    weights, inputs, _ = random_case(spec, 1, steps=15, batch=2, units=2, classes=2)
    random = np.random.default_rng(2)
    pull = random.normal(size=(15, 2, 2))  # any function of readout and spikes will do: a random linear one
    push = [random.normal(size=(15, 2, n)) for n in hidden]

    tensors = as_tensors(weights, trained=True)
    activity = forward(spec, tensors, torch.from_numpy(inputs))
    assert all(0.02 < torch.stack(layer).mean() < 0.5 for layer in activity.spikes)
    value = (torch.stack(activity.readout) * torch.from_numpy(pull)).sum()
    for layer, weight in zip(activity.spikes, push, strict=True):
        value = value + (torch.stack(layer) * torch.from_numpy(weight)).sum()
    value.backward()

    for name, tensor in tensors.items():
        expected = np.zeros(tensor.shape)
        for index in np.ndindex(*tensor.shape):
            ds, _, dreadout = tangent(spec, weights, inputs, name, index)
            expected[index] = (dreadout * pull).sum() + sum(
                (np.array([step[layer] for step in ds]) * push[layer]).sum() for layer in range(len(hidden))
            )
        found = np.zeros(tensor.shape) if tensor.grad is None else tensor.grad.numpy()
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12 * max(1, np.abs(expected).max()))


# ----------------------------------------------------------------------------------------------------------------
# Finite differences, where they exist.


@pytest.mark.parametrize("head", ["max", "sum"])
@pytest.mark.parametrize("hidden", [[], [4], [4, 3]])
def test_readout_gradients_are_finite_differences(hidden, head):
    spec = network(hidden, **{"objective.head": head, "network.readout_start": -0.01})
    for seed in range(2):
        case = random_case(spec, seed)
        _, gradients = loss_and_gradients(spec, *case)
        numeric = finite_differences(spec, *case, "W_out")
        assert np.abs(numeric).max() > 1e-4
        np.testing.assert_allclose(gradients["W_out"], numeric, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(("reset", "recurrent"), SWITCHES)
def test_the_true_derivative_of_the_hidden_weights_is_zero_as_finite_differences_are(reset, recurrent):
    # A small step changes no spike, and the loss hears of the hidden layers through spikes alone.
    spec = network([3, 2], reset, recurrent, **{"surrogate.shape": "true_derivative", "objective.head": "sum"})
    case = random_case(spec, 1, batch=2, units=2, classes=2)
    _, gradients = loss_and_gradients(spec, *case)
    for name in ("W1", "V1", "W2", "V2"):
        np.testing.assert_array_equal(gradients[name], 0)
        np.testing.assert_array_equal(finite_differences(spec, *case, name), 0)
    assert np.abs(gradients["W_out"]).max() > 0


INTEGRALS = {
    "superspike": lambda x, beta: x / (1 + beta * x.abs()),
    "sigmoid": lambda x, beta: torch.tanh(beta * x / 2) / (2 * beta),
    "esser": lambda x, beta: x.sign() * (x.abs().clamp(max=1 / beta) - beta * x.abs().clamp(max=1 / beta) ** 2 / 2),
    "asymptotic_superspike": lambda x, beta: beta * x / (1 + beta * x.abs()),
    "constant": lambda x, beta: x,
}


class Smooth(torch.autograd.Function):
    """The integral of the surrogate forward, the surrogate itself backward."""

    @staticmethod
    def forward(ctx, x, shape, knobs):
        ctx.save_for_backward(x)
        ctx.shape, ctx.knobs = shape, knobs
        beta = knobs["beta"]
        return INTEGRALS[shape](x, beta) - INTEGRALS[shape](-torch.ones_like(x), beta)  # none at rest

    @staticmethod
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        return gradient * SURROGATES[ctx.shape](x, torch, **ctx.knobs), None, None


@pytest.fixture
def smooth(monkeypatch):
    monkeypatch.setattr(sgpipe.model.network, "spike", lambda x, shape, **knobs: Smooth.apply(x, shape, knobs))


def smooth_case(shape, reset, recurrent, head):
    changes = {"surrogate.shape": shape, "objective.head": head, "network.readout_start": -0.01}
    changes["surrogate.beta"] = 0.7  # Esser's is above 0 at rest
    regularisers = {"objective.lower_threshold": 9.0, "objective.lower_strength": 0.01, "objective.upper_strength": 0.1}
    spec = network([3, 2], reset, recurrent, **changes, **regularisers, **{"objective.upper_exponent": 2})
    weights, inputs, labels = random_case(spec, 3, steps=12, batch=2, units=2)
    # Smooth spikes have no upper bound in every shape; weaker weights keep their feedback from growing without one.
    scale = 0.1 if shape == "constant" else 0.3
    return spec, {name: scale * array for name, array in weights.items()}, inputs, labels


@pytest.mark.parametrize("shape", INTEGRALS)
@pytest.mark.parametrize("recurrent", [None, "propagated"])
@pytest.mark.parametrize("head", longer_after(1, ["max", "sum"]))
def test_the_surrogate_gradient_is_the_gradient_of_the_smoothed_network(smooth, shape, recurrent, head):
    """With reset attached and recurrence propagated nothing is left out: finite differences must find the same."""
    case = smooth_case(shape, "attached", recurrent, head)
    _, gradients = loss_and_gradients(*case)
    for name, gradient in gradients.items():
        numeric = finite_differences(*case, name)
        assert np.abs(numeric).max() > 1e-5, "a gradient of zero proves nothing"
        np.testing.assert_allclose(gradient, numeric, rtol=1e-5, atol=1e-9 + 1e-6 * np.abs(numeric).max())


@pytest.mark.parametrize(("reset", "recurrent"), [("detached", "propagated"), ("attached", "detached")])
def test_a_detached_path_is_left_out_of_the_gradient(smooth, reset, recurrent):
    case = smooth_case("superspike", reset, recurrent, "sum")
    _, gradients = loss_and_gradients(*case)
    assert not np.allclose(gradients["W1"], finite_differences(*case, "W1"), rtol=1e-2)


def test_v_learns_although_the_recurrence_is_detached():
    spec = network([4], "detached", "detached")
    _, gradients = loss_and_gradients(spec, *random_case(spec, 0))
    assert np.abs(gradients["V1"]).max() > 1e-4
