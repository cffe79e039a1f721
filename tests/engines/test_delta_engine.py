"""The C++ engine computes what the torch reference does of herranz2022's networks, gradients of every weight included."""

import itertools

import numpy as np
import pytest
from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st

from sgpipe.data import prepare
from sgpipe.data.samples import Analog, Events, Task
from sgpipe.engines.cpu.engine import CpuEngine, built
from sgpipe.engines.reference import ReferenceEngine, ReferenceSession
from sgpipe.spec.layer_settings import LayerSettings
from sgpipe.spec.run import RESETS, RunSpec
from sgpipe.spec.surrogates import SURROGATES
from sgpipe.weights.schemes import layout
from tests.conftest import assert_no_spike_hangs_on_rounding
from tests.engines.agreement import assert_whole_trainings_agree, drawn_settings, has_one_maximum

pytestmark = pytest.mark.skipif(not built(), reason="the compiled CPU engine is not built")

UNITS, CLASSES = 7, 4
RECURRENCE = {
    "feed-forward": {},
    "propagated": {"network.recurrent": True},
    "detached": {"network.recurrent": True, "network.recurrent_gradient": "detached"},
}
REGULARISED = {
    "objective.lower_strength": 0.3, "objective.lower_threshold": 4.5, "objective.upper_strength": 0.02,
    "objective.upper_threshold": 1.0, "objective.upper_exponent": 2,
}  # fmt: skip


def network(neuron="delta_lif", hidden=(19, 11), steps=14, **more):
    values = {
        "data.steps": steps, "data.tau": 1.0, "network.neuron": neuron, "network.hidden": list(hidden),
        "network.tau_adaptation": 5.0, "objective.head": "steps", "objective.lower_strength": 0,
        "training.precision": "float64", "training.batch_size": 5,
    }  # fmt: skip
    return RunSpec.make({**values, **more})


def problem(spec, seed=0, samples=8, rate=0.2, scale=1.0, analog=False, hold=1):
    """Return weights, nothing of them 0 but the diagonal of V, and a task of random input."""
    random, weights, steps = np.random.default_rng(seed), {}, spec.data.steps
    for name, shape in layout(spec, UNITS, CLASSES).items():
        if name.startswith(("tau", "threshold", "adaptation")):
            weights[name] = random.uniform(0.4, 2.0, shape)
        else:
            reach = 2.0 if name.endswith("_out") else 2.0 * scale
            weights[name] = random.normal(0.3 * (name[0] == "W"), reach * shape[-1] ** -0.5, shape)
    labels = random.integers(0, CLASSES, samples)
    if analog:
        split = Analog(random.normal(0, 0.7, (samples, steps // hold, UNITS)).astype(np.float32), labels, hold)
    else:
        counts = random.poisson(rate, (samples, steps, UNITS))
        counts[samples // 2] = 0  # one sample without an event
        at = np.repeat(np.arange(counts.size), counts.ravel())
        split = Events.from_spikes(at // (steps * UNITS), at // UNITS % steps, at % UNITS, labels)
    weights = {name: array.astype(spec.training.dtype) for name, array in weights.items()}
    return weights, Task(UNITS, CLASSES, steps, split, split, split)


def assert_agrees(spec, weights, task, indices=None, theory=None, isa="auto", train=True, updates=0):
    """Compare one batch; return the mean rate of each layer."""
    indices = np.arange(len(task.train)) if indices is None else np.asarray(indices)
    copies = [{name: array.copy() for name, array in weights.items()} for _ in range(2)]
    slow = ReferenceSession(spec, task, copies[0], "cpu", theory)
    fast = CpuEngine().open([spec], task, [copies[1]], [theory])
    fast.settings["isa"] = isa
    slow.optimiser.step_count = fast.optimiser.step_count = updates
    sums, wanted = slow.batch(task.train, indices, train)
    found_sums, found = fast.batch(task.train, indices, train)
    assert found_sums.spikes.tolist() == sums.spikes.tolist()
    assert (found_sums.samples, found_sums.correct) == (sums.samples, sums.correct)
    assert found_sums.loss == pytest.approx(sums.loss, rel=1e-9, abs=1e-12)
    assert found_sums.penalty == pytest.approx(sums.penalty, rel=1e-9, abs=1e-12)
    assert not train or list(found) == list(wanted) == list(weights)
    for name, gradient in wanted.items():
        # Denormal numbers are flushed to zero.
        allowed = 1e-9 * np.abs(gradient).max() + 1e-290
        np.testing.assert_allclose(found[name], gradient, rtol=0, atol=allowed, err_msg=name)
    return sums.spikes / len(indices) / spec.data.steps / np.array(spec.network.hidden)


@pytest.mark.parametrize("neuron", ["delta_lif", "alif"])
@pytest.mark.parametrize("reset", RESETS)
def test_every_reset_with_and_without_its_gradient_and_recurrence(neuron, reset):
    cases = itertools.product(["attached", "detached"], RECURRENCE.values(), [False, True])
    for seed, (gradient, recurrence, trained) in enumerate(cases):
        knobs = {"network.reset": reset, "network.reset_gradient": gradient, **recurrence}
        knobs |= {"network.trained_neurons": trained, "network.bias": seed % 2 == 0}
        spec = network(neuron, **knobs)
        rates = assert_agrees(spec, *problem(spec, seed, scale=2.0))
        assert np.all((rates > 0.005) & (rates < 0.99))


@pytest.mark.parametrize("neuron", ["delta_lif", "alif"])
@pytest.mark.parametrize("shape", SURROGATES)
def test_every_shape_on_every_instruction_set(neuron, shape):
    from sgpipe.engines.cpu import _cpu

    knobs = {"beta": 3.0, "sharpness": 1.4, "dampening": 0.6, "tail": 2.7}
    spec = network(neuron, **{f"surrogate.{name}": value for name, value in knobs.items()},
                   **{"surrogate.shape": shape, "network.recurrent": True, "network.reset_gradient": "attached",
                      "network.trained_neurons": True, "network.bias": True})  # fmt: skip
    for isa in _cpu.isas():
        assert_agrees(spec, *problem(spec, 3), isa=isa)


@pytest.mark.parametrize("reset", RESETS)
@pytest.mark.parametrize("neuron", ["delta_lif", "alif"])
def test_compact_shapes_with_few_neurons_near_the_threshold_and_with_many(neuron, reset):
    """Products back through weights leave out neurons that are not near, in layers of every width."""
    widths = [(64, 40), (9, 130), (37, 21)]
    for seed, (hidden, sharpness) in enumerate(itertools.product(widths, [0.2, 1.0, 20.0])):
        shape = ["triangular", "rectangular", "esser"][seed % 3]
        knobs = {"network.reset": reset, "network.recurrent": True, "network.reset_gradient": "attached",
                 "surrogate.shape": shape, "surrogate.beta" if shape == "esser" else "surrogate.sharpness": sharpness,
                 "training.batch_size": 11}  # fmt: skip
        spec = network(neuron, hidden, 20, **knobs, **(REGULARISED if seed % 2 else {}))
        assert_agrees(spec, *problem(spec, seed, samples=11))


@pytest.mark.parametrize("head", ["steps", "max", "sum"])
@pytest.mark.parametrize("penalties", [{}, REGULARISED, {"objective.upper_strength": 0.1}])
def test_every_head_regulariser_and_smoothing(head, penalties):
    for accuracy, smoothing, recurrence in itertools.product(["summed", "mode"], [0.0, 0.2], RECURRENCE.values()):
        knobs = {"objective.head": head, "objective.accuracy": accuracy, "objective.label_smoothing": smoothing}
        spec = network(**knobs, **penalties, **recurrence)
        assert_agrees(spec, *problem(spec, 1))


@pytest.mark.parametrize("width", [1, 8, 17, 64, 65, 130, 257])
def test_layers_of_any_width(width):
    from sgpipe.engines.cpu import _cpu

    for neuron, isa in itertools.product(["delta_lif", "alif"], _cpu.isas()):
        spec = network(neuron, (width, 3), **RECURRENCE["propagated"], **{"network.bias": True})
        assert_agrees(spec, *problem(spec, width, samples=7), isa=isa)


KNOBS = st.fixed_dictionaries({
    "network.neuron": st.sampled_from(["delta_lif", "alif"]),
    "network.hidden": st.lists(st.integers(1, 40), min_size=1, max_size=3),
    "network.reset": st.sampled_from(tuple(RESETS)),
    "network.reset_gradient": st.sampled_from(["attached", "detached"]),
    "network.trained_neurons": st.booleans(),
    "network.bias": st.booleans(),
    "network.membrane_decay": st.sampled_from([0.0, 4.5e-5, 0.5, 0.9, 0.99]),
    "network.threshold": st.sampled_from([0.01, 1.0, 3.0]),
    "network.adaptation": st.sampled_from([0.0, 0.3, 1.8]),
    "network.tau_adaptation": st.sampled_from([0.5, 20.0]),
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
    spec = network(**{"steps": steps, **more})
    weights, task = problem(spec, seed, samples, scale=scale, analog=analog, hold=3 if steps % 3 == 0 else 1)
    random = np.random.default_rng(seed)
    chosen = drawn_settings(random, spec.network.hidden, theory)
    indices = random.integers(0, samples, random.integers(1, samples + 1))
    updates = int(random.integers(0, 9))  # in which epoch of dropout the batch falls
    assume(has_one_maximum(spec, weights, task, indices, chosen, updates))
    assert_agrees(spec, weights, task, indices, chosen, updates=updates)
    assert_agrees(spec, weights, task, indices, chosen, train=False)


@pytest.mark.parametrize("neuron", ["delta_lif", "alif"])
@pytest.mark.parametrize(("current", "rate"), [(-50.0, 0.0), (1e3, 1.0)])
def test_silent_and_ever_spiking_networks(neuron, current, rate):
    for reset, recurrence in itertools.product(["subtractive", "multiplicative"], RECURRENCE.values()):
        knobs = {"network.reset": reset, "network.bias": True, "network.reset_gradient": "attached"}
        spec = network(neuron, **knobs, **recurrence)
        weights, task = problem(spec)
        for layer in (1, 2):
            weights[f"b{layer}"][:] = current
        assert assert_agrees(spec, weights, task).tolist() == [rate, rate]


def test_time_constants_below_the_shortest_stay_where_they_are():
    spec = network("alif", (5,), **{"network.trained_neurons": True, "network.recurrent": True})
    weights, task = problem(spec)
    weights["tau_membrane1"][:3] = [-1.0, 1e-3, 1e-2]
    weights["tau_adaptation1"][:3] = [1e-2, 0.0, -5.0]
    weights["threshold1"][4] = -0.3
    assert_agrees(spec, weights, task)


@pytest.mark.parametrize("neuron", ["lif", "delta_lif"])
def test_a_theory_sets_the_surrogate_of_each_layer(neuron):
    spec = network(neuron, **{"network.recurrent": True, "surrogate.shape": "q_pseudospike", "objective.head": "max"})
    weights, task = problem(spec, scale=4.0)
    chosen = [LayerSettings(dampening=0.4, tail=3.0), LayerSettings(sharpness=1.7)]
    assert_agrees(spec, weights, task, theory=chosen)
    plain, set_ = (CpuEngine().open([spec], task, [weights], t).batch(task.train, np.arange(8), True)[1]
                   for t in (None, [chosen]))  # fmt: skip
    assert not np.allclose(plain["W2"], set_["W2"], rtol=1e-3, atol=0)
    narrow = [LayerSettings(sharpness=0.5), LayerSettings()]
    for shape in ("triangular", "rectangular"):
        assert_agrees(RunSpec.make({**_asked(spec), "surrogate.shape": shape}), weights, task, theory=narrow)


def _asked(spec):
    return {name: value for name, value in spec.flat().items() if value is not None}


@pytest.mark.parametrize("hidden", [(13,), (9, 12)])
def test_current_based_neurons_with_dropout_and_smoothing(hidden):
    for shape, recurrence in itertools.product(["superspike", "esser"], RECURRENCE.values()):
        knobs = {"network.dropout": 0.4, "objective.label_smoothing": 0.1, "objective.head": "max", **recurrence}
        spec = network("lif", hidden, **knobs, **REGULARISED, **{"surrogate.shape": shape, "surrogate.beta": 2.0})
        for analog in (False, True):
            assert_agrees(spec, *problem(spec, 5, scale=6.0, analog=analog), updates=3)


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("neuron", ["delta_lif", "alif"])
def test_bits_do_not_depend_on_threads(neuron, precision):
    # Large enough that the extension starts the threads it is allowed.
    knobs = {"network.recurrent": True, "network.trained_neurons": True, "network.dropout": 0.1}
    spec = network(neuron, (90, 60), 40, **knobs, **REGULARISED, **{"training.precision": precision})
    weights, task = problem(spec, samples=150)
    indices, found = np.random.default_rng(1).permutation(150)[:140], []
    for threads in (1, 2, 3):
        session = CpuEngine().open([spec], task, [weights], threads=lambda threads=threads: threads)
        sums, gradients = session.batch(task.train, indices, True)
        found.append((sums.loss, sums.penalty, sums.correct, *(array.tobytes() for array in gradients.values())))
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("neuron", ["delta_lif", "alif"])
def test_single_precision_agrees_where_no_spike_flips(neuron):
    spec = network(neuron, **RECURRENCE["propagated"], **{"training.precision": "float32"})
    weights, task = problem(spec, 2)
    slow, fast = (kind().open([spec], task, [weights]) for kind in (ReferenceEngine, CpuEngine))
    assert_no_spike_hangs_on_rounding(slow, task.train, np.arange(8))
    one, other = (session.batch(task.train, np.arange(8), True) for session in (slow, fast))
    assert one[0].spikes.tolist() == other[0].spikes.tolist()
    for name, gradient in one[1].items():
        np.testing.assert_allclose(other[1][name], gradient, rtol=0, atol=1e-4 * np.abs(gradient).max(), err_msg=name)


TRAININGS = {
    "default": {},
    "paper": {"network.recurrent": True, "objective.head": "steps", "optimiser.lr": 0.01},
    "all": {
        "network.hidden": [12, 9], "network.recurrent": True, "network.trained_neurons": True, "network.bias": True,
        "network.dropout": 0.2, "network.reset_gradient": "attached", "objective.head": "steps",
        "objective.label_smoothing": 0.1, "optimiser.name": "adabelief", "optimiser.weight_decay": 0.01,
        "optimiser.clip": 1.0,
    },
}  # fmt: skip


@pytest.mark.parametrize("neuron", ["delta_lif", "alif"])
@pytest.mark.parametrize("knobs", TRAININGS.values(), ids=TRAININGS)
def test_a_whole_training_agrees(tiny, neuron, knobs):
    spec = tiny({"network.neuron": neuron, "training.precision": "float64", "optimiser.lr": 0.01, **knobs})
    task = prepare(spec)
    assert_whole_trainings_agree(spec, task)


def test_weights_that_are_not_finite_give_a_loss_that_is_not():
    spec = network("alif", (5,), **{"network.trained_neurons": True, "network.recurrent": True, "network.bias": True})
    weights, task = problem(spec)
    for name in weights:
        spoilt = {other: array.copy() for other, array in weights.items()}
        spoilt[name].flat[1] = np.nan
        sums, _ = CpuEngine().open([spec], task, [spoilt]).batch(task.train, np.arange(8), True)
        assert not np.isfinite(sums.loss), name
