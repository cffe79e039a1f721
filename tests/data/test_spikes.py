"""Spikes from files of one's own: HDF5 in SHD's layout, and folders of .npz or Parquet; what names a run, what is refused."""

import gzip
import re
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sgpipe.base.errors import SgpipeError
from sgpipe.cli import main
from sgpipe.data import prepare, spike_folders
from sgpipe.data.files.sources import Sources
from sgpipe.data.samples import SPLITS
from sgpipe.data.shd_files import write_spikes
from sgpipe.data.spikes import bins_of
from sgpipe.engines.cpu.engine import CpuEngine, built
from sgpipe.engines.reference import ReferenceEngine
from sgpipe.figures.make import source_words
from sgpipe.figures.tasks import title
from sgpipe.plan import cost
from sgpipe.spec.run import RunSpec
from sgpipe.training.trainer import train_run
from tests.conftest import ROOT

UNITS, CLASSES, COUNTS = 12, 3, {"train": 40, "valid": 5, "test": 9}
KNOBS = {"data.task": "spikes", "data.units": UNITS, "data.classes": CLASSES, "data.dt": 1.0, "data.steps": 100}


def drawn(count, units=UNITS, classes=CLASSES):
    """Return (times in s, units, label) of some samples; one of them has no spike."""
    random, samples = np.random.default_rng(count), []
    for row in range(count):
        spikes = 0 if row == 1 else random.integers(1, 60)
        times = np.sort(random.random(spikes) * 0.1).astype(np.float16)
        samples.append((times, random.integers(0, units, spikes).astype(np.uint16), row % classes))
    return samples


def as_hdf5(root, split, samples):
    write_spikes(
        root / f"{split}.h5", [(row, sample[:2]) for row, sample in enumerate(samples)], [one[2] for one in samples]
    )


def as_npz(root, split, samples):
    (root / split).mkdir()
    for row, (times, units, label) in enumerate(samples):
        np.savez_compressed(root / split / f"{row:04d}.npz", times=times, units=units, label=label)


def as_parquet(root, split, samples, files=3):
    """Write a row for each spike; a sample without any has a row of its own."""
    (root / split).mkdir()
    table = pd.DataFrame(samples, columns=["time", "unit", "label"]).rename_axis("sample").reset_index()
    for number in range(files):
        part = table[number * len(table) // files : (number + 1) * len(table) // files]
        spikes = part.explode(["time", "unit"])
        columns = {
            name: pa.array(spikes[name], pa.from_numpy_dtype(kind), from_pandas=True)
            for name, kind in (("time", samples[0][0].dtype), ("unit", samples[0][1].dtype))
        }
        pq.write_table(
            pa.table({"sample": spikes["sample"], "label": spikes["label"], **columns}),
            root / split / f"{number}.parquet",
        )


WRITERS = {"hdf5": as_hdf5, "npz": as_npz, "parquet": as_parquet}


def written(folder, kind="hdf5", splits=SPLITS, name="mine"):
    root = folder / name
    root.mkdir(parents=True)
    for split in splits:
        WRITERS[kind](root, split, drawn(COUNTS[split]))
    return folder


def settled(folder, policy="auto", **changes):
    spec = RunSpec.make({**KNOBS, "data.set": "mine", **{f"data.{name}": value for name, value in changes.items()}})
    return Sources(folder, policy).settle(spec, False, "mine.yaml")


def task_of(folder, **changes):
    return prepare(settled(folder, **changes), folder)


def said(call, *arguments, **more):
    """Return the one line with which a call is refused."""
    with pytest.raises(SgpipeError) as refused:
        call(*arguments, **more)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def assert_equal(one, other):
    for name, values in vars(one).items():
        np.testing.assert_array_equal(values, getattr(other, name))


# --- what becomes of the spikes


@pytest.mark.parametrize("kind", WRITERS)
def test_every_spike_falls_into_the_bin_of_its_time(tmp_path, kind):
    task = task_of(written(tmp_path, kind))
    for split in SPLITS:
        expected = np.zeros((100, COUNTS[split], UNITS), np.float32)
        for row, (times, units, _) in enumerate(drawn(COUNTS[split])):
            np.add.at(expected, (np.floor(times.astype(float) * 1000).astype(int), row, units), 1)
        samples = getattr(task, split)
        np.testing.assert_array_equal(samples.dense(100, UNITS), expected)
        assert samples.labels.tolist() == [row % CLASSES for row in range(COUNTS[split])]


def test_a_file_of_the_spiking_heidelberg_digits_gives_the_same_as_task_and_as_ones_own(tmp_path):
    for name, stem in (("shd", "shd_"), ("mine", "")):
        (tmp_path / name).mkdir()
        for split in ("train", "test"):
            as_hdf5(tmp_path / name, f"{stem}{split}", drawn(COUNTS[split], units=700, classes=20))
    bins = {"hold": 2, "steps": 60, "binary": True, "valid_share": 0.1, "dt": 1.0}
    shd = prepare(
        RunSpec.make({"data.task": "shd", "data.source": "original", **{f"data.{k}": v for k, v in bins.items()}}),
        tmp_path,
    )
    own = task_of(tmp_path, units=700, classes=20, **bins)
    assert_equal(own.test, shd.test)
    assert len(own.valid) == len(shd.valid) == 4


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_the_edge_of_a_bin_belongs_to_the_bin_that_begins_there_whatever_rounding_does(kind):
    steps = np.arange(5000)
    np.testing.assert_array_equal(bins_of((steps / 1000).astype(kind), 1e3, 1.0), steps)
    np.testing.assert_array_equal(bins_of(((steps + 0.99) / 1000).astype(kind), 1e3, 1.0), steps)
    np.testing.assert_array_equal(bins_of(steps * 1000, 1e-3, 1.0), steps)  # whole microseconds
    np.testing.assert_array_equal(bins_of(steps * 1000 - 1, 1e-3, 1.0)[1:], steps[:-1])
    assert bins_of(np.array([0, 3e7]), 1e3, 5e-324).tolist() == [0, 10**15]  # far beyond, and not below 0


@pytest.mark.parametrize("unit", ["ms", "us"])
def test_times_may_be_whole_numbers_of_other_units(tmp_path, unit):
    (tmp_path / "mine").mkdir()
    for split in SPLITS:
        samples = [(np.array([0, 3, 99]) * (1000 if unit == "us" else 1), np.arange(3), 2)]
        WRITERS["npz" if split == "train" else "parquet"](tmp_path / "mine", split, samples)
    task = task_of(tmp_path, times=unit)
    assert task.train.step.tolist() == task.test.step.tolist() == [0, 3, 99]


def test_validation_is_a_file_of_its_own_or_held_out(tmp_path):
    written(tmp_path, "npz")
    own, held = task_of(tmp_path), task_of(tmp_path, valid_share=0.25)
    assert (len(own.train), len(own.valid), len(own.test)) == (40, 5, 9)
    assert (len(held.train), len(held.valid), len(held.test)) == (30, 10, 9)
    assert settled(tmp_path).data.files.startswith("54-")
    assert settled(tmp_path, valid_share=0.25).data.files.startswith("49-")  # the file for it is not looked at
    assert settled(tmp_path, seed=3).id == settled(tmp_path).id  # nothing is drawn
    assert settled(tmp_path, seed=3, valid_share=0.25).id != settled(tmp_path, valid_share=0.25).id
    few = task_of(tmp_path, limit=4)
    assert (len(few.train), len(few.valid), len(few.test)) == (4, 4, 4)


@pytest.mark.parametrize("packed", [False, True])
def test_the_spiking_speech_commands_are_there_by_name(tmp_path, packed, capsys):
    for split, count in (("train", 70), ("valid", 36), ("test", 35)):
        path = tmp_path / "ssc" / f"ssc_{split}.h5"
        path.parent.mkdir(exist_ok=True)
        spikes = [(row, sample[:2]) for row, sample in enumerate(drawn(count, 700, 35))]
        write_spikes(path, spikes, np.arange(count) % 35)
        with h5py.File(path, "a") as file:
            file["extra/keys"] = [f"word-{label}" for label in range(35)]
            file["extra/speaker"] = np.zeros(count, np.uint16)
        if packed:
            with gzip.open(f"{path}.gz", "wb") as target:
                target.write(path.read_bytes())
            path.unlink()
    spec = Sources(tmp_path).settle(RunSpec.make({"data.task": "spikes"}), False, "here")
    task = prepare(spec, tmp_path)
    assert (task.units, task.classes, task.steps) == (700, 35, 400)
    assert (len(task.train), len(task.valid), len(task.test)) == (70, 36, 35)
    assert set(task.test.labels) == set(range(35))
    assert spec.data.train_samples == 75_466 and cost.run_seconds(spec) > 0
    assert title(spec.flat()) == "ssc"
    (tmp_path / "config.yaml").write_text("")
    assert main(["data", "--config", str(tmp_path / "config.yaml"), "--set", f"data_dir={tmp_path}"]) == 0
    assert any(line.split()[:3] == ["spikes", "original", "3"] for line in capsys.readouterr().out.splitlines())


def test_figures_call_it_by_the_name_of_its_set():
    runs = pd.DataFrame(
        {"data.task": ["spikes"], "data.source": "original", "data.files": "3-00ff", "data.set": "mine"}
    )
    assert source_words(runs) == ["mine: original files"]


@pytest.mark.parametrize("engine", ["reference", "cpu"])
def test_it_trains_in_every_engine(tmp_path, engine):
    if engine == "cpu" and not built():
        pytest.skip("the C++ engine is not built")
    spec = settled(written(tmp_path, "parquet"))
    known = {name: value for name, value in spec.flat().items() if value is not None}
    spec = RunSpec.make({**known, "network.hidden": [8], "training.epochs": 1, "training.batch_size": 8})
    result = train_run(spec, prepare(spec, tmp_path), CpuEngine() if engine == "cpu" else ReferenceEngine())
    assert result.status == "finished"


# --- what names a run


def test_a_run_is_named_by_the_contents_of_its_files_not_by_where_they_are(tmp_path):
    one, other = (settled(written(tmp_path / name, "npz")) for name in ("here", "there/below"))
    assert one.id == other.id and one.data_id == other.data_id and str(tmp_path) not in one.canonical()
    times, units, label = drawn(1)[0]
    np.savez(tmp_path / "here/mine/test/0000.npz", times=times, units=units, label=(label + 1) % CLASSES)
    changed = settled(tmp_path / "here")
    assert changed.id != one.id and changed.data_id != one.data_id
    assert "the files of spikes have changed" in said(Sources(tmp_path / "here").check, one.data)


@pytest.mark.parametrize("policy", ["auto", "embedded", "original", "download"])
def test_without_its_files_there_is_one_line_whatever_the_policy(tmp_path, policy):
    line = said(settled, tmp_path, policy)
    assert f"{tmp_path}/mine lacks train.h5 or a folder train, valid.h5 or a folder valid, test.h5" in line
    assert "files of your own have no stand-in" in line and "data.valid_share" in line
    written(tmp_path, splits=("train", "test"))
    line = said(settled, tmp_path, policy)
    assert "lacks valid.h5 or a folder valid; set data.valid_share to hold out" in line
    assert settled(tmp_path, policy, valid_share=0.1).data.source == "original"


@pytest.mark.parametrize("name", ["../x", "/abs", "a/../b", ".hidden", "a//b", "", "a b", "x" * 200])
def test_a_set_is_a_folder_below_the_data_folder(name):
    assert "is not the name of a folder in data_dir" in said(RunSpec.make, {**KNOBS, "data.set": name}, "mine.yaml")


def test_a_set_may_lie_deeper(tmp_path):
    written(tmp_path / "lab", name="monday")
    assert len(task_of(tmp_path, set="lab/monday").train) == 40


# --- what is refused


def test_two_files_for_one_split_are_told_apart_by_the_user(tmp_path):
    written(tmp_path, "hdf5")
    as_npz(tmp_path / "mine", "test", drawn(2))
    assert "test: and test.h5 are both for test; rename the one" in said(settled, tmp_path)


FAULTS = {
    "a unit too many": ([0.01], [UNITS], 0, "has a unit 12 after sample 0, expected 0 to 11"),
    "a label too many": ([0.01], [0], CLASSES, "has a label 3 after sample 0, expected 0 to 2"),
    "a time before the start": ([-0.01], [0], 0, "has a time -0.01"),
    "no number": ([np.nan], [0], 0, "has a time nan"),
    "hours": ([1e5], [0], 0, "has a time 100000"),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("kind", WRITERS)
def test_what_is_out_of_range_is_refused_with_the_file_and_what_to_set(tmp_path, kind, fault):
    if kind == "hdf5" and fault == "hours":
        pytest.skip("half precision, in which it is written here, has no such time")
    times, units, label, words = FAULTS[fault]
    written(tmp_path, kind, ("train", "valid"))
    WRITERS[kind](tmp_path / "mine", "test", [(np.array(times), np.array(units), label)])
    line = said(task_of, tmp_path)
    if (kind, fault) == ("parquet", "no number"):
        words = "has a time without unit"  # it is written as no value
    assert words in line.replace("-0.01000", "-0.01")
    assert f"{tmp_path}/mine/test" in line and "set data.units, data.classes and data.times" in line


def test_times_in_milliseconds_are_not_taken_for_seconds(tmp_path, capsys):
    (tmp_path / "mine").mkdir()
    for split in SPLITS:
        as_npz(tmp_path / "mine", split, [(np.array([7.0, 90.0]), np.array([0, 1]), 0)])
    assert "has no spike within the first 100 ms" in said(task_of, tmp_path)
    assert task_of(tmp_path, times="ms").train.step.tolist() == [7, 90]


def test_spikes_and_samples_that_are_not_shown_are_counted(tmp_path, caplog):
    written(tmp_path, "npz")
    task_of(tmp_path, steps=20)
    lines = [line for line in caplog.messages if "mine/test" in line]
    assert "spikes are left out, since not within the first 20 ms" in lines[0]
    assert "samples without a spike within the first 20 ms" in lines[1] and lines[1].endswith(" of 9")


def test_a_folder_has_files_of_one_kind(tmp_path):
    written(tmp_path, "npz", ("train", "valid"))
    (tmp_path / "mine/test").mkdir()
    assert "test: has neither .npz nor .parquet files" in said(task_of, tmp_path)
    (tmp_path / "mine/test/a.npz").write_bytes(b"")
    (tmp_path / "mine/test/b.parquet").write_bytes(b"")
    assert "test: has both .npz and .parquet files" in said(task_of, tmp_path)


@pytest.mark.parametrize("rows", [1, 2, 5, 1000])
def test_parquet_may_be_read_in_pieces_of_any_size(tmp_path, monkeypatch, rows):
    written(tmp_path, "parquet")
    whole = task_of(tmp_path)
    monkeypatch.setattr(spike_folders, "ROWS", rows)
    pieces = task_of(tmp_path)
    for split in SPLITS:
        assert_equal(getattr(pieces, split), getattr(whole, split))


TABLES = {
    "has rows of sample 0 in two places; sort it by sample": {"sample": [0, 4, 0]},
    "has a sample with two labels": {"label": [0, 1, 1], "sample": [3, 3, 4]},
    "has a time without unit, or a unit without time": {"time": [0.0, None, 0.0]},
    "has a row without sample or label": {"label": [0, None, 0]},
}


@pytest.mark.parametrize("words", TABLES)
def test_a_table_of_spikes_that_contradicts_itself_is_refused(tmp_path, words, monkeypatch):
    written(tmp_path, "parquet", ("train", "valid"))
    table = {"sample": [3, 4, 5], "label": [0, 1, 2], "time": [0.0, 0.01, 0.02], "unit": [0, 1, 2]}
    (tmp_path / "mine/test").mkdir()
    pq.write_table(pa.table({**table, **TABLES[words]}), tmp_path / "mine/test/a.parquet")
    monkeypatch.setattr(spike_folders, "ROWS", 2)
    assert words in said(task_of, tmp_path)


def test_the_files_of_the_example_are_as_its_page_says(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source = (ROOT / "examples" / "own_spikes.py").read_text()
    exec(compile(source, "own_spikes.py", "exec"), {"__name__": "__main__"})
    task = task_of(tmp_path / "data", set="own", units=30, classes=4, dt=1.0, valid_share=0.2)
    assert (len(task.train), len(task.valid), len(task.test)) == (160, 40, 80)


def test_what_the_page_says_of_writing_them_is_true(tmp_path, monkeypatch):
    section = (ROOT / "docs" / "data.md").read_text().partition("### Writing them")[2]
    blocks = re.findall("```python\n(.*?)```", section, re.DOTALL)
    assert len(blocks) == len(WRITERS)
    for number, block in enumerate(blocks):
        (tmp_path / f"{number}/data/mine").mkdir(parents=True)
        monkeypatch.chdir(tmp_path / str(number))
        exec(block, {})
        task = task_of(Path("data"))
        assert (task.test.step.tolist(), task.test.unit.tolist(), task.test.labels.tolist()) == (
            [1, 20],
            [3, 0],
            [1, 0],
        )
