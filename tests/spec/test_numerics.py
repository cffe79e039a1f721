"""Tiny runs against recorded numbers: whoever changes results is told which version in sgpipe/spec/numerics.py to raise.

To record anew, after raising it: `python tests/spec/test_numerics.py`.
"""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from sgpipe.data import prepare
from sgpipe.engines.reference import ReferenceEngine
from sgpipe.spec.initialisers import INITIALISERS
from sgpipe.spec.numerics import VERSIONS, components, versions
from sgpipe.spec.run import TASKS, RunSpec, knobs
from sgpipe.training.trainer import train_run
from tests.conftest import states_of

FILE = Path(__file__).parents[1] / "recorded" / "runs.json"
BASE = {
    "data.classes": 3,
    "data.units": 6,
    "data.alpha": 2.0,
    "data.samples_per_class": 20,
    "data.tau": 20.0,
    "data.steps": 30,
    "network.hidden": [8],
    "init.gain": 8.0,
    "objective.lower_threshold": 1.5,
    "training.epochs": 2,
    "training.batch_size": 12,
    "training.precision": "float64",
}
STACK = {"network.neuron": "delta_lif", "network.recurrent": True, "objective.head": "steps", "init.gain": 3.0}
TEXT = {
    "data.task": "ptb",
    "data.limit": 1000,
    "data.steps": 20,
    "network.neuron": "delta_lif",
    "network.hidden": [12, 8],
    "network.embedding": 8,
    "network.recurrent": True,
    "init.scheme": "glorot_uniform",
    "init.gain": 6.0,
    "training.epochs": 2,
    "training.batch_size": 8,
    "training.precision": "float64",
}
# Every component in at least one run, and most of them absent from another, so that the guilty one stands out.
RUNS = {
    "no hidden layer": {"network.hidden": [], "network.readout_start": -1e-3},
    "superspike": {},
    "sigmoid": {"surrogate.shape": "sigmoid"},
    "esser": {"surrogate.shape": "esser", "surrogate.beta": 2.0},
    "asymptotic superspike, attached reset": {
        "surrogate.shape": "asymptotic_superspike",
        "network.reset_gradient": "attached",
    },
    "constant": {"surrogate.shape": "constant"},
    "true derivative": {"surrogate.shape": "true_derivative"},
    "triangular": {"surrogate.shape": "triangular", "surrogate.sharpness": 0.6, "surrogate.dampening": 0.8},
    "exponential": {"surrogate.shape": "exponential", "surrogate.sharpness": 2.0},
    "gaussian": {"surrogate.shape": "gaussian", "surrogate.sharpness": 0.7},
    "dsigmoid": {"surrogate.shape": "dsigmoid", "surrogate.dampening": 0.5},
    "dfast sigmoid": {"surrogate.shape": "dfast_sigmoid", "surrogate.sharpness": 3.0},
    "rectangular": {"surrogate.shape": "rectangular", "surrogate.sharpness": 1.5},
    "q-PseudoSpike": {"surrogate.shape": "q_pseudospike", "surrogate.tail": 1.2},
    "formula": {"surrogate.shape": "formula", "surrogate.formula": "1/(1 + abs(v))**3", "surrogate.sharpness": 4.0},
    "recurrent": {"network.recurrent": True},
    "recurrent, detached": {"network.recurrent": True, "network.recurrent_gradient": "detached"},
    "two layers, sum head": {"network.hidden": [8, 6], "objective.head": "sum"},
    "upper regulariser": {"objective.upper_strength": 0.5, "objective.upper_exponent": 2},
    "authors' data in two dimensions": {"data.variant": "authors_torch", "data.dim": 2},
    "authors' numpy data": {"data.variant": "authors_numpy"},
    "delta LIF": STACK,
    "delta LIF, refractory, attached": {
        **STACK,
        "network.reset": "refractory",
        "network.reset_gradient": "attached",
        "network.bias": True,
    },
    "ALIF": {**STACK, "network.neuron": "alif"},
    "ALIF, trained": {**STACK, "network.neuron": "alif", "network.trained_neurons": True},
    "sLSTM": {**STACK, "network.neuron": "slstm"},
    "sLSTM, printed": {**STACK, "network.neuron": "slstm", "network.tanh": "printed"},
    "conventional": {**STACK, "network.neuron": "relu", "network.recurrent": False, "network.bias": True},
    "dropout": {**STACK, "network.hidden": [8, 6], "network.dropout": 0.3},
    "LIF, own time constants": {"network.tau_membrane_shape": 3, "network.tau_synapse_shape": 2},
    "LIF, trained": {"network.tau_membrane_shape": 3, "network.trained_neurons": True, "network.recurrent": True},
    "input dropout": {"network.input_dropout": 0.3},
    "dropout of LIF, head of steps, mode": {
        "network.dropout": 0.1,
        "objective.head": "steps",
        "objective.accuracy": "mode",
    },
    "conditions by theory": {**STACK, "surrogate.shape": "exponential", "init.conditions": "I+II+III+IV"},
    "conditions by calibration": {
        **STACK,
        "surrogate.shape": "exponential",
        "init.conditions": "I+II+III+IV",
        "init.method": "calibrated",
    },
    "text": TEXT,
    "text without embedding": {**TEXT, "network.embedding": 0, "network.neuron": "slstm"},
    "label smoothing": {"objective.label_smoothing": 0.1},
    "AdaBelief": {"optimiser.name": "adabelief"},
    "SMORMS3": {"optimiser.name": "smorms3", "optimiser.eps": 1e-16},
    "weight decay": {"optimiser.weight_decay": 0.1},
    "clipping": {"optimiser.clip": 0.1},
    "clipping of each": {"optimiser.clip": 0.1, "optimiser.clip_scope": "variable"},
    "averaging": {"optimiser.average": "swa", "optimiser.average_period": 2},
    **{f"init {scheme}": {"network.recurrent": True, "init.scheme": scheme} for scheme in INITIALISERS},
}
TOLERANCE = 1e-6  # machines round differently, and sums are taken in other orders


def spec_of(name):
    values = RUNS[name]
    return RunSpec.make(values if "data.task" in values else {**BASE, **values})


def measure(spec):
    """Return what is recorded of a run: its rows as numbers, and three sums over each trained weight matrix."""
    task = prepare(spec)
    result = train_run(spec, task, ReferenceEngine(), states=states_of(spec, task=task))
    rows = {f"{row.split} {row.epoch}": [row.loss, row.penalty, row.accuracy, *row.spikes] for row in result.rows}
    weights = {}
    for name, array in result.weights.items():
        values = array.ravel()
        # The last one depends on the order of the entries too.
        sums = values.sum(), np.abs(values).sum(), values @ np.cos(np.arange(len(values)))
        weights[name] = [float(total) for total in sums]
    return {"versions": versions(spec), "rows": rows, "weights": weights}


def agree(one, other):
    """Return whether two measurements are the same but for rounding."""
    for part in ("rows", "weights"):
        if one[part].keys() != other[part].keys():
            return False
        for key, numbers in one[part].items():
            if len(numbers) != len(other[part][key]) or not np.allclose(
                numbers, other[part][key], rtol=TOLERANCE, atol=1e-9
            ):
                return False
    return True


def suspects(changed):
    """Return the components that explain the changed runs: in all of them and, if there are such, in no other."""
    used = {name: set(components(spec_of(name))) for name in RUNS}
    common = set.intersection(*(used[name] for name in changed))
    innocent = set().union(*(used[name] for name in RUNS if name not in changed))
    return sorted(common - innocent or common)


def judgement(recorded, found):
    """Return what to do about the runs whose results differ from the recorded ones; empty if none does."""
    changed = [name for name in RUNS if name in recorded and not agree(recorded[name], found[name])]
    if not changed:
        return ""
    unraised = [name for name in changed if recorded[name]["versions"] == found[name]["versions"]]
    runs = "the results of these runs have changed: " + "; ".join(changed)
    if unraised:
        entries = ", ".join(f'"{name}": {VERSIONS[name] + 1}' for name in suspects(changed))
        return (
            f"{runs}.\nIf that is meant, raise in VERSIONS of src/sgpipe/spec/numerics.py what you changed, likely of "
            f"{{{entries}}}, or stored results of the old code are taken for the new one's. "
            "Then record anew: python tests/spec/test_numerics.py"
        )
    return f"{runs}.\nTheir versions have been raised, so record anew: python tests/spec/test_numerics.py"


@pytest.fixture(scope="module")
def recorded():
    return json.loads(FILE.read_text())


@pytest.fixture(scope="module")
def found():
    return {name: measure(spec_of(name)) for name in RUNS}


def test_results_are_those_recorded(recorded, found):
    assert recorded.keys() == RUNS.keys(), "record anew: python tests/spec/test_numerics.py"
    verdict = judgement(recorded, found)
    assert not verdict, verdict


def test_the_recorded_runs_are_alive_and_differ(recorded):
    for name, run in recorded.items():
        if name == "conventional":  # its units do not spike
            continue
        layers = np.array([row[3:] for row in run["rows"].values()]) / 8
        assert np.all(layers > 0.2), f"{name}: hardly a spike, so that a change of results would not show"
    finals = [run["rows"]["valid 2"][0] for run in recorded.values()]
    assert len(set(finals)) == len(finals)


def test_every_component_is_recorded():
    used = {component for name in RUNS for component in components(spec_of(name))}
    others = {f"task.{task}" for task in TASKS} - {"task.randman"}  # tests/data/test_task_numerics.py records those
    others.add("precision.mixed")  # single precision, which machines round too differently to record
    assert used | others == VERSIONS.keys()


def test_everything_that_a_spec_can_name_has_a_version():
    for task in TASKS:
        assert f"task.{task}" in VERSIONS
        choices = {name: item.metadata["choices"] for name, item in knobs(task).items()}
        for prefix, name in (
            ("neuron", "network.neuron"),
            ("surrogate", "surrogate.shape"),
            ("init", "init.scheme"),
            ("optimiser", "optimiser.name"),
        ):
            for choice in choices[name]:
                assert f"{prefix}.{choice}" in VERSIONS
    assert all(isinstance(number, int) and number >= 1 for number in VERSIONS.values())


def test_a_run_depends_on_the_versions_of_its_own_components_only(monkeypatch):
    plain, steep = RunSpec.make({}), RunSpec.make({"surrogate.shape": "sigmoid"})
    bare = RunSpec.make({"network.hidden": []})
    before = versions(plain), versions(steep), versions(bare)
    monkeypatch.setitem(VERSIONS, "surrogate.sigmoid", 99)
    assert versions(plain) == before[0] and versions(bare) == before[2]
    assert versions(steep) != before[1] and "surrogate.sigmoid=99" in versions(steep)
    monkeypatch.setitem(VERSIONS, "neuron.lif", 99)
    assert versions(plain) != before[0] and versions(bare) == before[2]


def test_the_verdict_names_the_component_to_raise(recorded):
    def spoilt(*names):
        copy = json.loads(json.dumps(recorded))
        for name in names:
            copy[name]["rows"]["valid 2"][0] *= 1 + 1e-5
        return copy

    assert judgement(recorded, spoilt()) == ""
    entry = f'{{"surrogate.esser": {VERSIONS["surrogate.esser"] + 1}}}'
    assert entry in judgement(spoilt("esser"), recorded)
    hidden = [name for name in RUNS if spec_of(name).network.neuron == "lif"]
    assert suspects(hidden) == ["neuron.lif"]
    leaky = [name for name in RUNS if spec_of(name).network.neuron in (None, "lif")]
    assert suspects(leaky) == ["readout"] and suspects(list(RUNS)) == ["trainer"]
    raised = spoilt("esser")
    raised["esser"]["versions"] = "surrogate.esser=99"
    assert judgement(recorded, raised).endswith("record anew: python tests/spec/test_numerics.py")


def record():
    """Write the present results down, unless they have changed and no version was raised."""
    found = {name: measure(spec_of(name)) for name in RUNS}
    old = json.loads(FILE.read_text()) if FILE.exists() else {}
    verdict = judgement(old, found)
    if "VERSIONS" in verdict:
        sys.exit(f"not recorded: {verdict}")
    FILE.parent.mkdir(exist_ok=True)
    # What has not changed stays as it is, down to how another machine rounded it.
    found |= {name: old[name] for name in old.keys() & found.keys() if agree(old[name], found[name])}
    FILE.write_text(json.dumps(found, indent=1) + "\n")
    print(f"{len(found)} runs recorded in {FILE}")


if __name__ == "__main__":
    record()
