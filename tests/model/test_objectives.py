"""Heads, cross-entropy and activity regularisers against their formulas (sections 4.2.4 and 4.2.5)."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax

from sgpipe.model.network import Activity
from sgpipe.model.objectives import head, losses, lower_penalty, upper_penalty
from sgpipe.spec.run import RunSpec

QUICK = settings(max_examples=30, deadline=None, derandomize=True)


def spec_of(**objective):
    return RunSpec.make({f"objective.{name}": value for name, value in objective.items() if value is not None})


def activity_of(readout, *spikes):
    """Return an activity from arrays (steps, batch, units)."""
    layers = [list(torch.from_numpy(layer)) for layer in spikes]
    return Activity(layers, list(torch.from_numpy(readout)), layers)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(2, 1, 1), (5, 3, 2), (100, 33, 10), (100, 250, 10)])
def test_the_max_head_takes_the_first_of_tied_steps(dtype, shape):
    # All steps equal, as with silent hidden neurons; large shapes go through torch's vectorised code.
    readout = torch.zeros(shape, dtype=dtype, requires_grad=True)
    head(readout, "max").sum().backward()
    assert torch.all(readout.grad[0] == 1) and torch.all(readout.grad[1:] == 0)


@QUICK
@given(st.integers(0, 1000), st.integers(2, 40), st.integers(1, 5))
def test_the_gradient_of_the_max_head_goes_to_the_first_maximum(seed, steps, levels):
    # Few levels, so that ties are common.
    values = np.random.default_rng(seed).integers(0, levels, (steps, 4, 3)).astype(float)
    readout = torch.tensor(values, requires_grad=True)
    logits = head(readout, "max")
    np.testing.assert_array_equal(logits.detach(), values.max(axis=0))
    logits.sum().backward()
    expected = np.zeros_like(values)
    np.put_along_axis(expected, values.argmax(axis=0)[None], 1, axis=0)
    np.testing.assert_array_equal(readout.grad, expected)


def test_the_sum_head_adds_up_all_steps():
    values = np.random.default_rng(0).normal(size=(7, 4, 3))
    readout = torch.tensor(values, requires_grad=True)
    logits = head(readout, "sum")
    np.testing.assert_allclose(logits.detach(), values.sum(axis=0), rtol=1e-14)
    logits.sum().backward()
    assert torch.all(readout.grad == 1)


@QUICK
@given(st.integers(0, 1000), st.floats(0.1, 300), st.sampled_from(["max", "sum"]))
def test_the_loss_is_the_cross_entropy_of_the_softmax(seed, scale, kind):
    random = np.random.default_rng(seed)
    readout = random.normal(scale=scale, size=(6, 5, 4))
    labels = random.integers(0, 4, 5)
    result = losses(spec_of(head=kind), activity_of(readout), torch.from_numpy(labels))
    logits = readout.max(axis=0) if kind == "max" else readout.sum(axis=0)
    expected = -log_softmax(logits, axis=1)[np.arange(5), labels]
    np.testing.assert_allclose(result.logits, logits, rtol=1e-12)
    np.testing.assert_allclose(result.supervised, expected, rtol=1e-12, atol=1e-12)
    assert torch.all(result.penalty == 0) and result.counts == []


# ----------------------------------------------------------------------------------------------------------------
# A target at every step (herranz2022, section 2.5).


@QUICK
@given(st.integers(0, 1000), st.floats(0.1, 30), st.sampled_from([0.0, 0.1, 0.7]))
def test_the_loss_of_all_steps_is_their_mean(seed, scale, smoothing):
    random = np.random.default_rng(seed)
    readout, labels = random.normal(scale=scale, size=(6, 5, 4)), random.integers(0, 4, 5)
    spec = spec_of(head="steps", label_smoothing=smoothing)
    result = losses(spec, activity_of(readout), torch.from_numpy(labels))
    chances = log_softmax(readout, axis=2)
    target = -chances[:, np.arange(5), labels].mean(0)
    # Smoothed: the target has 1 - s + s / 4, every other class s / 4.
    smoothed = (1 - smoothing) * target - smoothing * chances.mean(2).mean(0)
    np.testing.assert_allclose(result.supervised, smoothed, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(result.cross_entropy, target, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", ["max", "sum", "steps"])
def test_label_smoothing_is_torchs_and_is_trained_on_but_not_reported(kind):
    random = np.random.default_rng(0)
    readout, labels = random.normal(size=(1, 6, 4)), torch.from_numpy(random.integers(0, 4, 6))
    result = losses(spec_of(head=kind, label_smoothing=0.1), activity_of(readout), labels)
    for found, smoothing in ((result.supervised, 0.1), (result.cross_entropy, 0.0)):
        expected = torch.nn.functional.cross_entropy(
            torch.from_numpy(readout[0]), labels, reduction="none", label_smoothing=smoothing
        )
        np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_the_answer_is_that_of_the_summed_logits_or_of_most_steps():
    # Class 1 is ahead at two of three steps, class 0 at one but by much.
    readout = np.array([[[9.0, 0, 0]], [[0.0, 1, 0]], [[0.0, 1, 0]]])
    for accuracy, answer in (("summed", 0), ("mode", 1)):
        for label in range(3):
            spec = spec_of(head="steps", accuracy=accuracy)
            result = losses(spec, activity_of(readout), torch.tensor([label]))
            assert result.logits.argmax(1).item() == answer and result.correct.item() == (label == answer)
    # Classes 0 and 1 are ahead once each.
    tied = losses(spec_of(head="steps", accuracy="mode"), activity_of(readout[:2].repeat(3, 1)), torch.arange(3))
    assert tied.correct.tolist() == [0.5, 0.5, 0]


def test_of_a_text_every_word_is_an_answer():
    readout = np.zeros((4, 2, 5))
    words = np.array([[0, 1], [2, 3], [4, 0], [1, 2]])
    np.put_along_axis(readout, words[..., None], 3.0, axis=2)
    told = words.copy()
    told[0, 0], told[3, 1], told[2, 1] = 1, 0, 4
    spec = RunSpec.make({"data.task": "ptb", "objective.lower_strength": 0})
    result = losses(spec, activity_of(readout), torch.from_numpy(told))
    assert result.correct.tolist() == [3, 2]
    right, wrong = np.log(np.exp(3.0) + 4) - 3, np.log(np.exp(3.0) + 4)
    np.testing.assert_allclose(result.supervised, [(3 * right + wrong) / 4, (2 * right + 2 * wrong) / 4])


@st.composite
def regularised(draw):
    """Return regulariser knobs, and spikes of one to three layers."""
    numbers = st.floats(0.01, 200)
    knobs = {
        "lower_strength": draw(numbers),
        "lower_threshold": draw(st.floats(0, 8)),
        "upper_strength": draw(numbers),
        "upper_threshold": draw(st.floats(0, 8)),
        "upper_exponent": draw(st.sampled_from([1, 2])),
    }
    random = np.random.default_rng(draw(st.integers(0, 1000)))
    sizes = draw(st.lists(st.integers(1, 6), min_size=1, max_size=3))
    return knobs, [(random.random((12, 4, n)) < 0.4).astype(float) for n in sizes]


@QUICK
@given(regularised())
def test_the_penalty_is_the_sum_of_both_formulas_over_the_layers(case):
    knobs, layers = case
    expected = np.zeros(4)
    for sample in range(4):
        for spikes in layers:
            counts = [sum(spikes[n, sample, i] for n in range(12)) for i in range(spikes.shape[2])]
            quiet = [max(knobs["lower_threshold"] - count, 0) ** 2 for count in counts]
            expected[sample] += knobs["lower_strength"] / len(counts) * sum(quiet)
            excess = max(sum(counts) / len(counts) - knobs["upper_threshold"], 0)
            expected[sample] += knobs["upper_strength"] * excess ** knobs["upper_exponent"]
    result = losses(spec_of(**knobs), activity_of(np.zeros((12, 4, 2)), *layers), torch.zeros(4, dtype=torch.int64))
    np.testing.assert_allclose(result.penalty, expected, rtol=1e-12)
    for count, spikes in zip(result.counts, layers, strict=True):
        np.testing.assert_array_equal(count, spikes.sum(axis=0))


def test_a_regulariser_of_strength_zero_is_off():
    count = torch.zeros(3, 5, dtype=torch.float64)
    assert torch.all(lower_penalty(spec_of(lower_strength=0), count) == 0)
    assert torch.all(upper_penalty(spec_of(upper_strength=0), count + 100) == 0)


def test_the_upper_penalty_is_off_and_the_lower_one_is_on_unless_asked():
    count = torch.zeros(2, 5, dtype=torch.float64)
    assert torch.all(upper_penalty(RunSpec.make({}), count + 100) == 0)
    np.testing.assert_allclose(lower_penalty(RunSpec.make({}), count), 100 * 1e-6, rtol=1e-12)


def test_more_spikes_than_the_threshold_cost_more_not_less():
    # The paper prints a minus sign before lambda_upper.
    spec = spec_of(upper_strength=2.0, upper_threshold=3.0)
    few, many = torch.full((1, 4), 4.0), torch.full((1, 4), 5.0)
    assert 0 < upper_penalty(spec, few).item() < upper_penalty(spec, many).item()


@pytest.mark.parametrize("exponent", [1, 2])
def test_a_penalty_pulls_only_on_the_wrong_side_of_its_threshold(exponent):
    spec = spec_of(lower_strength=1.0, lower_threshold=2.0, upper_strength=1.0, upper_threshold=6.0)
    spec = spec_of(**{**vars(spec.objective), "upper_exponent": exponent})
    # Neuron by neuron below, on the mean above: the quiet neuron of a busy layer feels both.
    count = torch.tensor([[1.0, 2.0, 5.0], [0.0, 20.0, 4.0]], dtype=torch.float64, requires_grad=True)
    lower_penalty(spec, count).sum().backward()
    np.testing.assert_allclose(count.grad, [[-2 / 3, 0, 0], [-4 / 3, 0, 0]])
    count.grad = None
    upper_penalty(spec, count).sum().backward()
    pull = {1: 1 / 3, 2: 2 * (8 - 6) / 3}[exponent]
    np.testing.assert_allclose(count.grad, [[0, 0, 0], [pull, pull, pull]])
