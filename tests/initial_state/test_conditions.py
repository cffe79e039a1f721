"""The theory of initialisation: hand-computed cases, each equation against simulation, and what cannot hold."""

import itertools
import math
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from sgpipe.base.errors import SgpipeError
from sgpipe.base.rng import stream
from sgpipe.initial_state.theory import conditions as theory
from sgpipe.initial_state.theory.asked import Asked
from sgpipe.initial_state.theory.conditions import CONDITIONS, Readings
from sgpipe.initial_state.theory.draws import drawn, standard_weights
from sgpipe.initial_state.theory.extrema import ensemble, sample, voltage_range
from sgpipe.initial_state.theory.layer import Layer, Weights
from sgpipe.initial_state.theory.moments import Derivative
from sgpipe.initial_state.theory.solution import Solution, above
from sgpipe.initial_state.theory.solve import solve
from sgpipe.spec.resets import RESETS
from sgpipe.spec.surrogates import SURROGATES, moment

QUICK = settings(max_examples=40, deadline=None, derandomize=True)
SHAPES = [name for name, shape in SURROGATES.items() if shape.slope == "sharpness"]
SLOPED = [*SHAPES, "superspike", "sigmoid", "esser"]
TAIL = 1.7


def sparse(**changes) -> Layer:
    """The worked example: 700 inputs that fire at a rate of 0.02."""
    return Layer(256, 700, z_mean=0.02, z_var=0.02 * 0.98, **changes)


def solved(layer, shape, conditions=CONDITIONS, readings="corrected", standard=None, generator=None, **how) -> Solution:
    readings = Readings.of(readings) if isinstance(readings, str) else readings
    return solve(layer, shape, Asked(conditions, readings, **how), standard=standard, generator=generator)


# ---- Moments of the shapes ----


@pytest.mark.parametrize("shape", SLOPED)
@pytest.mark.parametrize("power", [1, 2])
@QUICK
@given(low=st.floats(-6, 6), width=st.floats(1e-3, 9))
def test_moments_in_closed_form_are_the_integrals(shape, power, low, width):
    f, high = partial(SURROGATES[shape], beta=1.0, tail=TAIL), low + width
    kinks = [kink for kink in (-1.0, -0.5, 0.0, 0.5, 1.0) if low < kink < high]
    expected, _ = quad(lambda v: float(f(np.float64(v))) ** power, low, high, points=kinks or None)
    assert moment(shape, power, low, high, TAIL) == pytest.approx(expected, rel=1e-7, abs=1e-10)


def test_second_moments_over_all_voltages_are_the_known_numbers():
    known = {
        "triangular": 2 / 3,
        "exponential": 1 / 2,
        "gaussian": 1 / math.sqrt(2),
        "dsigmoid": 2 / 3,
        "dfast_sigmoid": 1 / 3,
        "rectangular": 1.0,
        "q_pseudospike": (TAIL - 1) / (2 * TAIL - 1),
    }
    assert known.keys() == set(SHAPES)
    for shape, value in known.items():
        assert moment(shape, 2, -np.inf, np.inf, TAIL) == pytest.approx(value, rel=1e-12)
        assert moment(shape, 1, -np.inf, np.inf, TAIL) == pytest.approx(1, rel=1e-12)


def test_a_moment_keeps_its_digits_over_a_narrow_range():
    for shape in SHAPES:
        assert moment(shape, 2, -3e-13, 7e-13, TAIL) == pytest.approx(1e-12, rel=1e-9)


def test_only_the_first_two_moments_are_known():
    with pytest.raises(ValueError, match="power"):
        moment("exponential", 3, 0, 1)


# ---- Hand-computed cases ----


def test_the_worked_example_by_hand():
    # Every number by plain arithmetic from the printed equations; Glorot uniform W_in, data below.
    alpha, thr, n_rec, n_in, rate = 0.9, 1.0, 256, 700, 0.02
    w_in = 2 / (n_rec + n_in)
    mean = (3 - 2 * alpha) * thr / (n_rec - 1)
    variance = 2 * (rate * (1 - rate) + rate**2) * n_in / (n_rec - 1) * w_in - mean**2 / 2
    largest, smallest, largest_in = mean + math.sqrt(3 * variance), mean - math.sqrt(3 * variance), math.sqrt(3 * w_in)
    gamma = 1 / ((n_rec - 1) * smallest - thr) * smallest / largest * (1 - alpha)
    target = (1 - alpha**2) / ((n_rec - 1) * (variance + mean**2) + thr**2)
    y_max = ((n_rec - 1) * largest + n_in * largest_in) / (1 - alpha)
    y_min = ((n_rec - 1) * smallest - n_in * largest_in - thr) / (1 - alpha)
    by_hand = (mean, variance, gamma, target, y_min, y_max)
    assert by_hand == pytest.approx((0.0047058824, 0.00021864265, 0.010892013, 0.1790087, -617.9, 631.9), rel=1e-4)

    found = solved(sparse(), "exponential", ("I", "II", "III"), readings="printed")
    values = (found.mean, found.variance, found.dampening, found.target, found.y_min, found.y_max)
    assert values == pytest.approx(by_hand, rel=1e-12)
    assert all(abs(found.residuals[name]) < 1e-12 for name in ("I", "II", "III"))

    # CIV alone: 0.179 = (1 / (s R)) (1 - (e^(-4 s v+) + e^(-4 s v-)) / 2) / 2 for the exponential shape.
    alone = solved(sparse(), "exponential", ("I", "II", "IV"), readings="printed")
    s, above_thr, below_thr = alone.sharpness, y_max - thr, thr - y_min
    integral = (2 - math.exp(-4 * s * above_thr) - math.exp(-4 * s * below_thr)) / 4
    assert integral / (s * (y_max - y_min)) == pytest.approx(target, rel=1e-10)
    assert s == pytest.approx(0.0022264, rel=1e-4)


def test_the_authors_memoryless_layer_by_hand():
    # Decay exp(-10), threshold 0.01, Glorot recurrent weights, 128 neurons: gamma near 1 / (128 L / 4) for the sums
    # of positive weights in place of (n - 1) Max[w].
    layer = Layer(128, 784, alpha_decay=math.exp(-10), thr=0.01)
    standard = standard_weights(layer, stream(0, "test"))
    found = solved(layer, "exponential", ("III",), readings="authors", extrema="sample", standard=standard)
    bound = math.sqrt(6 / 256)
    assert np.mean(found.dampening) == pytest.approx(1 / (128 * bound / 4), rel=0.02)
    w = math.sqrt(1 / 128) * standard[0]
    top = sum(max(w[0, j], 0) for j in range(1, 128))
    bottom = sum(min(w[0, j], 0) for j in range(1, 128))
    assert found.dampening[0] == pytest.approx(bottom / (top * (bottom - 0.01)) * (1 - math.exp(-10)))


def test_the_authors_recurrent_variance_by_hand():
    # Their task statistics of SHD: eq. 28 asks for 5.04e-4; the code computes half of it and draws 6.2e-5.
    layer = Layer(256, 700, alpha_decay=math.exp(-10), thr=0.01, z_mean=0.0438844, z_var=0.0419553)
    mean = theory.recurrent_mean(layer)
    share = (0.0419553 + 0.0438844**2) * 700 / 255 * 2 / 956
    assert theory.recurrent_variance(layer, mean, "printed") == pytest.approx(2 * share, rel=1e-4)
    assert 2 * share == pytest.approx(5.04e-4, rel=1e-3)
    assert theory.recurrent_variance(layer, mean, "authors") == pytest.approx(math.sqrt(share) / 256, rel=1e-4)
    assert math.sqrt(share) / 256 == pytest.approx(6.2e-5, rel=1e-3)


@pytest.mark.parametrize(
    ("reset", "printed", "authors", "corrected"),
    [
        ("subtractive", 1.2, 1.2, 1.2),  # 3 - 2 a
        ("multiplicative", 0.1, 1.1, 1.1),  # 1 - a; 2 - a; 2 - a
        ("multiplicative_scaled", 0.1, 0.2, 1.1 / 0.9),  # (2 - a) / a
        ("refractory", 0.1, 0.2, 2.2),  # 2 (2 - a), where the code has 2 (1 - a)
        ("refractory_scaled", 0.1, 0.2, 2.2 / 0.9),  # 2 (2 - a) / a
    ],
)
def test_the_recurrent_mean_of_each_reset_and_reading(reset, printed, authors, corrected):
    layer = sparse(reset=reset)
    for reading, factor in (("printed", printed), ("authors", authors), ("corrected", corrected)):
        assert theory.recurrent_mean(layer, reading) == pytest.approx(factor / 255)


def test_equation_19_as_typeset_asks_for_a_mean_near_the_threshold():
    # One misplaced parenthesis: 2 (1 - a) thr / (n - 1) + thr, and no variance is left for condition II.
    layer = Layer(256, 700)
    assert theory.recurrent_mean(layer, "eq19") == pytest.approx(0.2 / 255 + 1)
    with pytest.raises(SgpipeError, match="condition II: Var"):
        solved(layer, "exponential", ("I", "II"), readings=Readings(mean="eq19"))


# ---- Solving ----


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("reset", ["subtractive", "multiplicative", "refractory"])
@QUICK
@given(
    alpha=st.floats(0.0, 0.98),
    thr=st.floats(0.01, 2),
    gain=st.floats(5, 50),
    readings=st.sampled_from(["printed", "corrected"]),
)
def test_the_sharpness_found_meets_condition_four(shape, reset, alpha, thr, gain, readings):
    layer = Layer(128, 200, alpha, thr, reset=reset, reset_gradient=False, tail=TAIL)
    layer = replace(layer, w_in=Weights(gain * layer.w_in.variance))
    found = solved(layer, shape, ("I", "II", "IV"), readings=readings, infeasible="skip")
    if found.messages:
        assume(False)
    assert abs(found.residuals["IV"]) < 1e-10
    assert found.second == pytest.approx(found.target, rel=1e-10)
    # The same moment by quadrature with the true limits.
    low, high, s = found.y_min - thr, found.y_max - thr, found.sharpness
    f = partial(SURROGATES[shape], sharpness=s, tail=TAIL)
    ends = [end for end in (-1 / s, -0.5 / s, 0.0, 0.5 / s, 1 / s) if low < end < high]
    parts = [low, *ends, high]
    area = sum(
        quad(lambda v: float(f(np.float64(v))) ** 2, one, other, limit=200)[0]
        for one, other in itertools.pairwise(parts)
    )
    assert area / (high - low) == pytest.approx(found.target, rel=1e-5)


@pytest.mark.parametrize("readings", ["printed", "corrected"])
def test_condition_four_can_be_solved_for_the_tail(readings):
    layer = replace(sparse(reset="multiplicative"), w_in=Weights(0.02), dampening=3.0, sharpness=0.001)
    found = solved(layer, "q_pseudospike", ("I", "II", "IV"), readings=readings, free="tail", infeasible="skip")
    assert not found.messages and found.tail > 1 and found.sharpness == 0.001
    assert abs(found.residuals["IV"]) < 1e-10
    with pytest.raises(SgpipeError, match="has no tail"):
        solved(layer, "exponential", ("IV",), free="tail")


def test_condition_three_does_not_depend_on_the_tail():
    layer = sparse()
    one, other = (
        solved(replace(layer, tail=tail), "q_pseudospike", ("I", "II", "III"), free="tail") for tail in (1.1, 9)
    )
    assert one.dampening == other.dampening
    assert "nothing of the tail" in one.messages[0]


def test_each_subset_fixes_only_its_own_quantities():
    layer = sparse(dampening=0.7, sharpness=0.3)
    nothing = solved(layer, "exponential", ())
    assert (nothing.mean, nothing.variance, nothing.dampening, nothing.sharpness) == (0, 1 / 256, 0.7, 0.3)
    assert solved(layer, "exponential", ("I",)).mean == pytest.approx(1.2 / 255)
    assert solved(layer, "exponential", ("I",)).variance == 1 / 256
    # Without I the mean stays 0 and II has the whole share for the variance.
    assert solved(layer, "exponential", ("II",)).variance == pytest.approx(2 * layer.input_square / 255)
    assert solved(layer, "exponential", ("III",)).sharpness == 0.3


def test_a_condition_without_a_solution_is_one_line_and_what_was_asked_for():
    layer = replace(sparse(), w_in=Weights(1e-9))
    with pytest.raises(SgpipeError, match=r"^condition II: Var\[w_rec\] would be -.*choose infeasible") as caught:
        solved(layer, "exponential", ("I", "II"))
    assert "\n" not in str(caught.value)
    assert solved(layer, "exponential", ("I", "II"), infeasible="clip").variance == 0
    assert solved(layer, "exponential", ("I", "II"), infeasible="skip").variance == 1 / 256

    below = solved(sparse(), "exponential", ("I", "II", "III"), readings="printed")
    second = above(sparse(), below)
    for infeasible, dampening in (("clip", 0), ("skip", 1)):
        found = solved(second, "exponential", ("III",), readings="printed", infeasible=infeasible)
        assert found.dampening == dampening and "condition III: the dampening would be -" in found.messages[0]

    both = {"readings": "printed", "infeasible": "skip"}
    assert "out of reach of any sharpness" in solved(sparse(), "gaussian", CONDITIONS, **both).messages[0]
    with pytest.raises(SgpipeError, match=r"dampening\^2 is 0.000118"):
        solved(sparse(), "gaussian", CONDITIONS, readings="printed")


def test_wrong_names_are_errors_that_list_the_right_ones():
    for call in (
        lambda: solved(sparse(), "exponentail"),
        lambda: solved(sparse(), "exponential", ("V",)),
        lambda: solved(sparse(), "exponential", readings="printd"),
        lambda: solved(sparse(), "exponential", infeasible="ignore"),
        lambda: solved(sparse(), "exponential", extrema="both"),
        lambda: Readings(mean="eq20"),
        lambda: Layer(8, 8, reset="soft"),
        lambda: Weights(1.0, family="cauchy"),
    ):
        with pytest.raises(SgpipeError, match="is not one of"):
            call()
    with pytest.raises(SgpipeError, match=r"alpha_decay: 1\.0 is not in \[0, 1\)"):
        Layer(8, 8, alpha_decay=1.0)
    with pytest.raises(SgpipeError, match="needs the draws"):
        solved(sparse(), "exponential", extrema="sample")


def test_drawn_weights_have_the_mean_and_variance_that_were_solved_for():
    for family in ("uniform", "normal", "bigamma"):
        layer = replace(sparse(), w_rec=Weights(1 / 256, family=family))
        found = solved(layer, "exponential", ("I", "II"))
        values = drawn(Weights(found.variance, found.mean, family), standard_weights(layer, stream(1, family))[0])
        assert abs(values.mean() - found.mean) < 4 * math.sqrt(found.variance) / 256
        assert values.var() == pytest.approx(found.variance, rel=0.03)


def test_equation_two_tends_to_dampening_squared_over_sharpness():
    # Only against a wide but finite range: the factor 1 / (y_max - y_min) stays.
    for shape in ("exponential", "gaussian", "triangular", "dsigmoid", "rectangular"):
        derivative = Derivative(shape, 0.3, 2.0)
        wide = derivative.moment(2, -500.0, 700.0)
        assert wide == pytest.approx(derivative.wide_limit(-500.0, 700.0), rel=1e-9)
        assert wide == pytest.approx(0.09 / 2.0 * moment(shape, 2, -np.inf, np.inf) / 1200, rel=1e-9)


def test_the_authors_sharpness_is_the_mean_of_its_interval_whatever_the_cost():
    layers = [sparse(), replace(sparse(), w_in=Weights(1.0)), Layer(256, 64, alpha_decay=0.1)]
    assert {solved(layer, "exponential", ("IV",), readings="authors").sharpness for layer in layers} == {0.95}
    drawn = [
        solved(layers[0], "exponential", ("IV",), readings="authors", generator=stream(seed, "s")).sharpness
        for seed in range(50)
    ]
    assert np.std(drawn) == pytest.approx(1.3 / math.sqrt(12 * 256), rel=0.4)
    assert np.mean(drawn) == pytest.approx(0.95, abs=0.02)


def test_their_search_without_the_slip_ends_at_the_edge_of_its_interval():
    # The cost falls all the way down to 0.3: the solution lies far below. By brute force over their own interval.
    layer = Layer(256, 700, alpha_decay=math.exp(-10), thr=0.01, z_mean=0.0438844, z_var=0.0419553)
    found = solved(layer, "exponential", ("I", "II", "IV"), readings="printed", infeasible="skip")
    s = np.linspace(0.3, 1.6, 500)
    second = Derivative("exponential", 1.0, s).moment(2, found.y_min - layer.thr, found.y_max - layer.thr)
    assert s[np.argmin((second - found.target) ** 2)] == 0.3 and found.target > 1


# ---- Equations against sampled networks (standard errors set the tolerances) ----


def test_condition_two_makes_the_two_variances_equal_over_the_ensemble():
    # x and z independent spikes, new weights in each of 400 networks: eq. 28 is exact, the code's variance is not.
    layer, draws = Layer(64, 100, z_mean=0.3, z_var=0.21), stream(0, "eq28")
    mean = theory.recurrent_mean(layer)
    ratios = {}
    for reading in ("printed", "authors"):
        w_rec = Weights(theory.recurrent_variance(layer, mean, reading), mean)
        recurrent, given = [], []
        for _ in range(400):
            w, w_in = (
                drawn(part, one) for part, one in zip((w_rec, layer.w_in), standard_weights(layer, draws), strict=True)
            )
            x, z = draws.random(63) < 0.5, draws.random(100) < 0.3
            recurrent.append(w[:, 1:] @ x)
            given.append(w_in @ z)
        ratios[reading] = np.var(recurrent) / np.var(given)
    expected = 63 * (theory.recurrent_variance(layer, mean, "authors") / 2 + mean**2 / 4) / layer.input_square
    # 25,600 sums: 1 % on each variance (those of a network share their spikes, which costs another half).
    assert ratios["printed"] == pytest.approx(1, abs=0.05)
    assert ratios["authors"] == pytest.approx(expected, rel=0.05) and ratios["authors"] < 0.5


def one_step(layer, w_rec, gamma, sharpness, half, draws, repeats=60, trials=60):
    """Sample one step of the tangent: independent dy ~ N(0, 1), v uniform within -half and half, new weights often."""
    form, c, ratios = layer.form, layer.drive_factor, []
    for _ in range(repeats):
        std = standard_weights(layer, draws)
        w = drawn(w_rec, std[0]) * (1 - np.eye(layer.n_rec))
        v, v_in = (half * (2 * draws.random((trials, n)) - 1) for n in (layer.n_rec, layer.n_in))
        dy, dy_in = (draws.standard_normal((trials, n)) for n in (layer.n_rec, layer.n_in))
        slope, slope_in = (gamma * np.exp(-2 * np.abs(sharpness * one)) for one in (v, v_in))
        gate = draws.random((trials, layer.n_rec)) < 0.5
        own = layer.alpha_decay * (gate if form.gates_voltage else 1.0)
        arriving = (slope * dy) @ w.T + layer.xi * (slope_in * dy_in) @ drawn(layer.w_in, std[1]).T
        new = own * dy + c * (gate if form.gates_drive else 1.0) * arriving
        new = new - layer.thr * slope * dy * layer.reset_in_gradient
        ratios.append(np.var(new))
    return np.mean(ratios), np.std(ratios) / math.sqrt(repeats)


@pytest.mark.parametrize("reset", RESETS)
@pytest.mark.parametrize("xi", [0, 1])
def test_the_corrected_growth_of_the_variance_is_what_sampled_gradients_do(reset, xi):
    gamma, sharpness, half = 0.6, 1.0, 2.0
    first, second = (Derivative("exponential", gamma, sharpness).moment(power, -half, half) for power in (1, 2))
    layer = Layer(40, 30, 0.8, 0.9, reset=reset, xi=xi, gamma_in=gamma, mean_in=first, square_in=second)
    w_rec = Weights(0.02, 0.01)
    sums = ensemble(layer, w_rec)
    found, error = one_step(layer, w_rec, gamma, sharpness, half, stream(0, f"growth/{reset}"))
    wanted = theory.growth_of_variance(layer, sums, first, second)
    assert abs(found - wanted) < 4 * error + 1e-3
    if reset == "subtractive":
        # Without the covariance of a neuron's own two terms the growth is too large by 2 alpha thr E[sigma'].
        assert theory.growth_of_variance(layer, sums, first, second, "eq57") - found > 20 * error
        assert theory.growth_of_variance(layer, sums, first, second, "eq57") - wanted == pytest.approx(
            2 * 0.8 * 0.9 * first
        )
    if xi and reset == "multiplicative":
        # Here eq. 85 is exact, and the main text's E[sigma'_in] without its square is not.
        assert theory.growth_of_variance(layer, sums, first, second, "eq57") == pytest.approx(wanted)
        assert theory.growth_of_variance(layer, sums, first, second, "printed") - found > 20 * error


@QUICK
@given(
    seed=st.integers(0, 10**6),
    alpha=st.floats(0, 0.99),
    thr=st.floats(0.01, 3),
    reset=st.sampled_from(list(RESETS)),
    size=st.floats(0.01, 3),
)
def test_the_corrected_dampening_is_the_largest_under_which_no_gradient_grows(seed, alpha, thr, reset, size):
    layer, draws = Layer(6, 4, max(alpha, 0.01), thr, reset=reset), stream(seed, "maxima")
    w = size * (draws.random((6, 6)) - 0.3) * (1 - np.eye(6))
    sums = sample(layer, w, np.zeros((6, 4)))
    gamma = theory.dampening(layer, sums)
    assert np.all(gamma > 0)
    assert np.allclose(theory.growth_of_maxima(layer, sums, gamma), 1)
    own = layer.alpha_decay * np.ones(6)
    # Worst case of neuron 0: every other gradient has its weight's sign; its own slope is 0 or gamma, of either sign.
    worst = layer.drive_factor * np.abs(w[0]).sum() * gamma[0]
    tops = [abs(own[0] - layer.thr * slope * layer.reset_in_gradient) + worst for slope in (0.0, gamma[0])]
    assert max(tops) == pytest.approx(1)


def test_sums_of_positive_weights_let_gradients_of_either_sign_grow():
    # B.6's sums are right for spikes, which are 0 or 1; the code takes them for gradients too.
    layer = sparse(thr=0.01)
    standard = standard_weights(layer, stream(0, "signs"))
    w = drawn(Weights(1 / 256), standard[0])
    sums = sample(layer, w, drawn(layer.w_in, standard[1]))
    gamma = theory.dampening(layer, sums, "authors")
    growth = theory.growth_of_maxima(layer, sums, gamma)
    off = w * (1 - np.eye(256))
    attained = 0.9 + gamma * np.abs(off).sum(1)  # dy_j of the sign of w_ij, v of the neuron itself far from thr
    np.testing.assert_allclose(growth, attained)
    assert np.mean(growth - 0.9) == pytest.approx(0.2, rel=0.03)  # twice the 1 - alpha there is


@QUICK
@given(
    seed=st.integers(0, 10**6),
    alpha=st.floats(0.01, 0.99),
    thr=st.floats(0.01, 3),
    reset=st.sampled_from(list(RESETS)),
    shape=st.sampled_from(SHAPES),
    sharpness=st.floats(1e-4, 1e3),
)
def test_conditions_three_and_four_exclude_each_other(seed, alpha, thr, reset, shape, sharpness):
    # III: the row sums of |J| are 1. Then the sums of J^2 are below 1, since no |J| exceeds 1: IV cannot be 1 too.
    layer, draws = Layer(8, 5, alpha, thr, reset=reset), stream(seed, "exclude")
    w = (draws.random((8, 8)) - 0.4) * (1 - np.eye(8))
    sums = sample(layer, w, draws.random((8, 5)) - 0.5)
    gamma = theory.dampening(layer, sums)
    low, high = voltage_range(layer, sums)
    derivative = Derivative(shape, gamma, sharpness, TAIL)
    first, second = (derivative.moment(power, low - thr, high - thr) for power in (1, 2))
    growth = theory.growth_of_variance(layer, sums, first, second)
    assert np.all(growth < 1)
    assert np.all(growth <= theory.growth_of_maxima(layer, sums, gamma) ** 2)


@pytest.mark.parametrize("reading", ["printed", "authors"])
def test_without_negative_weights_the_printed_reset_lets_gradients_grow_without_end(reading):
    """Eq. 41 divides by Min[w_rec]."""
    layer = sparse()
    sums = replace(ensemble(layer, layer.w_rec), rec_bottom=0.0)
    assert theory.growth_of_maxima(layer, sums, 0.0, reading) == pytest.approx(0.9)
    assert theory.growth_of_maxima(layer, sums, 0.5, reading) == np.inf
    assert theory.dampening(layer, sums, reading) == 0  # which `solve` takes for no solution


@pytest.mark.parametrize("reset", RESETS)
@QUICK
@given(alpha=st.floats(0, 0.97), thr=st.floats(0.05, 2), high=st.floats(0, 5), low=st.floats(-5, 0))
def test_voltages_stay_in_the_corrected_range_and_reach_its_ends(reset, alpha, thr, high, low):
    layer = Layer(4, 4, alpha, thr, reset=reset)
    form, c = layer.form, layer.drive_factor
    sums = replace(ensemble(layer, layer.w_rec), drive_high=high, drive_low=low)
    y_min, y_max = (float(end) for end in voltage_range(layer, sums))
    printed = voltage_range(layer, sums, "printed")

    def step(y, i):
        x = y > thr
        keep, passes = alpha * (1 - x * form.gates_voltage), c * (1 - x * form.gates_drive)
        return keep * y + passes * i - thr * x * form.subtracts

    # Above: just under the threshold, then the largest drive for ever. Below: just over it, then the smallest.
    tops, bottoms, from_rest = [thr], [math.nextafter(thr, 9)], [0.0]
    for _ in range(300):
        for path, drive in ((tops, high), (bottoms, low), (from_rest, high)):
            path.append(step(path[-1], drive))
    slack = 2e-4 * (1 + abs(y_min) + abs(y_max))  # of 0.97^300
    assert max(from_rest) <= y_max + slack and min(bottoms) >= y_min - slack
    if c * high > (1 - alpha) * thr:
        assert max(tops[1:]) == pytest.approx(y_max, abs=slack)
    assert min(bottoms[1:]) == pytest.approx(y_min, abs=slack)
    assert printed[0] <= y_min + slack and (y_max <= printed[1] + slack or reset.endswith("scaled"))


# ---- Stacks ----


def test_a_layer_above_sees_spikes_of_half_rate_and_the_gradients_below():
    below = sparse()
    found = solved(below, "exponential", ("I", "II", "III"))
    second = above(below, found, n_rec=128)
    assert (second.n_in, second.n_rec, second.z_mean, second.z_var, second.xi) == (256, 128, 0.5, 0.25, 1)
    assert second.gamma_in == found.dampening and second.square_in == found.second
    assert second.w_in.variance == pytest.approx(2 / (256 + 128))


def test_with_glorot_weights_a_second_layer_has_no_dampening_as_printed():
    # n_in Max[w_in] gamma_in = 1.0035 (1 - alpha): the layer below has spent all that condition III allows.
    below = Layer(256, 700, 0.9, 0.01)
    second = above(below, solved(below, "exponential", ("III",), readings="printed"))
    spent = second.n_in * math.sqrt(6 / 512) * second.gamma_in
    assert spent / 0.1 == pytest.approx(1.0035, abs=1e-4)
    sums = ensemble(second, second.w_rec)
    assert theory.dampening(second, sums, "printed") < 0
    assert theory.dampening(second, sums, "authors") > 0  # the code leaves the layer below out
