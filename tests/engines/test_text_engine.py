"""The C++ engine reads text as the torch reference does: losses, gradients and the state that batches hand on."""

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from sgpipe.data.samples import Task, Words
from sgpipe.engines.cpu.engine import CpuEngine, built
from sgpipe.engines.reference import ReferenceEngine
from sgpipe.spec.resets import RESETS
from sgpipe.spec.run import RunSpec
from sgpipe.spec.surrogates import SURROGATES
from sgpipe.training import trainer
from sgpipe.training.trainer import train_run
from sgpipe.weights.schemes import layout
from tests.engines.agreement import assert_whole_trainings_agree, drawn_settings
from tests.engines.test_delta_engine import RECURRENCE, REGULARISED

pytestmark = pytest.mark.skipif(not built(), reason="the compiled CPU engine is not built")

NEURONS = ("delta_lif", "alif", "slstm")


def reader(neuron="delta_lif", hidden=(9, 12), tied=True, steps=6, strands=3, **more):
    values = {
        "data.task": "ptb", "data.steps": steps, "network.neuron": neuron, "network.hidden": list(hidden),
        "network.embedding": hidden[-1] if tied else 0, "network.recurrent": True, "network.tau_adaptation": 5.0,
        "objective.lower_strength": 0, "training.batch_size": strands, "training.precision": "float64",
    }  # fmt: skip
    return RunSpec.make({**values, **more})


def problem(spec, seed=0, vocabulary=31, batches=3.5, scale=1.0):
    """Return weights, nothing of them 0, and a text of so many batches, the last of them short."""
    random, weights = np.random.default_rng(seed), {}
    for name, shape in layout(spec, vocabulary, vocabulary).items():
        if name.startswith(("tau", "threshold", "adaptation")):
            weights[name] = random.uniform(0.4, 2.0, shape)
        else:
            weights[name] = random.normal(
                0.1 * (name[0] == "W" and name != "W_out") * scale, 2.0 * scale * shape[-1] ** -0.5, shape
            )
    words = max(int(spec.training.batch_size * spec.data.steps * batches), spec.training.batch_size) + 1
    split = Words(random.integers(0, vocabulary, words).astype(np.int32))
    weights = {name: array.astype(spec.training.dtype) for name, array in weights.items()}
    return weights, Task(vocabulary, vocabulary, spec.data.steps, split, split, split)


def assert_agrees(spec, weights, task, theory=None, isa="auto", updates=0):
    """Compare every batch of a pass, each going on in the state of the one before; return the mean rates."""
    copies = [{name: array.copy() for name, array in weights.items()} for _ in range(2)]
    slow = ReferenceEngine().open([spec], task, [copies[0]], [theory])
    fast = CpuEngine().open([spec], task, [copies[1]], [theory])
    fast.settings["isa"] = isa
    slow.optimiser.step_count = fast.optimiser.step_count = updates
    states, spikes, total = [None, None], 0.0, 0
    for number, (words, targets) in enumerate(task.train.batches(spec.training.batch_size, task.steps)):
        numbers = np.arange(words.shape[1]) + words.shape[1] * number
        train = number != 1  # measured, not trained on: the state is handed on all the same
        sums, wanted, states[0] = slow.read(words, targets, numbers, train, states[0])
        found_sums, found, states[1] = fast.read(words, targets, numbers, train, states[1])
        assert found_sums.spikes.tolist() == sums.spikes.tolist()
        assert (found_sums.samples, found_sums.correct) == (sums.samples, sums.correct)
        assert found_sums.loss == pytest.approx(sums.loss, rel=1e-9, abs=1e-12)
        assert found_sums.penalty == pytest.approx(sums.penalty, rel=1e-9, abs=1e-12)
        for name, gradient in wanted.items():
            # Errors of a readout's answers add up to 0, and so may all that flows back: what is left is rounding.
            allowed = 1e-9 * np.abs(gradient).max() + 1e-15
            np.testing.assert_allclose(found[name], gradient, rtol=0, atol=allowed, err_msg=f"{name}, batch {number}")
        spikes, total = spikes + sums.spikes, total + sums.samples
    return spikes / total / np.array(spec.network.hidden)


@pytest.mark.parametrize("tied", [True, False], ids=["tied", "one-hot"])
@pytest.mark.parametrize("recurrence", RECURRENCE)
@pytest.mark.parametrize("neuron", NEURONS)
def test_a_text_is_read_in_the_state_that_each_batch_hands_on(neuron, recurrence, tied):
    knobs = {"network.recurrent": False, **RECURRENCE[recurrence]}
    for seed, hidden in enumerate([(12,), (9, 12), (5, 7, 12)]):
        spec = reader(neuron, hidden, tied, **knobs, **{"objective.label_smoothing": 0.1 * (seed == 1)})
        rates = assert_agrees(spec, *problem(spec, seed, scale=2.0))
        assert np.all((rates > 0.01) & (rates < 0.99))


@pytest.mark.parametrize("neuron", ["delta_lif", "alif"])
@pytest.mark.parametrize("reset", RESETS)
def test_every_reset_with_and_without_its_gradient(neuron, reset):
    for seed, gradient in enumerate(["attached", "detached"]):
        knobs = {"network.reset": reset, "network.reset_gradient": gradient, "network.bias": True}
        spec = reader(neuron, **knobs, **{"network.trained_neurons": seed == 0})
        assert_agrees(spec, *problem(spec, seed, scale=2.0))


@pytest.mark.parametrize("vocabulary", [13, 64, 300])
@pytest.mark.parametrize("neuron", NEURONS)
def test_any_vocabulary_and_more_steps_than_are_taken_at_once(neuron, vocabulary):
    from sgpipe.engines.cpu import _cpu

    for isa in _cpu.isas():
        spec = reader(neuron, (13,), steps=53, strands=8, **{"network.dropout": 0.2})
        assert_agrees(spec, *problem(spec, vocabulary, vocabulary, batches=2.2), isa=isa)


KNOBS = st.fixed_dictionaries({
    "neuron": st.sampled_from(NEURONS),
    "hidden": st.lists(st.integers(1, 40), min_size=1, max_size=3),
    "tied": st.booleans(),
    "steps": st.sampled_from([1, 2, 3, 12]),
    "strands": st.integers(1, 14),
    "network.tanh": st.sampled_from(["coded", "printed"]),
    "network.reset": st.sampled_from(list(RESETS)),
    "network.reset_gradient": st.sampled_from(["attached", "detached"]),
    "network.trained_neurons": st.booleans(),
    "network.bias": st.booleans(),
    "network.membrane_decay": st.sampled_from([0.0, 0.5, 0.9]),
    "network.threshold": st.sampled_from([0.01, 1.0]),
    "network.dropout": st.sampled_from([0.0, 0.0, 0.3, 0.9]),
    "objective.label_smoothing": st.sampled_from([0.0, 0.1]),
    "surrogate.shape": st.sampled_from(list(SURROGATES)),
})  # fmt: skip


# What fails is small enough to be read as it is: looking for something smaller takes minutes.
@settings(max_examples=60, deadline=None, derandomize=True, phases=[Phase.generate])
@given(
    knobs=KNOBS,
    recurrence=st.sampled_from(list(RECURRENCE)),
    regularised=st.booleans(),
    batches=st.sampled_from([0.4, 1.0, 2.7]),
    scale=st.sampled_from([0.0, 1.0, 10.0]),
    theory=st.sampled_from(["none", "layers", "neurons"]),
    seed=st.integers(0, 2**16),
)
def test_any_combination_agrees(knobs, recurrence, regularised, batches, scale, theory, seed):
    more = {"network.recurrent": False, **RECURRENCE[recurrence], **(REGULARISED if regularised else {})}
    spec = reader(**knobs, **more)
    random = np.random.default_rng(seed)
    chosen = drawn_settings(random, spec.network.hidden, theory)
    # In which epoch of dropout the pass falls.
    assert_agrees(spec, *problem(spec, seed, batches=batches, scale=scale), chosen, updates=int(random.integers(0, 9)))


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("neuron", NEURONS)
def test_bits_do_not_depend_on_threads(neuron, precision):
    knobs = {"training.precision": precision, "network.dropout": 0.1, **REGULARISED}
    spec = reader(neuron, (30, 40), steps=25, strands=20, **knobs)
    weights, task = problem(spec, vocabulary=500, batches=2)
    found = []
    for threads in (1, 2, 3):
        session, state, bits = (
            CpuEngine().open([spec], task, [weights], threads=lambda threads=threads: threads),
            None,
            [],
        )
        for words, targets in task.train.batches(20, 25):
            sums, gradients, state = session.read(words, targets, np.arange(20), True, state)
            bits += [sums.loss, sums.penalty, sums.correct, *(array.tobytes() for array in gradients.values())]
            bits += [array.tobytes() for array in state]
        found.append(bits)
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("neuron", NEURONS)
def test_single_precision_agrees_where_no_spike_flips(neuron):
    spec = reader(neuron, **{"training.precision": "float32"})
    weights, task = problem(spec, 4)
    (words, targets), *_ = task.train.batches(3, 6)
    one, other = (kind().open([spec], task, [weights]).read(words, targets, np.arange(3), True, None)
                  for kind in (ReferenceEngine, CpuEngine))  # fmt: skip
    assert one[0].spikes.tolist() == other[0].spikes.tolist()
    for name, gradient in one[1].items():
        np.testing.assert_allclose(other[1][name], gradient, rtol=0, atol=1e-4 * np.abs(gradient).max(), err_msg=name)


@pytest.mark.parametrize("neuron", NEURONS)
def test_a_whole_training_agrees(neuron):
    knobs = {"training.epochs": 3, "optimiser.lr": 0.01, "init.gain": 4.0, "init.scheme": "glorot_uniform"}
    spec = reader(neuron, **knobs, **{"optimiser.name": "adabelief", "optimiser.average": "swa", "optimiser.clip": 1.0})
    _, task = problem(spec, batches=4.5)
    assert_whole_trainings_agree(spec, task)


@pytest.mark.parametrize("neuron", NEURONS)
def test_an_interrupted_reading_ends_with_the_same_bits(neuron, tmp_path, monkeypatch):
    knobs = {"network.dropout": 0.2, "training.precision": "float32", "training.epochs": 3}
    spec = reader(neuron, **knobs)
    _, text = problem(spec)
    whole = train_run(spec, text, CpuEngine())
    monkeypatch.setattr(trainer, "CHECKPOINT_SECONDS", -1.0)

    class Killed(BaseException):
        pass

    def kill(spec, epoch, measures):
        if epoch == 2:
            raise Killed

    path = tmp_path / "run.checkpoint.npz"
    with pytest.raises(Killed):
        train_run(spec, text, CpuEngine(), [path], kill)
    resumed = train_run(spec, text, CpuEngine(), [path])
    assert resumed.rows == whole.rows
    for name, array in whole.weights.items():
        np.testing.assert_array_equal(resumed.weights[name], array)


@pytest.mark.parametrize("neuron", NEURONS)
def test_weights_that_are_not_finite_give_a_loss_that_is_not(neuron):
    spec = reader(neuron)
    weights, task = problem(spec)
    (words, targets), *_ = task.train.batches(3, 6)
    for name in weights:
        spoilt = {other: array.copy() for other, array in weights.items()}
        spoilt[name].flat[1] = np.nan
        sums, _, _ = CpuEngine().open([spec], task, [spoilt]).read(words, targets, np.arange(3), True, None)
        assert not np.isfinite(sums.loss), name


def test_words_outside_the_vocabulary_are_refused():
    spec = reader()
    weights, task = problem(spec)
    session = CpuEngine().open([spec], task, [weights])
    good, bad = np.zeros((6, 3), np.int32), np.full((6, 3), 31, np.int32)
    for name, texts in (("words", (bad, good)), ("targets", (good, bad))):
        with pytest.raises(ValueError, match=f"{name}: outside 0..30"):
            session.read(*texts, np.arange(3), True, None)
