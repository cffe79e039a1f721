"""Randman against the closed formula of section 4.1.1, written out again here with plain loops."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sgpipe.base.rng import stream
from sgpipe.data import prepare, statistics
from sgpipe.data.randman import coefficients, embed, manifold, points, spectrum
from sgpipe.data.samples import SPLITS
from sgpipe.spec.run import RunSpec
from sgpipe.spec.tasks import RandmanData

QUICK = settings(max_examples=15, deadline=None, derandomize=True)
VARIANTS = ("printed", "authors_torch", "authors_numpy")


def closed_formula(data, label, x):
    """Return f(x) (samples, units) by the printed formula or one of the two in the authors' code.

    The random numbers are drawn here too: A, B, C for every unit, axis and frequency, in this order.
    """
    if data.variant == "printed":
        terms = [(k, k**-data.alpha) for k in range(1, 1001)]
    else:
        # The authors' code stops at the frequency whose weight falls below 1e-3, and counts from 0.
        cutoff = min(math.ceil(1e-3 ** (-1 / data.alpha)), 1000)
        shift = 1 if data.variant == "authors_torch" else 0
        terms = [(k, 1 / ((k + 1) ** data.alpha + shift)) for k in range(cutoff)]
    shape = (3, data.units, data.dim, len(terms))
    a, b, c = stream(data.seed, f"data/randman/manifold/{label}").random(shape)
    values = np.empty((len(x), data.units))
    for sample in range(len(x)):
        for i in range(data.units):
            product = 1.0
            for j in range(data.dim):
                total = 0.0
                for n, (k, weight) in enumerate(terms):
                    if k == 0:
                        continue  # the authors set A_0 = 0
                    angle = 2 * math.pi * (k * x[sample, j] * b[i, j, n] + c[i, j, n])
                    total += weight * a[i, j, n] * math.sin(angle)
                product *= total
            values[sample, i] = product
    return values


def tiny(**changes):
    return RandmanData(**{"classes": 2, "units": 3, "samples_per_class": 10, "steps": 40, "tau": 25.0, **changes})


def spec_of(data):
    return RunSpec.make({f"data.{name}": value for name, value in vars(data).items()})


def rows_of(events):
    """Return (label, spike step of each unit) of every sample; each unit must fire once."""
    found = []
    for sample, label in enumerate(events.labels):
        part = slice(events.ptr[sample], events.ptr[sample + 1])
        assert sorted(events.unit[part]) == list(range(part.stop - part.start))
        found.append((int(label), tuple(events.step[part][np.argsort(events.unit[part])].tolist())))
    return found


def all_rows(task):
    return [row for split in SPLITS for row in rows_of(getattr(task, split))]


@settings(QUICK, max_examples=12)
@given(
    variant=st.sampled_from(VARIANTS),
    dim=st.integers(1, 3),
    alpha=st.floats(0.3, 4.0),
    seed=st.integers(0, 2**40),
    label=st.integers(0, 99),
)
def test_the_manifold_is_the_closed_formula(variant, dim, alpha, seed, label):
    data = tiny(variant=variant, dim=dim, alpha=alpha, seed=seed, units=2)
    x = np.linspace(0, 1, 3 * dim, endpoint=False).reshape(3, dim)
    expected = closed_formula(data, label, x)
    np.testing.assert_allclose(manifold(data, coefficients(data, label), x), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("dim", [1, 2])
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_spike_is_the_rescaled_formula_floored_to_its_step(variant, dim):
    data = tiny(variant=variant, dim=dim, alpha=1.7, seed=5, tau=25.0, dt=2.0)
    expected = []
    for label in range(data.classes):
        x = stream(data.seed, f"data/randman/points/{label}").random((data.samples_per_class, dim))
        y = closed_formula(data, label, x)
        for unit in range(data.units):
            column = y[:, unit]
            y[:, unit] = (column - column.min()) / (column.max() - column.min())
        for row in y:
            # 25 ms are twelve and a half steps of 2 ms; only y = 1 itself would fall on tau.
            expected.append((label, tuple(min(math.floor(25.0 * value / 2.0), 12) for value in row)))
    assert Counter(all_rows(prepare(spec_of(data)))) == Counter(expected)


@QUICK
@given(variant=st.sampled_from(VARIANTS), dim=st.integers(1, 3), alpha=st.floats(0.5, 4.0), seed=st.integers(0, 10**9))
def test_each_unit_of_each_class_fills_the_unit_interval(variant, dim, alpha, seed):
    data = tiny(variant=variant, dim=dim, alpha=alpha, seed=seed)
    for label in range(data.classes):
        x, y = embed(data, label)
        assert x.shape == (10, dim) and x.min() >= 0 and x.max() < 1
        np.testing.assert_array_equal(y.min(axis=0), 0)
        np.testing.assert_array_equal(y.max(axis=0), 1)


@QUICK
@given(tenths=st.integers(1, 40), bins=st.integers(1, 60), seed=st.integers(0, 1000), spare=st.integers(0, 3))
def test_every_unit_fires_once_before_tau(tenths, bins, seed, spare):
    # tau = bins * dt as a person writes it; tau / dt in floats may lie on either side of the whole number.
    dt, tau = tenths / 10, tenths * bins / 10
    task = prepare(spec_of(tiny(variant="authors_torch", alpha=3.0, seed=seed, dt=dt, tau=tau, steps=bins + spare)))
    rows = all_rows(task)
    assert len(rows) == 20 and all(len(steps) == 3 for _, steps in rows)
    assert max(step for _, steps in rows for step in steps) == bins - 1
    assert min(step for _, steps in rows for step in steps) == 0


def test_an_interval_shorter_than_a_step_puts_every_spike_into_the_first():
    rows = all_rows(prepare(spec_of(tiny(tau=1e-12))))
    assert {steps for _, steps in rows} == {(0, 0, 0)}


@pytest.fixture(scope="module")
def full():
    """Return, for each variant, data with the paper's 1000 samples a class and their task; few units keep it fast."""
    made = {}
    for variant in VARIANTS:
        data = RandmanData(variant=variant, classes=3, units=4, alpha=2.0, seed=1)
        made[variant] = data, prepare(spec_of(data))
    return made


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_splits_are_disjoint_and_complete(full, variant):
    data, task = full[variant]
    assert [len(getattr(task, split)) for split in SPLITS] == [2400, 300, 300]
    expected = []
    for label in range(3):
        steps = np.minimum(np.floor(50.0 * embed(data, label)[1]), 49).astype(int)
        expected += [(label, tuple(row.tolist())) for row in steps]
    assert Counter(all_rows(task)) == Counter(expected)  # as many of each as there are samples


def test_the_printed_split_is_800_100_100_of_each_class(full):
    task = full["printed"][1]
    for split, size in zip(SPLITS, (800, 100, 100), strict=True):
        assert Counter(getattr(task, split).labels.tolist()) == {0: size, 1: size, 2: size}


@pytest.mark.parametrize("variant", ["authors_torch", "authors_numpy"])
def test_the_authors_split_is_shuffled_over_all_classes(full, variant):
    labels = full[variant][1].train.labels
    counts = Counter(labels.tolist())
    assert sum(counts.values()) == 2400 and len(set(counts.values())) > 1  # 800 of each only by a rare chance
    changes = np.count_nonzero(np.diff(labels))
    assert changes > 1400  # 1600 expected; 2 if the classes came one after the other


def test_events_are_sorted_by_step_within_a_sample(full):
    events = full["printed"][1].train
    sample = np.repeat(np.arange(len(events)), np.diff(events.ptr))
    assert np.all(np.diff(sample * 100 + events.step) >= 0)


@pytest.mark.parametrize(
    ("alpha", "printed", "authors"), [(0.5, 1000, 1000), (1.0, 1000, 1000), (2.0, 1000, 32), (3.0, 1000, 10)]
)
def test_the_authors_stop_at_fewer_frequencies_than_the_paper(alpha, printed, authors):
    assert len(spectrum("printed", alpha).frequency) == printed
    assert len(spectrum("authors_torch", alpha).frequency) == authors
    assert len(spectrum("authors_numpy", alpha).frequency) == authors


def test_the_spectra_are_those_of_the_paper_and_of_the_two_programs():
    for variant, frequencies, weights in (
        ("printed", [1, 2, 3], [1, 1 / 4, 1 / 9]),
        ("authors_torch", [0, 1, 2], [1 / 2, 1 / 5, 1 / 10]),
        ("authors_numpy", [0, 1, 2], [1, 1 / 4, 1 / 9]),
    ):
        modes = spectrum(variant, 2.0)
        np.testing.assert_array_equal(modes.frequency[:3], frequencies)
        # A power, which vector libraries have to four last digits.
        np.testing.assert_allclose(modes.weight[:3], weights, rtol=8 * np.finfo(float).eps)


def test_the_authors_variants_have_no_constant_component():
    for variant in ("authors_torch", "authors_numpy"):
        amplitude = coefficients(tiny(variant=variant), 0)[0]
        assert np.all(amplitude[..., 0] == 0) and np.all(amplitude[..., 1:] > 0)
    assert np.all(coefficients(tiny(variant="printed"), 0)[0] > 0)


@QUICK
@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 20), st.integers(0, 20))
def test_manifolds_and_points_differ_between_seeds_and_between_classes(seed, other_seed, label, other_label):
    if (seed, label) == (other_seed, other_label):
        return
    one, other = tiny(seed=seed), tiny(seed=other_seed)
    assert np.all(coefficients(one, label) != coefficients(other, other_label))
    assert np.all(points(one, label) != points(other, other_label))


@pytest.mark.parametrize("variant", VARIANTS)
def test_more_classes_leave_the_manifolds_alone(variant):
    few, many = tiny(variant=variant, classes=2, alpha=2.0), tiny(variant=variant, classes=5, alpha=2.0)
    for label in range(2):
        for one, other in zip(embed(few, label), embed(many, label), strict=True):
            np.testing.assert_array_equal(one, other)
    rows = Counter(all_rows(prepare(spec_of(many))))
    assert Counter(all_rows(prepare(spec_of(few)))) <= rows


def test_a_larger_alpha_gives_smoother_curves():
    # The coefficients are the same for every alpha, so each unit's curve is compared with itself.
    x = np.linspace(0, 1, 500)[:, None]
    roughness = []
    for alpha in (0.5, 1.0, 2.0, 3.0):
        data = tiny(units=6, alpha=alpha)
        curves = manifold(data, coefficients(data, 0), x)
        bends = np.abs(np.diff(curves, 2, axis=0)).mean(axis=0)
        roughness.append(bends / curves.std(axis=0))
    assert np.all(np.diff(roughness, axis=0) < 0)


def test_intrinsic_coordinates_are_uniform_in_the_cube():
    x = points(RandmanData(dim=3, samples_per_class=4000), 0)
    np.testing.assert_allclose(x.mean(axis=0), 1 / 2, atol=0.02)
    np.testing.assert_allclose(np.cov(x.T), np.eye(3) / 12, atol=0.005)


def test_statistics_are_those_of_the_training_raster(full):
    task = full["printed"][1]
    raster = task.train.dense(task.steps, task.units).astype(float)
    found = statistics(task)
    assert found["samples"] == 2400
    np.testing.assert_allclose([found["mean"], found["variance"]], [raster.mean(), raster.var()], rtol=1e-12)


@QUICK
@given(st.lists(st.integers(0, 19), min_size=1, max_size=8))
def test_taking_samples_keeps_their_spikes(indices):
    events = prepare(spec_of(tiny(samples_per_class=20, variant="authors_torch", alpha=3.0))).train
    whole = events.dense(40, 3)
    part = events.take(np.array(indices))
    np.testing.assert_array_equal(part.dense(40, 3), whole[:, indices])
    np.testing.assert_array_equal(part.labels, events.labels[indices])
