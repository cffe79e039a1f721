"""Every random number is a function of a seed in the spec and a stream's name, and each knob moves its own streams."""

import ast
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import sgpipe
from sgpipe.base.rng import hashed, key, permutation, stream, uniform
from sgpipe.data import prepare
from sgpipe.data.samples import SPLITS
from sgpipe.engines.interface import Measures
from sgpipe.engines.reference import ReferenceEngine
from sgpipe.spec.run import NEURON_KNOBS, RunSpec, knobs
from sgpipe.spec.surrogates import FORMULA
from sgpipe.training.trainer import train_run
from sgpipe.weights.schemes import initial_weights
from tests.conftest import states_of

QUICK = settings(max_examples=50, deadline=None, derandomize=True)
names = st.text(min_size=1, max_size=20)
seeds = st.integers(0, 2**64)

SMALL = {
    "data.classes": 3,
    "data.units": 4,
    "data.alpha": 2.0,
    "data.samples_per_class": 10,
    "network.hidden": [5],
    "network.recurrent": True,
    "init.gain": 8.0,
    "objective.upper_strength": 0.1,
    "training.epochs": 2,
    "training.batch_size": 12,
    "training.precision": "float64",
}


# ----------------------------------------------------------------------------------------------------------------
# The streams.


@QUICK
@given(seeds, names)
def test_a_stream_is_a_function_of_seed_and_name(seed, name):
    np.testing.assert_array_equal(stream(seed, name).random(5), stream(seed, name).random(5))


@QUICK
@given(seeds, names, seeds, names)
def test_other_seeds_and_other_names_give_other_numbers(seed, name, other_seed, other_name):
    first = stream(seed, name).random(5)
    if name != other_name:
        assert np.all(stream(seed, other_name).random(5) != first)
    if seed != other_seed:
        assert np.all(stream(other_seed, name).random(5) != first)


def test_neighbouring_streams_are_uncorrelated():
    streams = [stream(seed, f"order/{epoch}").random(20000) for seed in range(3) for epoch in range(3)]
    correlation = np.corrcoef(streams) - np.eye(9)
    assert np.abs(correlation).max() < 0.03  # four standard errors


@QUICK
@given(seeds, st.integers(0, 300))
def test_a_permutation_holds_every_number_once(seed, n):
    order = permutation(stream(seed, "order/1"), n)
    assert order.dtype == np.int64
    np.testing.assert_array_equal(np.sort(order), np.arange(n))


def test_permutations_are_uniform():
    generator = stream(0, "test")
    orders = [tuple(permutation(generator, 3).tolist()) for _ in range(6000)]
    counts = [orders.count(order) for order in set(orders)]
    assert len(counts) == 6 and max(abs(count - 1000) for count in counts) < 130  # 4.5 standard deviations


@QUICK
@given(seeds, st.floats(-100, 100), st.floats(1e-3, 100))
def test_uniform_values_stay_within_their_bounds(seed, low, width):
    values = uniform(stream(seed, "test"), low, low + width, (50, 2))
    assert values.shape == (50, 2)
    assert np.all(values >= low) and np.all(values <= low + width)


# Philox is integer arithmetic, so these hold on every machine and for every numpy. Changing them changes every
# data set, initial weight and sample order there is.
RECORDED = [
    (0, "order/1", [0.20221263513588372, 0.04246774530080866, 0.024626043455322932]),
    (0, "init/W1", [0.731477172954448, 0.46013451564006114, 0.7446329949259394]),
    (1, "init/W1", [0.5814969926690622, 0.21759083546288782, 0.11812811170562665]),
    (0, "data/randman/manifold/0", [0.5021067088377138, 0.30581309617133934, 0.992411182958488]),
    (0, "data/randman/points/0", [0.3785018004269576, 0.8568196831711256, 0.6228386634984492]),
    (0, "data/randman/split", [0.047833975812587415, 0.2970710989990224, 0.0018614062811405097]),
    (1099511627779, "init/V1", [0.3562446280195526, 0.9661684151546526, 0.8059219305949875]),
]


@pytest.mark.parametrize(("seed", "name", "expected"), RECORDED)
def test_the_first_numbers_of_a_stream_never_change(seed, name, expected):
    assert stream(seed, name).random(3).tolist() == expected


def test_permutations_never_change():
    assert permutation(stream(0, "order/1"), 10).tolist() == [2, 1, 5, 0, 7, 4, 9, 3, 8, 6]


# ----------------------------------------------------------------------------------------------------------------
# Nothing else is random.


class OnlyRandom:
    """A stream of which nothing but `random` may be used: other methods may change between numpy versions."""

    def __init__(self, seed, name):
        self.random = stream(seed, name).random


def trained(spec):
    return train_run(spec, prepare(spec), ReferenceEngine())


def same(one, other):
    return one.rows == other.rows and all(
        np.array_equal(array, other.weights[name]) for name, array in one.weights.items()
    )


@pytest.mark.parametrize("variant", ["printed", "authors_torch"])
def test_only_random_is_drawn_from_a_stream(monkeypatch, variant):
    spec = RunSpec.make({**SMALL, "data.variant": variant})
    expected = trained(spec)
    for module in ("sgpipe.data.randman", "sgpipe.weights.schemes", "sgpipe.training.trainer"):
        monkeypatch.setattr(f"{module}.stream", OnlyRandom)
    assert same(trained(spec), expected)


def test_a_run_does_not_depend_on_anyone_elses_random_state():
    spec, found = RunSpec.make(SMALL), []
    for seed in (1, 2):
        torch.manual_seed(seed)
        np.random.seed(seed)  # noqa: NPY002 - the legacy state is the point
        found.append(trained(spec))
    assert same(*found)


def test_no_module_draws_random_numbers_in_its_own_way():
    root = Path(sgpipe.__file__).parent
    for path in sorted(root.rglob("*.py")):
        if path == root / "base" / "rng.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            place = f"{path.relative_to(root)}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.Import):
                assert not any(name.name in ("random", "secrets", "numpy.random") for name in node.names), place
            if isinstance(node, ast.ImportFrom):
                assert node.module not in ("random", "secrets", "numpy.random"), place
            if isinstance(node, ast.Attribute):  # `np.random.Generator`, the type of a stream, is no draw
                name = ast.unparse(node)
                ours = name.startswith(("np.random.", "numpy.random.")) and node.attr != "Generator"
                assert not ours and not name.startswith("torch.rand"), f"{place}: draw from sgpipe.rng.stream"


# ----------------------------------------------------------------------------------------------------------------
# Which knob moves which stream: the drawn data, the initial weights, the order of the samples.

# A size changes what has that size; everything not named here touches nothing drawn.
MOVES = {
    "data.variant": {"data"},
    "data.seed": {"data"},
    "data.alpha": {"data"},
    "data.dim": {"data"},
    "data.tau": {"data"},
    "data.dt": {"data"},
    "data.units": {"data", "weights"},
    "data.classes": {"data", "weights", "order"},
    "data.samples_per_class": {"data", "order"},
    "network.hidden": {"weights"},
    "network.recurrent": {"weights"},
    "network.neuron": {"weights"},
    "network.trained_neurons": {"weights"},
    "network.tau_membrane_shape": {"weights"},
    "network.tau_synapse_shape": {"weights"},
    "network.bias": {"weights"},
    "network.embedding": {"weights"},
    "init.scheme": {"weights"},
    "init.seed": {"weights"},
    "init.gain": {"weights"},
    "init.conditions": {"weights"},
    "init.method": {"weights"},
    "init.readings": {"weights"},
    "init.rate": {"weights"},
    "training.precision": {"weights"},
    "training.seed": {"order"},
}
OTHERS = {
    "surrogate.formula": "exp(-v**2)",
    "objective.max_from": 5,
    "data.seed": 1,
    "data.classes": 2,
    "data.units": 3,
    "data.dim": 2,
    "data.alpha": 3.0,
    "data.samples_per_class": 20,
    "data.tau": 40.0,
    "data.dt": 2.0,
    "data.steps": 120,
    "network.hidden": [6],
    "network.recurrent": False,
    "network.tau_membrane": 20.0,
    "network.tau_synapse": 10.0,
    "network.tau_membrane_shape": 3.0,
    "network.tau_synapse_shape": 3.0,
    "network.tau_readout": 10.0,
    "network.readout_start": -1e-3,
    "network.membrane_decay": 0.5,
    "network.threshold": 2.0,
    "network.adaptation": 0.5,
    "network.tau_adaptation": 5.0,
    "network.trained_neurons": True,
    "network.bias": True,
    "network.dropout": 0.5,
    "network.input_dropout": 0.5,
    "network.embedding": 5,
    "surrogate.beta": 100.0,
    "surrogate.dampening": 0.5,
    "surrogate.sharpness": 2.0,
    "surrogate.tail": 1.5,
    "init.seed": 1,
    "init.gain": 2.0,
    "init.rate": 0.1,
    "objective.label_smoothing": 0.1,
    "objective.lower_strength": 1.0,
    "objective.lower_threshold": 1.0,
    "objective.upper_strength": 1.0,
    "objective.upper_threshold": 1.0,
    "optimiser.lr": 0.01,
    "optimiser.beta1": 0.5,
    "optimiser.beta2": 0.9,
    "optimiser.eps": 1e-3,
    "optimiser.weight_decay": 0.5,
    "optimiser.clip": 0.1,
    "optimiser.average_start": 3,
    "optimiser.average_period": 1,
    "training.epochs": 3,
    "training.batch_size": 6,
    "training.seed": 1,
}
# What else a run needs for a knob to matter.
EQ_1 = {"network.neuron": "delta_lif"}
ASKED = {**EQ_1, "surrogate.shape": "q_pseudospike"}  # what conditions on the initial state need
OWN_SHAPE = {"surrogate.shape": FORMULA, "surrogate.formula": "1/(1 + v**2)"}
NEEDS = {
    "surrogate.sharpness": {"surrogate.shape": "gaussian"},
    "surrogate.tail": {"surrogate.shape": "q_pseudospike"},
    **dict.fromkeys([f"network.{name}" for name in NEURON_KNOBS["delta_lif"] if name != "reset_gradient"], EQ_1),
    "network.tau_membrane_shape": {"network.trained_neurons": True},
    "network.tau_synapse_shape": {"network.trained_neurons": True},
    "network.adaptation": {"network.neuron": "alif"},
    "network.tau_adaptation": {"network.neuron": "alif"},
    "network.tanh": {"network.neuron": "slstm"},
    "init.conditions": ASKED,
    "init.method": {**ASKED, "init.conditions": "I+II"},
    "init.readings": {**ASKED, "init.conditions": "I+II", "network.reset": "multiplicative"},
    "init.extrema": {**ASKED, "init.conditions": "III"},
    "init.infeasible": {**ASKED, "init.conditions": "III"},
    "init.rate": {**ASKED, "init.conditions": "I", "init.method": "calibrated"},
    "init.free": {**ASKED, "init.conditions": "IV"},
    "objective.accuracy": {"objective.head": "steps"},
    "optimiser.clip_scope": {"optimiser.clip": 0.1},
    "optimiser.average_start": {"optimiser.average": "swa"},
    "optimiser.average_period": {"optimiser.average": "swa"},
    **dict.fromkeys(("surrogate.formula", "surrogate.slope"), OWN_SHAPE),
}
TEXT = {"data.task": "ptb", "data.limit": 500, "network.hidden": [5], "training.epochs": 2, "training.batch_size": 6}


def drawn(spec):
    """Return what is drawn for a run: its events, initial weights, and the sample order of its first two epochs."""
    task = prepare(spec)
    orders = []

    class Session:
        def train_epoch(self, given, between=None):
            orders.append(given[0])
            return [Measures(1.0, 0.0, 0.5, (1.0,))]

        def evaluate(self, split, stop=None):
            return [Measures(1.0, 0.0, 0.5, (1.0,))]

        def states(self):
            return [{}]

    class Engine:
        name = "double"

        def open(self, specs, task, weights, theory, threads):
            return Session()

    states = states_of(spec, task=task)
    train_run(spec, task, Engine(), states=states)
    events = [array for split in SPLITS for array in vars(getattr(task, split)).values()]
    return {
        "data": events,
        "weights": list(initial_weights(spec, task.units, task.classes, states.get(spec.init_id)).values()),
        "order": orders[:2],
    }


def equal(one, other):
    return len(one) == len(other) and all(
        a.dtype == b.dtype and np.array_equal(a, b) for a, b in zip(one, other, strict=True)
    )


@pytest.mark.parametrize("name", knobs("randman"))
def test_a_knob_moves_only_its_own_streams(name):
    small = TEXT if name == "network.embedding" else {**SMALL, **NEEDS.get(name, {})}
    rule, base = knobs("randman")[name].metadata, RunSpec.make(small)
    choices = [choice for choice in rule["choices"] or () if choice not in (base.flat()[name], FORMULA)]
    if rule["choices"] and not choices:
        return  # nothing to turn it to yet
    turned = RunSpec.make({**small, name: choices[0] if choices else OTHERS[name]})
    assert turned.id != base.id
    before, after = drawn(base), drawn(turned)
    assert {part for part in before if not equal(before[part], after[part])} == MOVES.get(name, set())


def test_every_epoch_has_an_order_of_its_own_over_all_samples():
    first, second = drawn(RunSpec.make(SMALL))["order"]
    assert sorted(first.tolist()) == sorted(second.tolist()) == list(range(24))
    assert first.tolist() != second.tolist()


# Integer arithmetic as well, and what other engines compute for themselves.
def test_hashed_numbers_never_change():
    counters = np.array([0, 1, 2**63], dtype=np.uint64)
    assert hashed(0, counters).tolist() == [0.8833108082136426, 0.43152799704850997, 0.2817192454992108]
    assert key(3, "dropout/1/2") == 16533080505066971875


def test_hashed_numbers_are_splitmix64():
    """Against the published generator, one number after another in Python's integers."""
    state, mask, expected = 12345, 2**64 - 1, []
    for _ in range(100):
        state = (state + 0x9E3779B97F4A7C15) & mask
        z = state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        expected.append(((z ^ (z >> 31)) >> 11) / 2**53)
    np.testing.assert_array_equal(hashed(12345, np.arange(100)), expected)


def test_hashed_numbers_are_uniform_and_do_not_follow_one_another():
    values = hashed(key(0, "test"), np.arange(40_000))
    assert values.min() >= 0 and values.max() < 1
    counts = np.histogram(values, 20, (0, 1))[0]
    assert abs(counts - 2000).max() < 4.5 * 2000**0.5
    assert abs(np.corrcoef(values[:-1], values[1:])[0, 1]) < 0.02
    other = hashed(key(0, "test2"), np.arange(40_000))
    assert abs(np.corrcoef(values, other)[0, 1]) < 0.02


def test_layers_and_classes_added_later_leave_the_weights_alone():
    def weights(**more):
        return initial_weights(RunSpec.make({"network.hidden": [6], **more}), 5, 3)

    plain = weights()
    recurrent, deep = weights(**{"network.recurrent": True}), weights(**{"network.hidden": [6, 6]})
    for name in ("W1", "W_out"):
        np.testing.assert_array_equal(recurrent[name], plain[name])
        np.testing.assert_array_equal(deep[name], plain[name])
