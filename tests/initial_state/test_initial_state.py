"""Initial states that conditions ask for: every knob turns what it should, and what is solved reaches the network."""

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from sgpipe.base.errors import SgpipeError
from sgpipe.base.rng import stream
from sgpipe.data import prepare
from sgpipe.data.samples import Events, Task, Words
from sgpipe.engines.cpu.lacks import lacks
from sgpipe.engines.gpu import GpuEngine
from sgpipe.engines.reference import ReferenceEngine
from sgpipe.initial_state.make import Inputs, initial_state, inputs_of, theoretical
from sgpipe.initial_state.state import InitialState, read_state, write_state
from sgpipe.model.network import as_tensors, forward
from sgpipe.model.objectives import losses
from sgpipe.model.recording import Trained, record
from sgpipe.spec.layer_settings import LayerSettings
from sgpipe.spec.run import RunSpec
from sgpipe.training.trainer import train_run
from sgpipe.weights.schemes import initial_weights
from tests.conftest import states_of

ALL = "I+II+III+IV"
# The example of docs/errata.md: 256 neurons, 700 inputs that fire at 2 % of the steps.
EXAMPLE = {
    "network.neuron": "delta_lif",
    "network.recurrent": True,
    "network.hidden": [256],
    "network.reset_gradient": "attached",
    "surrogate.shape": "exponential",
    "init.scheme": "glorot_uniform",
    "init.conditions": ALL,
    "objective.head": "steps",
    "objective.lower_strength": 0,
}
FOURTH = {"init.conditions": "IV", "network.reset_gradient": "detached"}  # with a solution
SPARSE = Inputs(0.02, 0.02 * 0.98, 0.0, 1.0)
OFF = ~np.eye(256, dtype=bool)


def example(*more, **knobs) -> RunSpec:
    return RunSpec.make({**EXAMPLE, **dict(*more), **knobs})


def random_task(units=700, classes=3, steps=40, samples=80, rate=0.02, seed=0) -> Task:
    """Return independent spikes; labels say nothing."""
    draws = stream(seed, "test")
    sample, step, unit = np.nonzero(draws.random((samples, steps, units)) < rate)
    events = Events.from_spikes(sample, step, unit, np.arange(samples) % classes)
    return Task(units, classes, steps, events, events, events)


def solved(spec: RunSpec, inputs: Inputs = SPARSE, task: Task | None = None) -> InitialState:
    return theoretical(spec, task or random_task(samples=2), inputs)


# ----------------------------------------------------------------------------------------------------------------
# By the theory's formulas.


def test_the_example_by_hand_goes_from_a_run_to_its_initial_state():
    # By plain arithmetic from the printed equations; see tests/initial_state/test_conditions.py.
    state = solved(example({"init.conditions": "I+II+III", "init.readings": "printed"}))
    (found,) = state.layers
    values = (found.recurrent_mean, found.recurrent_variance, found.dampening)
    assert values == pytest.approx((0.0047058824, 0.00021864265, 0.010892013), rel=1e-7)
    assert (found.sharpness, found.tail, found.input_gain) == (None, None, None)
    (row,) = state.found
    assert row["y_min"] == pytest.approx(-617.9, rel=1e-4) and row["y_max"] == pytest.approx(631.9, rel=1e-4)
    assert max(abs(row[f"residuals.{name}"]) for name in ("I", "II", "III")) < 1e-12


@pytest.mark.parametrize(
    ("conditions", "fixed"),
    [
        ("I", {"recurrent_mean"}),
        ("II", {"recurrent_variance"}),
        ("III", {"dampening"}),
        ("IV", {"sharpness"}),
        ("I+III", {"recurrent_mean", "dampening"}),
        (ALL, {"recurrent_mean", "recurrent_variance", "dampening", "sharpness"}),
    ],
)
def test_conditions_fix_what_they_are_about_and_nothing_else(conditions, fixed):
    (found,) = solved(example({"init.conditions": conditions})).layers
    assert {name for name, value in vars(found).items() if value is not None} == fixed


def test_v_and_the_surrogate_of_the_network_have_what_was_solved_for():
    spec, task = example({"training.precision": "float64"}), random_task(samples=4, steps=30)
    theory = solved(spec, task=task).layers
    weights = initial_weights(spec, task.units, task.classes, theory)
    plain = initial_weights(spec, task.units, task.classes)
    values = weights["V1"][OFF]
    error = (theory[0].recurrent_variance / OFF.sum()) ** 0.5
    assert values.mean() == pytest.approx(theory[0].recurrent_mean, abs=4 * error)
    assert values.var() == pytest.approx(theory[0].recurrent_variance, rel=0.03)
    assert all(np.array_equal(weights[name], plain[name]) for name in weights if name != "V1")

    # The same gradients as those of a run whose own knobs are what was solved for, with the same weights.
    asked = {f"surrogate.{name}": getattr(theory[0], name) for name in ("dampening", "sharpness")}
    same = example({**asked, "init.conditions": "none", "training.precision": "float64"})
    found = []
    for one, given in ((spec, [theory]), (same, None)):
        session = ReferenceEngine().open([one], task, [{name: w.copy() for name, w in weights.items()}], given)
        found.append(session.batch(task.train, np.arange(4), True)[1])
    assert np.abs(found[0]["W1"]).max() > 0
    for name in weights:
        np.testing.assert_array_equal(found[0][name], found[1][name])


def test_training_and_the_test_of_the_best_weights_use_the_same_surrogate_and_start():
    spec = example({"network.hidden": [16], "training.epochs": 3, "training.batch_size": 20, "optimiser.lr": 0.0})
    task = random_task(units=40, samples=40, rate=0.3)
    states = states_of(spec, task=task)
    result = train_run(spec, task, ReferenceEngine(), states=states)
    expected = initial_weights(spec, task.units, task.classes, states[spec.init_id])
    assert all(np.array_equal(array, expected[name]) for name, array in result.weights.items())
    with torch.no_grad():
        raster = torch.from_numpy(task.test.dense(task.steps, task.units))
        activity = forward(spec, as_tensors(expected), raster, states[spec.init_id])
        loss = losses(spec, activity, torch.from_numpy(task.test.labels)).cross_entropy.mean()
    tests = [row for row in result.rows if row.split == "test"]
    assert len(tests) == 2 and all(row.loss == pytest.approx(float(loss), rel=1e-5) for row in tests)

    before = record(Trained(spec, task, result.weights, states[spec.init_id]), np.arange(3)).to_pandas()
    spikes = before[(before.layer == "hidden1") & (before.kind == "spike")].groupby("moment").size()
    assert spikes["before"] == spikes["after"] > 0


def test_a_run_with_conditions_does_not_start_without_its_initial_state():
    spec, task = example({"network.hidden": [8]}), random_task(units=10, samples=4)
    with pytest.raises(SgpipeError, match=f"initial state {spec.init_id}: not made"):
        train_run(spec, task, ReferenceEngine())


def test_the_gpu_engine_refuses_conditions():
    spec = RunSpec.make({"init.conditions": "I", "init.method": "calibrated"})
    assert lacks(spec) is None and "conditions" in GpuEngine("cpu").refuses(spec)


def test_the_second_layer_sees_spikes_and_the_weights_of_its_own_shape():
    state = solved(example({"network.hidden": [256, 128], "init.conditions": "I+II"}))
    one, two = state.layers
    assert two.recurrent_mean == pytest.approx(1.2 / 127)
    # eq. 28 with E[z^2] = 1/2 and Glorot's variance of W2.
    assert two.recurrent_variance == pytest.approx(2 * 0.5 * 256 / 127 * 2 / (256 + 128) - two.recurrent_mean**2 / 2)
    assert one.recurrent_mean == pytest.approx(1.2 / 255)


@pytest.mark.parametrize(
    ("scheme", "gain", "variance"),
    [("uniform", 1, 1 / 2100), ("he_normal", 1, 2 / 700), ("orthogonal_normal", 1, 1 / 700), ("uniform", 3, 9 / 2100)],
)
def test_the_variance_of_w_is_that_of_the_runs_own_scheme_and_gain(scheme, gain, variance):
    spec = example({"init.conditions": "I+II", "init.scheme": scheme, "init.gain": gain})
    (found,) = solved(spec).layers
    mean = 1.2 / 255
    assert found.recurrent_variance == pytest.approx(2 * 0.02 * 700 / 255 * variance - mean**2 / 2)
    drawn = initial_weights(spec, 700, 3)["W1"]
    assert drawn.var() == pytest.approx(variance, rel=0.02)


def test_the_authors_take_the_variance_of_the_very_weights():
    spec = example({"init.conditions": "II", "init.readings": "authors", "training.precision": "float64"})
    (found,) = solved(spec).layers
    variance = initial_weights(spec, 700, 3)["W1"].var()
    assert found.recurrent_variance == pytest.approx((0.02 * 700 / 255 * variance) ** 0.5 / 256)


def test_the_authors_draw_their_sharpness_from_a_stream_of_the_initial_weights():
    def sharpness(seed):
        spec = example({"init.conditions": "IV", "init.readings": "authors", "init.seed": seed})
        return solved(spec).layers[0].sharpness

    assert sharpness(0) == sharpness(0) != sharpness(1)
    assert sharpness(0) == pytest.approx(0.95, abs=0.1)


@pytest.mark.parametrize("scheme", ["uniform", "glorot_normal", "he_bigamma", "orthogonal_normal"])
@pytest.mark.parametrize("conditions", ["III", "I+II+III"])
def test_a_sample_is_of_the_very_weights_that_the_network_gets(scheme, conditions):
    spec = example(
        {
            "network.hidden": [40, 30],
            "init.scheme": scheme,
            "init.conditions": conditions,
            "init.extrema": "sample",
            "init.gain": 1.5,
            "training.precision": "float64",
        }
    )
    task = random_task(units=50, samples=2)
    theory = solved(spec, Inputs(0.3, 0.21, 0, 1), task).layers
    weights = initial_weights(spec, task.units, task.classes, theory)
    # Corrected III without a layer below: 1 = alpha + gamma sum |w| for every neuron (no thr gamma above 2 alpha).
    sums = np.abs(weights["V1"]).sum(1)
    assert theory[0].dampening.shape == (40,)
    np.testing.assert_allclose(0.9 + theory[0].dampening * sums, 1, rtol=1e-9)


def test_trained_neurons_count_as_the_typical_one():
    fixed, trained = (example({"network.trained_neurons": value}) for value in (False, True))
    assert solved(fixed).layers == solved(trained).layers


def test_an_adaptive_neuron_counts_as_one_that_has_not_adapted():
    assert solved(example({"network.neuron": "alif"})).layers == solved(example()).layers


@pytest.mark.parametrize(
    ("knobs", "more"),
    [
        ({"network.membrane_decay": 0.5}, {}),
        ({"network.threshold": 0.5}, {}),
        ({"network.reset": "multiplicative"}, {}),
        ({"network.reset_gradient": "attached"}, FOURTH),
        ({"network.hidden": [128]}, {}),
        ({"surrogate.shape": "gaussian"}, FOURTH),
        ({"surrogate.dampening": 0.7}, FOURTH),
        ({"init.scheme": "he_normal"}, {}),
        ({"init.gain": 2.0}, {}),
        ({"init.conditions": "I+II"}, {}),
        ({"init.readings": "printed"}, {}),
        ({"init.readings": "authors"}, {}),
        ({"init.extrema": "sample"}, {}),
        ({"init.infeasible": "clip"}, {}),
        ({"init.seed": 1}, {"init.extrema": "sample"}),
    ],
)
def test_what_the_equations_depend_on_changes_the_initial_state(knobs, more):
    base = example({"init.conditions": ALL, "surrogate.dampening": 0.9, **more})
    turned = RunSpec.make({**EXAMPLE, "init.conditions": ALL, "surrogate.dampening": 0.9, **more, **knobs})
    assert turned.init_id != base.init_id
    assert str(solved(turned).layers) != str(solved(base).layers)


@pytest.mark.parametrize(
    "knobs",
    [{"training.epochs": 3}, {"training.precision": "float64"}, {"optimiser.lr": 0.1}, {"objective.head": "sum"}],
)
def test_runs_that_differ_in_training_share_their_initial_state(knobs):
    spec, other = example(), example(knobs)
    assert spec.id != other.id and spec.init_id == other.init_id
    assert str(solved(spec).layers) == str(solved(other).layers)


def test_without_conditions_there_is_no_initial_state():
    assert example({"init.conditions": "none"}).init_id is None


def test_a_state_that_the_seed_does_not_change_is_made_once():
    task = random_task()
    for knobs, drawn in (
        ({}, False),
        ({"init.readings": "printed"}, False),
        ({"init.extrema": "sample"}, True),
        ({"init.readings": "authors"}, True),
        ({"init.method": "calibrated"}, True),
    ):
        one, two = (example({**knobs, "init.seed": seed}) for seed in (0, 1))
        assert (one.init_id != two.init_id) == drawn and one.id != two.id
        if not drawn:
            assert initial_state(one, task) == initial_state(two, task)


def test_the_tail_is_solved_for_where_it_is_free():
    spec = example({"surrogate.shape": "q_pseudospike", "init.conditions": "IV", "init.free": "tail"})
    (found,) = solved(spec, Inputs(0.5, 0.25, 0, 1)).layers
    assert found.sharpness is None and found.tail > 1


def test_where_a_condition_has_no_solution_it_is_left_out_clipped_or_an_error():
    # Of all four III takes the dampening, and with it what IV would need (docs/errata.md).
    skipped, clipped = (solved(example({"init.infeasible": mode})) for mode in ("skip", "clip"))
    assert skipped.layers[0].sharpness == 1.0 != clipped.layers[0].sharpness
    assert skipped.layers[0].dampening == clipped.layers[0].dampening
    (line,) = skipped.messages
    assert line.startswith("hidden layer 1: condition IV") and "left as without it" in line
    assert "clipped" in clipped.messages[0]
    with pytest.raises(SgpipeError, match="hidden layer 1: condition IV.*choose infeasible"):
        solved(example({"init.infeasible": "error"}))


def test_v_stays_a_matrix_of_its_scheme_where_condition_ii_is_left_out():
    # Few inputs: the mean alone is too much variance. An orthogonal V is not its distribution with another variance.
    spec = example({"init.scheme": "orthogonal_normal", "init.conditions": "I+II+III", "init.extrema": "sample"})
    nearly_silent = Inputs(1e-4, 1e-4, 0.0, 1.0)
    state = solved(spec, nearly_silent)
    (found,) = state.layers
    assert "condition II" in state.messages[0] and found.recurrent_variance is None
    v = initial_weights(spec, 700, 3, state.layers)["V1"].astype(float)
    np.testing.assert_allclose(0.9 + found.dampening * np.abs(v).sum(1), 1, rtol=1e-4)


# ----------------------------------------------------------------------------------------------------------------
# What is known of the inputs.


def test_inputs_are_described_by_the_train_split():
    task = random_task(units=30, rate=0.2)
    raster = task.train.dense(task.steps, task.units)
    found = inputs_of(example(), task)
    assert (found.mean, found.variance) == pytest.approx((raster.mean(), raster.var()))
    assert (found.low, found.high) == (0.0, 1.0)
    known = {"mean": 0.1, "variance": 0.2, "low": 0.0, "high": 3.0}
    assert inputs_of(example(), task, known) == Inputs(0.1, 0.2, 0.0, 3.0)
    assert inputs_of(example(), task, {"mean": 0.1, "variance": 0.2}) == found  # from before the bounds were noted


def test_words_are_one_hot_or_as_their_embedding_begins():
    ids = np.array([0, 1, 1, 2, 1, 0], dtype=np.int32)
    task = Task(10, 10, 2, Words(ids), Words(ids), Words(ids))
    knobs = {**EXAMPLE, "data.task": "ptb", "network.hidden": [6]}
    plain = inputs_of(RunSpec.make(knobs), task)
    assert (plain.mean, plain.variance, plain.low, plain.high) == pytest.approx((0.1, 0.09, 0, 1))
    spec = RunSpec.make({**knobs, "network.embedding": 6, "training.precision": "float64"})
    seen = initial_weights(spec, 10, 10)["E"][ids]
    found = inputs_of(spec, task)
    assert (found.mean, found.variance) == pytest.approx((seen.mean(), seen.var()))
    assert (found.low, found.high) == (seen.min(), seen.max())


# ----------------------------------------------------------------------------------------------------------------
# As files.


def test_a_state_comes_back_from_its_file(tmp_path):
    layers = (
        LayerSettings(0.1, None, np.array([0.5, 0.25]), 2.0, None, 3.0),
        LayerSettings(None, 0.2, 0.75, None, None, None),
    )
    found = ({"target": 0.1, "messages": ""}, {"target": 0.3, "messages": "condition I: no"})
    path = tmp_path / "init" / "state.parquet"
    write_state(InitialState(layers, found), path)
    one, two = read_state(path)
    np.testing.assert_array_equal(one.dampening, layers[0].dampening)
    assert two == layers[1] and (one.recurrent_mean, one.sharpness, one.input_gain) == (0.1, 2.0, 3.0)
    table = pq.read_table(path).to_pydict()
    assert table["layer"] == [1, 2] and table["dampening"] == [[0.5, 0.25], [0.75]] and table["tail"] == [None, None]
    assert table["target"] == [0.1, 0.3] and InitialState(layers, found).messages == ["hidden layer 2: condition I: no"]
    path.write_bytes(b"nothing")
    with pytest.raises(SgpipeError, match=r"state\.parquet: damaged .* delete the file"):
        read_state(path)


# ----------------------------------------------------------------------------------------------------------------
# In the workflow.

EXPERIMENT = """
paper: mine
base:
  data: {classes: 3, samples_per_class: 40, units: 8, steps: 30, tau: 20, alpha: 2}
  network: {neuron: delta_lif, hidden: [12, 10], recurrent: true}
  surrogate: {shape: exponential}
  init: {scheme: glorot_uniform, gain: 4}
  objective: {lower_strength: 0, head: steps}
  training: {epochs: 1, batch_size: 24}
experiments:
  mine_fig1:
    title: Conditions
    draw: zenke2021.fig3
    sweeps:
      shapes:
        grid:
          init.conditions: [none, I+II, I+II+III+IV]
          init.infeasible: [INFEASIBLE]
          optimiser.lr: [0.01, 0.02]
      measured:
        list: [{init.conditions: I+III, init.method: calibrated}]
"""
TABLE = "results/smoke/mine_fig1.parquet"
SETTINGS = ["--config", "scale=smoke", "experiments=[mine.yaml]"]


@pytest.mark.long
@pytest.mark.workflow
def test_a_sweep_over_conditions_makes_its_initial_states_and_trains_from_them(project):
    project.write("mine.yaml", EXPERIMENT.replace("INFEASIBLE", "skip"))
    project.run(TABLE, *SETTINGS)
    files = sorted(project.folder.glob("results/init/*.parquet"))
    assert len(files) == 3  # shared by runs of other learning rates; none without conditions
    assert len(project.stored()) == 7
    spec = RunSpec.make(
        {
            "data.classes": 3,
            "data.samples_per_class": 40,
            "data.units": 8,
            "data.steps": 30,
            "data.tau": 20.0,
            "data.alpha": 2.0,
            "network.neuron": "delta_lif",
            "network.hidden": [12, 10],
            "network.recurrent": True,
            "surrogate.shape": "exponential",
            "init.scheme": "glorot_uniform",
            "init.gain": 4.0,
            "init.conditions": ALL,
        }
    )
    state, path = initial_state(spec, prepare(spec)), project.folder / f"results/init/{spec.init_id}.parquet"
    assert path in files and read_state(path) == state.layers
    row = pq.read_table(path).to_pylist()[1]
    assert {"layer", "recurrent_mean", "target", "residuals.I", "deviations.IV", "messages"} <= row.keys()
    log = (project.folder / f"results/logs/init/{spec.init_id}.log").read_text()
    assert log.splitlines() == [
        f"sgpipe: mine_fig1: run {line}"
        for line in [log.split("run ")[1].split(" ")[0] + f" ({ALL}): {text}" for text in state.messages]
    ]
    assert "condition III" in log
    # The conditions decide what is learned.
    table = pq.read_table(project.folder / TABLE).to_pandas()
    losses = table[table.split == "valid"].groupby("init.conditions").loss.max()
    assert losses.nunique() == 4

    before = project.stored()
    path.unlink()
    project.run(TABLE, *SETTINGS)
    assert project.stored() == before


@pytest.mark.long
@pytest.mark.workflow
def test_a_condition_without_a_solution_is_one_line_where_that_is_an_error(project):
    project.write("mine.yaml", EXPERIMENT.replace("INFEASIBLE", "error"))
    done = project.run(TABLE, *SETTINGS, check=False)
    assert done.returncode != 0
    logs = [path.read_text() for path in project.folder.glob("results/logs/init/*.log")]
    lines = [line for log in logs for line in log.splitlines()]
    assert len(lines) == 1
    assert (
        lines[0].startswith("sgpipe: mine_fig1: run ") and "condition I" in lines[0] and "choose infeasible" in lines[0]
    )


def test_training_by_hand_makes_the_initial_states_too(tmp_path, monkeypatch, capsys):
    from sgpipe.cli import main

    (tmp_path / "mine.yaml").write_text(EXPERIMENT.replace("INFEASIBLE", "skip"))
    (tmp_path / "config.yaml").write_text("scale: smoke\nexperiments: [mine.yaml]\nengine: reference\n")
    monkeypatch.chdir(tmp_path)
    assert main(["train", "mine_fig1"]) == 0
    assert len(list(tmp_path.glob("results/init/*.parquet"))) == 3
    assert "7 trained" in capsys.readouterr().err


@pytest.mark.parametrize("factor", [1.0, 2.5])
@pytest.mark.parametrize(
    "conditions", [{"init.conditions": "III"}, FOURTH, {"init.conditions": "III", "network.hidden": [64, 64]}]
)
def test_the_theory_takes_a_formula_for_what_its_built_in_twin_is(conditions, factor):
    text = {"surrogate.shape": "formula", "surrogate.formula": f"{factor}*exp(-2*abs(v))"}
    knobs = {**conditions, "init.infeasible": "clip", "surrogate.dampening": 0.8}
    twin = solved(example(knobs))
    found = solved(example(knobs | text | {"surrogate.dampening": 0.8 / factor}))
    for wanted, layer, row, own in zip(twin.layers, found.layers, twin.found, found.found, strict=True):
        for name, scale in (("dampening", factor), ("sharpness", 1.0)):
            one, other = getattr(wanted, name), getattr(layer, name)
            assert (one is None) == (other is None)
            assert one is None or other * scale == pytest.approx(one, rel=1e-6)
        for name in ("first", "second", "deviations.III", "deviations.IV"):
            assert own[name] == pytest.approx(row[name], rel=1e-6, abs=1e-9)


def test_conditions_can_be_met_by_measurement_with_a_formula():
    text = {"surrogate.shape": "formula", "surrogate.formula": "2*exp(-2*abs(v))"}
    small = {"network.hidden": [24], "init.method": "calibrated", "init.conditions": "III"}
    task = random_task(units=30, rate=0.1)
    one, two = (initial_state(example(small | more), task).layers[0] for more in ({}, text))
    assert two.dampening * 2 == pytest.approx(one.dampening, rel=0.02)
