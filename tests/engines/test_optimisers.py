"""Adam is torch.optim.Adam, AdaBelief its authors', in place on plain arrays; the extension's have the same bits."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sgpipe.engines.cpu import engine as cpu_engine
from sgpipe.engines.cpu.optimisers import COMPILED
from sgpipe.engines.optimisers import OPTIMISERS, Adam, clipping
from sgpipe.spec.run import Optimiser, knobs

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


def updates(settings, weights, gradients):
    """Return the weights after some updates of our optimiser."""
    weights = {name: array.copy() for name, array in weights.items()}
    ours = OPTIMISERS[settings.name](settings, weights)
    for step in gradients:
        ours.step(step)
    return weights


def belief(settings, weight, gradients):
    """Return a weight after AdaBelief's updates, written from algorithm 2 of Zhuang et al. 2020, in longdouble."""
    theta, m, s = weight.astype(np.longdouble), 0.0, 0.0
    b1, b2, eps = settings.beta1, settings.beta2, settings.eps
    for t, g in enumerate(gradients, start=1):
        theta = theta - settings.lr * settings.weight_decay * theta
        m = b1 * m + (1 - b1) * g
        s = b2 * s + (1 - b2) * (g - m) ** 2 + eps
        theta = theta - settings.lr * (m / (1 - b1**t)) / (np.sqrt(s / (1 - b2**t)) + eps)
    return theta


@QUICK
@given(
    seed=st.integers(0, 1000),
    lr=st.floats(1e-4, 0.5),
    beta1=st.floats(0, 0.99),
    beta2=st.floats(0.5, 0.9999),
    eps=st.sampled_from([1e-16, 1e-8, 1e-3]),
    decay=st.sampled_from([0.0, 0.1]),
)
def test_adabelief_is_the_published_algorithm(seed, lr, beta1, beta2, eps, decay):
    random = np.random.default_rng(seed)
    weights, gradients = drawn(random), [drawn(random) for _ in range(20)]
    settings = Optimiser("adabelief", lr=lr, beta1=beta1, beta2=beta2, eps=eps, weight_decay=decay)
    found = updates(settings, weights, gradients)
    for name, weight in weights.items():
        expected = belief(settings, weight, [step[name] for step in gradients])
        np.testing.assert_allclose(found[name], expected.astype(float), rtol=1e-9, atol=1e-9)


@QUICK
@given(seed=st.integers(0, 1000), lr=st.floats(1e-4, 0.5), eps=st.sampled_from([1e-16, 1e-8, 1e-3]))
def test_smorms3_is_the_published_algorithm(seed, lr, eps):
    random = np.random.default_rng(seed)
    weights, gradients = drawn(random), [drawn(random) for _ in range(20)]
    found = updates(Optimiser("smorms3", lr=lr, eps=eps), weights, gradients)
    for name, weight in weights.items():
        flat = weight.astype(float).ravel().copy()
        for place in range(flat.size):  # one weight at a time, as it was published
            memory, mean, square = 1.0, 0.0, 0.0
            for step in gradients:
                g = float(step[name].ravel()[place])
                share = 1 / (memory + 1)
                mean, square = (1 - share) * mean + share * g, (1 - share) * square + share * g * g
                agreement = mean * mean / (square + eps)
                memory = 1 + memory * (1 - agreement)
                flat[place] -= g * min(lr, agreement) / (square**0.5 + eps)
        np.testing.assert_allclose(found[name].ravel(), flat, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("eps", [1e-8, 1e-16])
def test_adabelief_is_that_of_its_authors_package(eps, decay):
    theirs = pytest.importorskip("adabelief_pytorch").AdaBelief
    random = np.random.default_rng(0)
    weights, gradients = drawn(random), [drawn(random) for _ in range(20)]
    tensors = {name: torch.tensor(array, requires_grad=True) for name, array in weights.items()}
    options = {"weight_decouple": True, "rectify": False, "print_change_log": False}
    optimiser = theirs(list(tensors.values()), lr=0.01, eps=eps, weight_decay=decay, **options)
    for step in gradients:
        for name, tensor in tensors.items():
            tensor.grad = torch.tensor(step[name])
        optimiser.step()
    found = updates(Optimiser("adabelief", lr=0.01, eps=eps, weight_decay=decay), weights, gradients)
    for name, tensor in tensors.items():
        np.testing.assert_allclose(found[name], tensor.detach(), rtol=1e-10, atol=1e-12)


def test_weight_decay_is_that_of_adamw_for_matrices_and_none_for_vectors():
    random = np.random.default_rng(1)
    weights = drawn(random) | {"b_out": random.normal(size=3)}
    gradients = [drawn(random) | {"b_out": random.normal(size=3)} for _ in range(20)]
    tensors = {name: torch.tensor(array, requires_grad=True) for name, array in weights.items()}
    vectors = {"params": [tensors["b_out"]], "weight_decay": 0.0}
    rest = {"params": [tensor for name, tensor in tensors.items() if name != "b_out"]}
    theirs = torch.optim.AdamW([rest, vectors], lr=0.05, weight_decay=0.3)
    for step in gradients:
        for name, tensor in tensors.items():
            tensor.grad = torch.tensor(step[name])
        theirs.step()
    found = updates(Optimiser(lr=0.05, weight_decay=0.3), weights, gradients)
    for name, tensor in tensors.items():
        np.testing.assert_allclose(found[name], tensor.detach(), rtol=1e-10, atol=1e-12)


def clipped(gradients, most, scope):
    """Return gradients of a norm of at most `most`."""
    factors = Adam(Optimiser(clip=most, clip_scope=scope), gradients).factors(gradients)
    return {name: factors[name] * array for name, array in gradients.items()}


@pytest.mark.parametrize("scale", [1e-3, 1.0, 100.0])
def test_clipping_is_torchs(scale):
    gradients = drawn(np.random.default_rng(2), scale)
    tensors = [torch.nn.Parameter(torch.zeros(shape, dtype=torch.float64)) for shape in SHAPES.values()]
    for scope, groups in (("global", [tensors]), ("variable", [[one] for one in tensors])):
        for tensor, array in zip(tensors, gradients.values(), strict=True):
            tensor.grad = torch.tensor(array)
        for group in groups:
            torch.nn.utils.clip_grad_norm_(group, 2.0)
        found = clipped(gradients, 2.0, scope)
        for tensor, array in zip(tensors, found.values(), strict=True):
            np.testing.assert_allclose(array, tensor.grad, rtol=2e-6)  # torch adds 1e-6 to the norm
        norms = [np.sum(array**2) ** 0.5 for array in found.values()]
        assert (np.hypot.reduce(norms) if scope == "global" else max(norms)) <= 2 * (1 + 1e-12)


def test_a_gradient_within_bounds_is_left_as_it_is():
    for scope in ("global", "variable"):
        assert set(clipping({"W1": 0.5, "V1": 0.0}, 1.0, scope).values()) == {1.0}


@pytest.mark.skipif(not cpu_engine.built(), reason="the C++ engine is not built")
@QUICK
@given(
    seed=st.integers(0, 1000),
    rule=st.sampled_from(sorted(OPTIMISERS)),
    precision=st.sampled_from(["float32", "float64"]),
    lr=st.floats(1e-4, 0.5),
    eps=st.sampled_from([1e-16, 1e-8, 1e-3]),
    decay=st.sampled_from([0.0, 0.1]),
    scale=st.sampled_from([1e-20, 1e-3, 1.0, 1e30]),
)
def test_the_extension_moves_weights_to_the_same_bits(seed, rule, precision, lr, eps, decay, scale):
    random = np.random.default_rng(seed)
    shapes = {"W1": (37, 11), "V1": (5, 5), "b_out": (3,)}

    def draw(scale=1.0):
        return {name: random.normal(scale=scale, size=shape).astype(precision) for name, shape in shapes.items()}

    settings = Optimiser(rule, lr=lr, eps=eps, weight_decay=decay)
    weights = draw()
    plain = OPTIMISERS[rule](settings, weights)
    fast = COMPILED[rule](settings, {name: array.copy() for name, array in weights.items()})
    for _ in range(6):
        gradients = draw(scale)
        plain.step(gradients)
        fast.step(gradients)
        for name, wanted in {**plain.weights, **plain.state()}.items():
            assert {**fast.weights, **fast.state()}[name].tobytes() == wanted.tobytes(), name


@pytest.mark.skipif(not cpu_engine.built(), reason="the C++ engine is not built")
@QUICK
@given(seed=st.integers(0, 1000), size=st.integers(0, 3000), precision=st.sampled_from(["float32", "float64"]))
def test_the_extension_finds_the_same_norm(seed, size, precision):
    gradients = {"W1": np.random.default_rng(seed).normal(size=size).astype(precision)}
    settings = Optimiser(clip=0.1, clip_scope="global")
    plain, fast = (known["adam"](settings, gradients).factors(gradients)["W1"] for known in (OPTIMISERS, COMPILED))
    assert fast == pytest.approx(plain, rel=1e-14)


@pytest.mark.parametrize(
    ("start", "period", "taken"), [(0, 10, [10, 20]), (5, 1, range(5, 25)), (3, 7, [3, 10, 17, 24])]
)
def test_the_average_is_the_mean_of_the_updates_that_count(start, period, taken):
    random = np.random.default_rng(4)
    weights, seen = drawn(random), []
    settings = Optimiser(lr=0.1, average="swa", average_start=start, average_period=period)
    ours = OPTIMISERS["adam"](settings, weights)
    plain = {name: array.copy() for name, array in weights.items()}
    other = Adam(Optimiser(lr=0.1), plain)
    for count in range(1, 25):
        gradients = drawn(random)
        ours.step(gradients)
        other.step(gradients)
        seen.append({name: array.copy() for name, array in weights.items()})
        had = [seen[step - 1] for step in taken if step <= count]
        with ours.averaged():
            for name, array in weights.items():
                expected = np.mean([kept[name] for kept in had], axis=0) if had else seen[-1][name]
                np.testing.assert_allclose(array, expected, rtol=1e-12, atol=1e-14)
        for name, array in weights.items():  # training goes on as if nobody averaged
            np.testing.assert_array_equal(array, plain[name])


def test_the_first_step_is_the_learning_rate_against_the_sign():
    weights = {"W1": np.array([[1.0, 1.0, 1.0]])}
    Adam(Optimiser(lr=0.1), weights).step({"W1": np.array([[1e-3, -50.0, 0.0]])})
    np.testing.assert_allclose(weights["W1"], [[0.9, 1.1, 1.0]], atol=1e-5)


def test_the_defaults_are_those_of_torch():
    theirs = torch.optim.Adam([torch.zeros(1)]).defaults
    assert (Optimiser().beta1, Optimiser().beta2, Optimiser().eps) == (*theirs["betas"], theirs["eps"])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("more", [{}, {"clip": 0.5, "weight_decay": 0.1, "average": "swa", "average_period": 3}])
@pytest.mark.parametrize("name", OPTIMISERS)
def test_an_optimiser_goes_on_with_the_same_bits_from_its_state(name, more, dtype):
    settings = Optimiser(name=name, **more)
    random = np.random.default_rng(0)
    gradients = [{key: array.astype(dtype) for key, array in drawn(random).items()} for _ in range(10)]
    weights = {key: array.astype(dtype) for key, array in drawn(random).items()}
    whole = OPTIMISERS[name](settings, weights)
    for step in gradients[:4]:
        whole.step(step)
    kept = {key: array.copy() for key, array in weights.items()}
    state = {key: array.copy() for key, array in whole.state().items()}

    other = OPTIMISERS[name](settings, kept)
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
