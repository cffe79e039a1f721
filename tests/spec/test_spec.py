"""A run's description: one id a run, every knob counts exactly where it matters, and errors say what to type."""

import dataclasses
import json
from functools import cache

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sgpipe.base.errors import SgpipeError
from sgpipe.data import prepare
from sgpipe.engines.reference import ReferenceEngine
from sgpipe.spec.knob import basic_type
from sgpipe.spec.run import NEURON_KNOBS, RunSpec, from_canonical, knobs
from sgpipe.training.trainer import train_run
from tests.conftest import states_of

QUICK = settings(max_examples=40, deadline=None, derandomize=True)
KNOBS = knobs("randman")

# A run in which no knob is idle, small enough to be trained dozens of times.
BUSY = {
    "data.classes": 3,
    "data.units": 6,
    "data.alpha": 2.0,
    "data.samples_per_class": 10,
    "data.tau": 16.0,
    "data.steps": 24,
    "network.hidden": [8],
    "network.recurrent": True,
    "init.gain": 8.0,
    "objective.lower_threshold": 1.5,
    "objective.upper_strength": 0.5,
    "objective.upper_threshold": 0.5,
    "training.epochs": 2,
    "training.batch_size": 12,
    "training.precision": "float64",
}

# The same for a text, whose knobs have no use elsewhere.
TEXT = {
    "data.task": "ptb",
    "data.limit": 400,
    "data.steps": 8,
    "network.neuron": "delta_lif",
    "network.hidden": [8],
    "network.recurrent": True,
    "training.epochs": 2,
    "training.batch_size": 12,
    "training.precision": "float64",
}

# What to turn each knob to, away from BUSY and from the default; a knob of a few choices goes through all of them.
OTHERS = {
    "data.seed": [1],
    "data.classes": [2],
    "data.units": [7],
    "data.dim": [2],
    "data.alpha": [1.5],
    "data.samples_per_class": [20],
    "data.tau": [12.0],
    "data.dt": [2.0],
    "data.steps": [30],
    "network.hidden": [[9], [8, 8], [8, 8, 8]],
    "network.recurrent": [False],
    "network.tau_membrane": [20.0],
    "network.tau_synapse": [10.0],
    "network.tau_readout": [10.0],
    "network.readout_start": [-1e-3, 0.1],
    "network.membrane_decay": [0.5, 0.0],
    "network.threshold": [2.0],
    "network.adaptation": [0.5, 0.0],
    "network.tau_adaptation": [5.0],
    "network.trained_neurons": [True],
    "network.bias": [True],
    "network.tau_membrane_shape": [3.0],
    "network.tau_synapse_shape": [3.0],
    "network.dropout": [0.5],
    "network.input_dropout": [0.5],
    "network.embedding": [8],
    "surrogate.beta": [5.0, 100.0],
    "surrogate.dampening": [0.5],
    "surrogate.sharpness": [2.0],
    "surrogate.tail": [1.05],
    "surrogate.formula": ["1/(1 + abs(v))**3"],
    "init.seed": [1],
    "init.gain": [6.0],
    "objective.label_smoothing": [0.1],
    "objective.max_from": [12],
    "objective.lower_strength": [1.0, 0.0],
    "objective.lower_threshold": [2.5],
    "objective.upper_strength": [1.0, 0.0],
    "objective.upper_threshold": [100.0],
    "optimiser.lr": [0.01],
    "optimiser.beta1": [0.5],
    "optimiser.beta2": [0.9],
    "optimiser.eps": [1e-3],
    "init.rate": [0.1],
    "optimiser.weight_decay": [0.5],
    "optimiser.clip": [1e-3],
    "optimiser.average_start": [3],
    "optimiser.average_period": [2],
    "training.epochs": [3],
    "training.batch_size": [16],
    "training.seed": [1],
}


# What else a run needs for a knob to matter.
FORMULA = "1/(1 + v**2)"
EQ_1 = {"network.neuron": "delta_lif"}
ASKED = {**EQ_1, "surrogate.shape": "q_pseudospike"}  # what conditions on the initial state need
NEEDS = {
    **dict.fromkeys([f"network.{name}" for name in NEURON_KNOBS["delta_lif"] if name != "reset_gradient"], EQ_1),
    "network.adaptation": {"network.neuron": "alif"},
    "network.tau_adaptation": {"network.neuron": "alif"},
    "network.tanh": {"network.neuron": "slstm"},
    "objective.accuracy": {**EQ_1, "objective.head": "steps", "data.samples_per_class": 30},  # of few both say the same
    "optimiser.clip_scope": {"optimiser.clip": 1e-3},
    "optimiser.average": {"optimiser.average_period": 1},
    "optimiser.average_start": {"optimiser.average": "swa", "optimiser.average_period": 1},
    "optimiser.average_period": {"optimiser.average": "swa"},
    "surrogate.sharpness": {"surrogate.shape": "triangular"},
    "surrogate.tail": {"surrogate.shape": "q_pseudospike"},
    "surrogate.shape": {"surrogate.shape": "superspike", "surrogate.formula": FORMULA},
    "surrogate.formula": {"surrogate.shape": "formula", "surrogate.formula": FORMULA},
    "surrogate.slope": {"surrogate.shape": "formula", "surrogate.formula": FORMULA},
    "training.precision": EQ_1,
    "init.conditions": ASKED,
    "init.method": {**ASKED, "init.conditions": "I+II"},
    "init.readings": {**ASKED, "init.conditions": "I+II+III+IV"},
    "init.extrema": {**ASKED, "init.conditions": "III"},
    # In a layer upon another one III has no solution.
    "init.infeasible": {**ASKED, "init.conditions": "III", "network.hidden": [8, 8]},
    "init.rate": {**ASKED, "init.conditions": "I", "init.method": "calibrated"},
    "init.free": {**ASKED, "init.conditions": "IV"},
}


def base_of(name):
    """Return the run on which a knob is turned."""
    return TEXT if name == "network.embedding" else {**BUSY, **NEEDS.get(name, {})}


def other_values(name):
    choices = KNOBS[name].metadata["choices"]
    if choices:
        same = (base_of(name).get(name, KNOBS[name].default), "error")  # the latter trains nothing
        return [choice for choice in choices if choice not in same]
    return OTHERS[name]


TURNS = [
    (name, value)
    for name in KNOBS
    if name in OTHERS or KNOBS[name].metadata["choices"]
    for value in other_values(name)
    if value != "relu"  # which is not recurrent, as this run is (test_conventional.py)
]

# Where a knob cannot matter: (the rest of the run, the knob, a value).
# Knobs of other neurons than zenke2021's.
FOREIGN = {
    "membrane_decay": 0.5,
    "threshold": 2.0,
    "reset": "multiplicative",
    "adaptation": 0.5,
    "tau_adaptation": 5.0,
    "bias": True,
    "tanh": "printed",
    "embedding": 8,
}
UNASKED = {
    "method": "calibrated",
    "readings": "printed",
    "extrema": "sample",
    "infeasible": "clip",
    "rate": 0.1,
    "free": "tail",
}
NO_HIDDEN = {"network.hidden": [], "network.recurrent": False}
IDLE = [
    ({"surrogate.shape": "constant"}, "surrogate.beta", 3.0),
    ({"surrogate.shape": "true_derivative"}, "surrogate.beta", 3.0),
    ({"surrogate.shape": "true_derivative"}, "surrogate.dampening", 3.0),
    ({"surrogate.shape": "gaussian"}, "surrogate.beta", 3.0),
    ({"surrogate.shape": "gaussian"}, "surrogate.tail", 3.0),
    ({"surrogate.shape": "superspike"}, "surrogate.sharpness", 3.0),
    ({"surrogate.shape": "superspike"}, "surrogate.formula", "exp(-abs(v))"),
    ({"surrogate.shape": "superspike"}, "surrogate.slope", "beta"),
    ({"surrogate.shape": "formula", "surrogate.formula": FORMULA}, "surrogate.beta", 3.0),
    ({"surrogate.shape": "formula", "surrogate.formula": FORMULA}, "surrogate.tail", 3.0),
    (
        {"surrogate.shape": "formula", "surrogate.formula": FORMULA, "surrogate.slope": "beta"},
        "surrogate.sharpness",
        3.0,
    ),
    ({"surrogate.shape": "true_derivative"}, "network.reset_gradient", "detached"),
    ({"surrogate.shape": "true_derivative"}, "network.recurrent_gradient", "detached"),
    ({"network.recurrent": False}, "network.recurrent_gradient", "detached"),
    ({"objective.lower_strength": 0}, "objective.lower_threshold", 7.0),
    ({"objective.upper_strength": 0}, "objective.upper_threshold", 7.0),
    ({"objective.upper_strength": 0}, "objective.upper_exponent", 2),
    *(({}, f"network.{name}", value) for name, value in FOREIGN.items()),
    ({"network.neuron": "delta_lif"}, "network.tau_membrane", 3.0),
    ({"network.neuron": "delta_lif"}, "network.tau_synapse", 3.0),
    ({"network.neuron": "delta_lif"}, "network.tau_membrane_shape", 3.0),
    ({"network.neuron": "delta_lif"}, "network.tau_synapse_shape", 3.0),
    ({"network.neuron": "slstm"}, "network.trained_neurons", True),
    ({"network.neuron": "delta_lif"}, "network.tau_readout", 3.0),
    ({"network.neuron": "delta_lif"}, "network.readout_start", 3.0),
    ({"network.neuron": "delta_lif"}, "network.adaptation", 3.0),
    ({"network.neuron": "delta_lif"}, "network.tau_adaptation", 3.0),
    ({"network.neuron": "delta_lif"}, "network.tanh", "printed"),
    ({"network.neuron": "delta_lif"}, "network.embedding", 8),
    ({"network.neuron": "alif", "network.adaptation": 0}, "network.tau_adaptation", 3.0),
    ({"network.neuron": "alif"}, "network.tanh", "printed"),
    ({"network.neuron": "slstm"}, "network.reset_gradient", "attached"),
    *(({"network.neuron": "slstm"}, f"network.{name}", FOREIGN[name]) for name in FOREIGN if name != "tanh"),
    *(({}, f"init.{name}", value) for name, value in UNASKED.items()),
    *(
        ({**ASKED, "init.conditions": "I"}, f"init.{name}", UNASKED[name])
        for name in ("extrema", "infeasible", "rate", "free")
    ),
    ({**ASKED, "init.conditions": "II", "init.method": "calibrated"}, "init.rate", 0.1),
    ({**ASKED, "init.conditions": "I+II"}, "init.extrema", "sample"),
    ({**ASKED, "init.conditions": "I+III"}, "init.free", "tail"),
    *(
        ({**ASKED, "init.conditions": "I+IV", "init.readings": "authors"}, f"init.{name}", UNASKED[name])
        for name in ("extrema", "infeasible", "free")
    ),
    *(
        ({**ASKED, "init.method": "calibrated", "init.conditions": "I+III"}, f"init.{name}", UNASKED[name])
        for name in ("readings", "extrema", "free")
    ),
    ({}, "objective.accuracy", "mode"),
    ({}, "optimiser.clip_scope", "variable"),
    ({}, "optimiser.average_start", 3),
    ({}, "optimiser.average_period", 1),
    (NO_HIDDEN, "network.dropout", 0.5),
    (NO_HIDDEN, "network.threshold", 3.0),
    (NO_HIDDEN, "network.trained_neurons", True),
    (NO_HIDDEN, "network.tau_synapse_shape", 3.0),
    (NO_HIDDEN, "network.tau_membrane", 3.0),
    (NO_HIDDEN, "network.reset_gradient", "attached"),
    (NO_HIDDEN, "network.recurrent_gradient", "detached"),
    (NO_HIDDEN, "surrogate.shape", "esser"),
    (NO_HIDDEN, "surrogate.beta", 3.0),
    (NO_HIDDEN, "init.gain", 3.0),
    (NO_HIDDEN, "objective.lower_strength", 3.0),
    (NO_HIDDEN, "objective.lower_threshold", 3.0),
    (NO_HIDDEN, "objective.upper_strength", 3.0),
    (NO_HIDDEN, "objective.upper_threshold", 3.0),
    (NO_HIDDEN, "objective.upper_exponent", 2),
]


def values_of(name):
    """Return a strategy for the legal values of one knob."""
    rule, kind = KNOBS[name].metadata, basic_type(KNOBS[name].type)
    if rule["choices"]:
        return st.sampled_from(rule["choices"])
    if name in ("data.tau", "data.dt", "data.steps"):  # any of these go together
        return {"data.tau": st.floats(0.1, 20), "data.dt": st.floats(0.5, 2), "data.steps": st.integers(40, 200)}[name]
    if name == "surrogate.formula":
        return st.sampled_from(["exp(-abs(v))", "1/(1+v**2)", "max( 0, 1-abs(v) )"])
    if kind is bool:
        return st.booleans()
    if kind is tuple:
        return st.lists(st.integers(1, 500), max_size=3)
    if name == "objective.max_from":
        return st.integers(0, 39)  # of 40 steps at least
    if kind is int:
        return st.integers(rule["least"], min(rule["least"] + 1000, rule["most"]))
    # Numbers without a fraction come often: they are what a person may also write as an integer.
    most = min(rule["most"] or 1000.0, 1000.0) if rule["below"] is None else 0.99 * rule["below"]
    low = rule["above"] + 1e-9 if rule["above"] is not None else -most if rule["least"] is None else 0.0
    whole = st.integers(int(low) + (low > 0), max(int(most), 1)).map(float).filter(lambda value: value <= most)
    return st.floats(low, most) | whole.filter(lambda value: value >= low)


@st.composite
def run_values(draw):
    """Return the knobs of a legal run, any of them left out."""
    values = draw(st.fixed_dictionaries({}, optional={name: values_of(name) for name in KNOBS}))
    if "data.steps" in values or "data.dt" in values:
        values.setdefault("data.tau", 5.0)
    if not values.get("network.hidden", [1]) or values.get("network.neuron") == "relu":
        values.pop("network.recurrent", None)
        values.pop("init.conditions", None)
    if values.get("init.conditions", "none") != "none":  # what every one of them can be asked of
        values |= {"network.neuron": "delta_lif", "network.recurrent": True, "surrogate.shape": "q_pseudospike"}
        values["network.hidden"] = [units + 1 for units in values.get("network.hidden", [8])]
    if values.get("training.precision") == "mixed":
        values |= {"network.neuron": "alif", "network.hidden": values.get("network.hidden") or [8]}
    if values.get("surrogate.shape") == "formula":
        values.setdefault("surrogate.formula", "exp(-v**2)")
    if "surrogate.formula" in values:
        values.setdefault("surrogate.shape", "formula")
    return values


@st.composite
def respelled(draw, values):
    """Return the same run as a different person would write it."""
    spelled = {}
    for name, value in values.items():
        if isinstance(value, float) and value.is_integer():
            value = draw(st.sampled_from([value, int(value)]))
        if isinstance(value, list):
            value = draw(st.sampled_from([value, tuple(value)]))
        spelled[name] = value
    missing = [name for name in KNOBS if name not in values]
    explicit = draw(st.lists(st.sampled_from(missing), unique=True)) if missing else []
    spelled |= {name: KNOBS[name].default for name in explicit}
    return {name: spelled[name] for name in draw(st.permutations(list(spelled)))}


@QUICK
@given(st.data())
def test_spelling_does_not_change_the_id(data):
    values = data.draw(run_values())
    spec, same = RunSpec.make(values), RunSpec.make(data.draw(respelled(values)))
    assert same == spec
    assert (same.id, same.data_id) == (spec.id, spec.data_id)


@QUICK
@given(run_values())
def test_a_run_comes_back_from_its_canonical_json(values):
    spec = RunSpec.make(values)
    back = from_canonical(spec.canonical())
    assert back == spec and back.id == spec.id
    assert list(json.loads(spec.canonical())) == sorted(json.loads(spec.canonical()))


@QUICK
@given(run_values(), run_values())
def test_two_runs_share_an_id_only_if_they_are_equal(one, other):
    one, other = RunSpec.make(one), RunSpec.make(other)
    assert (one.id == other.id) == (one == other)
    assert (one.data_id == other.data_id) == (one.data == other.data)


def test_the_default_run_is_the_empty_description():
    assert RunSpec.make({}).canonical() == "{}"
    assert RunSpec.make({name: item.default for name, item in KNOBS.items()}) == RunSpec.make({})


def test_numbers_that_are_equal_name_one_run():
    spellings = (0, 0.0, -0.0)
    assert len({RunSpec.make({"network.readout_start": value}).id for value in spellings}) == 1
    assert len({RunSpec.make({"optimiser.lr": value}).id for value in (1e-3, 0.001, 1 / 1000)}) == 1


def test_every_knob_is_turned_by_these_tests():
    free = {name for name, item in KNOBS.items() if not item.metadata["choices"] and basic_type(item.type) is not bool}
    missing = free - OTHERS.keys()
    assert not missing, f"say in OTHERS what to turn {sorted(missing)} to"


@pytest.mark.parametrize(("name", "value"), TURNS)
def test_turning_any_knob_changes_the_id(name, value):
    base = base_of(name)
    spec, turned = RunSpec.make(base), RunSpec.make({**base, name: value})
    assert turned.id != spec.id
    assert (turned.data_id != spec.data_id) == name.startswith("data.")


@pytest.mark.parametrize(("rest", "name", "value"), IDLE)
def test_an_idle_knob_does_not_change_the_id(rest, name, value):
    spec = RunSpec.make({**BUSY, **rest})
    assert RunSpec.make({**BUSY, **rest, name: value}).id == spec.id
    assert spec.flat().get(name) is None  # rare knobs have no place in other runs


# Written down so that nobody changes them: ids leave defaults out, so that results stored under the old default would
# be taken for those of the new one.
DEFAULTS = {
    "data.task": "randman",
    "data.source": "synthetic",
    "data.variant": "printed",
    "data.seed": 0,
    "data.classes": 10,
    "data.units": 20,
    "data.dim": 1,
    "data.alpha": 1.0,
    "data.samples_per_class": 1000,
    "data.tau": 50.0,
    "data.dt": 1.0,
    "data.steps": 100,
    "network.neuron": "lif",
    "network.hidden": (100,),
    "network.recurrent": False,
    "network.tau_membrane": 10.0,
    "network.tau_synapse": 5.0,
    "network.tau_membrane_shape": 0.0,
    "network.tau_synapse_shape": 0.0,
    "network.tau_readout": 20.0,
    "network.reset_gradient": "detached",
    "network.recurrent_gradient": "propagated",
    "network.readout_start": 0.0,
    "network.membrane_decay": 0.9,
    "network.threshold": 1.0,
    "network.reset": "subtractive",
    "network.adaptation": 1.8,
    "network.tau_adaptation": 100.0,
    "network.trained_neurons": False,
    "network.bias": False,
    "network.tanh": "coded",
    "network.dropout": 0.0,
    "network.input_dropout": 0.0,
    "network.embedding": 0,
    "surrogate.shape": "superspike",
    "surrogate.beta": 10.0,
    "surrogate.dampening": 1.0,
    "surrogate.sharpness": 1.0,
    "surrogate.tail": 2.0,
    "surrogate.formula": "",
    "surrogate.slope": "sharpness",
    "init.scheme": "uniform",
    "init.seed": 0,
    "init.gain": 1.0,
    "init.conditions": "none",
    "init.method": "theory",
    "init.readings": "corrected",
    "init.extrema": "ensemble",
    "init.infeasible": "skip",
    "init.rate": 0.5,
    "init.free": "sharpness",
    "objective.head": "max",
    "objective.label_smoothing": 0.0,
    "objective.accuracy": "summed",
    "objective.max_from": 0,
    "objective.lower_strength": 100.0,
    "objective.lower_threshold": 0.001,
    "objective.upper_strength": 0.0,
    "objective.upper_threshold": 0.0,
    "objective.upper_exponent": 1,
    "optimiser.name": "adam",
    "optimiser.lr": 0.05,
    "optimiser.beta1": 0.9,
    "optimiser.beta2": 0.999,
    "optimiser.eps": 1e-08,
    "optimiser.weight_decay": 0.0,
    "optimiser.clip": 0.0,
    "optimiser.clip_scope": "global",
    "optimiser.average": "none",
    "optimiser.average_start": 0,
    "optimiser.average_period": 10,
    "training.epochs": 50,
    "training.batch_size": 250,
    "training.seed": 0,
    "training.precision": "float32",
}


def test_defaults_never_change():
    assert {name: item.default for name, item in KNOBS.items()} == DEFAULTS, "add new knobs to DEFAULTS, change none"


# Written down so that nobody changes the way an id is made, which would orphan every stored run.
GOLDEN = [
    ("44136fa355b3678a", {}),
    ("fb79301cd845dcc6", {"data.seed": 3, "init.seed": 2, "training.seed": 1}),
    (
        "4e7047a5ab004641",
        {"surrogate.shape": "sigmoid", "surrogate.beta": 100, "optimiser.lr": 0.001, "training.epochs": 100},
    ),
    ("05d7ed1075665415", {"surrogate.shape": "asymptotic_superspike", "network.reset_gradient": "attached"}),
    ("eb59be7b070ef3aa", {"surrogate.shape": "constant", "network.hidden": [100, 100]}),
    (
        "ab9d66a91919ef71",
        {"network.recurrent": True, "network.recurrent_gradient": "detached", "objective.head": "sum"},
    ),
    ("d4c4ef7cf94faaef", {"network.hidden": [], "network.readout_start": -0.001}),
    ("4541b0ea0b6aea02", {"data.variant": "authors_torch", "data.dim": 2, "data.alpha": 0.5, "data.classes": 100}),
    (
        "7016eff9bfda66c7",
        {"objective.upper_strength": 0.06, "objective.upper_threshold": 100, "objective.upper_exponent": 2},
    ),
    (
        "854f32d534c3e1b6",
        {
            "network.neuron": "alif",
            "network.recurrent": True,
            "network.trained_neurons": True,
            "objective.head": "steps",
        },
    ),
    (
        "2e12fd6c5ab785a5",
        {"data.task": "ptb", "network.neuron": "slstm", "network.embedding": 100, "optimiser.name": "adabelief"},
    ),
    ("15d6b00e4108d7a2", {"training.precision": "float64", "objective.lower_strength": 0}),
]


@pytest.mark.parametrize(("identity", "values"), GOLDEN)
def test_ids_never_change(identity, values):
    assert RunSpec.make(values).id == identity, "the rule that makes ids has changed"


# ----------------------------------------------------------------------------------------------------------------
# What turns the id turns the result, and only that.


@cache
def prepared(data):
    return prepare(dataclasses.replace(RunSpec.make({"data.task": data.task}), data=data))


def outcome(spec):
    """Return the rows and weights of a run as trained by the reference engine."""
    task = prepared(spec.data)
    result = train_run(spec, task, ReferenceEngine(), states=states_of(spec, task=task))
    assert result.status == "finished"
    return result


@pytest.fixture(scope="module")
def busy():
    result = outcome(RunSpec.make(BUSY))
    spikes = [row.spikes[0] / 8 for row in result.rows]  # per neuron
    assert min(spikes) > 0.2, "a silent network would hide what a knob does"
    return result


@pytest.mark.parametrize(("name", "value"), TURNS)
def test_turning_any_knob_changes_the_result(busy, name, value):
    base = base_of(name)
    before = busy if base == BUSY else outcome(RunSpec.make(base))
    turned = outcome(RunSpec.make({**base, name: value}))
    assert turned.rows != before.rows
    # The weights are those of the best epoch, perhaps the same one; how accuracy is counted may choose another.
    if name not in ("training.epochs", "objective.accuracy"):
        assert not same_weights(turned, before)


@pytest.mark.parametrize(("rest", "name", "value"), IDLE)
def test_an_idle_knob_does_not_change_the_result(rest, name, value):
    spec = RunSpec.make({**BUSY, **rest})
    section, _, knob = name.partition(".")
    # Past `make`, which would take the value away again.
    forced = dataclasses.replace(spec, **{section: dataclasses.replace(getattr(spec, section), **{knob: value})})
    one, other = outcome(spec), outcome(forced)
    assert one.rows == other.rows and same_weights(one, other)


def same_weights(one, other):
    return one.weights.keys() == other.weights.keys() and all(
        np.array_equal(array, other.weights[name]) for name, array in one.weights.items()
    )


# ----------------------------------------------------------------------------------------------------------------
# Errors name the place, the key, the value, and what is allowed.

BAD = [
    ({"network.tau_membrane": -1}, ["network.tau_membrane", "-1", "ms", "must be above 0"]),
    ({"network.tau_synapse": 0}, ["network.tau_synapse", "must be above 0"]),
    ({"data.dt": 0.0}, ["data.dt", "must be above 0"]),
    ({"data.seed": -1}, ["data.seed", "-1", "at least 0"]),
    ({"training.epochs": 0}, ["training.epochs", "0", "at least 1"]),
    ({"data.classes": 1}, ["data.classes", "at least 2"]),
    ({"optimiser.beta1": 1.5}, ["optimiser.beta1", "1.5"]),
    ({"optimiser.lr": float("nan")}, ["optimiser.lr", "nan", "finite"]),
    ({"network.readout_start": float("inf")}, ["network.readout_start", "inf", "finite"]),
    ({"network.hidden": [100, 0]}, ["network.hidden", "0", "at least 1"]),
    ({"network.hidden": 100}, ["network.hidden", "100", "a list of whole numbers"]),
    ({"network.hidden": [10.5]}, ["network.hidden", "[10.5]", "[100, 100]"]),
    ({"network.hidden": [True]}, ["network.hidden", "[True]"]),
    ({"network.hidden": "100"}, ["network.hidden", "'100'"]),
    ({"training.epochs": True}, ["training.epochs", "True", "a whole number"]),
    ({"optimiser.lr": True}, ["optimiser.lr", "True", "a number"]),
    ({"training.epochs": 2.5}, ["training.epochs", "2.5", "a whole number"]),
    ({"optimiser.lr": "1e-3"}, ["optimiser.lr", "'1e-3'", "a number"]),
    ({"network.recurrent": "no"}, ["network.recurrent", "'no'", "true or false"]),
    ({"network.recurrent": 0}, ["network.recurrent", "0", "true or false"]),
    ({"optimiser.lr": None}, ["optimiser.lr", "None", "a number"]),
    ({"surrogate.shape": 3}, ["surrogate.shape", "3", "a word"]),
    ({"surrogate.shape": "superspke"}, ["surrogate.shape", "'superspke'", "esser", "did you mean 'superspike'"]),
    ({"objective.head": "mean"}, ["objective.head", "'mean'", "max, sum, steps"]),
    ({"network.neuron": "delta"}, ["network.neuron", "'delta'", "did you mean 'delta_lif'"]),
    ({"network.reset": "zero"}, ["network.reset", "'zero'", "subtractive, multiplicative"]),
    ({"network.membrane_decay": 1}, ["network.membrane_decay", "1.0 per step must be below 1"]),
    ({"network.dropout": 1}, ["network.dropout", "must be below 1"]),
    ({"network.input_dropout": 1}, ["network.input_dropout", "must be below 1"]),
    (
        {"network.input_dropout": 0.1, "data.task": "ptb"},
        ["network.input_dropout is not for texts, whose words are no spikes; set it 0"],
    ),
    ({"network.tau_synapse_shape": -3}, ["network.tau_synapse_shape", "must be at least 0"]),
    ({"network.embedding": 2.5}, ["network.embedding", "2.5", "a whole number"]),
    ({"objective.label_smoothing": 1}, ["objective.label_smoothing", "must be below 1"]),
    ({"init.scheme": "glorot"}, ["init.scheme", "'glorot'", "glorot_uniform"]),
    ({"init.conditions": "II+I"}, ["init.conditions", "'II+I'", "did you mean"]),
    ({"init.conditions": "I", "network.hidden": []}, ["init.conditions: I", "hidden layer", "set none"]),
    ({"init.conditions": "I"}, ["init.method", "delta_lif and alif, not lif", "init.method: calibrated"]),
    ({"init.conditions": "I", "network.neuron": "slstm"}, ["init.method", "not slstm", "init.method: calibrated"]),
    ({"init.conditions": "I", **EQ_1, "surrogate.shape": "gaussian"}, ["init.method", "network.recurrent: true"]),
    (
        {"init.conditions": "I", **EQ_1, "network.recurrent": True},
        ["init.conditions: I", "sharpness", "not superspike", "triangular, exponential"],
    ),
    (
        {
            "init.conditions": "IV",
            **ASKED,
            "surrogate.shape": "gaussian",
            "network.recurrent": True,
            "init.free": "tail",
        },
        ["init.free", "gaussian has no tail", "q_pseudospike"],
    ),
    (
        {"init.conditions": "III", "init.method": "calibrated", "surrogate.shape": "true_derivative"},
        ["init.conditions: III", "dampening", "true_derivative"],
    ),
    (
        {"init.conditions": "IV", "init.method": "calibrated", "surrogate.shape": "superspike"},
        ["init.conditions: IV", "sharpness", "superspike"],
    ),
    ({"optimiser.average_period": 0}, ["optimiser.average_period", "at least 1 updates"]),
    (
        {"data.task": "ptb", "network.embedding": 300},
        ["network.embedding", "300", "the last hidden layer, 100", "set them equal, or 0"],
    ),
    ({"objective.upper_exponent": 3}, ["objective.upper_exponent", "3", "1, 2"]),
    ({"data.task": "shdd"}, ["data.task", "'shdd'", "did you mean 'shd'"]),
    ({"data.task": ["randman"]}, ["data.task", "['randman']", "randman"]),
    ({"surogate.beta": 10}, ["surogate.beta", "did you mean 'surrogate.beta'"]),
    ({"beta": 10}, ["'beta'", "unknown key"]),
    ({3: 10}, ["3", "unknown key"]),
    ({"surrogate.beta": 10**400}, ["surrogate.beta", "finite"]),
    ({"network.hidden": [], "network.recurrent": True}, ["network.recurrent", "hidden layer"]),
    ({"data.tau": 200}, ["data.tau", "200.0 ms", "data.steps", "data.dt", "100.0 ms"]),
]


@pytest.mark.parametrize(("values", "words"), BAD, ids=lambda value: None)
def test_a_bad_value_is_one_line_that_names_place_key_and_remedy(values, words):
    with pytest.raises(SgpipeError) as caught:
        RunSpec.make(values, where="my.yaml: fig3")
    message = str(caught.value)
    assert message.startswith("my.yaml: fig3: ") and "\n" not in message
    for word in words:
        assert word in message


@pytest.mark.parametrize("name", ["optimiser.beta1", "optimiser.beta2"])
def test_a_moment_that_never_forgets_is_refused(name):
    # Adam divides by 1 - beta^n.
    with pytest.raises(SgpipeError, match=rf"{name}: 1.0 must be below 1"):
        RunSpec.make({name: 1})


@QUICK
@given(st.sampled_from([name for name in KNOBS if basic_type(KNOBS[name].type) in (int, float)]), st.floats())
def test_a_value_is_either_taken_or_refused_by_name(name, value):
    assume(name not in ("data.tau", "data.dt", "data.steps"))  # their error may name one another
    try:
        spec = RunSpec.make({name: value})
    except SgpipeError as error:
        assert name in str(error)
    else:
        assert spec.flat()[name] in (value, None)


@QUICK
@given(st.integers(1, 400), st.integers(1, 300))
def test_spike_times_may_fill_the_whole_trial(hundredths, steps):
    # tau = steps * dt as a person would write it, although the product of two floats may fall short of it.
    dt = hundredths / 100
    RunSpec.make({"data.dt": dt, "data.steps": steps, "data.tau": hundredths * steps / 100})
