"""sgpipe as a library: light to import, typed, and the same networks as the pipeline's."""

import ast
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import sgpipe as sg
from sgpipe.data import prepare
from sgpipe.data.samples import Events
from sgpipe.engines.choose import chooser
from sgpipe.engines.cpu.engine import built
from sgpipe.plan.plan import make_plan
from sgpipe.results.store import Store
from sgpipe.rules.aggregate import collect
from sgpipe.spec.config import read_config
from sgpipe.training.pack import Workshop, train_pack
from tests.conftest import TINY, states_of

NETWORKS = {
    "lif": {"network.recurrent": True, "network.hidden": [12, 7]},
    "lif, own time constants": {"network.tau_membrane_shape": 3, "network.tau_synapse_shape": 3},
    "lif, trained": {"network.trained_neurons": True, "network.recurrent": True, "network.input_dropout": 0.2},
    "alif, theory": {
        "network.neuron": "alif",
        "network.recurrent": True,
        "surrogate.shape": "exponential",
        "objective.head": "steps",
        "init.conditions": "I+II+III+IV",
        "init.scheme": "glorot_uniform",
    },
    "slstm": {"network.neuron": "slstm", "network.recurrent": True, "objective.head": "sum"},
    "trained neurons": {"network.neuron": "delta_lif", "network.trained_neurons": True, "objective.head": "sum"},
}


@pytest.mark.parametrize("network", NETWORKS)
def test_a_network_that_is_loaded_spikes_as_the_engine_measured(tiny, tmp_path, network):
    spec = tiny(NETWORKS[network], **{"training.precision": "float64"})
    task, store = prepare(spec), Store(tmp_path / "runs")
    states = states_of(spec, task=task)
    (result,) = train_pack([spec], task, Workshop(store, chooser("auto", "cpu")), states)
    assert result.provenance["engine"] == ("cpu" if built() else "reference")
    if spec.conditions:
        from sgpipe.initial_state.make import initial_state
        from sgpipe.initial_state.state import write_state

        write_state(initial_state(spec, task), tmp_path / "init" / f"{spec.init_id}.parquet")
    loaded = sg.load(spec.id, tmp_path)
    with torch.no_grad():
        response = loaded(loaded.inputs(task))
    (row,) = [row for row in result.rows if row.best and row.split == "test"]
    counts = [layer.sum((0, 2)).mean().item() for layer in response.spikes]
    # Whole numbers over the number of samples: one spike more or less would be a difference of 1/9.
    assert counts == pytest.approx(row.spikes, abs=1e-9) and min(counts) > 0
    right = (response.logits.argmax(1).numpy() == task.test.labels).mean()
    assert right == pytest.approx(row.accuracy, abs=1e-6)
    # Its weights can be trained on: gradients reach each of them.
    loaded(loaded.inputs(task, "train", [0, 1, 2])).readout.sum().backward()
    assert all(weight.grad is not None for weight in loaded.parameters())


def test_training_by_hand_is_the_pipelines(tiny, tmp_path):
    spec = tiny()
    task = prepare(spec)
    (result,) = train_pack([spec], task, Workshop(Store(tmp_path / "runs"), chooser("auto", "cpu")))
    trained = sg.train(TINY, engine="auto")
    assert trained.spec == spec and trained.status == "finished" and isinstance(trained.epochs, pd.DataFrame)
    assert [tuple(row) for row in trained.epochs[["epoch", "split", "loss"]].to_numpy()] == [
        (row.epoch, row.split, row.loss) for row in result.rows
    ]
    assert all(np.array_equal(trained.weights[name], array) for name, array in result.weights.items())
    assert sg.make_run({"data": {"classes": 3}, "network": {"hidden": [5]}}).network.hidden == (5,)

    frame = sg.runs(tmp_path)
    assert set(frame["run_id"]) == {spec.id} and len(frame) == len(result.rows)
    (row,) = sg.runs(tmp_path, rows="runs").to_dict("records")
    assert row["valid_accuracy"] == trained.epochs.query("best and split == 'valid'")["accuracy"].item()


def test_it_trains_on_data_of_ones_own_shape():
    rng = np.random.default_rng(0)
    labels = np.arange(40) % 2
    every = Events.from_spikes(np.repeat(np.arange(40), 5), rng.integers(0, 20, 200), np.repeat(labels, 5), labels)
    task = sg.Task(2, 2, 20, every, every, every)
    trained = sg.train({"network": {"hidden": [8]}, "init.gain": 5, "training": {"epochs": 30, "batch_size": 10}}, task)
    assert trained.epochs["accuracy"].max() > 0.9
    assert trained.network()(trained.network().inputs(task)).logits.shape == (40, 2)


def test_the_theory_tells_how_far_a_network_is_from_its_conditions(tiny):
    knobs = {**TINY, "network.neuron": "delta_lif", "network.recurrent": True, "objective.head": "sum"}
    knobs |= {"surrogate.shape": "exponential", "network.hidden": [12, 12]}
    plain = sg.conditions(knobs)
    solved = sg.conditions({**knobs, "init.conditions": "I+II", "init.scheme": "glorot_uniform"})
    assert list(plain.index) == list(solved.index) == [1, 2] and plain.index.name == "layer"
    for name in ("deviations.I", "deviations.II"):
        assert (solved[name] < 1e-9).all() and (plain[name] > 0.1).any()
    with pytest.raises(sg.SgpipeError, match="conditions: the theory is about recurrent layers of delta_lif or alif"):
        sg.conditions(TINY)


EXPERIMENT = """
paper: mine
base:
  data: {classes: 3, samples_per_class: 20, units: 8, steps: 30, tau: 20}
  network: {hidden: [8]}
  training: {epochs: 1}
experiments:
  mine_fig1:
    title: Two shapes
    sweeps: {shapes: {grid: {surrogate.shape: [superspike, sigmoid], surrogate.beta: [1, 10]}}}
"""
FIGURE = """
from sgpipe.extend import figure

@figure("mine.fig1")
class Accuracies:
    def select(self, tables, experiment):
        return tables["runs"].query("split == 'test'")[["surrogate.shape", "accuracy"]]

    def draw(self, data, experiment, note):
        from sgpipe.figures import style

        figure = style.new_figure(style.SINGLE, 40, note)
        figure.subplots().plot(data["accuracy"])
        return figure
"""


def test_a_figure_is_drawn_from_a_table(tmp_path, monkeypatch, request):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text(EXPERIMENT)
    (tmp_path / "figure.py").write_text(FIGURE)
    request.addfinalizer(lambda: sg.use_extensions([]))
    plan = make_plan(read_config({"scale": "smoke", "experiments": ["mine.yaml"], "extensions": ["figure.py"]}))
    runs = list(plan.experiments["mine_fig1"].runs.values())
    train_pack(runs, prepare(runs[0]), Workshop(plan.store, chooser("auto", "cpu")))
    table = tmp_path / "mine_fig1.parquet"
    collect(plan, "mine_fig1", table)
    picture = sg.figure(table, output=tmp_path / "drawn")
    assert picture.axes and (tmp_path / "drawn.png").stat().st_size > 1000 and (tmp_path / "drawn.parquet").exists()
    assert sg.runs(table).attrs["experiment"]["id"] == "mine_fig1" and len(sg.runs(table, rows="runs")) == 4
    with pytest.raises(sg.SgpipeError, match="none.parquet: no such table"):
        sg.figure(tmp_path / "none.parquet")
    with pytest.raises(sg.SgpipeError, match="there is no module sgpipe.figures.mine.fig2"):
        sg.figure(table, draw="mine.fig2")


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda folder: sg.load("0" * 16, folder), "run 0000000000000000: not in .*runs; train it first"),
        (lambda folder: sg.load("fig3", folder), "run 'fig3': is no run id, which has 16 digits"),
        (lambda folder: sg.load(TINY, folder), "run [0-9a-f]{16}: not in .*runs; train it first"),
        (lambda folder: sg.runs(folder), "no run in its store"),
        (lambda folder: sg.runs(folder / "x"), "x: no such file or folder; give a results folder"),
        (lambda folder: sg.train({"network": {"hiden": [3]}}), "knobs: unknown key: 'network.hiden' is not one of"),
        (lambda folder: sg.train({"optimiser.lr": -1}), "knobs: optimiser.lr: -1.0 must be at least 0"),
        (lambda folder: sg.train(TINY, engine="cpuu"), "engine: 'cpuu' is not one of auto, cpu, gpu, reference"),
    ],
)
def test_what_cannot_be_done_is_one_line(tmp_path, call, said):
    with pytest.raises(sg.SgpipeError, match=said) as caught:
        call(tmp_path)
    assert "\n" not in str(caught.value)


def test_importing_it_is_light_and_all_names_have_types():
    heavy = "torch", "pandas", "numpy", "matplotlib", "pydantic"
    found = subprocess.run(
        [sys.executable, "-c", f"import sys, sgpipe; print([m for m in {heavy} if m in sys.modules])"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.strip() == "[]"
    stub = ast.parse((Path(sg.__file__).parent / "__init__.pyi").read_text())
    typed = {
        (alias.name, node.module) for node in stub.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    assert typed == {(name, f"sgpipe.{place}") for name, place in sg._PLACES.items()}
    assert all(getattr(sg, name) for name in sg.__all__) and set(sg.__all__) <= set(dir(sg))
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        sg.trian  # noqa: B018
