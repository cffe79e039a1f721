"""Updates that the C++ engine makes without Python in between have the bits of those that Python makes one by one."""

import numpy as np
import pytest

from sgpipe.data import prepare
from sgpipe.engines.cpu.engine import CpuEngine, CpuSession, built
from sgpipe.engines.minibatch import MinibatchSession
from sgpipe.training.trainer import train_run
from sgpipe.weights.schemes import initial_weights

pytestmark = pytest.mark.skipif(not built(), reason="the compiled CPU engine is not built")

SMORMS3 = {"optimiser.name": "smorms3", "optimiser.lr": 0.02}
DEEP = {"network.hidden": [12, 9], "network.recurrent": True, "training.precision": "float64", "objective.head": "sum"}
DROPS = {
    "network.dropout": 0.2,
    "network.input_dropout": 0.1,
    "optimiser.name": "adabelief",
    "optimiser.weight_decay": 0.1,
}


def one_by_one(monkeypatch):
    monkeypatch.setattr(CpuSession, "train_epoch", MinibatchSession.train_epoch)


@pytest.mark.parametrize("knobs", [{}, SMORMS3, DEEP, DROPS], ids=["adam", "smorms3", "deep", "drops"])
def test_bits_are_those_of_single_updates(tiny, monkeypatch, knobs):
    spec = tiny(**knobs)
    task = prepare(spec)
    monkeypatch.setattr(CpuSession, "seconds_at_once", 0.0)  # one at a time, looking at `pause` after each
    paused = train_run(spec, task, CpuEngine())
    monkeypatch.undo()
    at_once = train_run(spec, task, CpuEngine())
    one_by_one(monkeypatch)
    single = train_run(spec, task, CpuEngine())
    for other in (at_once, paused):
        assert other.rows == single.rows
        assert all(np.array_equal(other.weights[name], array) for name, array in single.weights.items())


def test_after_a_loss_that_is_not_finite_nothing_moves(tiny):
    spec = tiny()
    task = prepare(spec)
    order, ended = np.arange(len(task.train)), []
    for train_epoch in (CpuSession.train_epoch, MinibatchSession.train_epoch):
        (session,) = [CpuEngine().open([spec], task, [initial_weights(spec, task.units, task.classes)])]
        train_epoch(session, [order])
        session.weights["W1"][0, 0] = np.nan
        (measures,) = train_epoch(session, [order])
        assert np.isnan(measures.loss)
        ended.append((session.optimiser.step_count, session.batches_done, session.weights["W_out"].tolist()))
    assert ended[0] == ended[1]


def test_what_is_averaged_or_clipped_is_updated_one_by_one(tiny, monkeypatch):
    def refuse(*args, **named):
        raise AssertionError("several updates at once")

    monkeypatch.setattr(CpuSession, "_updates", refuse)
    for knobs in ({"optimiser.clip": 1.0}, {"optimiser.average": "swa"}):
        spec = tiny(**knobs)
        assert train_run(spec, prepare(spec), CpuEngine()).status == "finished"
    with pytest.raises(AssertionError):
        train_run(tiny(), prepare(tiny()), CpuEngine())
