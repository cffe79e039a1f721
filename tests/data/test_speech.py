"""RawHD and RawSC: from audio files, published or synthesised, to mel spectrograms with labels; bad files in a line."""

import os
import shutil
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sgpipe.base.errors import SgpipeError
from sgpipe.data import load_task, prepare, rawhd, rawsc, save_task, statistics
from sgpipe.data.audio import read_audio
from sgpipe.data.mel import features
from sgpipe.data.samples import SPLITS
from sgpipe.data.standins.hash_split import hash_split
from sgpipe.engines.reference import ReferenceEngine
from sgpipe.spec.run import RunSpec
from sgpipe.training.trainer import train_run
from tests.conftest import ROOT

DATA = Path(os.environ.get("SGPIPE_DATA", ROOT.parent / "shared" / "data"))
NAME = "lang-{}_speaker-00_trial-{}_digit-{}.flac"


def spec_of(task, **knobs):
    network = {name: knobs.pop(name) for name in list(knobs) if "." in name}
    return RunSpec.make({"data.task": task, **{f"data.{name}": value for name, value in knobs.items()}, **network})


def needs(path):
    if not path.exists():
        pytest.skip(f"{path} is not here")


def clip(seconds=0.3, rate=48000, tone=440):
    return 0.5 * np.sin(2 * np.pi * tone * np.arange(int(seconds * rate)) / rate)


def digits_folder(root, rate=48000):
    """Write a tiny hd_audio/ and return the data folder: 20 recordings for training, 2 for testing."""
    audio = root / "hd_audio" / "audio"
    audio.mkdir(parents=True)
    train = [NAME.format(language, 0, digit) for language in ("english", "german") for digit in range(10)]
    test = [NAME.format("english", 1, 3), NAME.format("german", 1, 4)]
    for number, name in enumerate([*train, *test]):
        soundfile.write(audio / name, clip(0.2 + 0.04 * number, rate, 300 + 50 * number), rate)
    (audio.parent / "train_filenames.txt").write_text("\n".join(train) + "\n")
    (audio.parent / "test_filenames.txt").write_text("\n".join(test) + "\n")
    return root


def commands_folder(root, rate=16000):
    """Write a tiny Speech Commands of three clips a word and return the data folder."""
    base, words = root / "speech_commands" / "speech_commands_v0.02", rawsc.words("v0.02")
    for number, word in enumerate(words):
        (base / word).mkdir(parents=True)
        for speaker in ("aa", "bb", "cc"):
            soundfile.write(base / word / f"{speaker}_nohash_0.wav", clip(0.5, rate, 200 + 20 * number), rate)
    (base / "_background_noise_").mkdir()
    soundfile.write(base / "_background_noise_" / "hum.wav", clip(3, rate), rate)
    (base / "validation_list.txt").write_text("\n".join(f"{word}/bb_nohash_0.wav" for word in words))
    (base / "testing_list.txt").write_text("\n".join(f"{word}/cc_nohash_0.wav" for word in words))
    return root


# --- what a task is


def test_rawhd_is_the_features_of_the_listed_files_scaled_and_held(tmp_path):
    folder = digits_folder(tmp_path)
    task = prepare(spec_of("rawhd", source="original"), folder)
    assert (task.units, task.classes, task.steps) == (40, 20, 400)
    assert [len(getattr(task, split)) for split in SPLITS] == [18, 2, 2]
    assert sorted([*task.train.labels, *task.valid.labels]) == list(range(20))
    assert task.test.labels.tolist() == [13, 4]  # English digits come after the German ones
    signal, rate = read_audio(folder / "hd_audio" / "audio" / NAME.format("english", 1, 3))
    expected = 0.2 * features(signal, rate, 80, "authors")
    np.testing.assert_allclose(task.test.frames[0], expected, rtol=1e-6)
    dense = task.test.dense(400, 40)
    np.testing.assert_array_equal(dense[35:40, 0], np.repeat(task.test.frames[:1, 7], 5, axis=0))


def test_every_knob_of_the_features_changes_the_task(tmp_path):
    folder, changes = (
        digits_folder(tmp_path),
        {"variant": "corrected", "frames": 60, "hold": 4, "gain": 1.0, "seed": 1, "limit": 5},
    )
    made = [
        prepare(spec_of("rawhd", source="original", **dict([item])), folder) for item in [("dt", 1.0), *changes.items()]
    ]
    inputs = [task.train.dense(task.steps, 40) for task in made]
    for other in inputs[1:]:
        assert other.shape != inputs[0].shape or not np.array_equal(other, inputs[0])


def test_the_time_step_scales_the_decays_alone():
    # The authors' 2 ms with doubled time constants decays per step as 1 ms with the paper's.
    assert spec_of("rawhd").data.dt / 10 == 2 / 20 and spec_of("rawhd").data.steps == 400
    assert spec_of("rawsc").data.steps == 500


def test_a_validation_tenth_is_drawn_by_the_seed_and_apart_from_training(tmp_path):
    folder = digits_folder(tmp_path)
    held_out = set()
    for seed in range(4):
        task = prepare(spec_of("rawhd", source="original", seed=seed), folder)
        assert not set(task.valid.labels) & set(task.train.labels)
        held_out.add(tuple(task.valid.labels))
    assert len(held_out) > 1


def test_rawsc_takes_words_in_alphabetical_order_and_splits_by_the_lists(tmp_path):
    folder = commands_folder(tmp_path)
    task = prepare(spec_of("rawsc", source="original"), folder)
    assert (task.units, task.classes, task.steps) == (40, 35, 500)
    for split in SPLITS:  # one clip of each word in each, none of the noise
        assert getattr(task, split).labels.tolist() == list(range(35))
    assert task.train.frames.shape == (35, 100, 40)
    # Half a second is 48 frames; the last one goes on.
    np.testing.assert_array_equal(task.train.frames[:, 48:], np.repeat(task.train.frames[:, 47:48], 52, axis=1))


def test_limit_keeps_that_many_of_each_split_the_same_ones_every_time(tmp_path):
    folder = commands_folder(tmp_path)
    task, again = (prepare(spec_of("rawsc", source="original", limit=10), folder) for _ in range(2))
    assert [len(getattr(task, split)) for split in SPLITS] == [10, 10, 10]
    assert len(set(task.train.labels)) == 10
    np.testing.assert_array_equal(task.train.labels, again.train.labels)


def test_the_number_of_workers_changes_nothing(tmp_path):
    folder = digits_folder(tmp_path)
    one, two = (prepare(spec_of("rawhd", source="original"), folder, workers) for workers in (1, 2))
    for split in SPLITS:
        np.testing.assert_array_equal(getattr(one, split).frames, getattr(two, split).frames)


def test_a_prepared_task_reads_back_from_its_file(tmp_path):
    task = prepare(spec_of("rawhd", source="original"), digits_folder(tmp_path))
    save_task(task, tmp_path / "task.arrow")
    back = load_task(tmp_path / "task.arrow")
    np.testing.assert_array_equal(back.test.frames, task.test.frames)
    assert back.train.hold == 5 and back.train.frames.dtype == np.float32


# --- the data sets themselves


def test_the_words_are_the_official_classes():
    assert len(rawsc.words("v0.02")) == 35 and len(rawsc.words("v0.01")) == 30
    for version in ("v0.01", "v0.02"):
        assert list(rawsc.words(version)) == sorted(rawsc.words(version))


def test_the_hash_rule_knows_speakers_only():
    assert hash_split("yes/0a7c2a8d_nohash_0.wav") == hash_split("0a7c2a8d_nohash_4.wav") == hash_split("0a7c2a8d")
    shares = Counter(hash_split(f"{number:08x}") for number in range(20000))
    assert abs(shares["valid"] / 20000 - 0.1) < 0.01 and abs(shares["test"] / 20000 - 0.1) < 0.01


@pytest.mark.parametrize(("version", "valid", "test"), [("v0.02", 9981, 11005), ("v0.01", 6798, 6835)])
def test_the_hash_rule_reproduces_the_official_lists(version, valid, test):
    root = DATA / "speech_commands" / f"speech_commands_{version}"
    needs(root)
    for split, count in (("valid", valid), ("test", test)):
        entries = rawsc.read_list(root / rawsc.LISTS[split])
        assert len(entries) == len(set(entries)) == count
        assert {hash_split(entry) for entry in entries} == {split}
        assert {entry.partition("/")[0] for entry in entries} == set(rawsc.words(version))


@pytest.mark.long
@pytest.mark.parametrize(("version", "sizes"), [("v0.02", [128, 40, 225]), ("v0.01", [205, 44, 51])])
def test_real_commands_become_a_task_and_a_trained_network(version, sizes):
    needs(DATA / "speech_commands" / f"speech_commands_{version}")
    learning = {"network.hidden": [32], "training.epochs": 6, "training.batch_size": 20, "optimiser.lr": 0.01}
    spec = spec_of("rawsc", source="original", version=version, hold=1, gain=1.0, dt=5.0, **learning)
    task = prepare(spec, DATA, workers=2)
    rows = [row for row in train_run(spec, task, ReferenceEngine()).rows if row.split == "train"]
    assert rows[-1].loss < rows[0].loss - 0.1 and rows[-1].accuracy > 2 / task.classes
    assert [len(getattr(task, split)) for split in SPLITS] == sizes
    assert set(task.test.labels) == set(range(task.classes)) or version == "v0.01"
    assert abs(statistics(task)["mean"]) < 1e-6 and abs(statistics(task)["variance"] - 1) < 1e-3


@pytest.mark.long
@pytest.mark.parametrize("variant", ["authors", "corrected"])
def test_real_digits_become_a_task_and_a_trained_network(variant):
    needs(DATA / "hd_audio")
    spec = spec_of(
        "rawhd",
        source="original",
        variant=variant,
        limit=120,
        hold=1,
        gain=1.0,
        dt=5.0,
        **{"network.hidden": [32], "training.epochs": 8, "training.batch_size": 20, "optimiser.lr": 0.01},
    )
    task = prepare(spec, DATA, workers=2)
    assert [len(getattr(task, split)) for split in SPLITS] == [120, 98, 120]
    assert set(np.concatenate([task.train.labels, task.test.labels])) == set(range(20))
    rows = [row for row in train_run(spec, task, ReferenceEngine()).rows if row.split == "train"]
    assert rows[-1].loss < rows[0].loss - 0.2 and rows[-1].accuracy > 0.12  # chance is 0.05


@pytest.mark.parametrize(("task", "classes"), [("rawhd", 20), ("rawsc", 35)])
def test_without_files_speech_is_synthesised(task, classes):
    made = prepare(spec_of(task, limit=40), workers=2)
    assert [len(getattr(made, split)) for split in SPLITS] == [40, 40, 40]
    assert len(set(made.train.labels)) > classes / 2 and max(made.train.labels) < classes
    assert abs(made.train.frames.std() - 0.2) < 1e-3


# --- which files are there


def test_find_tells_what_is_missing(tmp_path):
    digits, commands = spec_of("rawhd").data, spec_of("rawsc").data
    assert rawhd.find(tmp_path, digits) == rawsc.find(tmp_path, commands) == []
    (hd,) = rawhd.find(digits_folder(tmp_path / "a"), digits)
    assert (hd.source, hd.missing, len(hd.members())) == ("original", (), 24)
    (sc,) = rawsc.find(commands_folder(tmp_path / "b"), commands)
    assert (sc.source, sc.missing, len(sc.members())) == ("original", (), 3 * 35 + 2)
    assert rawsc.find(tmp_path / "b", spec_of("rawsc", version="v0.01").data) == []
    (hd.root / "test_filenames.txt").unlink()
    shutil.rmtree(sc.root / "yes")
    assert rawhd.find(tmp_path / "a", digits)[0].missing == ("test_filenames.txt",)
    assert rawsc.find(tmp_path / "b", commands)[0].missing == ("yes/",)


# --- bad files: one clear line each


def refused(spec, folder, *words):
    with pytest.raises(SgpipeError) as caught:
        prepare(spec, folder)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message


HD = {"task": "rawhd", "source": "original"}
SC = {"task": "rawsc", "source": "original"}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"no sound at all, just letters" * 9, "not an audio file"),
        (b"fLaC" + bytes(200), "not an audio file"),
    ],
    ids=["empty", "text", "broken FLAC"],
)
def test_a_file_that_is_no_audio_is_named(tmp_path, content, words):
    name = NAME.format("german", 0, 5)
    (digits_folder(tmp_path) / "hd_audio" / "audio" / name).write_bytes(content)
    refused(spec_of(**HD), tmp_path, name, words)


def test_a_missing_library_for_audio_files_is_named(tmp_path, monkeypatch):
    (tmp_path / "soundfile.py").write_text("raise OSError('cannot load library')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "soundfile")
    with pytest.raises(SgpipeError, match="soundfile: cannot load library; install the library"):
        read_audio(tmp_path / "any.wav")


def test_a_wav_file_without_samples_is_named(tmp_path):
    path = commands_folder(tmp_path) / "speech_commands" / "speech_commands_v0.02" / "yes" / "aa_nohash_0.wav"
    soundfile.write(path, np.zeros(0), 16000)
    refused(spec_of(**SC), tmp_path, "yes/aa_nohash_0.wav", "no samples")


def test_a_wrong_sample_rate_is_named(tmp_path):
    refused(spec_of(**HD), digits_folder(tmp_path / "a", rate=16000), ".flac", "16000 Hz", "48000 Hz")
    refused(spec_of(**SC), commands_folder(tmp_path / "b", rate=8000), ".wav", "8000 Hz", "16000 Hz")


def test_a_list_of_digits_that_names_absent_files_is_refused(tmp_path):
    (digits_folder(tmp_path) / "hd_audio" / "audio" / NAME.format("german", 1, 4)).unlink()
    refused(spec_of(**HD), tmp_path, "test_filenames.txt", "1 of its 2", NAME.format("german", 1, 4))


@pytest.mark.parametrize("entry", ["notes.txt", "../../../etc/passwd", "lang-dutch_speaker-00_trial-0_digit-1.flac"])
def test_a_list_with_something_else_in_it_is_refused(tmp_path, entry):
    (digits_folder(tmp_path) / "hd_audio" / "train_filenames.txt").write_text(entry)
    refused(spec_of(**HD), tmp_path, "train_filenames.txt", repr(entry))


def test_lists_of_commands_may_name_absent_clips_but_not_only_such(tmp_path, capsys):
    base = commands_folder(tmp_path) / "speech_commands" / "speech_commands_v0.02"
    (base / "yes" / "cc_nohash_0.wav").unlink()
    assert len(prepare(spec_of(**SC), tmp_path).test) == 34
    assert "a part of the data set: 1 clip" in capsys.readouterr().err
    for word in rawsc.words("v0.02"):
        (base / word / "cc_nohash_0.wav").unlink(missing_ok=True)
    refused(spec_of(**SC), tmp_path, "testing_list.txt", "none of its 35 clips")


def test_an_empty_or_missing_word_and_a_strange_list_are_named(tmp_path):
    base = commands_folder(tmp_path) / "speech_commands" / "speech_commands_v0.02"
    (base / "testing_list.txt").write_text("yes/../../secret.wav\n")
    refused(spec_of(**SC), tmp_path, "testing_list.txt", "'yes/../../secret.wav'")
    for path in (base / "dog").iterdir():
        path.unlink()
    refused(spec_of(**SC), tmp_path, "dog", "no .wav file")
    (base / "dog").rmdir()
    refused(spec_of(**SC), tmp_path, "dog", "no such folder")


def test_stereo_is_averaged_and_an_absent_file_is_named(tmp_path):
    both = np.stack([clip(), -0.5 * clip()], axis=1)
    soundfile.write(tmp_path / "two.wav", both, 48000, subtype="DOUBLE")
    np.testing.assert_allclose(read_audio(tmp_path / "two.wav")[0], 0.25 * clip(), atol=1e-12)
    with pytest.raises(SgpipeError, match="no such file"):
        read_audio(tmp_path / "three.wav")
