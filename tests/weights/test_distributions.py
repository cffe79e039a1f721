"""Initial weights have the moments, bounds and orthogonality that their names promise."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from sgpipe.base.errors import SgpipeError
from sgpipe.base.rng import stream
from sgpipe.spec.initialisers import INITIALISERS
from sgpipe.weights.distributions import AUTHORS_EIGHT, FAMILIES, NINE, initial

QUICK = settings(max_examples=30, deadline=None, derandomize=True)
SHAPE = (200, 300)  # units out, units in: as in herranz2022's Fig 1, the other way round
COUNT = SHAPE[0] * SHAPE[1]
DRAWN = [name for name in INITIALISERS if not name.startswith("orthogonal")]
# Fourth moments of the standardised distributions, for the standard error of a variance.
KURTOSIS = {"uniform": 9 / 5, "normal": 3.0, "truncated_normal": 3.0, "bigamma": (7 * 8) / (5 * 6)}


def draw(name, shape=SHAPE, seed=0):
    return initial(name, shape, stream(seed, f"test/{name}"))


@pytest.mark.parametrize("name", DRAWN)
def test_weights_have_mean_zero_and_the_variance_of_their_scheme(name):
    scheme, _, family = name.partition("_")
    variance = {"glorot": 2 / (200 + 300), "he": 2 / 300}[scheme]
    weights = draw(name)
    assert weights.shape == SHAPE and weights.dtype == np.float64
    assert abs(weights.mean()) < 4 * math.sqrt(variance / COUNT)
    error = variance * math.sqrt((KURTOSIS[family] - 1) / COUNT)
    assert abs(weights.var() - variance) < 4 * error


@pytest.mark.parametrize("name", ["uniform", "truncated_normal"])
def test_a_bounded_distribution_keeps_its_bound_and_comes_near_it(name):
    values = FAMILIES[name].draw((100_000,), stream(0, name))
    bound = {"uniform": math.sqrt(3), "truncated_normal": 2 / stats.truncnorm(-2, 2).std()}[name]
    assert FAMILIES[name].bound == pytest.approx(bound, rel=1e-12)
    assert FAMILIES[name].reach(10) == FAMILIES[name].reach(10**9) == FAMILIES[name].bound
    assert 0.99 * bound < np.abs(values).max() <= bound


@pytest.mark.parametrize("name", ["normal", "bigamma"])
def test_without_a_bound_the_reach_is_about_the_largest_of_as_many_draws(name):
    largest = [FAMILIES[name].draw((10_000,), stream(seed, name)).max() for seed in range(20)]
    assert FAMILIES[name].reach(10_000) == pytest.approx(np.median(largest), rel=0.1)
    assert FAMILIES[name].reach(100) < FAMILIES[name].reach(10_000) < FAMILIES[name].reach(10**6)


@pytest.mark.parametrize("name", FAMILIES)
def test_the_quantiles_are_those_of_the_named_distribution(name):
    probability = np.linspace(0.001, 0.999, 333)
    spread = math.sqrt(5 * 6)  # of a gamma distribution of shape 5 about zero
    cut = stats.truncnorm(-2, 2)
    mass = {
        "uniform": stats.uniform(-math.sqrt(3), 2 * math.sqrt(3)).cdf,
        "normal": stats.norm.cdf,
        "truncated_normal": lambda x: cut.cdf(x * cut.std()),
        "bigamma": lambda x: 0.5 + np.sign(x) * stats.gamma(5).cdf(np.abs(x) * spread) / 2,
    }[name]
    np.testing.assert_allclose(mass(FAMILIES[name].quantile(probability)), probability, rtol=1e-9)


def test_bigamma_weights_have_two_modes_and_stay_away_from_zero():
    values = FAMILIES["bigamma"].draw((300_000,), stream(0, "bigamma"))
    counts, edges = np.histogram(values, bins=np.linspace(-2, 2, 41))
    centres = (edges[1:] + edges[:-1]) / 2
    mode = (5 - 1) / math.sqrt(30)  # of a gamma distribution of shape 5
    assert abs(abs(centres[counts.argmax()]) - mode) < 0.15
    assert np.mean(values > 0) == pytest.approx(0.5, abs=0.005)
    # The density vanishes at zero as w^4: near it lies 0.03 % of the weights, of a normal distribution 8 %.
    expected = stats.gamma(5).cdf(0.1 * math.sqrt(30))
    assert expected < 4e-4
    assert np.mean(np.abs(values) < 0.1) == pytest.approx(expected, rel=0.3)


@QUICK
@given(
    name=st.sampled_from([name for name in INITIALISERS if name.startswith("orthogonal")]),
    rows=st.integers(1, 30),
    columns=st.integers(1, 30),
    seed=st.integers(0, 99),
)
def test_orthogonal_weights_are_orthonormal_along_their_short_side(name, rows, columns, seed):
    weights = draw(name, (rows, columns), seed)
    assert weights.shape == (rows, columns)
    product = weights @ weights.T if rows <= columns else weights.T @ weights
    np.testing.assert_allclose(product, np.eye(min(rows, columns)), atol=1e-12)
    assert np.mean(weights**2) == pytest.approx(1 / max(rows, columns))


def test_orthogonality_costs_bigamma_weights_their_gap_around_zero():
    # The decomposition mixes the columns: only the first one keeps its distribution, the last is nearly normal.
    weights = draw("orthogonal_bigamma", (300, 300)) * math.sqrt(300)
    assert np.mean(np.abs(weights[:, 0]) < 0.1) < 0.01
    assert np.mean(np.abs(weights) < 0.1) > 0.05
    assert np.mean(np.abs(weights[:, 200:]) < 0.1) == pytest.approx(2 * stats.norm.cdf(0.1) - 1, rel=0.1)


@QUICK
@given(name=st.sampled_from(INITIALISERS), seed=st.integers(0, 999))
def test_equal_seeds_draw_equal_weights_and_others_do_not(name, seed):
    np.testing.assert_array_equal(draw(name, (3, 4), seed), draw(name, (3, 4), seed))
    assert not np.array_equal(draw(name, (3, 4), seed), draw(name, (3, 4), seed + 1))


def test_the_paper_names_nine_initialisers_and_the_authors_show_eight():
    schemes, families = {"glorot", "he", "orthogonal"}, {"uniform", "normal", "bigamma"}
    assert {tuple(name.split("_")) for name in NINE} == {(scheme, family) for scheme in schemes for family in families}
    assert len(AUTHORS_EIGHT) == 8 and set(AUTHORS_EIGHT) <= set(INITIALISERS)
    assert "orthogonal_uniform" not in AUTHORS_EIGHT


def test_an_unknown_initialiser_is_one_line_with_the_nearest_name():
    with pytest.raises(SgpipeError, match=r"did you mean 'glorot_uniform'"):
        draw("glorot_unifrom")
