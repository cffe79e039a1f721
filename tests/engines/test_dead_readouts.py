"""A class whose readout never rises above its start gets no gradient by its maximum: every engine says how many."""

import numpy as np
import pytest

from sgpipe.base.errors import SgpipeError
from sgpipe.data.samples import Events, Task
from sgpipe.spec.run import RunSpec
from sgpipe.weights.schemes import layout
from tests.engines.test_ties import ENGINES

CLASSES, STEPS = 4, 30
PUSHED_DOWN = np.array([1.0, -1.0, 0.5, -0.2])  # what the one spiking unit does to each class


def opened(tiny, engine, **knobs):
    """Return a session of a network that pushes half of its classes down, and its readout weights."""
    spec = tiny({"network.hidden": [4], "training.precision": "float64", **knobs})
    none = np.zeros(3, int)
    events = Events.from_spikes(np.arange(3), none, none, np.array([0, 1, 2]))
    task = Task(2, CLASSES, STEPS, events, events, events)
    weights = {name: np.zeros(shape) for name, shape in layout(spec, 2, CLASSES).items()}
    weights["W1"][0], weights["W_out"][:, 0] = 50.0, PUSHED_DOWN
    return engine.open([spec], task, [weights])


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("knobs", "dead"),
    [
        ({}, 0.5),
        ({"network.readout_start": -1.0}, 0.0),  # it decays towards 0, and so rises
        ({"network.readout_start": 1e6}, 1.0),
        ({"objective.max_from": 25}, 0.0),
        ({"objective.head": "sum"}, None),
    ],
)
def test_the_share_of_classes_that_never_leave_their_start(tiny, engine, knobs, dead):
    (found,) = opened(tiny, engine(), **knobs).evaluate("test")
    assert found.dead == dead


@pytest.mark.parametrize("engine", ENGINES)
def test_a_maximum_over_later_steps_moves_the_weights_of_every_class(tiny, engine):
    moved = {}
    for first in (0, 25):
        session = opened(tiny, engine(), **{"objective.max_from": first, "training.batch_size": 3})
        before = session.states()[0]["W_out"].copy()
        session.train_epoch([np.arange(3)])
        moved[first] = (session.states()[0]["W_out"] != before).any(1)
    assert moved[0].tolist() == [True, False, True, False] and moved[25].all()


def test_the_first_step_of_the_maximum_is_one_of_the_steps_and_idle_elsewhere():
    with pytest.raises(SgpipeError, match=r"objective.max_from: 100 is not one of the steps 0 to 99"):
        RunSpec.make({"objective.max_from": 100})
    for idle in ({"objective.head": "sum"}, {"network.neuron": "delta_lif"}):
        assert RunSpec.make({**idle, "objective.max_from": 5}).id == RunSpec.make(idle).id
    assert RunSpec.make({"objective.max_from": 5}).id != RunSpec.make({}).id
