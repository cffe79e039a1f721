"""The conventional network that zenke2021 compares with: rectified linear units that see an image in one step."""

import numpy as np
import pytest
import torch

from sgpipe.base.errors import SgpipeError
from sgpipe.data import prepare
from sgpipe.data.samples import Analog
from sgpipe.data.storage import load_task, save_task
from sgpipe.engines.cpu.engine import CpuEngine
from sgpipe.engines.reference import ReferenceEngine
from sgpipe.model.network import as_tensors, forward
from sgpipe.model.objectives import losses
from sgpipe.spec.numerics import components
from sgpipe.spec.run import RunSpec
from sgpipe.training.trainer import train_run
from sgpipe.weights.schemes import initial_weights

RELU = {"network.neuron": "relu", "network.bias": True}
IMAGES = {"data.task": "mnist_latency", "data.variant": "pixels", "data.steps": 1}


def conventional(**more):
    return RunSpec.make({**IMAGES, **RELU, "network.hidden": [30], **more})


def test_the_images_are_the_pixels_themselves():
    task = prepare(conventional())
    coded = prepare(RunSpec.make({"data.task": "mnist_latency"}))
    assert isinstance(task.train, Analog) and task.train.frames.shape == (len(coded.train), 1, 784)
    assert task.train.frames.min() == 0 and task.train.frames.max() == 1
    np.testing.assert_array_equal(task.train.labels, coded.train.labels)
    bright = coded.train.dense(100, 784).sum(0) > 0  # pixels that spike at all: x above 0.23
    assert np.all(task.train.frames[:, 0][bright] > 0.2) and np.all(task.train.frames[:, 0][~bright] < 0.25)


def test_as_currents_they_last_throughout():
    spec = RunSpec.make({**IMAGES, "data.steps": 3})
    dense = prepare(spec).test.dense(3, 784)
    np.testing.assert_array_equal(dense[0], dense[2])
    assert spec.flat()["data.tau"] is None and spec.flat()["data.hold"] is None


def test_prepared_images_come_back_as_they_were(tmp_path):
    task = prepare(conventional(**{"data.limit": 20}))
    save_task(task, tmp_path / "task.arrow")
    np.testing.assert_array_equal(load_task(tmp_path / "task.arrow").train.frames, task.train.frames)


@pytest.mark.parametrize("head", ["max", "sum", "steps"])
def test_it_is_the_network_that_anyone_would_write(head):
    spec = conventional(**{"objective.head": head, "network.hidden": [7, 5], "training.precision": "float64"})
    task = prepare(spec)
    weights = {name: array + 0.01 for name, array in initial_weights(spec, 784, 10).items()}
    given = as_tensors(weights, trained=True)
    images, labels = task.test.dense(1, 784).astype(float), torch.from_numpy(task.test.labels)
    mine = losses(spec, forward(spec, given, torch.from_numpy(images)), labels)
    (mine.supervised + mine.penalty).mean().backward()

    layers = [torch.nn.Linear(*shape).double() for shape in ((784, 7), (7, 5), (5, 10))]
    for layer, name in zip(layers, ("1", "2", "_out"), strict=True):
        layer.load_state_dict({"weight": torch.tensor(weights[f"W{name}"]), "bias": torch.tensor(weights[f"b{name}"])})
    one, two, three = layers
    logits = three(torch.relu(two(torch.relu(one(torch.from_numpy(images[0]))))))
    loss = torch.nn.functional.cross_entropy(logits, labels)
    loss.backward()
    assert mine.supervised.mean().item() == pytest.approx(loss.item(), rel=1e-12)
    np.testing.assert_allclose(given["W1"].grad, one.weight.grad, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(given["b2"].grad, two.bias.grad, rtol=1e-9, atol=1e-12)


def test_it_learns_the_bundled_digits_without_a_spike():
    spec = conventional(**{"optimiser.lr": 0.01, "training.epochs": 5, "training.batch_size": 50})
    test = [row for row in train_run(spec, prepare(spec), ReferenceEngine()).rows if row.split == "test"]
    assert test[-1].accuracy > 0.85 and test[-1].spikes == (0.0,)


def test_what_is_about_spikes_is_idle():
    knobs = conventional().flat()
    assert all(value is None for name, value in knobs.items() if name.startswith("surrogate."))
    assert knobs["network.tau_membrane"] is knobs["objective.lower_strength"] is knobs["network.reset_gradient"] is None
    assert conventional(**{"surrogate.beta": 3, "objective.upper_strength": 1}).id == conventional().id
    assert not any(name.startswith(("surrogate", "readout.leaky")) for name in components(conventional()))


def test_fast_engines_leave_it_to_the_reference():
    assert "relu" in CpuEngine().refuses(conventional())
    assert ReferenceEngine().refuses(conventional()) is None


@pytest.mark.parametrize(
    ("knobs", "words"),
    [
        ({"network.recurrent": True}, "network.recurrent: true is not for relu, which has no memory"),
        ({"init.conditions": "I", "init.method": "calibrated"}, "is about neurons that spike, not relu; set none"),
    ],
)
def test_what_makes_no_sense_is_one_line(knobs, words):
    with pytest.raises(SgpipeError, match=words):
        conventional(**knobs)
