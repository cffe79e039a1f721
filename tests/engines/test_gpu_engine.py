"""The GPU engine agrees with the reference, and no run of a pack minds the others.

On a machine without a GPU the Triton kernels run in Triton's interpreter; where there is one, they run on it.
"""

import importlib.util
import itertools
import os
from dataclasses import replace

import numpy as np
import pytest
import torch

from sgpipe.base.errors import SgpipeError
from sgpipe.data.samples import Analog, Events, Task
from sgpipe.engines.gpu import GpuEngine, triton_runs_on
from sgpipe.engines.gpu.adam import PackAdam
from sgpipe.engines.gpu.pack import Pack
from sgpipe.engines.optimisers import Adam
from sgpipe.engines.reference import ReferenceEngine
from sgpipe.model.objectives import right
from sgpipe.spec.surrogates import SURROGATES
from sgpipe.weights.schemes import layout

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
if DEVICE == "cpu":
    os.environ["TRITON_INTERPRET"] = "1"  # read when the kernels are first imported

needs_triton = pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="Triton is not installed")
both = pytest.mark.parametrize("kernels", ["torch", pytest.param("triton", marks=[needs_triton, pytest.mark.long])])

LAYERS = {
    "no hidden layer": {"network.hidden": []},
    "one layer": {"network.hidden": [6]},
    "two layers": {"network.hidden": [6, 4]},
    "three layers": {"network.hidden": [5, 6, 4]},
    "recurrent": {"network.hidden": [6], "network.recurrent": True},
    "two recurrent layers": {"network.hidden": [5, 4], "network.recurrent": True},
}
REGULARISED = {
    "objective.lower_strength": 0.3,
    "objective.lower_threshold": 2.0,
    "objective.upper_strength": 0.02,
    "objective.upper_threshold": 1.0,
}
# Every shape with knobs of its own: runs of a pack may differ in all of them.
SHAPES = {
    shape: {
        "surrogate.shape": shape,
        **({"surrogate.beta": 1.5 + 0.25 * place} if surrogate.slope == "beta" else {}),
        **({"surrogate.sharpness": 0.6 + 0.1 * place} if surrogate.slope == "sharpness" else {}),
        **({"surrogate.dampening": 0.4 + 0.15 * place} if surrogate.dampens else {}),
        **({"surrogate.tail": 1.3} if surrogate.tails else {}),
    }
    for place, (shape, surrogate) in enumerate(SURROGATES.items())
}
# A shape of each family
FAMILIES = tuple({surrogate.family: shape for shape, surrogate in SURROGATES.items()}.values())
MIXED = [
    {},
    {"surrogate.shape": "sigmoid", "surrogate.beta": 3.0, "objective.head": "sum", "optimiser.lr": 0.01},
    {"surrogate.shape": "esser", "surrogate.beta": 0.5, "network.reset_gradient": "attached", **REGULARISED},
]


def random_task(samples=4, steps=11, units=3, classes=3, rate=0.3, seed=0) -> Task:
    """Poisson events, some several to a bin, and one sample without any."""
    rng = np.random.default_rng(seed)
    counts = rng.poisson(rate, (samples, steps, units))
    counts[samples // 2] = 0
    sample, step, unit = (np.repeat(place, counts.ravel()) for place in np.indices(counts.shape).reshape(3, -1))
    events = Events.from_spikes(sample, step, unit, rng.integers(0, classes, samples))
    return Task(units, classes, steps, events, events, events)


def random_weights(spec, task, seed=0, scale=8.0):
    """Weights that make a sensible share of the neurons spike."""
    rng = np.random.default_rng(seed)
    shapes = layout(spec, task.units, task.classes)
    return {
        name: (
            rng.uniform(0.5, 12.0, shape)  # time constants
            if len(shape) == 1
            else rng.normal(0.4, 1, shape) * (scale if name[0] == "W" else 1) / shape[1] ** 0.5
        ).astype(spec.training.precision)
        for name, shape in shapes.items()
    }


def copies(weights):
    return [{name: array.copy() for name, array in one.items()} for one in weights]


def assert_agree(specs, task, weights, kernels, indices=None):
    """Compare a pack's minibatch with the reference's, run by run; return the reference's totals."""
    indices = np.arange(len(task.train))[::-1].copy() if indices is None else indices
    session = GpuEngine(DEVICE, kernels).open(specs, task, copies(weights))
    ((_, pack),) = session.packs
    samples = torch.from_numpy(indices).to(DEVICE).expand(len(specs), -1).contiguous()
    table = pack.batch(pack.splits["train"], samples, True)[0].cpu().numpy()
    gradients = {name: stacked.cpu().numpy() for name, stacked in pack.parts(pack.gradient).items()}
    totals = []
    for run, (spec, weight) in enumerate(zip(specs, copies(weights), strict=True)):
        sums, expected = ReferenceEngine().open([spec], task, [weight]).batch(task.train, indices, True)
        found = table[:, run].sum(1)
        found[2] = right(torch.from_numpy(table[2, run])).sum()
        np.testing.assert_allclose(found[:2], [sums.loss, sums.penalty], rtol=1e-9)
        assert found[2] == sums.correct and found[3:].tolist() == sums.spikes.tolist()
        for name, gradient in expected.items():
            assert np.isfinite(gradient).all()
            bound = 1e-9 * np.abs(gradient).max()
            np.testing.assert_allclose(gradients[name][run].T, gradient, rtol=1e-9, atol=bound, err_msg=name)
        totals.append(sums)
    return totals


@both
@pytest.mark.parametrize("layers", LAYERS)
def test_a_mixed_pack_agrees_with_the_reference(tiny, layers, kernels):
    knobs = {"training.precision": "float64", **LAYERS[layers]}
    passed_on = ("propagated", "detached") if "recurrent" in layers else ("propagated",)
    choices = [FAMILIES, ("attached", "detached"), passed_on, ("max", "sum")]
    ways = [*itertools.product(*choices)]
    if kernels == "triton":  # the interpreter is slow: half of them, which still has every three choices together
        places = itertools.product(*(range(len(choice)) for choice in choices))
        ways = [way for way, place in zip(ways, places, strict=True) if sum(place) % 2 == 0]
    specs = [
        tiny({
            **knobs,
            **SHAPES[shape],
            "network.reset_gradient": reset,
            "network.recurrent_gradient": recurrent,
            "objective.head": head,
            "network.tau_membrane": 10.0 if reset == "attached" else 7.0,
            **(REGULARISED | {"objective.upper_exponent": 2 if reset == "attached" else 1} if head == "sum" else {}),
            **({"network.readout_start": -1e-3} if shape == "esser" else {}),
        })
        for shape, reset, recurrent, head in ways
    ]  # fmt: skip
    specs = list({spec.id: spec for spec in specs}.values())  # knobs that are idle here
    task = random_task()
    totals = assert_agree(specs, task, [random_weights(spec, task, seed) for seed, spec in enumerate(specs)], kernels)
    units = np.array(specs[0].network.hidden)
    share = sum(sums.spikes for sums in totals) / (len(specs) * 4 * 11 * units)
    assert np.all((share > 0.01) & (share < 0.5))  # the comparison would be idle in a silent network


@both
@pytest.mark.parametrize("layers", ["two layers", "recurrent"])
def test_a_pack_of_all_shapes_agrees_with_the_reference(tiny, layers, kernels):
    knobs = {"training.precision": "float64", "network.reset_gradient": "attached", **LAYERS[layers]}
    changes = [*SHAPES.values(), {"surrogate.shape": "q_pseudospike", "surrogate.tail": 40.0}]
    specs = [tiny({**knobs, **one}) for one in changes]
    task = random_task()
    assert_agree(specs, task, [random_weights(spec, task, seed) for seed, spec in enumerate(specs)], kernels)


@both
@pytest.mark.parametrize("layers", ["two layers", "recurrent"])
def test_formulas_beside_shapes_agree_with_the_reference(tiny, layers, kernels):
    knobs = {"training.precision": "float64", "network.reset_gradient": "attached", **LAYERS[layers]}
    formulas = ("1/(1 + abs(v))**3", "exp(-pi*(v - 0.2)**2)", "where(-2 < v <= 0.7, 1 + v/3, 0)", "1/(1 + abs(v))**3")
    changes = [
        {
            **{"surrogate.shape": "formula", "surrogate.formula": text, "surrogate.dampening": 0.5 + 0.2 * place},
            **({"surrogate.slope": "beta", "surrogate.beta": 2.5} if place % 2 else {"surrogate.sharpness": 0.7}),
        }
        for place, text in enumerate(formulas)
    ]
    specs = [tiny({**knobs, **one}) for one in [*changes[:2], *MIXED, *changes[2:]]]
    task = random_task()
    assert_agree(specs, task, [random_weights(spec, task, seed) for seed, spec in enumerate(specs)], kernels)


SPREAD = {"network.tau_membrane_shape": 3, "network.tau_synapse_shape": 2}
SINGLE = {
    "spread": SPREAD,
    "trained": {"network.trained_neurons": True},
    "trained from a spread": {"network.trained_neurons": True, **SPREAD},
}


@both
@pytest.mark.parametrize("layers", ["three layers", "two recurrent layers"])
@pytest.mark.parametrize("times", SINGLE)
def test_time_constants_of_single_neurons_agree_with_the_reference(tiny, times, layers, kernels):
    knobs = {"training.precision": "float64", **SINGLE[times], **LAYERS[layers]}
    specs = [tiny({**knobs, "init.seed": seed, **one}) for seed, one in enumerate(MIXED)]
    task = random_task()
    totals = assert_agree(specs, task, [random_weights(spec, task, seed) for seed, spec in enumerate(specs)], kernels)
    assert all((sums.spikes > 0).all() for sums in totals)


@both
@pytest.mark.parametrize("recurrent", [False, True])
def test_time_constants_of_more_neurons_and_samples_than_a_block_agree(tiny, recurrent, kernels):
    hidden = {"network.hidden": [19], "network.recurrent": recurrent, "network.reset_gradient": "attached"}
    spec = tiny({"training.precision": "float64", "network.trained_neurons": True, **hidden})
    task = random_task(samples=18, steps=7)
    assert_agree([spec], task, [random_weights(spec, task)], kernels)


@both
def test_time_constants_below_the_shortest_stay_where_they_are(tiny, kernels):
    spec = tiny({"training.precision": "float64", "network.trained_neurons": True, "network.hidden": [6]})
    task = random_task()
    weights = random_weights(spec, task)
    weights["tau_membrane1"][:4] = [-1.0, 0.0, 1e-3, 1e-2]
    weights["tau_synapse1"][2:] = [1e-2, 1e6, 0.0, -5.0]
    assert_agree([spec], task, [weights], kernels)


@both
def test_runs_drop_the_same_input_as_in_the_reference(tiny, kernels):
    shares = [{"network.input_dropout": share} for share in (0.0, 0.3, 0.95)]
    specs = [
        tiny({"training.precision": "float64", "training.seed": seed, **share}) for seed, share in enumerate(shares)
    ]
    task = random_task(samples=6, rate=1.0)
    weights = [random_weights(spec, task) for spec in specs]
    first, some, nearly_all = (sums.loss for sums in assert_agree(specs, task, weights, kernels))
    assert first != some != nearly_all


EDGES = {
    "one sample": ({"samples": 1, "rate": 0}, {}),
    "four steps": ({"steps": 4}, {}),
    "one class beyond a power of two": ({"classes": 5}, {}),
    "no event at all, every step a tie": ({"rate": 0.0}, {}),
    "silent": ({}, {"scale": 0.0}),
    "a crowded input": ({"rate": 3.0}, {}),
    "batch beyond a block": ({"samples": 17, "steps": 6}, {}),
    "spiking at every other step": ({"rate": 1.0}, {"scale": 200.0}),
}


@both
@pytest.mark.parametrize("recurrent", [False, True])
@pytest.mark.parametrize("edge", EDGES)
def test_edges_agree(tiny, edge, recurrent, kernels):
    task_changes, weight_changes = EDGES[edge]
    specs = [
        tiny({"training.precision": "float64", "network.hidden": [6], "network.recurrent": recurrent, **changes})
        for changes in MIXED[1:]
    ]
    task = random_task(**task_changes)
    assert_agree(specs, task, [random_weights(spec, task, **weight_changes) for spec in specs], kernels)


@both
@pytest.mark.parametrize("steps", [1, 2])
def test_before_anything_arrives_there_is_no_gradient(tiny, steps, kernels):
    specs = [tiny({"training.precision": "float64", **changes}) for changes in MIXED]
    task = random_task(steps=steps)
    session = GpuEngine(DEVICE, kernels).open(specs, task, [random_weights(spec, task) for spec in specs])
    ((_, pack),) = session.packs
    pack.gradient.fill_(np.nan)
    table = pack.batch(pack.splits["train"], torch.arange(4, device=DEVICE).expand(3, -1).contiguous(), True)[0]
    np.testing.assert_allclose(table[0].cpu(), np.log(3))
    assert not pack.gradient.any()


@both
def test_units_beyond_every_block_agree(tiny, kernels):
    knobs = {"training.precision": "float64", "network.reset_gradient": "attached", "surrogate.beta": 2.0}
    wide = tiny({**knobs, "network.hidden": [70]})
    task = random_task(samples=40, steps=52, units=3, rate=0.02)  # 2080 rows, 40 samples: two chunks
    assert_agree([wide], task, [random_weights(wide, task)], kernels)
    recurrent = tiny({**knobs, "network.hidden": [19, 18], "network.recurrent": True})
    task = random_task(samples=18, steps=6)
    assert_agree([recurrent], task, [random_weights(recurrent, task)], kernels)
    widest = tiny({**knobs, "network.hidden": [260], "network.recurrent": True})
    task = random_task(samples=9, steps=5, rate=1.0)
    assert_agree([widest], task, [random_weights(widest, task)], kernels)


@both
def test_a_tie_of_the_maximum_takes_its_first_step(tiny, kernels):
    # The readout forgets at once: two lone spikes far apart make two equal peaks.
    taus = {"network.tau_readout": 1e-9, "network.tau_synapse": 1e-9}
    spec = tiny({"training.precision": "float64", "network.hidden": [], **taus})
    events = Events.from_spikes(np.zeros(2, int), np.array([2, 5]), np.zeros(2, int), np.array([0]))
    task = Task(1, 3, 9, events, events, events)
    assert_agree([spec], task, [{"W_out": np.array([[1.0], [1.0], [-1.0]])}], kernels)


@both
@pytest.mark.parametrize("more", [{}, {"network.input_dropout": 0.3, **SINGLE["trained from a spread"]}])
def test_training_is_adam_on_the_reference(tiny, more, kernels):
    knobs = {"training.precision": "float64", "training.batch_size": 3, "network.recurrent": True, **more}
    specs = [tiny({**knobs, **changes}) for changes in MIXED]
    task = random_task(samples=5)
    weights = [random_weights(spec, task, seed) for seed, spec in enumerate(specs)]
    orders = [np.random.default_rng(seed).permutation(5) for seed in range(3)]
    session = GpuEngine(DEVICE, kernels).open(specs, task, copies(weights))
    trained = [session.train_epoch(orders), session.train_epoch(orders[::-1]), session.evaluate("valid")]
    for run, (spec, weight) in enumerate(zip(specs, copies(weights), strict=True)):
        reference = ReferenceEngine().open([spec], task, [weight])
        expected = [
            *reference.train_epoch([orders[run]]),
            *reference.train_epoch([orders[::-1][run]]),
            *reference.evaluate("valid"),
        ]
        for found, wanted in zip((part[run] for part in trained), expected, strict=True):
            assert (found.accuracy, found.spikes) == (wanted.accuracy, wanted.spikes)
            assert (found.loss, found.penalty) == pytest.approx((wanted.loss, wanted.penalty), rel=1e-9)
        state, expected = session.states()[run], reference.states()[0]
        assert state.keys() == expected.keys() and state["optimiser.step_count"] == 4
        for name, array in expected.items():
            assert state[name].dtype == array.dtype and state[name].shape == array.shape
            np.testing.assert_allclose(state[name], array, rtol=1e-7, atol=1e-12, err_msg=name)


def test_pack_adam_is_adam_for_each_run(tiny):
    knobs = ((0.05, 0.9), (1e-3, 0.0), (0.2, 0.99))
    specs = [tiny({"optimiser.lr": lr, "optimiser.beta1": beta}) for lr, beta in knobs]
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(3, 20)).astype(np.float32)
    pack = PackAdam(specs, torch.from_numpy(weights.copy()))
    alone = [Adam(spec.optimiser, {"W": row.copy()}) for spec, row in zip(specs, weights, strict=True)]
    # What may round differently in one step, in units of eps. torch takes its roots from a vector library that is off by
    # up to one last digit (0.75 of one where numpy's is 0.5: one in five roots differs on AMD Zen 4). The four operations
    # after the root then round half an eps off on either side, as does the subtraction from the weight.
    eps, allowed = np.finfo(np.float32).eps, np.zeros((3, 20))
    for rate in pack.rates(5):
        gradients = rng.normal(size=(3, 20)).astype(np.float32)
        before = pack.weights.numpy().copy()
        pack.step(torch.from_numpy(gradients), rate, torch.ones((3, 1), dtype=torch.bool))
        after = pack.weights.numpy()
        allowed += eps * ((1 + 4) * np.abs(after - before) + np.abs(after))
        for adam, gradient in zip(alone, gradients, strict=True):
            adam.step({"W": gradient})
    wanted = np.stack([adam.weights["W"] for adam in alone])
    assert (np.abs(pack.weights.numpy() - wanted) <= allowed).all()
    for mine, name in ((pack.first, "first.W"), (pack.second, "second.W")):  # sums and products only: no root
        np.testing.assert_array_equal(mine.numpy(), [adam.moments[name] for adam in alone])


def assert_same_bits(found, wanted):
    assert found.keys() == wanted.keys()
    for name in wanted:
        np.testing.assert_array_equal(found[name], wanted[name], err_msg=name)


OWN = {"network.input_dropout": 0.2, "network.trained_neurons": True}


@both
@pytest.mark.parametrize(
    ("layers", "more"), [("one layer", {}), ("recurrent", {}), ("one layer", OWN), ("recurrent", OWN)]
)
def test_a_run_does_not_depend_on_its_company(tiny, layers, more, kernels):
    specs = [tiny({"training.batch_size": 3, **LAYERS[layers], **more, **changes}) for changes in MIXED]
    task = random_task(samples=5, steps=8)
    weights = [random_weights(spec, task, seed) for seed, spec in enumerate(specs)]
    orders = [np.random.default_rng(seed).permutation(5) for seed in range(3)]

    def train(places):
        engine = GpuEngine(DEVICE, kernels)
        session = engine.open([specs[p] for p in places], task, copies([weights[p] for p in places]))
        measures = session.train_epoch([orders[p] for p in places]), session.evaluate("test")
        return measures, session.states()

    together, states = train([0, 1, 2])
    turned, turned_states = train([2, 0, 1])
    for place in range(3):
        alone, (state,) = train([place])
        other = [2, 0, 1].index(place)
        assert [part[place] for part in together] == [part[0] for part in alone] == [part[other] for part in turned]
        assert_same_bits(states[place], state)
        assert_same_bits(turned_states[other], state)


@both
def test_states_go_on_with_the_same_bits(tiny, kernels):
    specs = [tiny({"training.batch_size": 4, "network.recurrent": True, **changes}) for changes in MIXED[1:]]
    task = random_task(samples=5)
    weights = [random_weights(spec, task) for spec in specs]
    engine, orders = GpuEngine(DEVICE, kernels), [np.arange(5)] * 2
    undisturbed = engine.open(specs, task, copies(weights))
    undisturbed.train_epoch(orders)
    resumed = engine.open(specs, task, copies(weights))
    resumed.load(undisturbed.states())
    assert undisturbed.train_epoch(orders) == resumed.train_epoch(orders)
    for one, other in zip(undisturbed.states(), resumed.states(), strict=True):
        assert_same_bits(one, other)


@both
@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
def test_a_run_that_diverges_stops_alone(tiny, kernels):
    sound = tiny({"training.batch_size": 2, "optimiser.lr": 0.05})
    specs = [sound, replace(sound, optimiser=replace(sound.optimiser, lr=1e38))]  # more than a spec may ask for
    task = random_task(samples=8)
    weights = [random_weights(spec, task) for spec in specs]
    session = GpuEngine(DEVICE, kernels).open(specs, task, copies(weights))
    sound, diverged = session.train_epoch([np.arange(8)] * 2)
    assert np.isfinite(sound.loss) and not np.isfinite(diverged.loss)
    alone = GpuEngine(DEVICE, kernels).open(specs[:1], task, copies(weights[:1]))
    assert alone.train_epoch([np.arange(8)]) == [sound]
    reference = ReferenceEngine().open(specs[1:], task, copies(weights[1:]))
    reference.train_epoch([np.arange(8)])
    state, expected = session.states()[1], reference.states()[0]
    assert state["optimiser.step_count"] < 4
    for name, array in expected.items():
        np.testing.assert_allclose(state[name], array, rtol=1e-4, err_msg=name)


def test_runs_whose_neurons_differ_in_kind_train_in_packs_of_their_own(tiny):
    changes = [{}, SPREAD, {"network.trained_neurons": True}, {}, SPREAD]
    specs = [tiny({"init.seed": seed, **one}) for seed, one in enumerate(changes)]
    task = random_task()
    weights = [random_weights(spec, task) for spec in specs]
    session = GpuEngine(DEVICE, "torch").open(specs, task, copies(weights))
    assert [places for places, _ in session.packs] == [[0, 3], [1, 4], [2]]


def test_packs_are_cut_to_what_goes_in_lockstep_and_fits(tiny):
    changes = [{"training.batch_size": size, "init.seed": seed} for seed in range(3) for size in (4, 3)]
    specs = [tiny({"training.precision": "float64", **one}) for one in changes]
    task = random_task(samples=6)
    weights = [random_weights(spec, task, seed) for seed, spec in enumerate(specs)]
    session = GpuEngine(DEVICE, "torch", memory=1).open(specs, task, copies(weights))
    assert len(session.packs) == 6
    session = GpuEngine(DEVICE, "torch").open(specs, task, copies(weights))
    assert [places for places, _ in session.packs] == [[0, 2, 4], [1, 3, 5]]
    for place, state in enumerate(session.states()):
        assert_same_bits({name: state[name] for name in weights[place]}, weights[place])


@pytest.mark.parametrize("most", [1, 2])
def test_a_pack_that_overflows_the_memory_is_halved_and_loses_nothing(tiny, monkeypatch, most):
    specs = [tiny({"training.batch_size": 3, "init.seed": seed}) for seed in range(5)]
    task = random_task(samples=7)
    weights = [random_weights(spec, task, seed) for seed, spec in enumerate(specs)]
    orders = [np.random.default_rng(seed).permutation(7) for seed in range(5)]

    def train():
        session = GpuEngine(DEVICE, "torch").open(specs, task, copies(weights))
        return session, session.train_epoch(orders), session.evaluate("valid"), session.states()

    _, *expected = train()
    whole, updates = Pack.batch, []

    def scarce(self, split, samples, training):
        updates.append(training)
        if len(samples) > most and len(updates) % 3 == 0:  # in the midst of an epoch
            raise torch.cuda.OutOfMemoryError("no room")
        return whole(self, split, samples, training)

    monkeypatch.setattr(Pack, "batch", scarce)
    session, *found = train()
    assert max(len(places) for places, _ in session.packs) == most
    assert sorted(place for places, _ in session.packs for place in places) == list(range(5))
    assert found[:2] == expected[:2]
    for one, other in zip(found[2], expected[2], strict=True):
        assert_same_bits(one, other)


def test_a_lone_run_that_does_not_fit_says_so(tiny, monkeypatch):
    def full(*_):
        raise torch.cuda.OutOfMemoryError("no room")

    task, spec = random_task(), tiny()
    session = GpuEngine(DEVICE, "torch").open([spec], task, [random_weights(spec, task)])
    monkeypatch.setattr(Pack, "batch", full)
    with pytest.raises(torch.cuda.OutOfMemoryError):
        session.train_epoch([np.arange(4)])


def test_a_task_is_indexed_once_and_only_its_training_for_the_way_back(tiny):
    task, spec, engine = random_task(), tiny(), GpuEngine(DEVICE, "torch")
    first, second = (engine.open([spec], task, [random_weights(spec, task)]).packs[0][1].splits for _ in range(2))
    assert first is second
    assert [hasattr(first[name], "unit_ptr") for name in ("train", "valid", "test")] == [True, False, False]


def test_analog_input_is_refused_with_what_to_set(tiny):
    split = Analog(np.zeros((2, 5, 3), np.float32), np.zeros(2, int))
    with pytest.raises(SgpipeError, match="engine: gpu takes tasks of events only; set auto or reference"):
        GpuEngine(DEVICE, "torch").open([tiny()], Task(3, 2, 5, split, split, split), [])


@needs_triton
def test_refuses_what_no_program_holds(tiny):
    engine = GpuEngine(DEVICE, "triton")
    assert engine.refuses(tiny({"network.hidden": [600]})) is None
    assert "at most 512 units" in engine.refuses(tiny({"network.hidden": [600], "network.recurrent": True}))
    assert GpuEngine(DEVICE, "torch").refuses(tiny({"network.hidden": [600], "network.recurrent": True})) is None


def test_auto_takes_triton_where_it_runs(monkeypatch):
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    assert not triton_runs_on("cpu")
    assert type(GpuEngine("cpu").kernels).__name__ == "TorchKernels"
