"""Time constants of single current-based neurons: how they are drawn, and what they do."""

import numpy as np
import pytest
import torch

from sgpipe.data import prepare
from sgpipe.engines.reference import ReferenceEngine
from sgpipe.model.network import as_tensors, forward
from sgpipe.training.trainer import train_run
from sgpipe.weights.schemes import initial_weights, layout
from sgpipe.weights.time_constants import SHORTEST_TAU, time_constants

BOTH = {"network.tau_membrane_shape": 3, "network.tau_synapse_shape": 3}
TRAINED = {"network.trained_neurons": True}


@pytest.mark.parametrize("shape", [0.5, 3, 50])
def test_they_are_gamma_distributed_about_the_given_ones(tiny, shape):
    knobs = {"network.hidden": [5, 20_000], "network.tau_membrane_shape": shape, "network.tau_synapse_shape": shape}
    spec = tiny({**knobs, "network.tau_membrane": 12, "network.tau_synapse": 6, "data.dt": 2})
    found = {name: time_constants(spec, name, 2) for name in ("tau_membrane", "tau_synapse")}
    for name, steps in (("tau_membrane", 6), ("tau_synapse", 3)):
        # Of 20,000 draws, a tolerance of five standard errors and more.
        assert found[name].mean() == pytest.approx(steps, rel=0.05)
        assert found[name].std() == pytest.approx(steps * shape**-0.5, rel=0.08)
        assert found[name].min() >= SHORTEST_TAU
        skewness = (((found[name] - found[name].mean()) / found[name].std()) ** 3).mean()
        assert skewness == pytest.approx(2 * shape**-0.5, abs=0.3)
    assert abs(np.corrcoef(*found.values())[0, 1]) < 0.04


def test_they_depend_on_seed_and_layer_alone(tiny):
    spec = tiny({**BOTH, "network.hidden": [9, 9]})
    drawn = time_constants(spec, "tau_membrane", 1)
    same = tiny({**BOTH, "network.hidden": [9, 9], "training.seed": 7, "network.tau_synapse_shape": 0})
    assert np.array_equal(drawn, time_constants(same, "tau_membrane", 1))
    for other in (time_constants(spec, "tau_membrane", 2), time_constants(spec, "tau_synapse", 1) * 2):
        assert not np.allclose(drawn, other)
    reseeded = tiny({**BOTH, "network.hidden": [9, 9], "init.seed": 7})
    assert not np.allclose(drawn, time_constants(reseeded, "tau_membrane", 1))


def test_only_trained_ones_are_weights_and_they_start_where_the_others_stay(tiny):
    spread, trained = tiny(BOTH), tiny({**BOTH, **TRAINED})
    assert not [name for name in layout(spread, 5, 3) if name.startswith("tau")]
    weights = initial_weights(trained, 5, 3)
    assert [name for name in weights if name.startswith("tau")] == ["tau_membrane1", "tau_synapse1"]
    for name in ("tau_membrane", "tau_synapse"):
        np.testing.assert_allclose(weights[f"{name}1"], time_constants(spread, name, 1), rtol=1e-6)
    equal = initial_weights(tiny({**TRAINED, "network.tau_membrane": 8, "data.dt": 2}), 5, 3)
    assert set(equal["tau_membrane1"]) == {4.0}
    # Recurrent weights of current-based neurons keep their diagonal.
    assert np.all(initial_weights(tiny({**TRAINED, "network.recurrent": True}), 5, 3)["V1"].diagonal() != 0)


def test_a_membrane_without_spikes_is_the_double_exponential_of_its_own_time_constants(tiny):
    spec = tiny({**TRAINED, "network.hidden": [3], "training.precision": "float64", "data.steps": 40, "data.tau": 5})
    weights = initial_weights(spec, 1, 2)
    weights["W1"][:] = 0.1
    membrane, synapse = np.array([4.0, 9.0, 30.0]), np.array([2.0, 5.0, 7.0])
    weights["tau_membrane1"][:], weights["tau_synapse1"][:] = membrane, synapse
    spikes = torch.zeros((40, 1, 1), dtype=torch.float64)
    spikes[0] = 1
    found = torch.stack(forward(spec, as_tensors(weights), spikes).membrane[0])[:, 0].numpy()
    a, b, n = np.exp(-1 / membrane), np.exp(-1 / synapse), np.arange(40)[:, None]
    # U[n] = (1 - a) w sum over k from 1 to n - 1 of a^(n - 1 - k) b^(k - 1)
    wanted = 0.1 * (1 - a) * (a ** (n - 1.0) - b ** (n - 1.0)) / (a - b)
    np.testing.assert_allclose(found[1:], wanted[1:], rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("knobs", [BOTH, TRAINED, {**BOTH, **TRAINED}, {"network.tau_synapse_shape": 1}])
def test_turning_them_changes_what_is_learnt(tiny, knobs):
    plain, own = tiny({"training.epochs": 2}), tiny({"training.epochs": 2, **knobs})
    task = prepare(plain)
    before, after = (train_run(spec, task, ReferenceEngine()) for spec in (plain, own))
    assert [row.loss for row in before.rows] != [row.loss for row in after.rows]
    if "network.trained_neurons" in knobs:
        start = initial_weights(own, task.units, task.classes)
        for name in ("tau_membrane1", "tau_synapse1"):
            assert not np.allclose(after.weights[name], start[name], rtol=1e-3)
