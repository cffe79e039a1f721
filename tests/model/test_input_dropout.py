"""Dropping spikes of the input in training."""

import numpy as np
import pytest

from sgpipe.base.rng import hashed, key
from sgpipe.data import prepare
from sgpipe.data.samples import Events, Task
from sgpipe.engines.cpu.engine import CpuEngine, built
from sgpipe.engines.reference import ReferenceEngine, ReferenceSession
from sgpipe.model.dropout import dropout_factors, input_kept
from sgpipe.training.trainer import train_run
from sgpipe.weights.schemes import initial_weights

ENGINES = [
    ReferenceEngine,
    pytest.param(CpuEngine, marks=pytest.mark.skipif(not built(), reason="the C++ engine is not built")),
]


def test_it_is_the_function_that_the_docs_give(tiny):
    spec = tiny({"network.input_dropout": 0.3, "training.seed": 5})
    kept = input_kept(spec, 2, np.array([7, 3]), 4, 6)
    for step, sample, unit in np.ndindex(4, 2, 6):
        counter = ((7, 3)[sample] * spec.data.steps + step) * 6 + unit
        assert kept[step, sample, unit] == (hashed(key(5, "dropout/2/input"), np.array([counter]))[0] >= 0.3)


def test_the_share_is_dropped_anew_for_each_epoch_sample_and_seed(tiny):
    spec = tiny({"network.input_dropout": 0.3, "network.dropout": 0.3})
    kept = input_kept(spec, 1, np.arange(50), 40, 20)
    # Five standard errors of 40,000 draws.
    assert 1 - kept.mean() == pytest.approx(0.3, abs=5 * (0.21 / kept.size) ** 0.5)
    others = (
        input_kept(spec, 2, np.arange(50), 40, 20),
        input_kept(spec, 1, np.arange(50, 100), 40, 20),
        input_kept(tiny({"network.input_dropout": 0.3, "training.seed": 9}), 1, np.arange(50), 40, 20),
        dropout_factors(spec, 1, 1, np.arange(50), 40, 20) > 0,
    )
    for other in others:
        assert abs(np.corrcoef(kept.ravel(), other.ravel())[0, 1]) < 0.03


def test_spikes_that_are_kept_keep_their_size_and_evaluation_drops_none(tiny):
    spec = tiny({"network.input_dropout": 0.4})
    task, indices = prepare(spec), np.arange(12)
    session = ReferenceSession(spec, task, initial_weights(spec, task.units, task.classes), "cpu")
    whole, part = (session.raster(task.train, indices, train) for train in (False, True))
    np.testing.assert_array_equal(whole, task.train.take(indices).dense(task.steps, task.units))
    assert set(np.unique(part[whole > 0] / whole[whole > 0])) == {0.0, 1.0} and not part[whole == 0].any()
    session.optimiser.step_count = session.updates()  # the next epoch
    assert not np.array_equal(part, session.raster(task.train, indices, True))


@pytest.mark.parametrize("engine", ENGINES)
def test_training_is_that_on_the_spikes_that_are_left(tiny, engine):
    knobs = {"training.precision": "float64", "network.hidden": [9, 6]}
    spec, plain = tiny({**knobs, "network.input_dropout": 0.4}), tiny(knobs)
    task, indices = prepare(spec), np.arange(12)[::-1].copy()
    events = task.train
    sample = np.repeat(np.arange(len(events)), np.diff(events.ptr))
    left = input_kept(spec, 1, np.arange(len(events)), task.steps, task.units)[events.step, sample, events.unit]
    thinned = Events.from_spikes(sample[left], events.step[left], events.unit[left], events.labels)
    fewer = Task(task.units, task.classes, task.steps, thinned, task.valid, task.test)
    found = []
    for one, on in ((spec, task), (plain, fewer)):
        session = engine().open([one], on, [initial_weights(one, task.units, task.classes)])
        found.append(session.batch(on.train, indices, True))
    (sums, gradients), (same_sums, same) = found
    assert sums.spikes.tolist() == same_sums.spikes.tolist() and sums.loss == pytest.approx(same_sums.loss, rel=1e-12)
    for name, gradient in gradients.items():
        np.testing.assert_allclose(gradient, same[name], rtol=0, atol=1e-12 * np.abs(gradient).max())


def test_turning_it_changes_training(tiny):
    task = prepare(tiny())
    losses = [train_run(tiny({"network.input_dropout": p}), task, ReferenceEngine()).rows[0].loss for p in (0, 0.5)]
    assert losses[0] != losses[1]
