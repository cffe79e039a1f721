"""Prepared data: events, frames and words keep what they are given, on disk and in memory."""

import importlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sgpipe.base.errors import SgpipeError
from sgpipe.data import Analog, Events, Task, Words, load_task, save_task, statistics

QUICK = settings(max_examples=40, deadline=None, derandomize=True)
STEPS, UNITS, CLASSES = 7, 5, 3


@st.composite
def spikes(draw, samples=4):
    """Return sample, step, unit of some spikes in any order, several at one place included, and labels."""
    rows = draw(st.lists(st.tuples(st.integers(0, samples - 1), st.integers(0, STEPS - 1), st.integers(0, UNITS - 1))))
    columns = np.array(rows, dtype=np.int64).reshape(-1, 3).T
    return *columns, np.array(draw(st.lists(st.integers(0, CLASSES - 1), min_size=samples, max_size=samples)))


def raster(sample, step, unit, samples=4):
    dense = np.zeros((STEPS, samples, UNITS), dtype=np.float32)
    for s, t, u in zip(sample, step, unit, strict=True):
        dense[t, s, u] += 1
    return dense


@QUICK
@given(spikes())
def test_events_hold_every_spike_in_order_of_sample_step_and_unit(given_spikes):
    sample, step, unit, labels = given_spikes
    events = Events.from_spikes(*given_spikes)
    assert events.sound(STEPS, UNITS, CLASSES)
    np.testing.assert_array_equal(events.dense(STEPS, UNITS), raster(sample, step, unit))
    order = np.lexsort((unit, step, sample))
    np.testing.assert_array_equal(events.step, step[order])
    np.testing.assert_array_equal(events.unit, unit[order])
    assert (events.ptr.dtype, events.step.dtype, events.unit.dtype) == (np.int64, np.int32, np.int32)
    np.testing.assert_array_equal(events.labels, labels)


@QUICK
@given(spikes(), st.lists(st.integers(0, 3), max_size=6))
def test_taking_samples_takes_their_spikes_and_labels(given_spikes, chosen):
    events = Events.from_spikes(*given_spikes)
    indices = np.array(chosen, dtype=np.int64)
    part = events.take(indices)
    np.testing.assert_array_equal(part.dense(STEPS, UNITS), events.dense(STEPS, UNITS)[:, indices])
    np.testing.assert_array_equal(part.labels, events.labels[indices])


def analog(hold=3, samples=4):
    frames = np.random.default_rng(0).normal(size=(samples, 2, UNITS)).astype(np.float32)
    return Analog(frames, np.arange(samples) % CLASSES, hold)


def test_a_frame_is_held_for_its_number_of_steps():
    samples = analog()
    dense = samples.dense(6, UNITS)
    assert dense.dtype == np.float32
    for step in range(6):
        np.testing.assert_array_equal(dense[step], samples.frames[:, step // 3])
    np.testing.assert_array_equal(samples.take(np.array([2, 0])).dense(6, UNITS), dense[:, [2, 0]])


def test_frames_that_do_not_fill_the_trial_are_refused():
    with pytest.raises(SgpipeError, match="6 steps of 5, expected 7 of 5"):
        analog().dense(7, UNITS)


@QUICK
@given(st.integers(2, 200), st.integers(1, 7), st.integers(1, 9))
def test_a_strand_of_words_goes_on_from_batch_to_batch(length, rows, steps):
    ids = np.arange(length, dtype=np.int32)
    batches = list(Words(ids).batches(rows, steps))
    strand = (length - 1) // rows
    if not strand:
        assert not batches
        return
    inputs = np.concatenate([batch[0] for batch in batches])
    targets = np.concatenate([batch[1] for batch in batches])
    # Row r reads words r * strand, r * strand + 1, ... without a gap, and every target is the next word.
    np.testing.assert_array_equal(inputs, np.arange(rows) * strand + np.arange(strand)[:, None])
    np.testing.assert_array_equal(targets, inputs + 1)
    assert all(batch[0].shape == (steps, rows) for batch in batches[:-1])
    assert length - 1 - rows * strand < rows


def task_of(kind):
    rng = np.random.default_rng(1)
    if kind == "words":
        return Task(20, 20, 5, *(Words(rng.integers(0, 20, n).astype(np.int32)) for n in (60, 30, 20)))
    if kind == "analog":
        return Task(UNITS, CLASSES, 6, *(analog(samples=n) for n in (4, 3, 2)))

    def part(n):
        columns = rng.integers(0, (n, STEPS, UNITS), (40, 3)).T
        return Events.from_spikes(*columns, rng.integers(0, CLASSES, n))

    return Task(UNITS, CLASSES, STEPS, part(4), part(3), part(2))


@pytest.mark.parametrize("kind", ["events", "analog", "words"])
def test_a_task_comes_back_from_its_file_as_views_of_the_mapped_file(kind, tmp_path):
    task, path = task_of(kind), tmp_path / "task.arrow"
    save_task(task, path)
    back = load_task(path)
    assert (back.units, back.classes, back.steps) == (task.units, task.classes, task.steps)
    for split in ("train", "valid", "test"):
        old, new = getattr(task, split), getattr(back, split)
        assert type(new) is type(old)
        for name, array in vars(old).items():
            other = getattr(new, name)
            np.testing.assert_array_equal(other, array)
            if isinstance(array, np.ndarray):
                assert other.dtype == array.dtype
                assert not other.flags.owndata and not other.flags.writeable
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs /proc")
@pytest.mark.parametrize("kind", ["events", "analog", "words"])
def test_the_arrays_lie_in_the_file_that_jobs_share(kind, tmp_path):
    path = tmp_path / "task.arrow"
    save_task(task_of(kind), path)
    task = load_task(path)
    spans = [
        line.split()[0].split("-") for line in Path("/proc/self/maps").read_text().splitlines() if str(path) in line
    ]
    for split in ("train", "valid", "test"):
        for array in vars(getattr(task, split)).values():
            if isinstance(array, np.ndarray):
                address = array.__array_interface__["data"][0]
                assert any(int(low, 16) <= address < int(high, 16) for low, high in spans)


@pytest.mark.parametrize(
    "damage", [lambda raw: raw[:-100], lambda raw: raw[:50], lambda raw: b"", lambda raw: b"x" * 999]
)
def test_a_damaged_file_is_one_line_that_names_it(damage, tmp_path):
    path = tmp_path / "task.arrow"
    save_task(task_of("events"), path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(SgpipeError) as caught:
        load_task(path)
    assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "bad",
    [
        Task(UNITS, CLASSES, STEPS, *[Events.from_spikes(*np.array([[0], [STEPS], [0]]), np.array([0]))] * 3),
        Task(UNITS, CLASSES, STEPS, *[Events.from_spikes(*np.array([[0], [0], [UNITS]]), np.array([0]))] * 3),
        Task(UNITS, CLASSES, STEPS, *[Events.from_spikes(*np.array([[0], [0], [0]]), np.array([CLASSES]))] * 3),
        Task(UNITS, CLASSES, 6, *[Analog(np.full((1, 2, UNITS), np.nan, np.float32), np.array([0]), 3)] * 3),
        Task(UNITS, CLASSES, 5, *[analog()] * 3),
        Task(20, 20, 5, *[Words(np.array([1, 20], dtype=np.int32))] * 3),
        Task(20, 20, 5, *[Words(np.array([-1, 2], dtype=np.int32))] * 3),
    ],
)
def test_what_is_out_of_shape_or_range_is_refused(bad, tmp_path):
    save_task(bad, tmp_path / "task.arrow")
    with pytest.raises(SgpipeError, match="train split is out of shape or range"):
        load_task(tmp_path / "task.arrow")


@pytest.mark.parametrize("kind", ["events", "analog"])
def test_statistics_are_those_of_each_splits_input(kind, monkeypatch):
    monkeypatch.setattr(
        importlib.import_module("sgpipe.data.prepare"), "ROWS", 3
    )  # so that a split takes several turns
    task = task_of(kind)
    found = statistics(task)
    for split in ("train", "valid", "test"):
        dense = getattr(task, split).dense(task.steps, task.units).astype(float)
        ours = found["splits"][split]
        np.testing.assert_allclose([ours["mean"], ours["variance"]], [dense.mean(), dense.var()], rtol=1e-6)
        assert (ours["low"], ours["high"], ours["samples"]) == (dense.min(), dense.max(), dense.shape[1])
    # What the theory of initialisations reads knows the train split alone.
    assert {name: found[name] for name in ("mean", "variance", "low", "high", "samples")} == found["splits"]["train"]


def test_a_word_is_one_of_as_many_inputs_as_there_are_words():
    found = statistics(task_of("words"))
    one_hot = np.eye(20)[task_of("words").train.ids]
    np.testing.assert_allclose([found["mean"], found["variance"]], [one_hot.mean(), one_hot.var()])
