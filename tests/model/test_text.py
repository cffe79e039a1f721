"""Networks that read: state carried from batch to batch, embeddings read backward, perplexity."""

import dataclasses

import numpy as np
import pytest
import torch
from scipy.special import log_softmax

from sgpipe.base.errors import SgpipeError
from sgpipe.data import prepare
from sgpipe.data.samples import Task, Words
from sgpipe.engines.reference import ReferenceEngine
from sgpipe.model.activity import detached
from sgpipe.spec.run import RunSpec
from sgpipe.training import trainer
from sgpipe.training.trainer import train_run
from sgpipe.weights.schemes import initial_weights, layout
from tests.conftest import longer_after
from tests.model.delta_loops import simulate

ENGINE = ReferenceEngine()
VOCABULARY = 11


def reader(**more):
    values = {
        "data.task": "ptb",
        "data.steps": 6,
        "network.neuron": "delta_lif",
        "network.hidden": [7, 5],
        "network.embedding": 5,
        "network.recurrent": True,
        "init.scheme": "glorot_uniform",
        "init.gain": 4.0,
        "objective.lower_strength": 0,
        "training.batch_size": 3,
        "training.epochs": 3,
        "training.precision": "float64",
    }
    return RunSpec.make({**values, **more})


@pytest.fixture
def text():
    """Return a small text in which a word often follows its predecessor in the alphabet."""
    random = np.random.default_rng(0)
    jumps = np.where(random.random(400) < 0.8, 1, random.integers(0, VOCABULARY, 400))
    ids = (np.cumsum(jumps) % VOCABULARY).astype(np.int32)
    return Task(VOCABULARY, VOCABULARY, 6, Words(ids[:200]), Words(ids[200:300]), Words(ids[300:]))


def opened(spec, text):
    return ENGINE.open([spec], text, [initial_weights(spec, text.units, text.classes)])


def test_the_layers_of_a_tied_network():
    assert layout(reader(), 11, 11) == {"E": (11, 5), "W1": (7, 5), "V1": (7, 7), "W2": (5, 7), "V2": (5, 5)}
    assert layout(reader(**{"network.embedding": 0}), 11, 11) == {
        "W1": (7, 11),
        "V1": (7, 7),
        "W2": (5, 7),
        "V2": (5, 5),
        "W_out": (11, 5),
        "b_out": (11,),
    }


def test_an_embedding_is_glorots_uniform_whatever_the_scheme():
    for scheme in ("glorot_uniform", "he_normal", "uniform"):
        array = initial_weights(reader(**{"init.scheme": scheme}), 1000, 1000)["E"]
        assert np.abs(array).max() <= (6 / 1005) ** 0.5 and array.var() == pytest.approx(2 / 1005, rel=0.03)


@pytest.mark.parametrize("embedding", [5, 0])
def test_the_measures_are_those_of_one_long_pass(text, embedding):
    """Cut into batches of six words, with the state carried over, a strand is read as if in one go."""
    spec = reader(**{"network.embedding": embedding, "objective.label_smoothing": 0.1})
    session = opened(spec, text)
    weights = session.weights
    (found,) = session.evaluate("valid")
    ((words, targets),) = text.valid.batches(3, 10_000)
    if embedding:
        inputs = weights["E"][words]
        tied = {**weights, "W_out": weights["E"], "b_out": np.zeros(VOCABULARY)}
    else:
        inputs, tied = np.eye(VOCABULARY)[words], weights
    spikes, _, logits, _ = simulate(spec, tied, inputs)
    chances = np.take_along_axis(log_softmax(logits, axis=2), targets[..., None].astype(int), axis=2)
    assert found.loss == pytest.approx(-chances.mean(), rel=1e-12)  # without smoothing: perplexity is exp(loss)
    # Before the first spike no word is ahead of another.
    first = logits == logits.max(2, keepdims=True)
    share = np.take_along_axis(first / first.sum(2, keepdims=True), targets[..., None].astype(int), axis=2)
    assert found.accuracy == pytest.approx(share.mean())
    np.testing.assert_allclose(found.spikes, [layer.sum(2).mean() for layer in spikes])
    assert min(found.spikes) > 0.3


def test_gradients_reach_the_embedding_from_both_ends_and_end_with_the_batch(text):
    """The first batch's gradients, from autograd over the loss written out here, and the second's from its state."""
    spec = reader(**{"surrogate.shape": "sigmoid", "surrogate.beta": 1.0})
    session = opened(spec, text)
    (words, targets), (later, next_targets), *_ = text.train.batches(3, 6)
    words, targets, later, next_targets = (a.astype(np.int64) for a in (words, targets, later, next_targets))
    _, gradients, state = session._pass(words, targets, np.arange(3), True)
    assert all(np.abs(array).max() > 0 for array in gradients.values())
    seen = np.isin(np.arange(VOCABULARY), words)
    assert np.all(np.abs(gradients["E"]).max(1) > 0) and not seen.all()  # as a readout every word's row is pulled
    _, after, _ = session._pass(later, next_targets, np.arange(3), True, detached(state))
    _, fresh, _ = session._pass(later, next_targets, np.arange(3), True)
    assert not np.allclose(after["W1"], fresh["W1"])


def test_every_epoch_and_every_evaluation_starts_at_rest(text):
    session = opened(reader(**{"optimiser.lr": 0.0}), text)
    first, second = session.train_epoch([None]), session.train_epoch([None])
    assert first == second and session.evaluate("test") == session.evaluate("test")
    # Nothing is learned, so training measures what evaluation does.
    assert session.evaluate("train") == first


def test_reading_beats_counting_words(text):
    spec = reader(
        **{"training.epochs": 12, "optimiser.lr": 0.03, "surrogate.dampening": 0.3, "network.membrane_decay": 0.5}
    )
    result = train_run(spec, text, ENGINE)
    losses = [row.loss for row in result.rows if row.split == "valid"]
    counts = np.bincount(text.train.ids, minlength=VOCABULARY) / 200
    unigram = -np.log(counts[text.valid.ids]).mean()
    assert min(losses) < unigram - 0.2, "a network that only counted words would stay at the unigram entropy"


def small_reader(**more):
    knobs = {
        "data.limit": 6000,
        "data.steps": 20,
        "network.hidden": [32],
        "network.embedding": 32,
        "network.bias": True,
    }
    learning = {
        "optimiser.lr": 0.02,
        "surrogate.dampening": 0.3,
        "surrogate.shape": "exponential",
        "training.epochs": 4,
    }
    return reader(**{**knobs, **learning, "network.membrane_decay": 0.5, "training.batch_size": 8, **more})


@pytest.mark.long
def test_a_grammars_text_is_read():
    """A few thousand words of the bundled text: perplexity falls below that of word counts within four epochs."""
    spec = small_reader()
    task = prepare(spec)
    losses = [row.loss for row in train_run(spec, task, ENGINE).rows if row.split == "valid"]
    counts = np.bincount(task.train.ids, minlength=task.classes) + 1
    assert losses[-1] < losses[0] and losses[-1] < -np.log(counts / counts.sum())[task.valid.ids].mean()


@pytest.mark.long
def test_the_published_text_is_read(published):
    """So few words of so large a vocabulary teach little, but far more than nothing."""
    spec = small_reader(**{"data.source": "original", "data.limit": 3000, "training.epochs": 1})
    task = prepare(spec, published("ptb"))
    losses = [row.loss for row in train_run(spec, task, ENGINE).rows if row.split == "valid"]
    assert losses[-1] < np.log(task.classes) - 1


@pytest.mark.parametrize("neuron", longer_after(1, ["delta_lif", "lif", "alif", "slstm"]))
def test_an_interrupted_reading_ends_with_the_same_bits(text, neuron, tmp_path, monkeypatch):
    knobs = {"network.dropout": 0.2, "optimiser.name": "adabelief", "optimiser.average": "swa"}
    spec = reader(**knobs, **{"network.neuron": neuron, "training.precision": "float32"})
    whole = train_run(spec, text, ENGINE)
    monkeypatch.setattr(trainer, "CHECKPOINT_SECONDS", -1.0)

    class Killed(BaseException):
        pass

    def kill(spec, epoch, measures):
        if epoch == 2:
            raise Killed

    path = tmp_path / "run.checkpoint.npz"
    with pytest.raises(Killed):
        train_run(spec, text, ENGINE, [path], kill)
    resumed = train_run(spec, text, ENGINE, [path])
    assert resumed.rows == whole.rows
    for name, array in whole.weights.items():
        np.testing.assert_array_equal(resumed.weights[name], array)


def test_a_text_with_fewer_words_than_strands_is_an_error(text):
    short = dataclasses.replace(text, test=Words(text.test.ids[:3]))
    with pytest.raises(
        SgpipeError, match="training.batch_size: 3 strands need more than the 3 words of the test split"
    ):
        opened(reader(), short).evaluate("test")


def test_a_strand_shorter_than_a_batch_is_read_to_its_end(text):
    short = dataclasses.replace(text, valid=Words(text.valid.ids[:14]))
    session = opened(reader(), short)  # three strands of four words
    (found,) = session.evaluate("valid")
    assert np.isfinite(found.loss) and torch.get_num_threads() == 1
