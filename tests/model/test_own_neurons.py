"""A neuron of one's own is a neuron: a copy of a built-in one trains as that one does, with either readout."""

import re

import numpy as np
import pytest
import torch

import sgpipe as sg
from sgpipe.base.errors import SgpipeError
from sgpipe.data import prepare
from sgpipe.engines.choose import chooser
from sgpipe.engines.reference import ReferenceEngine
from sgpipe.model.network import as_tensors, forward
from sgpipe.model.neurons.decay import decay
from sgpipe.results.store import Store
from sgpipe.spec.extensions import use_extensions
from sgpipe.training.pack import Workshop, train_pack
from sgpipe.training.trainer import train_run
from sgpipe.weights.schemes import initial_weights, layout

TWIN = """
from dataclasses import dataclass
from sgpipe.extend import knob, neuron

@neuron("twin")
@dataclass(frozen=True)
class Twin:
    alpha: float = knob(0.9, "decay", "per step", least=0, below=1)
    def step(self, state, drive, fire):
        voltage = self.alpha * state.voltage + drive - 1.0 * state.spikes.detach()
        return voltage, fire(voltage - 1.0)
"""


@pytest.fixture
def twin(tmp_path, monkeypatch):
    """Return a function that registers the neuron, changed by `(old, new)`."""
    monkeypatch.chdir(tmp_path)

    def use(old="", new=""):
        (tmp_path / "twin.py").write_text(TWIN.replace(old, new) if old else TWIN)
        use_extensions(["twin.py"])

    yield use
    use_extensions([])


def test_a_copy_of_delta_lif_trains_to_the_same_numbers(tiny, twin):
    twin()
    shared = {"network.recurrent": True, "training.precision": "float64", "objective.head": "sum"}
    known, own = tiny(shared, **{"network.neuron": "delta_lif"}), tiny(shared, **{"network.neuron": "twin"})
    task = prepare(known)
    # Without their own connections, which neurons of eq. 1 do not have and others have.
    theirs = initial_weights(own, task.units, task.classes)
    np.fill_diagonal(theirs["V1"], 0.0)
    ours = initial_weights(known, task.units, task.classes)
    assert all(np.array_equal(ours[name], theirs[name]) for name in ours) and ours.keys() == theirs.keys()
    sums = []
    for spec in (known, own):
        session = ReferenceEngine().open([spec], task, [{name: array.copy() for name, array in ours.items()}])
        measured, gradients = session.batch(task.train, np.arange(16), True)
        gradients["V1"] = gradients["V1"] * (1 - np.eye(12))
        sums.append((measured, gradients))
    (one, first), (other, second) = sums
    assert one.loss == other.loss and np.array_equal(one.spikes, other.spikes) and one.spikes.sum() > 0
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])
    assert np.abs(first["W1"]).max() > 0


def test_the_leaky_readout_is_zenke2021s(tiny, twin):
    twin('neuron("twin"', 'neuron("twin", readout="leaky"')
    spec = tiny({"network.neuron": "twin", "network.tau_readout": 15.0, "training.precision": "float64"})
    assert "b_out" not in layout(spec, 8, 3) and spec.network.tau_synapse == 5.0 and spec.objective.max_from == 0
    task = prepare(spec)
    weights = as_tensors(initial_weights(spec, task.units, task.classes))
    inputs = torch.from_numpy(task.test.dense(task.steps, task.units)).double()
    activity = forward(spec, weights, inputs)
    arriving = torch.stack(activity.spikes[0]) @ weights["W_out"].T
    membrane = current = torch.zeros_like(arriving[0])
    for step, drive in enumerate(arriving):
        assert torch.allclose(activity.readout[step], membrane, rtol=1e-12, atol=1e-15)
        kept = decay(1.0, 15.0)
        membrane, current = kept * membrane + (1 - kept) * current, decay(1.0, 5.0) * current + drive
    assert membrane.abs().max() > 0


def test_the_reference_trains_it_unasked_and_the_fast_engine_says_why_not(tiny, twin, capsys):
    twin()
    spec = tiny({"network.neuron": "twin", "objective.head": "sum"})
    assert chooser("auto", "cpu")(spec).name == "reference"
    with pytest.raises(SgpipeError, match="engine: cpu cannot train this run"):
        chooser("cpu", "cpu")(spec)
    result = train_run(spec, prepare(spec), ReferenceEngine())
    assert result.status == "finished" and result.rows[-1].spikes[0] > 0


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("return voltage, ", "return ", "twin.py: neuron twin: step returns Tensor, not the 2 parts of its state"),
        ("return voltage, ", "return 1.0, ", "twin.py: neuron twin: step returns voltage float, not a tensor"),
        (
            "return voltage, ",
            "return voltage[:1], ",
            "twin.py: neuron twin: step returns voltage of shape (1, 12), not",
        ),
        ("+ drive", "+ drive @ drive", "twin.py: line 10: neuron twin: RuntimeError: mat1 and mat2 shapes"),
        ("self.alpha", "self.beta", "twin.py: line 10: neuron twin: AttributeError: 'Twin' object has no attribute"),
    ],
)
def test_a_step_that_is_none_stops_the_job_with_one_line(tiny, twin, old, new, said):
    twin(old, new)
    spec = tiny({"network.neuron": "twin"})
    with pytest.raises(SgpipeError) as caught:
        train_run(spec, prepare(spec), ReferenceEngine())
    assert str(caught.value).startswith(said)


def test_a_stored_network_is_loaded_with_the_file_that_it_was_trained_with(tiny, twin, tmp_path):
    twin()
    spec = tiny({"network.neuron": "twin", "objective.head": "sum", "training.precision": "float64"})
    task, store = prepare(spec), Store(tmp_path / "results" / "runs")
    (result,) = train_pack([spec], task, Workshop(store, chooser("auto", "cpu")))
    twin("0.9", "0.8")
    with pytest.raises(
        sg.SgpipeError, match="twin.py is another version now .* the files that it was trained"
    ) as caught:
        sg.load(spec.id)
    sg.use_extensions(re.findall(r"'(.*?)'", str(caught.value)))
    network = sg.load(spec.id)
    spikes = network(network.inputs(task)).spikes[0].sum((0, 2)).mean().item()
    (row,) = [row for row in result.rows if row.best and row.split == "test"]
    assert spikes == pytest.approx(row.spikes[0], abs=1e-9)
