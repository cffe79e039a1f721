"""The C++ engine computes what the torch reference does of the spiking LSTM, gradients of every weight included."""

import itertools

import numpy as np
import pytest
from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st

from sgpipe.data import prepare
from sgpipe.engines.cpu.engine import CpuEngine, built
from sgpipe.engines.reference import ReferenceEngine
from sgpipe.spec.surrogates import SURROGATES
from tests.conftest import longer_after
from tests.engines.agreement import assert_whole_trainings_agree, drawn_settings, has_one_maximum
from tests.engines.test_delta_engine import RECURRENCE, REGULARISED, assert_agrees, network, problem

pytestmark = pytest.mark.skipif(not built(), reason="the compiled CPU engine is not built")


def lstm(hidden=(19, 11), steps=14, **more):
    return network("slstm", hidden, steps, **more)


@pytest.mark.parametrize("tanh", ["coded", "printed"])
@pytest.mark.parametrize("recurrence", RECURRENCE)
def test_either_tanh_with_and_without_recurrence_and_its_gradient(tanh, recurrence):
    for seed, hidden in enumerate([(9,), (19, 11), (5, 12, 8)]):
        spec = lstm(hidden, **{"network.tanh": tanh, **RECURRENCE[recurrence]})
        rates = assert_agrees(spec, *problem(spec, seed, scale=2.0))
        assert np.all((rates > 0.1) & (rates < 0.9))


@pytest.mark.parametrize("shape", SURROGATES)
def test_every_shape_on_every_instruction_set(shape):
    from sgpipe.engines.cpu import _cpu

    knobs = {"beta": 3.0, "sharpness": 1.4, "dampening": 0.6, "tail": 2.7}
    spec = lstm(**{f"surrogate.{name}": value for name, value in knobs.items()},
                **{"surrogate.shape": shape, "network.recurrent": True})  # fmt: skip
    for isa in _cpu.isas():
        assert_agrees(spec, *problem(spec, 3), isa=isa)


@pytest.mark.parametrize("head", ["steps", "max", "sum"])
@pytest.mark.parametrize("penalties", longer_after(1, [REGULARISED, {}, {"objective.upper_strength": 0.1}]))
def test_every_head_regulariser_and_smoothing(head, penalties):
    for accuracy, smoothing, recurrence in itertools.product(["summed", "mode"], [0.0, 0.2], RECURRENCE.values()):
        knobs = {"objective.head": head, "objective.accuracy": accuracy, "objective.label_smoothing": smoothing}
        spec = lstm(**knobs, **penalties, **recurrence)
        assert_agrees(spec, *problem(spec, 1))


@pytest.mark.parametrize("width", [1, 8, 17, 64, 65, 130])
def test_layers_of_any_width(width):
    from sgpipe.engines.cpu import _cpu

    for isa in _cpu.isas():
        spec = lstm((width, 3), **RECURRENCE["propagated"])
        assert_agrees(spec, *problem(spec, width, samples=7), isa=isa)


KNOBS = st.fixed_dictionaries({
    "network.hidden": st.lists(st.integers(1, 40), min_size=1, max_size=4),
    "network.tanh": st.sampled_from(["coded", "printed"]),
    "network.dropout": st.sampled_from([0.0, 0.0, 0.3, 0.9]),
    "objective.head": st.sampled_from(["steps", "steps", "max", "sum"]),
    "objective.accuracy": st.sampled_from(["summed", "mode"]),
    "objective.label_smoothing": st.sampled_from([0.0, 0.1]),
    "surrogate.shape": st.sampled_from(list(SURROGATES)),
    "surrogate.sharpness": st.sampled_from([0.4, 1.0, 5.0]),
})  # fmt: skip


# What fails is small enough to be read as it is: looking for something smaller takes minutes.
@settings(max_examples=60, deadline=None, derandomize=True, phases=[Phase.generate])
@given(
    knobs=KNOBS,
    recurrence=st.sampled_from(list(RECURRENCE)),
    regularised=st.booleans(),
    steps=st.sampled_from([1, 2, 3, 12, 18]),
    samples=st.integers(1, 14),
    scale=st.sampled_from([0.0, 0.05, 1.0, 10.0]),
    theory=st.sampled_from(["none", "layers", "neurons"]),
    analog=st.booleans(),
    seed=st.integers(0, 2**16),
)
def test_any_combination_agrees(knobs, recurrence, regularised, steps, samples, scale, theory, analog, seed):
    more = {**knobs, **RECURRENCE[recurrence], **(REGULARISED if regularised else {})}
    spec = lstm(**{"steps": steps, **more})
    weights, task = problem(spec, seed, samples, scale=scale, analog=analog, hold=3 if steps % 3 == 0 else 1)
    random = np.random.default_rng(seed)
    chosen = drawn_settings(random, spec.network.hidden, theory)
    indices = random.integers(0, samples, random.integers(1, samples + 1))
    updates = int(random.integers(0, 9))  # in which epoch of dropout the batch falls
    assume(has_one_maximum(spec, weights, task, indices, chosen, updates))
    assert_agrees(spec, weights, task, indices, chosen, updates=updates)
    assert_agrees(spec, weights, task, indices, chosen, train=False)


@pytest.mark.parametrize("gate", range(4))
def test_gates_that_are_always_open_or_always_closed(gate):
    for current, recurrence in itertools.product([-1e3, 1e3], RECURRENCE.values()):
        spec = lstm(**recurrence)
        weights, task = problem(spec)
        for layer, units in enumerate(spec.network.hidden, start=1):
            weights[f"b{layer}"].reshape(4, units)[gate] = current
        rates = assert_agrees(spec, weights, task)
        assert gate != 3 or rates.tolist() == [float(current > 0)] * 2


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_bits_do_not_depend_on_threads(precision):
    # Large enough that the extension starts the threads it is allowed.
    knobs = {"network.recurrent": True, "network.dropout": 0.1, "training.precision": precision}
    spec = lstm((50, 30), 40, **knobs, **REGULARISED)
    weights, task = problem(spec, samples=150)
    indices, found = np.random.default_rng(1).permutation(150)[:140], []
    for threads in (1, 2, 3):
        session = CpuEngine().open([spec], task, [weights], threads=lambda threads=threads: threads)
        sums, gradients = session.batch(task.train, indices, True)
        found.append((sums.loss, sums.penalty, sums.correct, *(array.tobytes() for array in gradients.values())))
    assert found[0] == found[1] == found[2]


def test_single_precision_agrees_where_no_gate_flips():
    spec = lstm(**RECURRENCE["propagated"], **{"training.precision": "float32"})
    weights, task = problem(spec, 2)
    one, other = (kind().open([spec], task, [weights]).batch(task.train, np.arange(8), True)
                  for kind in (ReferenceEngine, CpuEngine))  # fmt: skip
    assert one[0].spikes.tolist() == other[0].spikes.tolist()
    for name, gradient in one[1].items():
        np.testing.assert_allclose(other[1][name], gradient, rtol=0, atol=1e-4 * np.abs(gradient).max(), err_msg=name)


TRAININGS = {
    "paper": {"network.recurrent": True, "objective.head": "steps", "optimiser.lr": 0.01},
    "all": {
        "network.hidden": [12, 9], "network.recurrent": True, "network.dropout": 0.2, "network.tanh": "printed",
        "objective.head": "steps", "objective.label_smoothing": 0.1, "optimiser.name": "adabelief",
        "optimiser.weight_decay": 0.01, "optimiser.clip": 1.0,
    },
}  # fmt: skip


@pytest.mark.parametrize("knobs", TRAININGS.values(), ids=TRAININGS)
def test_a_whole_training_agrees(tiny, knobs):
    spec = tiny({"network.neuron": "slstm", "training.precision": "float64", "optimiser.lr": 0.01, **knobs})
    task = prepare(spec)
    assert_whole_trainings_agree(spec, task)


def test_weights_that_are_not_finite_give_a_loss_that_is_not():
    spec = lstm((5,), **{"network.recurrent": True})
    weights, task = problem(spec)
    for name in weights:
        spoilt = {other: array.copy() for other, array in weights.items()}
        spoilt[name].flat[1] = np.nan
        sums, _ = CpuEngine().open([spec], task, [spoilt]).batch(task.train, np.arange(8), True)
        assert not np.isfinite(sums.loss), name
