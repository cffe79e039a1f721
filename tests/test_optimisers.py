"""Adam is torch.optim.Adam, in place on plain arrays, and its state comes back exactly."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sgpipe.optimisers import OPTIMISERS, Adam
from sgpipe.spec import Optimiser, knobs

QUICK = settings(max_examples=20, deadline=None, derandomize=True)
SHAPES = {"W1": (4, 3), "V1": (4, 4), "W_out": (2, 4)}


def drawn(random, scale=1.0):
    return {name: random.normal(scale=scale, size=shape) for name, shape in SHAPES.items()}


@QUICK
@given(
    seed=st.integers(0, 1000),
    lr=st.floats(1e-4, 0.5),
    beta1=st.floats(0, 0.99),
    beta2=st.floats(0, 0.9999),
    eps=st.sampled_from([1e-8, 1e-3]),
    scale=st.sampled_from([1e-12, 1e-8, 1.0, 1e6]),
)
def test_twenty_steps_are_those_of_torch(seed, lr, beta1, beta2, eps, scale):
    random = np.random.default_rng(seed)
    weights = drawn(random)
    tensors = {name: torch.tensor(array, requires_grad=True) for name, array in weights.items()}
    theirs = torch.optim.Adam(tensors.values(), lr=lr, betas=(beta1, beta2), eps=eps)
    ours = Adam(Optimiser(lr=lr, beta1=beta1, beta2=beta2, eps=eps), weights)
    for _ in range(20):
        gradients = drawn(random, scale)
        for name, tensor in tensors.items():
            tensor.grad = torch.tensor(gradients[name])
        theirs.step()
        ours.step(gradients)
        for name, tensor in tensors.items():
            np.testing.assert_allclose(weights[name], tensor.detach(), rtol=1e-12, atol=1e-12)


def test_the_first_step_is_the_learning_rate_against_the_sign():
    weights = {"W1": np.array([[1.0, 1.0, 1.0]])}
    Adam(Optimiser(lr=0.1), weights).step({"W1": np.array([[1e-3, -50.0, 0.0]])})
    np.testing.assert_allclose(weights["W1"], [[0.9, 1.1, 1.0]], atol=1e-5)


def test_the_defaults_are_those_of_torch():
    theirs = torch.optim.Adam([torch.zeros(1)]).defaults
    assert (Optimiser().beta1, Optimiser().beta2, Optimiser().eps) == (*theirs["betas"], theirs["eps"])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", OPTIMISERS)
def test_an_optimiser_goes_on_with_the_same_bits_from_its_state(name, dtype):
    random = np.random.default_rng(0)
    gradients = [{key: array.astype(dtype) for key, array in drawn(random).items()} for _ in range(10)]
    weights = {key: array.astype(dtype) for key, array in drawn(random).items()}
    whole = OPTIMISERS[name](Optimiser(name=name), weights)
    for step in gradients[:4]:
        whole.step(step)
    kept = {key: array.copy() for key, array in weights.items()}
    state = {key: array.copy() for key, array in whole.state().items()}

    other = OPTIMISERS[name](Optimiser(name=name), kept)
    other.load(state)
    for step in gradients[4:]:
        whole.step(step)
        other.step(step)
    for key, array in weights.items():
        assert array.dtype == kept[key].dtype == dtype
        np.testing.assert_array_equal(kept[key], array)
    for key, array in whole.state().items():
        np.testing.assert_array_equal(other.state()[key], array)


def test_weights_move_in_place_and_gradients_stay():
    weights, gradients = {"W1": np.ones((2, 2))}, {"W1": np.ones((2, 2))}
    array = weights["W1"]
    Adam(Optimiser(), weights).step(gradients)
    assert weights["W1"] is array and np.all(array < 1)
    np.testing.assert_array_equal(gradients["W1"], 1)


def test_every_optimiser_of_the_spec_exists():
    assert set(knobs("randman")["optimiser.name"].metadata["choices"]) == set(OPTIMISERS)
