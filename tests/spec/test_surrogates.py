"""Every surrogate derivative is its printed formula, and the derivative of a function that replaces the step."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from sgpipe.model.neurons.spike import spike
from sgpipe.spec.run import RunSpec
from sgpipe.spec.surrogates import FAMILIES, SURROGATES, lower, moment

QUICK = settings(max_examples=100, deadline=None, derandomize=True)
SHAPES = tuple(SURROGATES)
membranes = st.floats(-10, 10)
slopes = st.floats(0.05, 1000)

# One number at a time: zenke2021 section 4.2.6 with slope beta, herranz2022 Table S1 with v = slope x. s (1 - s) is
# written so that it loses no digits: exp of a negative number only.
TAIL = 1.6
PRINTED = {
    "superspike": lambda x, slope: 1 / (slope * abs(x) + 1) ** 2,
    "sigmoid": lambda x, slope: math.exp(-slope * abs(x)) / (1 + math.exp(-slope * abs(x))) ** 2,
    "esser": lambda x, slope: max(0.0, 1.0 - slope * abs(x)),
    "asymptotic_superspike": lambda x, slope: slope / (slope * abs(x) + 1) ** 2,
    "constant": lambda x, slope: 1.0,
    "true_derivative": lambda x, slope: 0.0,
    "triangular": lambda x, slope: max(1 - abs(slope * x), 0.0),
    "exponential": lambda x, slope: math.exp(-2 * abs(slope * x)),
    "gaussian": lambda x, slope: math.exp(-math.pi * (slope * x) ** 2),
    "dsigmoid": lambda x, slope: 4 * math.exp(-4 * abs(slope * x)) / (1 + math.exp(-4 * abs(slope * x))) ** 2,
    "dfast_sigmoid": lambda x, slope: 1 / (1 + abs(2 * slope * x)) ** 2,
    "rectangular": lambda x, slope: 1.0 if abs(slope * x) < 0.5 else 0.0,
    "q_pseudospike": lambda x, slope: 1 / (1 + 2 / (TAIL - 1) * abs(slope * x)) ** TAIL,
}
# F(v) of each family, for one number v >= 0
FORMULAS = {
    "inverse_square": lambda v, tail: 1 / (1 + v) ** 2,
    "logistic": lambda v, tail: math.exp(-v) / (1 + math.exp(-v)) ** 2,
    "exponential": lambda v, tail: math.exp(-v),
    "gaussian": lambda v, tail: math.exp(-math.pi * v * v),
    "triangle": lambda v, tail: max(0.0, 1 - v),
    "rectangle": lambda v, tail: float(v < 0.5),
    "power": lambda v, tail: (1 + 2 * v / (tail - 1)) ** -tail,
}
TABLE_S1 = ("triangular", "exponential", "gaussian", "dsigmoid", "dfast_sigmoid", "rectangular", "q_pseudospike")


def triangle_integral(x, slope):
    inside = min(abs(x), 1 / slope)
    return math.copysign(inside - slope * inside**2 / 2, x)


# The functions whose derivatives the shapes are, up to a constant.
INTEGRALS = {
    "superspike": lambda x, slope: x / (1 + slope * abs(x)),  # the fast sigmoid, over beta
    "sigmoid": lambda x, slope: math.tanh(slope * x / 2) / (2 * slope),  # the logistic function, over beta
    "esser": triangle_integral,
    "asymptotic_superspike": lambda x, slope: slope * x / (1 + slope * abs(x)),
    "constant": lambda x, slope: x,
    "true_derivative": lambda x, slope: float(x > 0),
    "triangular": triangle_integral,
    "exponential": lambda x, slope: math.copysign(-math.expm1(-2 * slope * abs(x)) / (2 * slope), x),
    "gaussian": lambda x, slope: math.erf(math.sqrt(math.pi) * slope * x) / (2 * slope),
    "dsigmoid": lambda x, slope: math.tanh(2 * slope * x) / (2 * slope),
    "dfast_sigmoid": lambda x, slope: x / (1 + 2 * slope * abs(x)),
    "rectangular": lambda x, slope: max(-0.5 / slope, min(x, 0.5 / slope)),
    "q_pseudospike": lambda x, slope: math.copysign(
        (1 - (1 + 2 / (TAIL - 1) * slope * abs(x)) ** (1 - TAIL)) / (2 * slope), x
    ),
}


def knobs_of(shape, slope):
    return {"beta": slope, "sharpness": slope, "tail": TAIL}


def h(shape, x, slope, dampening=None):
    return SURROGATES[shape](np.asarray(x, dtype=np.float64), dampening=dampening, **knobs_of(shape, slope))


def test_the_formulas_are_written_down_here_for_every_shape():
    assert PRINTED.keys() == INTEGRALS.keys() == SURROGATES.keys()
    assert all(shape.name == name for name, shape in SURROGATES.items())


@pytest.mark.parametrize("shape", SHAPES)
@QUICK
@given(x=membranes, slope=slopes)
def test_a_shape_is_its_printed_formula(shape, x, slope):
    # Relative, into the far tail: there lives the gradient that wakes silent neurons, which Adam scales up.
    expected = PRINTED[shape](x, slope)
    # The argument of an exponential is rounded before it is taken: half a digit a factor e.
    np.testing.assert_allclose(h(shape, x, slope), expected, rtol=1e-12 + 1e-15 * (slope * x) ** 2, atol=1e-300)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("slope", [0.1, 1.0, 2.0, 10.0, 20.0, 50.0])
def test_single_precision_keeps_the_digits_of_a_neuron_at_rest(shape, slope):
    for x in (-1.0, -0.5, 0.0, 0.5, 1.0):
        expected = PRINTED[shape](x, slope)
        found = SURROGATES[shape](np.array(x, dtype=np.float32), **knobs_of(shape, slope))
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, rtol=2e-5, atol=1e-38)


@pytest.mark.parametrize("shape", SHAPES)
@QUICK
@given(x=st.floats(-3, 3), slope=st.floats(0.05, 50))
def test_a_shape_is_the_derivative_of_its_integral(shape, x, slope):
    step = 1e-4 / max(1.0, slope)
    corners = (0.0, 1 / slope, -1 / slope, 0.5 / slope, -0.5 / slope)  # kinks and jumps
    if any(abs(x - corner) < 2 * step for corner in corners):
        return
    integral = INTEGRALS[shape]
    gradient = (integral(x + step, slope) - integral(x - step, slope)) / (2 * step)
    np.testing.assert_allclose(h(shape, x, slope), gradient, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("shape", SHAPES)
@QUICK
@given(x=membranes, y=membranes, slope=slopes)
def test_a_shape_is_even_and_falls_away_from_the_threshold(shape, x, y, slope):
    peak = {"sigmoid": 0.25, "asymptotic_superspike": slope, "true_derivative": 0.0}.get(shape, 1.0)
    near, far = sorted((x, y), key=abs)
    assert h(shape, x, slope) == h(shape, -x, slope)
    assert h(shape, 0.0, slope) == pytest.approx(peak)
    assert 0 <= h(shape, far, slope) <= h(shape, near, slope) <= peak * (1 + 1e-12)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_shape_is_finite_far_from_the_threshold_and_at_any_slope(shape, dtype):
    large = np.sqrt(np.finfo(dtype).max) / 1e3
    x = np.array([0.0, 1e-30, 1e-3, 1.0, 1e3, large], dtype=dtype)
    x = np.concatenate([x, -x])
    with np.errstate(over="ignore"):  # 1 / inf is the 0 it should be
        for slope in (1e-12, 0.1, 1e3, 1e12):
            knobs = knobs_of(shape, slope)
            for found in (
                SURROGATES[shape](x, **knobs),
                SURROGATES[shape](torch.from_numpy(x), torch, **knobs).numpy(),
            ):
                assert np.all(np.isfinite(found)) and np.all(found >= 0), slope


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("slope", [0.1, 10.0, 1000.0])
def test_numpy_and_torch_agree(shape, dtype, slope):
    x, knobs = np.linspace(-2, 2, 401, dtype=dtype), knobs_of(shape, slope)
    found = SURROGATES[shape](torch.from_numpy(x), torch, **knobs)
    assert found.numpy().dtype == SURROGATES[shape](x, **knobs).dtype == dtype
    np.testing.assert_allclose(found.numpy(), SURROGATES[shape](x, **knobs), rtol=30 * np.finfo(dtype).eps, atol=1e-37)


@pytest.mark.parametrize("shape", TABLE_S1)
@pytest.mark.parametrize("sharpness", [0.5, 1.0, 3.0])
def test_the_shapes_of_table_s1_have_peak_and_area_one_over_sharpness(shape, sharpness):
    assert h(shape, 0.0, sharpness) == 1
    if shape == "q_pseudospike":  # its tail beyond any finite range weighs something: by its integral
        assert 2 * INTEGRALS[shape](1e30, sharpness) == pytest.approx(1 / sharpness)
        return
    wide = 1e4 if shape == "dfast_sigmoid" else 20
    kinks = [0.0, 0.5 / sharpness, 1 / sharpness, 2.0, wide]
    area = 2 * sum(
        quad(lambda x: h(shape, x, sharpness), one, other, limit=200)[0]
        for one, other in itertools.pairwise(sorted(kinks))
    )
    assert area == pytest.approx(1 / sharpness, rel=1e-4)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_lowered_shape_is_its_family_with_numbers(shape):
    assert FORMULAS.keys() == FAMILIES.keys()
    x = np.array([0.0, 1e-9, -0.01, 0.07, -0.3, 1.0, -1.0, 3.5])
    for dampening, slope, tail in itertools.product((0.3, 1.0, 40.0), (0.5, 7.0), (1.1, 2.0, 6.0)):
        knobs = {"beta": slope, "sharpness": slope, "dampening": dampening, "tail": tail}
        family, factor, height, exponent, _ = lower(shape, **knobs)
        assert (exponent is not None) == SURROGATES[shape].tails
        found = [height * FORMULAS[family](factor * abs(one), exponent) for one in x]
        np.testing.assert_allclose(found, SURROGATES[shape](x, **knobs), rtol=1e-12, atol=1e-300)


def test_knobs_of_single_neurons_are_lowered_to_their_numbers():
    knobs = {"sharpness": np.array([0.5, 3.0]), "dampening": np.array([0.2, 1.5]), "tail": np.array([1.4, 4.0])}
    x = np.array([0.3, -0.7])
    for shape in TABLE_S1:
        alone = [
            SURROGATES[shape](x[i], **{name: float(values[i]) for name, values in knobs.items()}) for i in range(2)
        ]
        np.testing.assert_allclose(lower(shape, **knobs)(x), alone, rtol=1e-15)


def test_flat_shapes_have_moments_too():
    assert moment("constant", 2, -1.5, 2.0) == 3.5
    assert moment("true_derivative", 1, -np.inf, np.inf) == 0


def test_a_tail_of_two_makes_the_pseudospike_a_fast_sigmoid():
    x = np.linspace(-4, 4, 101)
    found = SURROGATES["q_pseudospike"](x, sharpness=1.5, tail=2.0)
    np.testing.assert_allclose(found, SURROGATES["dfast_sigmoid"](x, sharpness=1.5), rtol=1e-14)


@pytest.mark.parametrize("shape", SHAPES)
def test_dampening_scales_every_shape_but_the_true_derivative(shape):
    x = np.linspace(-2, 2, 41)
    np.testing.assert_allclose(h(shape, x, 2.0, dampening=0.3), 0.3 * h(shape, x, 2.0), rtol=1e-14)
    assert ("dampening" in SURROGATES[shape].knobs) == (shape != "true_derivative")


def test_asymptotic_superspike_is_superspike_times_its_slope():
    x = np.linspace(-2, 2, 101)
    np.testing.assert_allclose(h("asymptotic_superspike", x, 7.0), 7.0 * h("superspike", x, 7.0), rtol=1e-15)


def test_a_vanishing_slope_is_the_constant_shape():
    x = np.linspace(-2, 2, 101)
    for shape in ("superspike", "esser"):
        np.testing.assert_allclose(h(shape, x, 1e-12), h("constant", x, None), rtol=1e-11)


def test_only_the_shapes_with_a_knob_keep_it():
    given = {"beta": 3.0, "sharpness": 2.0, "dampening": 0.5, "tail": TAIL}
    for name, shape in SURROGATES.items():
        spec = RunSpec.make({"surrogate.shape": name, **{f"surrogate.{knob}": value for knob, value in given.items()}})
        for knob, value in given.items():
            assert getattr(spec.surrogate, knob) == (value if knob in shape.knobs else None)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_spike_is_a_step_forward_and_the_shape_backward(shape, dtype):
    knobs = {**knobs_of(shape, 10.0), "dampening": 0.5}
    x = torch.tensor([-2.0, -1e-3, -0.0, 0.0, 1e-3, 2.0], dtype=dtype, requires_grad=True)
    spikes = spike(x, shape, **knobs)
    assert spikes.dtype == dtype
    assert spikes.tolist() == [0, 0, 0, 0, 1, 1]  # strictly above the threshold
    upstream = torch.tensor([1.0, -2.0, 3.0, 0.5, 4.0, 5.0], dtype=dtype)
    spikes.backward(upstream)
    np.testing.assert_array_equal(x.grad, upstream * SURROGATES[shape](x.detach(), torch, **knobs))
