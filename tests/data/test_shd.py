"""Spiking Heidelberg digits: files of the published layout in, binned events out; and spikes made where there are none."""

import gzip
import shutil
from dataclasses import replace
from functools import partial

import h5py
import numpy as np
import pytest

from sgpipe.base.errors import SgpipeError
from sgpipe.data import load_task, prepare, save_task, shd
from sgpipe.data.files.sources import Sources
from sgpipe.data.samples import SPLITS
from sgpipe.data.shd_files import SHD, open_spikes, write_spikes
from sgpipe.engines.cpu.engine import CpuEngine, built
from sgpipe.figures.zenke2021.fig7 import NAMES
from sgpipe.spec.run import RunSpec
from sgpipe.training.trainer import train_run

SAMPLES = {"train": 40, "test": 12}


def spikes_of(split):
    """Return times (s, float16) and units of each sample, and the labels: like the published, only fewer."""
    draws = np.random.default_rng(SAMPLES[split])
    spikes = []
    for _ in range(SAMPLES[split]):
        count = draws.integers(0, 300)
        spikes.append((np.sort(draws.random(count) * 1.2).astype(np.float16), draws.integers(0, 700, count)))
    return spikes, np.arange(SAMPLES[split]) % 20


def write_as_published(path, split):
    spikes, labels = spikes_of(split)
    with h5py.File(path, "w") as file:
        for place, (name, kind) in enumerate((("times", "float16"), ("units", "uint16"))):
            lists = file.create_dataset(f"spikes/{name}", (len(spikes),), h5py.vlen_dtype(np.dtype(kind)))
            for row, sample in enumerate(spikes):
                lists[row] = sample[place]
        file["labels"] = labels.astype(np.uint16)
        file["extra/speaker"] = (labels % 12).astype(np.uint16)
        file["extra/keys"] = [f"lang-{label}" for label in labels]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "shd").mkdir()
    for split in SAMPLES:
        write_as_published(tmp_path / "shd" / f"shd_{split}.h5", split)
    return tmp_path


def knobs(**changes):
    return RunSpec.make({"data.task": "shd", "data.source": "original", **{f"data.{k}": v for k, v in changes.items()}})


def task_of(folder, **changes):
    return prepare(knobs(**changes), folder)


def events_of(samples):
    """Return each sample's label and its (step, unit) with how often they occur, in no order."""
    found = []
    for row, label in enumerate(samples.labels):
        part = slice(samples.ptr[row], samples.ptr[row + 1])
        pairs = list(zip(samples.step[part].tolist(), samples.unit[part].tolist(), strict=True))
        found.append((int(label), tuple(sorted(pairs))))
    return found


def authors_picture(times, units, bins, width):
    """Return herranz2022's binary picture of a sample, (bins, 700), by the loop of the code that it follows."""
    picture, left = np.zeros((bins, 700)), np.ones(len(times), dtype=bool)
    for row in range(bins):
        now = left & (times <= np.float16(row * width))
        for unit in units[now]:
            if unit > 0:
                picture[row, 700 - unit] = 1
        left &= ~now
    return picture


# --- from spikes to events


def test_spikes_fall_into_the_bins_of_their_times(folder):
    task = task_of(folder, dt=2.0, steps=400)
    expected = []
    for (times, units), label in zip(*spikes_of("test"), strict=True):
        pairs = [(int(float(t) * 1000 // 2), int(u)) for t, u in zip(times, units, strict=True)]
        expected.append((int(label), tuple(sorted(pair for pair in pairs if pair[0] < 400))))
    assert events_of(task.test) == expected
    assert (task.units, task.classes, task.steps) == (700, 20, 400)
    assert task.test.step.dtype == np.int32 and np.all(np.diff(task.test.step[: task.test.ptr[1]]) >= 0)


def test_the_herranz_variant_is_the_picture_that_their_code_makes(folder):
    values = {"variant": "herranz2022", "dt": 2.0, "hold": 2, "steps": 500, "binary": True, "valid_share": 0.05}
    task = task_of(folder, **values)
    raster = task.test.dense(500, 700)
    for row, (times, units) in enumerate(spikes_of("test")[0]):
        picture = authors_picture(times, units, 250, 0.004)
        np.testing.assert_array_equal(raster[::2, row], picture)
        np.testing.assert_array_equal(raster[1::2, row], picture)


def test_the_herranz_variant_validates_on_the_end_of_the_file_and_tests_on_the_first(folder, monkeypatch):
    monkeypatch.setattr(shd, "HERRANZ_TEST", 7)
    task = task_of(folder, variant="herranz2022", valid_share=0.05)
    whole = task_of(folder, variant="herranz2022", valid_share=0.5)
    assert (len(task.train), len(task.valid), len(task.test)) == (37, 2, 7)
    everything = events_of(whole.train) + events_of(whole.valid)  # 39 of 40: the last one is left out
    assert events_of(task.train) == everything[:37] and events_of(task.valid) == everything[37:]
    assert [label for label, _ in everything] == (np.arange(39) % 20).tolist()


def test_validation_samples_are_drawn_by_the_seed(folder):
    tasks = [task_of(folder, seed=seed, valid_share=0.25) for seed in (0, 0, 1)]
    assert (len(tasks[0].train), len(tasks[0].valid)) == (30, 10)
    assert events_of(tasks[0].valid) == events_of(tasks[1].valid) != events_of(tasks[2].valid)
    unions = [sorted(events_of(task.train) + events_of(task.valid)) for task in tasks]
    assert unions[0] == unions[2]
    assert events_of(tasks[0].test) == events_of(tasks[2].test)


def test_a_limit_keeps_so_many_samples_of_each_split(folder):
    task, whole = task_of(folder, limit=5), task_of(folder)
    for split in SPLITS:
        kept, all_of_them = events_of(getattr(task, split)), events_of(getattr(whole, split))
        assert len(kept) == min(5, len(all_of_them)) and set(kept) <= set(all_of_them)


def test_binary_input_counts_spikes_of_a_bin_once(folder):
    counted, once = (task_of(folder, dt=50.0, steps=20, binary=binary).train for binary in (False, True))
    assert counted.dense(20, 700).max() > 1
    np.testing.assert_array_equal(once.dense(20, 700), counted.dense(20, 700) > 0)


def test_a_held_bin_is_shown_again_in_each_of_its_steps(folder):
    held, plain = task_of(folder, dt=1.0, hold=4, steps=200).test, task_of(folder, dt=4.0, steps=50).test
    np.testing.assert_array_equal(held.dense(200, 700), np.repeat(plain.dense(50, 700), 4, axis=0))


def test_gzipped_files_and_small_chunks_give_the_same_events(folder, monkeypatch):
    plain = task_of(folder)
    for path in (folder / "shd").glob("*.h5"):
        with open(path, "rb") as source, gzip.open(f"{path}.gz", "wb") as packed:
            shutil.copyfileobj(source, packed)
        path.unlink()
    monkeypatch.setattr(shd, "open_spikes", partial(open_spikes, allowed=replace(SHD, at_once=7)))
    packed = task_of(folder)
    for split in SPLITS:
        assert events_of(getattr(packed, split)) == events_of(getattr(plain, split))
    (found,) = shd.find(folder, knobs().data)
    assert found.source == "original" and not found.missing and len(found.members()) == 2


def test_prepared_events_come_back_from_their_file(folder, tmp_path):
    task = task_of(folder)
    save_task(task, tmp_path / "task.arrow")
    for split in SPLITS:
        assert events_of(getattr(load_task(tmp_path / "task.arrow"), split)) == events_of(getattr(task, split))


# --- bad files


def damage_group(path):
    with h5py.File(path, "r+") as file:
        del file["spikes/units"]


def damage_unit(path):
    with h5py.File(path, "r+") as file:
        file["spikes/units"][2] = np.append(file["spikes/units"][2][:-1], 700).astype(np.uint16)


def damage_time(path):
    with h5py.File(path, "r+") as file:
        file["spikes/times"][2] = np.append(file["spikes/times"][2][:-1], np.nan).astype(np.float16)


def damage_label(path):
    with h5py.File(path, "r+") as file:
        file["labels"][3] = 20


def damage_lengths(path):
    with h5py.File(path, "r+") as file:
        file["spikes/times"][2] = file["spikes/times"][2][:-1]


def damage_count(path):
    with h5py.File(path, "r+") as file:
        del file["labels"]
        file["labels"] = np.zeros(3, np.uint16)


def cut_short(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def write_text(path):
    path.write_text("<html>404</html>")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (damage_group, "has no spikes/units"),
        (damage_unit, "a unit 700 after sample 0, expected 0 to 699"),
        (damage_time, "a time nan"),
        (damage_label, "a label 20"),
        (damage_lengths, "more times than units, or fewer"),
        (damage_count, "has 3 labels, but 40 of spikes/times"),
        (cut_short, "not a whole HDF5 file"),
        (write_text, "not a whole HDF5 file"),
    ],
)
def test_a_bad_file_is_one_clear_line(folder, damage, words):
    path = folder / "shd" / "shd_train.h5"
    damage(path)
    with pytest.raises(SgpipeError) as error:
        task_of(folder)
    message = str(error.value)
    assert words in message and str(path) in message and "\n" not in message


def test_a_gzipped_file_that_is_cut_or_none_is_one_clear_line(folder):
    path = folder / "shd" / "shd_train.h5"
    whole = gzip.compress(path.read_bytes())
    path.unlink()
    for content in (whole[: len(whole) // 2], b"no gzip"):
        (folder / "shd" / "shd_train.h5.gz").write_bytes(content)
        with pytest.raises(SgpipeError, match="shd_train.h5.gz: cannot be unpacked"):
            task_of(folder)


def test_impossible_knobs_are_refused():
    with pytest.raises(SgpipeError, match="data.steps: 401 is not a multiple of data.hold = 2"):
        knobs(steps=401, hold=2)
    assert knobs(variant="herranz2022", seed=1).id == knobs(variant="herranz2022", seed=2).id
    assert knobs(seed=1).id != knobs(seed=2).id


# --- spikes of our own


@pytest.fixture
def small_ear(monkeypatch):
    """Replace the ear by one that is quick: it fires once in each millisecond of sound. Return who was heard."""
    heard = []

    def encode_files(folder, names, workers=1):
        heard.extend(names)
        return enumerate((np.arange(300) / 1000, np.full(300, len(name))) for name in names)

    monkeypatch.setattr(shd.cochlea, "encode_files", encode_files)
    return heard


@pytest.fixture
def recordings(tmp_path):
    """Return a data folder with a Heidelberg Digits tree; nobody looks into its audio."""
    root = tmp_path / "data" / "hd_audio"
    (root / "audio").mkdir(parents=True)
    for split, trials in (("train", range(6)), ("test", range(6, 8))):
        names = [
            f"lang-{language}_speaker-00_trial-{trial}_digit-{digit}.flac"
            for language in ("english", "german")
            for trial in trials
            for digit in (0, 7)
        ]
        (root / f"{split}_filenames.txt").write_text("\n".join(names) + "\n")
        for name in names:
            (root / "audio" / name).write_bytes(b"")
    return tmp_path / "data"


def test_recordings_stand_in_for_missing_spikes_and_are_never_called_shd(recordings, small_ear):
    (found,) = shd.find(recordings, knobs().data)
    assert found.source == "derived" and not found.missing
    settled = Sources(recordings, "auto").settle(knobs(source="embedded"), fixed=False, where="test")
    assert settled.data.source == "derived" and settled.data.files
    task = prepare(settled, recordings)
    assert sorted(set(task.test.labels.tolist())) == [0, 7, 10, 17]  # English first
    assert len(task.train) + len(task.valid) == 24 and len(task.test) == 8
    assert {source for (name, source), shown in NAMES.items() if name == "shd" and shown == "SHD"} == {"original"}


def test_published_spikes_come_before_recordings(folder, recordings):
    shutil.copytree(recordings / "hd_audio", folder / "hd_audio")
    assert [found.source for found in shd.find(folder, knobs().data)] == ["original", "derived"]


def test_other_bins_and_splits_need_no_second_listening(recordings, small_ear, tmp_path):
    values = {"source": "derived", "files": "26-abc"}
    first = prepare(knobs(**values), recordings, keep=tmp_path)
    once = len(small_ear)
    assert once == 32
    second = prepare(knobs(**values, dt=1.0, steps=1000, seed=5), recordings, keep=tmp_path)
    assert len(small_ear) == once and first.steps != second.steps
    prepare(knobs(**{**values, "files": "26-def"}), recordings, keep=tmp_path)
    assert len(small_ear) == 2 * once  # other files
    prepare(knobs(**values, limit=3), recordings, keep=tmp_path)
    assert len(small_ear) == 2 * once + 3 + 2 + 3  # no more than is wanted


def test_spikes_we_write_read_back_in_the_published_precision(tmp_path):
    times = np.arange(0, 1, 1 / 8000)
    spikes = [(1, (times[:0], times[:0])), (0, (times, np.arange(8000) % 700))]  # as they come
    write_spikes(tmp_path / "a.h5", spikes, [3, 19], ["x", "y"])
    with open_spikes(tmp_path / "a.h5") as file:
        (chunk,) = file.chunks()
    assert chunk.times.dtype == np.float16 and chunk.counts.tolist() == [8000, 0] and chunk.labels.tolist() == [3, 19]
    np.testing.assert_allclose(chunk.times.astype(float), times, atol=0.00025)
    np.testing.assert_array_equal(chunk.units, np.arange(8000) % 700)


@pytest.mark.long
@pytest.mark.skipif(not built(), reason="the compiled CPU engine is not built")
@pytest.mark.parametrize("source", ["derived", "embedded"])
def test_a_network_trains_on_spikes_of_our_own(source, published):
    folder = published("hd_audio") if source == "derived" else None
    spec = RunSpec.make(
        {"data.task": "shd", "data.source": source, "data.limit": 4, "data.dt": 10.0, "data.steps": 80}
        | {"network.hidden": [16], "init.gain": 5.0, "training.epochs": 2, "training.batch_size": 2}
    )
    task = prepare(spec, folder, workers=2)
    events = np.diff(task.train.ptr)
    assert np.all(events > 2000) and np.all(events < 20000)
    result = train_run(spec, task, CpuEngine())
    assert result.status == "finished" and np.isfinite(result.rows[-1].loss)
