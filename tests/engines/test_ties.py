"""Equal readouts are a guess among them: whatever the data, a silent network is no better than guessing."""

import numpy as np
import pytest
import torch

from sgpipe.data.samples import Events, Task
from sgpipe.engines.cpu.engine import CpuEngine, built
from sgpipe.engines.gpu import GpuEngine
from sgpipe.engines.reference import ReferenceEngine
from sgpipe.model.objectives import ahead, right
from sgpipe.weights.schemes import layout
from tests.engines.test_gpu_engine import DEVICE, needs_triton

CLASSES = 7  # one over it is no binary fraction
LABELS = np.array([0] * 8 + [3] * 2 + [6])  # most of them of the class that ties used to go to
ENGINES = [
    pytest.param(CpuEngine, id="cpu", marks=pytest.mark.skipif(not built(), reason="the C++ engine is not built")),
    pytest.param(lambda: GpuEngine(DEVICE, "torch"), id="gpu-torch"),
    pytest.param(lambda: GpuEngine(DEVICE, "triton"), id="gpu-triton", marks=needs_triton),
    pytest.param(ReferenceEngine, id="reference"),
]
LIF_HEADS = [
    {"objective.head": "max"},
    {"objective.head": "max", "network.readout_start": -1e-3},
    {"objective.head": "sum", "network.readout_start": -1e-3},
]
DELTA_HEADS = [
    {"network.neuron": "delta_lif", "objective.head": head, "objective.accuracy": accuracy}
    for head, accuracy in (("steps", "summed"), ("steps", "mode"), ("max", None), ("sum", None))
]


def measured(tiny, engine, readout, **knobs):
    """Return the measures of a network whose first hidden unit fires and is heard with the weights (classes,)."""
    spec = tiny({"network.hidden": [4], **{name: value for name, value in knobs.items() if value is not None}})
    unit = np.zeros(len(LABELS), int)  # one event in each sample, at its first step
    events = Events.from_spikes(np.arange(len(LABELS)), unit, unit, LABELS)
    task = Task(2, CLASSES, 41, events, events, events)
    weights = {name: np.zeros(shape, spec.training.precision) for name, shape in layout(spec, 2, CLASSES).items()}
    if readout is not None:
        weights["W1"][0] = 50.0
        weights["W_out"][:, 0] = readout
    if "b_out" in weights:
        weights["b_out"] += 0.1
    (found,) = engine.open([spec], task, [weights]).evaluate("test")
    assert (sum(found.spikes) == 0) == (readout is None)
    return found


def cases() -> list:
    every = []
    for make in ENGINES:
        takes_delta = "gpu" not in str(make.id)
        for head in [*LIF_HEADS, *(DELTA_HEADS if takes_delta else [])]:
            name = " ".join([make.id, *map(str, head.values())])
            every.append(pytest.param(*make.values, head, marks=make.marks, id=name))
    return every


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize(("make", "head"), cases())
def test_a_silent_network_is_right_as_often_as_a_guess(tiny, make, head, precision):
    found = measured(tiny, make(), None, **head, **{"training.precision": precision})
    assert found.accuracy == pytest.approx(1 / CLASSES, abs=2**-33)  # 1/7 in 32 binary places


@pytest.mark.parametrize(("make", "head"), cases())
def test_classes_that_share_the_first_place_share_the_answer(tiny, make, head):
    ahead = [2.0, 2.0, 1.0, 0.0, -1.0, -1.0, 2.0]  # 0, 1 and 6
    share = np.mean(np.isin(LABELS, [0, 1, 6])) / 3
    assert measured(tiny, make(), ahead, **head).accuracy == pytest.approx(share, abs=2**-33)
    alone = [1.0, 1.0, 0.0, 2.0, -1.0, -1.0, 1.0]
    assert measured(tiny, make(), alone, **head).accuracy == np.mean(LABELS == 3)  # without ties nothing is rounded


@pytest.mark.parametrize("make", ENGINES)
def test_classes_that_nothing_speaks_for_share_the_place_where_readouts_start(tiny, make):
    # Inhibition sets in later than the readout starts, so its maximum is that start.
    readout = -np.arange(float(CLASSES))
    assert measured(tiny, make(), readout).accuracy == pytest.approx(1 / CLASSES, abs=2**-33)


def test_an_answer_that_is_not_a_number_is_wrong():
    logits = torch.tensor([[np.nan, 1.0, 0.0], [0.0, 1.0, np.nan], [np.inf, np.inf, 0.0]])
    for label, wanted in ((0, [0, 0, 0.5]), (1, [0, 0, 0.5]), (2, [0, 0, 0])):
        assert right(ahead(logits, torch.full((3,), label))).tolist() == wanted
