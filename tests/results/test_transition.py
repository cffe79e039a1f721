"""Where accuracy rises with activity: what counts as a network, and when a transition cannot be told."""

import numpy as np
import pytest
from scipy.optimize import least_squares

from sgpipe.results import transition
from sgpipe.results.transition import Rise, distinct, rise

TRUTH = Rise(np.array([20.0]), np.array([3.0]), np.array([0.95]), 0.1)
SPIKES = np.array([2.0, 6.0, 12.0, 30.0, 60.0, 120.0])  # three networks on either side


def test_copies_of_a_network_are_one_observation():
    """Else regularisers that train the same network thrice would make three points of one."""
    once = rise(SPIKES, TRUTH.accuracy(SPIKES), 0.1)
    copied = np.r_[SPIKES, SPIKES[:1], SPIKES[:1]]
    thrice = rise(copied, TRUTH.accuracy(copied), 0.1)
    assert np.array_equal(once[0].transition, thrice[0].transition)
    assert np.array_equal(once[1].transition, thrice[1].transition)
    few = np.r_[2.0, 2.0, 2.0, SPIKES[3:], 240.0]  # three points, but a single network below
    assert rise(few, TRUTH.accuracy(few), 0.1) is None


def test_networks_differ_in_spikes_or_accuracy():
    spikes, accuracy = distinct([5.0, 1.0, 5.0, 5.0], [0.4, 0.2, 0.5, 0.4])
    assert spikes.tolist() == [1.0, 5.0, 5.0] and accuracy.tolist() == [0.2, 0.4, 0.5]


def test_the_resamples_are_those_of_the_networks_in_any_order():
    accuracy = TRUTH.accuracy(SPIKES)
    one, other = (rise(SPIKES[order], accuracy[order], 0.1)[1] for order in (np.arange(6), [3, 0, 5, 1, 4, 2]))
    assert np.array_equal(one.transition, other.transition)
    unlike = rise(SPIKES, accuracy - 0.01, 0.1)[1]  # else two groups of one size would be resampled alike
    assert abs(np.corrcoef(np.log(one.transition), np.log(unlike.transition))[0, 1]) < 0.2


def test_an_interval_that_reaches_the_end_of_the_networks_is_none(monkeypatch):
    """Where accuracy still rises at the busiest network, the bound would be that of the data."""
    spikes = np.array([0.5, 4.0, 11.0, 145.0, 380.0, 1100.0, 1270.0])
    accuracy = np.array([0.08, 0.16, 0.21, 0.22, 0.29, 0.35, 0.36])
    assert rise(spikes, accuracy, 0.05) is None
    monkeypatch.setattr(transition, "BEYOND", 1.0)
    assert np.quantile(rise(spikes, accuracy, 0.05)[1].transition, 0.975) >= spikes.max()


@pytest.mark.parametrize("form", transition.FORMS)
def test_resamples_are_fitted_as_closely_as_least_squares_do(form):
    random = np.random.default_rng(4)
    spikes = np.geomspace(2.0, 200.0, 30)
    accuracy = TRUTH.accuracy(spikes) + random.normal(0, 0.02, 30)
    x = np.log10(spikes)
    points = transition._Points(x, accuracy, 0.1, form)
    weights = random.integers(0, 4, (30, 6)).astype(float)
    coarse = transition._search(points, np.arange(1.0, 1.6, transition.STEP), 3.0 * transition.AROUND, weights)
    found = transition._closer(points, coarse, weights)
    top = 1.0 if form == transition.CAPPED else 2.0
    for k, weight in enumerate(weights.T):

        def missed(of, weight=weight):
            return np.sqrt(weight) * (Rise(10.0 ** of[0], of[1], of[2], 0.1, form).accuracy(spikes) - accuracy)

        best = least_squares(
            missed, [np.log10(found.transition[k]), found.steepness[k], 0.95], bounds=([0, 0.1, 0], [3, 60, top])
        )
        assert abs(np.log10(found.transition[k]) - best.x[0]) < 0.002
        assert found.steepness[k] == pytest.approx(best.x[1], rel=0.02)
        assert found.plateau[k] == pytest.approx(best.x[2], abs=2e-3)
