"""The small simulator is its equations; what it says of conditions I and II; the input gain that makes them hold."""

import math
from dataclasses import replace

import numpy as np
import pytest

from sgpipe.base.errors import SgpipeError
from sgpipe.base.rng import stream
from sgpipe.initial_state.theory import conditions as theory
from sgpipe.initial_state.theory.asked import Asked
from sgpipe.initial_state.theory.draws import drawn, standard_weights
from sgpipe.initial_state.theory.gain import Bench, input_gain, phase_diagram, scaled
from sgpipe.initial_state.theory.layer import Layer, Weights
from sgpipe.initial_state.theory.moments import Derivative
from sgpipe.initial_state.theory.simulate import input_drive, random_inputs, simulate
from sgpipe.initial_state.theory.solve import solve
from sgpipe.spec.resets import RESETS


def network(layer: Layer, rate: float, seed: int = 0, trials: int = 2, steps: int = 300, reading="corrected", **more):
    """Simulate a layer that meets conditions I and II under random inputs."""
    layer = replace(layer, z_mean=rate, z_var=rate * (1 - rate))
    mean = theory.recurrent_mean(layer, reading)
    std = standard_weights(layer, stream(seed, "conditions/weights"))
    w_rec = drawn(Weights(theory.recurrent_variance(layer, mean), mean), std[0])
    drive = input_drive(drawn(layer.w_in, std[1]), random_inputs(rate, trials, steps, layer.n_in, seed))
    return simulate(layer, w_rec, drive, seed, **more)


EQUATIONS = {
    "subtractive": lambda y, i, x, fell: 0.8 * y + i - 0.7 * fell,
    "multiplicative": lambda y, i, x, fell: 0.8 * y * (1 - x) + i,
    "multiplicative_scaled": lambda y, i, x, fell: 0.8 * (y * (1 - x) + i),
    "refractory": lambda y, i, x, fell: (0.8 * y + i) * (1 - x),
    "refractory_scaled": lambda y, i, x, fell: 0.8 * (y + i) * (1 - x),
}


@pytest.mark.parametrize("reset", RESETS)
def test_the_simulator_is_the_equation_neuron_by_neuron(reset):
    layer, draws = Layer(5, 3, 0.8, 0.7, reset=reset), stream(0, "equation")
    w, drive = 3 * (draws.random((5, 5)) - 0.4), 4 * (draws.random((1, 30, 5)) - 0.3)
    found = simulate(layer, w, drive, 3, derivative=Derivative("exponential", 0.4, 1.3), keep=True)

    thr = 0.7
    y, x = [0.0] * 5, [0] * 5
    dy = np.sign(stream(3, "conditions/tangent").random((1, 5)) - 0.5)[0].tolist()
    for t in range(30):
        slope = [0.4 * math.exp(-2.6 * abs(v - thr)) for v in y]
        i = [sum(w[n, m] * x[m] for m in range(5) if m != n) + drive[0, t, n] for n in range(5)]
        di = [sum(w[n, m] * slope[m] * dy[m] for m in range(5) if m != n) for n in range(5)]
        fell = [slope[n] * dy[n] for n in range(5)]  # what the reset takes away, in the tangent and in the state
        dy = [EQUATIONS[reset](dy[n], di[n], x[n], fell[n]) for n in range(5)]
        y = [EQUATIONS[reset](y[n], i[n], x[n], x[n]) for n in range(5)]
        x = [int(v > thr) for v in y]
        assert found.spikes[0, t].tolist() == x
        np.testing.assert_allclose(
            found.tangents[0, t], [0.4 * math.exp(-2.6 * abs(y[n] - thr)) * dy[n] for n in range(5)]
        )
        assert found.grad_max[t] == pytest.approx(max(abs(one) for one in dy))
        assert found.median[t] == pytest.approx(np.median(y) - thr)
    assert 0.05 < found.rate.mean() < 0.95  # the reset was at work


def test_without_the_reset_in_the_gradient_its_term_is_gone():
    layer, drive = Layer(4, 3, 0.5, 1.0, reset_gradient=False), np.ones((2, 9, 4))
    found = simulate(layer, np.zeros((4, 4)), drive, derivative=Derivative("gaussian"))
    assert found.growth() == pytest.approx({"maxima": 0.5, "variance": 0.25})


def test_a_layer_above_gets_spikes_and_tangents_from_the_one_below():
    below, draws = Layer(6, 5), stream(0, "stack")
    triangular = Derivative("triangular", sharpness=0.5)
    w_rec, drive = draws.random((6, 6)) - 0.4, 3 * draws.random((3, 20, 6))
    one = simulate(below, w_rec, drive, derivative=triangular, keep=True)
    w_in = draws.random((4, 6)) - 0.3
    above = simulate(
        Layer(4, 6),
        np.zeros((4, 4)),
        input_drive(w_in, one.spikes),
        tangent_drive=input_drive(w_in, one.tangents),
        derivative=triangular,
    )
    alone = simulate(Layer(4, 6), np.zeros((4, 4)), input_drive(w_in, one.spikes), derivative=triangular)
    np.testing.assert_array_equal(above.rate, alone.rate)
    assert not np.allclose(above.grad_var, alone.grad_var)


def test_the_seed_alone_decides_a_simulation():
    layer = Layer(16, 12)
    one, same, other = (network(layer, 0.5, seed, derivative=Derivative("exponential")) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.grad_var, same.grad_var)
    assert not np.array_equal(one.rate, other.rate)


# ---- Condition I on a single neuron: what the mean of the drive must be ----


def neuron_rate(layer: Layer, mean_drive: float, deviation: float) -> float:
    """Rate of 5,000 independent neurons over 100 steps, their drive normal; standard error below 0.003."""
    drive = mean_drive + deviation * stream(0, "neuron").standard_normal((200, 5000))
    form, y, x, rates = layer.form, np.zeros(5000), np.zeros(5000), []
    for i in drive:
        keep = layer.alpha_decay * (1 - x if form.gates_voltage else 1)
        passes = layer.drive_factor * (1 - x if form.gates_drive else 1)
        y = keep * y + passes * i - layer.thr * x * form.subtracts
        x = (y > layer.thr).astype(float)
        rates.append(x.mean())
    return np.mean(rates[100:])


@pytest.mark.parametrize("deviation", [0.3, 1.0, 3.0])
def test_condition_one_is_exact_for_the_subtractive_reset_whatever_the_noise(deviation):
    # Eq. 1 about the threshold is odd: u = a u' - thr sign(u') / 2 + noise, so median and mean are both 0.
    layer = Layer(256, 700)
    drive = 255 * theory.recurrent_mean(layer) / 2
    assert neuron_rate(layer, drive, deviation) == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("deviation", [1.0, 3.0])
def test_no_printed_mean_makes_a_multiplicative_neuron_fire_half_of_the_time(deviation):
    # The mean over neurons that are not reset is that of voltages below thr, lower than B.7's E[y] E[1 - x].
    layer = Layer(256, 700, reset="multiplicative")
    rates = [
        neuron_rate(layer, 255 * theory.recurrent_mean(layer, one) / 2, deviation) for one in ("printed", "corrected")
    ]
    assert rates[0] < rates[1] < 0.42


def test_a_refractory_neuron_never_fires_half_of_the_time():
    # It is silent after each spike: p = (1 - p) q <= 1/2, reached only by firing at every other step for sure.
    layer = Layer(256, 700, reset="refractory")
    for drive in (2.0, 5.0, 10.0):
        assert neuron_rate(layer, drive, 3.0) < 0.5
    assert neuron_rate(layer, 1e3, 3.0) == pytest.approx(0.5, abs=1e-3)


# ---- Conditions I and II in networks ----


def test_with_dense_inputs_conditions_one_and_two_hold():
    found = [network(Layer(256, 700), 0.5, seed).summary() for seed in range(2)]
    assert np.mean([one["rate"] for one in found]) == pytest.approx(0.5, abs=0.05)
    assert np.mean([one["median"] for one in found]) == pytest.approx(0, abs=0.2)
    assert np.mean([one["variance_ratio"] for one in found]) == pytest.approx(1, abs=0.15)
    # Most of the recurrent variance stands still: neurons differ more from each other than over time.
    assert all(one["variance_ratio_time"] < 0.6 for one in found)


def test_with_sparse_inputs_the_layer_falls_silent_although_the_equations_hold():
    found = network(Layer(256, 700), 0.02).summary()
    assert found["rate"] < 0.02 and found["variance_ratio"] < 0.05 and found["median"] < -0.8


def test_equation_19_as_typeset_makes_every_neuron_fire_always():
    layer = replace(Layer(256, 700), z_mean=0.5)
    std = standard_weights(layer, stream(0, "conditions/weights"))
    drive = input_drive(drawn(layer.w_in, std[1]), random_inputs(0.5, 1, 60, 700, 0))
    w_rec = drawn(Weights(0.0, theory.recurrent_mean(layer, "eq19")), std[0])
    assert simulate(layer, w_rec, drive).rate[-1] == 1.0


def test_printed_b7_leaves_a_densely_driven_layer_well_below_half():
    for reset in ("multiplicative", "multiplicative_scaled", "refractory_scaled"):
        rates = [
            network(Layer(256, 700, reset=reset), 0.5, steps=150, reading=one).summary()["rate"]
            for one in ("printed", "corrected")
        ]
        assert rates[0] < 0.22 and rates[0] < rates[1] < 0.36


def test_with_the_dampening_of_condition_three_gradients_vanish_and_do_not_keep_their_size():
    layer = Layer(256, 700)
    solved = solve(layer, "exponential", Asked(("I", "II", "III")))
    naive = network(layer, 0.5, steps=60, derivative=Derivative("exponential")).growth()
    found = network(layer, 0.5, steps=60, derivative=Derivative("exponential", solved.dampening)).growth()
    assert found["maxima"] < 0.93 and found["variance"] == pytest.approx(0.81, abs=0.02)
    assert naive["variance"] > found["variance"]


# ---- Input gain ----


def test_the_input_gain_wakes_a_layer_with_sparse_inputs():
    layer, rate = Layer(256, 500, z_mean=0.02, z_var=0.02 * 0.98), 0.02
    found = input_gain(layer, random_inputs(rate, 2, 150, 500, 0), seed=0)
    assert not found.message and 2 < found.critical < found.gain == pytest.approx(2 * found.critical)
    assert found.rate == pytest.approx(0.5, abs=0.1)
    assert found.variance_ratio == pytest.approx(1, abs=0.3)
    below = found.searched[found.searched.gain < 0.8 * found.critical]
    assert len(below) and (below.rate < 0.25).all()
    # With other weights and inputs, too.
    again = Bench(layer, random_inputs(rate, 2, 150, 500, 7), seed=7)(found.gain)
    assert again["rate"] == pytest.approx(0.5, abs=0.12)


def test_the_input_gain_is_the_same_each_time_and_one_where_none_is_needed():
    layer = Layer(64, 100)
    inputs = random_inputs(0.5, 2, 100, 100, 0)
    one, same = (input_gain(layer, inputs, seed=1) for _ in range(2))
    assert (one.gain, one.rate) == (same.gain, same.rate) and one.gain == 1 and math.isnan(one.critical)


def test_where_no_gain_suffices_the_message_says_so():
    layer = Layer(64, 100, z_mean=0.02, z_var=0.0196)
    found = input_gain(layer, random_inputs(0.02, 1, 60, 100, 0), most=2)
    assert found.gain == 2 and "still below half of 0.5" in found.message


def test_a_gain_scales_the_variance():
    assert scaled(Weights(0.5, 0.1), 4) == Weights(2.0, 0.2)


def test_the_phase_diagram_is_a_tidy_table_with_a_silent_corner():
    table = phase_diagram(Layer(256, 300), [0.5, 0.02], [16, 1], trials=2, steps=120)
    assert list(zip(table.input_rate, table.gain, strict=True)) == [(0.02, 1), (0.02, 16), (0.5, 1), (0.5, 16)]
    assert {"rate", "median", "variance_ratio", "variance_ratio_time", "var_rec", "var_in"} <= set(table)
    silent, woken, *dense = table.rate
    assert silent < 0.05 and woken > 0.35 and all(rate > 0.35 for rate in dense)
    with pytest.raises(SgpipeError, match="not above 0"):
        phase_diagram(Layer(8, 8), [0.0], [1])
