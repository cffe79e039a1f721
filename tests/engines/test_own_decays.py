"""The C++ engine computes what the reference does of current-based neurons with time constants of their own."""

import itertools

import numpy as np
import pytest
from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st

from sgpipe.data import prepare
from sgpipe.engines.cpu.engine import CpuEngine, built
from sgpipe.spec.surrogates import SURROGATES
from tests.engines.agreement import assert_whole_trainings_agree, has_one_maximum
from tests.engines.test_delta_engine import RECURRENCE, REGULARISED, assert_agrees, network, problem

pytestmark = pytest.mark.skipif(not built(), reason="the compiled CPU engine is not built")

SPREAD = {"network.tau_membrane_shape": 3, "network.tau_synapse_shape": 2, "network.tau_membrane": 4.0}
TRAINED = {"network.trained_neurons": True}
SHARP = {"surrogate.beta": 2.0, "objective.head": "max"}


def lively(hidden=(19, 11), steps=14, **knobs):
    return network("lif", hidden, steps, **{**SHARP, **knobs})


@pytest.mark.parametrize("times", [SPREAD, TRAINED, {**SPREAD, **TRAINED}])
@pytest.mark.parametrize("hidden", [(13,), (9, 12), (130,), (5, 65, 8)])
def test_gradients_agree_to_1e_9(times, hidden):
    for recurrence, reset in itertools.product(RECURRENCE.values(), ("attached", "detached")):
        spec = lively(hidden, **times, **recurrence, **{"network.reset_gradient": reset})
        rates = assert_agrees(spec, *problem(spec, scale=6.0))
        assert np.all(rates > 0.02)
        assert_agrees(spec, *problem(spec, scale=6.0), train=False)


@pytest.mark.parametrize("shape", SURROGATES)
def test_every_shape_on_every_instruction_set(shape):
    from sgpipe.engines.cpu import _cpu

    spec = lively(**TRAINED, **RECURRENCE["propagated"], **{"surrogate.shape": shape})
    for isa in _cpu.isas():
        assert_agrees(spec, *problem(spec, 1, scale=6.0), isa=isa)


KNOBS = st.fixed_dictionaries({
    "network.hidden": st.sampled_from([[1], [17], [8, 9], [3, 20, 6]]),
    "network.tau_membrane": st.sampled_from([0.05, 1.0, 10.0, 1e6]),
    "network.tau_synapse": st.sampled_from([0.05, 5.0]),
    "network.tau_membrane_shape": st.sampled_from([0.0, 0.05, 3.0]),
    "network.tau_synapse_shape": st.sampled_from([0.0, 3.0]),
    "network.trained_neurons": st.booleans(),
    "network.reset_gradient": st.sampled_from(["detached", "attached"]),
    "network.dropout": st.sampled_from([0.0, 0.0, 0.3]),
    "network.input_dropout": st.sampled_from([0.0, 0.0, 0.4, 0.95]),
    "objective.head": st.sampled_from(["max", "sum"]),
    "objective.label_smoothing": st.sampled_from([0.0, 0.1]),
    "surrogate.shape": st.sampled_from(list(SURROGATES)),
})  # fmt: skip


@settings(max_examples=60, deadline=None, derandomize=True, phases=[Phase.generate])
@given(
    knobs=KNOBS,
    recurrence=st.sampled_from(list(RECURRENCE)),
    regularised=st.booleans(),
    steps=st.sampled_from([1, 2, 3, 12, 18]),
    samples=st.integers(1, 14),
    scale=st.sampled_from([0.0, 1.0, 10.0]),
    analog=st.booleans(),
    seed=st.integers(0, 2**16),
)
def test_any_combination_agrees(knobs, recurrence, regularised, steps, samples, scale, analog, seed):
    more = {**knobs, **RECURRENCE[recurrence], **(REGULARISED if regularised else {})}
    spec = network("lif", more.pop("network.hidden"), steps, **{**SHARP, **more})
    weights, task = problem(spec, seed, samples, scale=scale, analog=analog, hold=3 if steps % 3 == 0 else 1)
    random = np.random.default_rng(seed)
    indices = random.integers(0, samples, random.integers(1, samples + 1))
    updates = int(random.integers(0, 9))  # in which epoch of dropout the batch falls
    assume(has_one_maximum(spec, weights, task, indices, None, updates))
    assert_agrees(spec, weights, task, indices, updates=updates)
    assert_agrees(spec, weights, task, indices, train=False)


@pytest.mark.parametrize("neuron", ["delta_lif", "alif", "slstm"])
def test_every_engine_drops_the_same_input_of_other_neurons(neuron):
    for analog in (False, True):
        spec = network(neuron, **{"network.input_dropout": 0.4, "network.dropout": 0.2})
        assert_agrees(spec, *problem(spec, 3, analog=analog), updates=3)


def test_input_is_dropped_without_hidden_layers():
    spec = network("lif", (), **{"network.input_dropout": 0.4, "objective.head": "sum"})
    for analog in (False, True):
        assert_agrees(spec, *problem(spec, 3, analog=analog), updates=3)


def test_equal_time_constants_of_their_own_are_shared_ones():
    knobs = {"network.tau_membrane": 4.0, "network.tau_synapse": 3.0, **RECURRENCE["propagated"]}
    shared, own = lively(**knobs), lively(**knobs, **TRAINED)
    weights, task = problem(shared, scale=6.0)
    taus = {f"{name}{layer}": np.full(n, tau) for layer, n in ((1, 19), (2, 11))
            for name, tau in (("tau_membrane", 4.0), ("tau_synapse", 3.0))}  # fmt: skip
    names = ("W1", "V1", "tau_membrane1", "tau_synapse1", "W2", "V2", "tau_membrane2", "tau_synapse2", "W_out")
    both = {name: (weights | taus)[name] for name in names}
    one = CpuEngine().open([shared], task, [weights]).batch(task.train, np.arange(8), True)
    other = CpuEngine().open([own], task, [both]).batch(task.train, np.arange(8), True)
    assert other[0].loss == pytest.approx(one[0].loss, rel=1e-12)
    for name, gradient in one[1].items():
        np.testing.assert_allclose(other[1][name], gradient, rtol=0, atol=1e-12 * np.abs(gradient).max(), err_msg=name)


def test_time_constants_below_the_shortest_stay_where_they_are():
    spec = lively((5,), **TRAINED, **RECURRENCE["propagated"])
    weights, task = problem(spec, scale=6.0)
    weights["tau_membrane1"][:3] = [-1.0, 1e-3, 1e-2]
    weights["tau_synapse1"][:3] = [1e-2, 0.0, -5.0]
    assert_agrees(spec, weights, task)


def test_time_constants_that_are_not_finite_give_a_loss_that_is_not():
    spec = lively((5,), **TRAINED)
    weights, task = problem(spec)
    for name in ("tau_membrane1", "tau_synapse1"):
        spoilt = {other: array.copy() for other, array in weights.items()}
        spoilt[name][1] = np.nan
        sums, _ = CpuEngine().open([spec], task, [spoilt]).batch(task.train, np.arange(8), True)
        assert not np.isfinite(sums.loss), name


@pytest.mark.parametrize("recurrence", ["feed-forward", "propagated"])
def test_bits_do_not_depend_on_threads(recurrence):
    knobs = {**TRAINED, **REGULARISED, **RECURRENCE[recurrence], "network.input_dropout": 0.1}
    spec = lively((90, 60), 40, **knobs, **{"training.precision": "float32"})
    weights, task = problem(spec, samples=150)
    indices, found = np.random.default_rng(1).permutation(150)[:140], []
    for threads in (1, 2, 3):
        session = CpuEngine().open([spec], task, [weights], threads=lambda threads=threads: threads)
        sums, gradients = session.batch(task.train, indices, True)
        found.append((sums.loss, sums.penalty, sums.correct, *(array.tobytes() for array in gradients.values())))
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("knobs", [SPREAD, {**TRAINED, "network.recurrent": True}, {**SPREAD, **TRAINED}])
def test_a_whole_training_agrees(tiny, knobs):
    spec = tiny({"training.precision": "float64", "network.input_dropout": 0.2, "optimiser.lr": 0.01, **knobs})
    assert_whole_trainings_agree(spec, prepare(spec))
