"""Every surrogate derivative is its printed formula, and the derivative of a function that replaces the step."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sgpipe.neurons.spike import spike
from sgpipe.spec import RunSpec
from sgpipe.surrogates import SURROGATES

QUICK = settings(max_examples=100, deadline=None, derandomize=True)
SHAPES = tuple(SURROGATES)
membranes = st.floats(-10, 10)
slopes = st.floats(0.05, 1000)

# Section 4.2.6, for one number. s (1 - s) is written so that it loses no digits: exp of a negative number only.
PRINTED = {
    "superspike": lambda x, beta: 1 / (beta * abs(x) + 1) ** 2,
    "sigmoid": lambda x, beta: math.exp(-beta * abs(x)) / (1 + math.exp(-beta * abs(x))) ** 2,
    "esser": lambda x, beta: max(0.0, 1.0 - beta * abs(x)),
    "asymptotic_superspike": lambda x, beta: beta / (beta * abs(x) + 1) ** 2,
    "constant": lambda x, beta: 1.0,
    "true_derivative": lambda x, beta: 0.0,
}


def esser_integral(x, beta):
    inside = min(abs(x), 1 / beta)
    return math.copysign(inside - beta * inside**2 / 2, x)


# The functions whose derivatives the shapes are, up to a constant.
INTEGRALS = {
    "superspike": lambda x, beta: x / (1 + beta * abs(x)),  # the fast sigmoid, over beta
    "sigmoid": lambda x, beta: math.tanh(beta * x / 2) / (2 * beta),  # the logistic function, over beta
    "esser": esser_integral,
    "asymptotic_superspike": lambda x, beta: beta * x / (1 + beta * abs(x)),
    "constant": lambda x, beta: x,
    "true_derivative": lambda x, beta: float(x > 0),
}


def h(shape, x, beta):
    return SURROGATES[shape](np.asarray(x, dtype=np.float64), beta)


def test_the_formulas_are_written_down_here_for_every_shape():
    assert PRINTED.keys() == INTEGRALS.keys() == SURROGATES.keys()
    assert all(shape.name == name for name, shape in SURROGATES.items())


@pytest.mark.parametrize("shape", SHAPES)
@QUICK
@given(x=membranes, beta=slopes)
def test_a_shape_is_its_printed_formula(shape, x, beta):
    # Relative, into the far tail: there lives the gradient that wakes silent neurons, which Adam scales up.
    expected = PRINTED[shape](x, beta)
    np.testing.assert_allclose(h(shape, x, beta), expected, rtol=1e-12, atol=1e-300)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("beta", [0.1, 10.0, 20.0, 50.0])
def test_single_precision_keeps_the_digits_of_a_neuron_at_rest(shape, beta):
    for x in (-1.0, -0.5, 0.0, 0.5, 1.0):
        expected = PRINTED[shape](x, beta)
        found = SURROGATES[shape](np.array(x, dtype=np.float32), beta)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
@QUICK
@given(x=st.floats(-3, 3), beta=st.floats(0.05, 50))
def test_a_shape_is_the_derivative_of_its_integral(shape, x, beta):
    step = 1e-4 / max(1.0, beta)
    corners = (0.0, 1 / beta, -1 / beta)  # kinks of h, and the jump of the true step
    if any(abs(x - corner) < 2 * step for corner in corners):
        return
    integral = INTEGRALS[shape]
    slope = (integral(x + step, beta) - integral(x - step, beta)) / (2 * step)
    np.testing.assert_allclose(h(shape, x, beta), slope, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("shape", SHAPES)
@QUICK
@given(x=membranes, y=membranes, beta=slopes)
def test_a_shape_is_even_and_falls_away_from_the_threshold(shape, x, y, beta):
    peak = {"sigmoid": 0.25, "asymptotic_superspike": beta, "true_derivative": 0.0}.get(shape, 1.0)
    near, far = sorted((x, y), key=abs)
    assert h(shape, x, beta) == h(shape, -x, beta)
    assert h(shape, 0.0, beta) == pytest.approx(peak)
    assert 0 <= h(shape, far, beta) <= h(shape, near, beta) <= peak * (1 + 1e-12)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_shape_is_finite_far_from_the_threshold_and_at_any_slope(shape, dtype):
    large = np.sqrt(np.finfo(dtype).max) / 1e3
    x = np.array([0.0, 1e-30, 1e-3, 1.0, 1e3, large], dtype=dtype)
    x = np.concatenate([x, -x])
    with np.errstate(over="ignore"):  # 1 / inf is the 0 it should be
        for beta in (1e-12, 0.1, 1e3, 1e12):
            for found in (SURROGATES[shape](x, beta), SURROGATES[shape](torch.from_numpy(x), beta, torch).numpy()):
                assert np.all(np.isfinite(found)) and np.all(found >= 0), beta


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("beta", [0.1, 10.0, 1000.0])
def test_numpy_and_torch_agree(shape, dtype, beta):
    x = np.linspace(-2, 2, 401, dtype=dtype)
    found = SURROGATES[shape](torch.from_numpy(x), beta, torch)
    assert found.numpy().dtype == SURROGATES[shape](x, beta).dtype == dtype
    np.testing.assert_allclose(found.numpy(), SURROGATES[shape](x, beta), rtol=30 * np.finfo(dtype).eps, atol=1e-37)


def test_asymptotic_superspike_is_superspike_times_its_slope():
    x = np.linspace(-2, 2, 101)
    np.testing.assert_allclose(h("asymptotic_superspike", x, 7.0), 7.0 * h("superspike", x, 7.0), rtol=1e-15)


def test_a_vanishing_slope_is_the_constant_shape():
    x = np.linspace(-2, 2, 101)
    for shape in ("superspike", "esser"):
        np.testing.assert_allclose(h(shape, x, 1e-12), h("constant", x, None), rtol=1e-11)


def test_only_the_shapes_with_a_slope_have_the_knob():
    for name, shape in SURROGATES.items():
        beta = RunSpec.make({"surrogate.shape": name, "surrogate.beta": 3.0}).surrogate.beta
        assert beta == (3.0 if "beta" in shape.knobs else None)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_spike_is_a_step_forward_and_the_shape_backward(shape, dtype):
    beta = 10.0 if SURROGATES[shape].knobs else None
    x = torch.tensor([-2.0, -1e-3, -0.0, 0.0, 1e-3, 2.0], dtype=dtype, requires_grad=True)
    spikes = spike(x, shape, beta)
    assert spikes.dtype == dtype
    assert spikes.tolist() == [0, 0, 0, 0, 1, 1]  # strictly above the threshold
    upstream = torch.tensor([1.0, -2.0, 3.0, 0.5, 4.0, 5.0], dtype=dtype)
    spikes.backward(upstream)
    np.testing.assert_array_equal(x.grad, upstream * SURROGATES[shape](x.detach(), beta, torch))
