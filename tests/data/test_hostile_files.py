"""Files of the user's that are not what they should be: they are read, or refused in one line, and nothing else."""

import gzip
import io
import os
import tempfile
import zipfile
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sgpipe.base.errors import SgpipeError
from sgpipe.data import ptb, rawhd, rawsc, shd_files
from sgpipe.data.audio import read_audio
from sgpipe.data.files.reading import read_text
from sgpipe.data.files.sources import Sources
from sgpipe.data.idx import read_idx
from sgpipe.data.shd_files import open_spikes
from sgpipe.data.spike_chunks import Allowed
from sgpipe.data.spike_folders import open_folder
from sgpipe.spec.run import RunSpec
from sgpipe.spec.tasks import TASKS

QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
ROWS = 4
NAME = "lang-english_speaker-00_trial-{}_digit-3.flac"


@contextmanager
def folder():
    with tempfile.TemporaryDirectory() as path:
        yield Path(path)


def refusal(path, call, *arguments):
    """Return how a call refuses a file, None if it takes it; whatever it says is one line that names the file."""
    try:
        call(*arguments)
    except SgpipeError as error:
        assert "\n" not in str(error) and str(path) in str(error)
        return str(error)
    return None


def read_all(path, allowed=shd_files.SHD):
    with open_spikes(path, allowed=allowed) as file:
        return list(file.chunks())


# ----------------------------------------------------------------------------------------------------------------
# HDF5: what may stand in the place of a data set


def lists(file, name, kind=np.uint16, rows=ROWS, **more):
    made = file.create_dataset(name, (rows,), h5py.vlen_dtype(kind), **more)
    for row in range(min(rows, ROWS)):
        made[row] = np.arange(row, dtype=kind) / kind(8)
    return made


def good(file, name):
    kinds = {"spikes/times": np.float16, "spikes/units": np.uint16}
    if name.endswith("labels"):
        file[name] = np.arange(ROWS, dtype=np.uint16)
    else:
        lists(file, name, kinds[name.removeprefix("elsewhere/")])


def other_file(file):
    """Return a good file beside this one, that a link may lead to."""
    path = Path(file.filename).with_name("other.h5")
    if not path.exists():
        with h5py.File(path, "w") as other:
            for name in shd_files.NAMES:
                good(other, name)
    return path.name


def virtual(file, name):
    layout = h5py.VirtualLayout(shape=(ROWS,), dtype=np.uint16)
    layout[:] = h5py.VirtualSource(other_file(file), "labels", shape=(ROWS,))
    file.create_virtual_dataset(name, layout)


def put(value):
    return lambda file, name: file.__setitem__(name, value)


def made(*arguments, **more):
    return lambda file, name: file.create_dataset(name, *arguments, **more)


def external(file, name):
    Path(file.filename).with_name("raw").write_bytes(bytes(2 * ROWS))
    file.create_dataset(name, (ROWS,), np.uint16, external=[("raw", 0, 2 * ROWS)])


def moved(file, name):
    good(file, "elsewhere/" + name)
    file[name] = h5py.SoftLink(f"/elsewhere/{name}")


BAD_FORMS = {
    "absent": lambda file, name: None,
    "scalar": put(3),
    "text": put("three"),
    "texts": put(["a", "b", "c", "d"]),
    "matrix": put(np.zeros((ROWS, 2), np.uint16)),
    "large matrix": made((10**5, 10**5), np.uint16, chunks=(10**4, 10**4), compression="gzip"),
    "large chunk": made((ROWS,), np.uint16, maxshape=(None,), chunks=(4 * 10**8,), compression="gzip"),
    "many rows": made((2 * 10**9,), np.uint16, chunks=(1000,)),
    "many lists": made((2 * 10**9,), h5py.vlen_dtype(np.uint16), chunks=(1000,)),
    "null": put(h5py.Empty("f4")),
    "none": made((0,), np.uint16),
    "complex": put(np.zeros(ROWS, complex)),
    "records": put(np.zeros(ROWS, [("a", "u2")])),
    "arrays": made((ROWS,), np.dtype((np.uint16, (3,)))),
    "nothing known": put(np.zeros(ROWS, "V7")),
    "lists of text": made((ROWS,), h5py.vlen_dtype(h5py.string_dtype())),
    "references": made((ROWS,), h5py.ref_dtype),
    "group": lambda file, name: file.create_group(name),
    "dangling link": put(h5py.SoftLink("/nowhere")),
    "looping link": lambda file, name: file.__setitem__(name, h5py.SoftLink("/" + name)),
    "link within": moved,
    "link outside": lambda file, name: file.__setitem__(name, h5py.ExternalLink(other_file(file), name)),
    "raw data outside": external,
    "virtual": virtual,
}
FORMS = {"good": good, **BAD_FORMS}


def written(path, forms):
    with h5py.File(path, "w") as file:
        for name, form in forms.items():
            FORMS[form](file, name)
    return path


@pytest.mark.parametrize("name", shd_files.NAMES)
@pytest.mark.parametrize("form", BAD_FORMS)
def test_what_is_no_list_of_numbers_in_the_file_itself_is_refused(tmp_path, name, form):
    forms = {other: "good" for other in shd_files.NAMES} | {name: form}
    path = written(tmp_path / "shd_train.h5", forms)
    said = refusal(path, read_all, path)
    assert said is not None and "snakemake --cores 1 download" in said


@QUICK
@given(st.fixed_dictionaries({name: st.sampled_from(list(FORMS)) for name in shd_files.NAMES}), st.floats(0, 1.2))
def test_any_hdf5_file_is_read_or_refused(forms, share):
    with folder() as root:
        path = written(root / "shd_train.h5", forms)
        whole = path.read_bytes()
        if share < 1:
            path.write_bytes(whole[: int(share * len(whole))])
        said = refusal(path, read_all, path)
        assert (said is None) == (set(forms.values()) == {"good"} and share >= 1)


def test_a_group_that_is_a_link_is_not_followed(tmp_path):
    with h5py.File(tmp_path / "shd_train.h5", "w") as file:
        good(file, "labels")
        file["spikes"] = h5py.ExternalLink(other_file(file), "spikes")
    path = tmp_path / "shd_train.h5"
    assert "a link in the place of spikes/times, which may lead out" in refusal(path, read_all, path)


def test_more_spikes_than_any_recording_has_are_refused_before_they_are_joined(tmp_path):
    path = written(tmp_path / "shd_train.h5", dict.fromkeys(shd_files.NAMES, "good"))
    assert len(read_all(path)) == 1
    assert "has 3 spikes in a sample after 0" in refusal(path, read_all, path, replace(shd_files.SHD, spikes=2))
    assert "too many in all" in refusal(path, read_all, path, replace(shd_files.SHD, spikes_of_all=5))


def test_a_gzipped_file_that_swells_is_not_unpacked_to_its_end(tmp_path, monkeypatch):
    monkeypatch.setattr(shd_files, "LARGEST", 3_000_000)
    path = tmp_path / "shd_train.h5.gz"
    path.write_bytes(gzip.compress(bytes(20_000_000)))
    assert "unpacks to more than 3,000,000 bytes" in refusal(path, read_all, path)


# ----------------------------------------------------------------------------------------------------------------
# Folders of spikes

ALLOWED = Allowed(units=9, classes=4, longest=10.0, time_kinds="fiu", spikes=1000, at_once=2)


def read_folder(path):
    return list(open_folder(path, ALLOWED, "advice").chunks())


def npy(array, shape=None):
    """Return an array as numpy writes it, with another shape in its description."""
    content = io.BytesIO()
    if shape is None:
        np.lib.format.write_array(content, np.asarray(array))
    else:
        described = {"descr": np.asarray(array).dtype.str, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(content, described)
        content.write(np.asarray(array).tobytes())
    return content.getvalue()


# What may stand in the place of an array; whether it is right there depends on the name.
ARRAYS = {
    "list": npy(np.arange(3, dtype=np.float32)),
    "whole": npy(np.arange(3)),
    "swapped": npy(np.arange(3, dtype=">u2")),
    "number": npy(np.uint8(2)),
    "one": npy(np.array([2])),
    "empty": npy(np.zeros(0, np.uint16)),
    "matrix": npy(np.zeros((3, 1), np.uint16)),
    "text": npy(np.array(["a", "b", "c"])),
    "objects": npy(np.array([1, None, {}], dtype=object)),
    "complex": npy(np.zeros(3, complex)),
    "records": npy(np.zeros(3, [("a", "u2")])),
    "huge": npy(np.zeros(3, np.uint16), (10**15,)),
    "short": npy(np.zeros(3, np.uint16), (4,)),
    "long": npy(np.zeros(3, np.uint16), (2,)),
    "no array": b"three",
    "absent": None,
}
LENGTHS = {"list": 3, "whole": 3, "swapped": 3, "one": 1, "empty": 0}
TAKEN = {"times": LENGTHS, "units": LENGTHS.keys() - {"list"}, "label": ("number", "one")}


@QUICK
@given(st.fixed_dictionaries({name: st.sampled_from(sorted(ARRAYS)) for name in TAKEN}), st.booleans())
def test_any_npz_of_spikes_is_read_or_refused(forms, packed):
    with folder() as root:
        path = root / "a.npz"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED) as file:
            for name, form in forms.items():
                if ARRAYS[form] is not None:
                    file.writestr(f"{name}.npy", ARRAYS[form])
        right = all(form in TAKEN[name] for name, form in forms.items())
        right = right and LENGTHS[forms["times"]] == LENGTHS[forms["units"]]
        assert (refusal(path, read_folder, root) is None) == right


def samples_npz(path):
    np.savez_compressed(path, times=np.linspace(0, 1, 9, dtype=np.float32), units=np.arange(9) % 9, label=3)


def samples_parquet(path):
    rows = {"sample": [0, 0, 1, 2], "label": [0, 0, 3, 1], "time": [0.0, 0.5, None, 1.0], "unit": [1, 8, None, 0]}
    pq.write_table(pa.table({**rows, "other": list("abcd")}), path)


@QUICK
@given(st.sampled_from([samples_npz, samples_parquet]), st.floats(0, 1), st.binary(max_size=9), st.floats(0, 1.5))
def test_any_damage_to_a_file_of_spikes_is_read_or_refused(write, place, bytes_there, share):
    with folder() as root:
        path = root / f"a.{write.__name__.removeprefix('samples_')}"
        write(path)
        content = bytearray(path.read_bytes())
        at = int(place * (len(content) - len(bytes_there)))
        content[at : at + len(bytes_there)] = bytes_there
        path.write_bytes(content[: int(share * len(content))])
        refusal(root, read_folder, root)


COLUMNS = {
    "whole": pa.array([1, 2, 3]),
    "small": pa.array([1, 2, 3], pa.uint8()),
    "fractions": pa.array([1.0, 2.0, 3.0]),
    "half": pa.array(np.arange(3, dtype=np.float16)),
    "truths": pa.array([True, False, True]),
    "texts": pa.array(["a", "b", "c"]),
    "lists": pa.array([[1], [], [2, 3]]),
    "records": pa.array([{"element": 1}] * 3),
    "decimals": pa.array([1, 2, 3], pa.decimal128(5, 1)),
    "dates": pa.array([1, 2, 3], pa.timestamp("us")),
    "nothing": pa.array([None, None, None]),
}
FITTING = dict.fromkeys(("sample", "label", "unit"), ("whole", "small"))
FITTING["time"] = ("whole", "small", "fractions", "half")


@QUICK
@given(st.fixed_dictionaries({name: st.sampled_from([*COLUMNS, "absent"]) for name in FITTING}))
def test_any_parquet_of_spikes_is_read_or_refused(forms):
    with folder() as root:
        path = root / "a.parquet"
        columns = {name: COLUMNS[form] for name, form in forms.items() if form != "absent"}
        pq.write_table(pa.table({**columns, "other": [1, 2, 3]}), path, row_group_size=2)
        assert (refusal(path, read_folder, root) is None) == all(form in FITTING[name] for name, form in forms.items())


def test_a_folder_of_more_spikes_than_allowed_is_refused_before_they_are_joined(tmp_path):
    np.savez(tmp_path / "a.npz", times=np.zeros(1001), units=np.zeros(1001, int), label=0)
    assert "has 1,001 times, where 1,000 at most are meant" in refusal(tmp_path, read_folder, tmp_path)
    (tmp_path / "a.npz").unlink()
    zeros = [0] * 1001
    pq.write_table(pa.table(dict.fromkeys(("sample", "label", "time", "unit"), zeros)), tmp_path / "a.parquet")
    assert "has 1,001 spikes in a sample" in refusal(tmp_path, read_folder, tmp_path)


# ----------------------------------------------------------------------------------------------------------------
# Images


@QUICK
@given(st.lists(st.integers(0, 2**32 - 1), max_size=4), st.binary(max_size=40), st.booleans(), st.integers(0, 60))
def test_any_idx_file_is_read_or_refused(sizes, content, packed, cut):
    whole = bytes((0, 0, 8, len(sizes))) + b"".join(size.to_bytes(4, "big") for size in sizes) + content
    with folder() as root:
        path = root / "labels-idx1-ubyte"
        path.write_bytes((gzip.compress(whole) if packed else whole)[: cut + 20])
        refusal(path, read_idx, path, (None,))


def test_a_header_that_promises_too_much_takes_no_memory(tmp_path):
    path = tmp_path / "images"
    path.write_bytes(bytes((0, 0, 8, 3)) + b"\xff\xff\xff\xff\0\0\0\x1c\0\0\0\x1c")
    assert "promises 3,367,254,359,280 bytes" in refusal(path, read_idx, path, (None, 28, 28))


# ----------------------------------------------------------------------------------------------------------------
# Text and lists

SEPARATORS = "\u00a0\u2003\u3000\u2028\u0085\x1c\x0b\x0c\t\r"


def treebank(root, **parts):
    (root / "ptb").mkdir(exist_ok=True)
    for split in ("train", "valid", "test"):
        (root / "ptb" / f"ptb.{split}.txt").write_bytes(parts.get(split, b"a b <unk> \n b a \n"))
    return root


@QUICK
@given(st.one_of(st.binary(max_size=60), st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass"))))
def test_any_text_is_read_or_refused(content):
    with folder() as root:
        path = treebank(root, train=content) / "ptb/ptb.train.txt"
        said = refusal(root / "ptb", ptb.make, TASKS["ptb"](source="original"), root)
        if said is None:
            expected = content.decode().removeprefix("\ufeff").replace("\r\n", "\n").replace("\n", " <eos> ").split(" ")
            assert ptb.read_words(path) == [word for word in expected if word]


@pytest.mark.parametrize("strange", SEPARATORS)
def test_no_other_space_parts_words(tmp_path, strange):
    path = treebank(tmp_path, train=f"a{strange}b c\n".encode()) / "ptb/ptb.train.txt"
    assert ptb.read_words(path) == [f"a{strange}b", "c", "<eos>"]


def test_a_byte_order_mark_is_no_part_of_the_first_word(tmp_path):
    plain, marked = b"a b \r\nc\n", b"\xef\xbb\xbfa b \nc\r\n"
    for content in (plain, marked):
        path = treebank(tmp_path, train=content) / "ptb/ptb.train.txt"
        assert ptb.read_words(path) == ["a", "b", "<eos>", "c", "<eos>"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"caf\xe9 b\n", "not a text in UTF-8: byte 0xe9 at position 3"),
        (b"\xff\xfea\0", "not a text in UTF-8: byte 0xff at position 0"),
        (b"ab\0c\n", "a zero byte at position 2"),
    ],
)
def test_a_file_that_is_no_text_is_named_with_the_position(tmp_path, content, words):
    path = treebank(tmp_path, valid=content) / "ptb/ptb.valid.txt"
    assert words in refusal(path, ptb.make, TASKS["ptb"](source="original"), tmp_path)


def test_a_file_far_too_large_is_not_read(tmp_path):
    path = treebank(tmp_path) / "ptb/ptb.train.txt"
    os.truncate(path, 10**13)  # sparse: it takes no space
    assert "10,000,000,000,000 bytes" in refusal(path, read_text, path, 1000, "")
    sources = Sources(tmp_path)
    spec = RunSpec.make({"data.task": "ptb"})
    assert "10,000,000,000,000 bytes" in refusal(path, sources.settle, spec, False, "here")


ENTRIES = st.one_of(
    st.builds(NAME.format, st.integers(0, 9)),
    st.builds(("audio/" + NAME).format, st.integers(0, 9)),
    st.sampled_from(["\ufeff", NAME.format("\u0663"), "notes.txt", "../" + NAME.format(1), "\udcff", "\0", "a\u2003b"]),
)
LISTS = st.lists(ENTRIES, max_size=6).map(lambda names: "\n".join(names).encode("utf-8", "surrogateescape"))


@QUICK
@given(LISTS, LISTS)
def test_any_lists_are_apart_or_refused(train, test):
    with folder() as root:
        (root / "train_filenames.txt").write_bytes(train)
        (root / "test_filenames.txt").write_bytes(test)
        if refusal(root, rawhd.listed, root) is None:
            found = [name for recordings in rawhd.listed(root).values() for name, _ in recordings]
            assert len(found) == len(set(found)) and all(name.isascii() for name in found)


@pytest.mark.parametrize(
    ("train", "test", "words"),
    [
        ((1, 2), (3, 2), "test_filenames.txt: names {} and so does train_f"),
        ((1, 2, 2), (3,), "train_f.*names {} twice"),
    ],
)
def test_a_recording_that_stands_in_the_lists_twice_is_refused(tmp_path, train, test, words):
    for split, trials in (("train", train), ("test", test)):
        prefix = "audio/" if split == "test" else ""  # another way to write the same name
        names = "\n".join(prefix + NAME.format(trial) for trial in trials)
        (tmp_path / f"{split}_filenames.txt").write_text(names)
    with pytest.raises(SgpipeError, match=words.format(NAME.format(2).replace(".", r"\."))):
        rawhd.listed(tmp_path)


@pytest.mark.parametrize(
    ("valid", "test", "words"), [("a", "a", "and so does validation_list"), ("ab", "cc", "testing_list.txt: .* twice")]
)
def test_a_clip_that_stands_in_the_lists_twice_is_refused(tmp_path, valid, test, words):
    for name, clips in (("validation_list", valid), ("testing_list", test)):
        (tmp_path / f"{name}.txt").write_text("\n".join(f"yes/{clip}_nohash_0.wav" for clip in clips))
    with pytest.raises(SgpipeError, match=words):
        rawsc._splits(tmp_path, [], rawsc.words("v0.02"))


# ----------------------------------------------------------------------------------------------------------------
# Sound


@QUICK
@given(st.sampled_from(["WAV", "FLAC"]), st.integers(0, 60), st.binary(min_size=1, max_size=9), st.integers(0, 1200))
def test_any_audio_file_is_read_or_refused(form, place, bytes_there, cut):
    with folder() as root:
        path = root / "a.flac"
        soundfile.write(path, np.linspace(-0.5, 0.5, 500), 16000, format=form)
        content = bytearray(path.read_bytes())
        content[place : place + len(bytes_there)] = bytes_there
        path.write_bytes(content[: max(cut, 1)])
        refusal(path, read_audio, path)


def test_a_recording_that_promises_hours_is_refused(tmp_path):
    path = tmp_path / "a.flac"
    soundfile.write(path, np.zeros(500), 16000)
    content = bytearray(path.read_bytes())
    content[21:26] = (int.from_bytes(content[21:26], "big") | 2**36 - 1).to_bytes(5, "big")  # samples in all
    path.write_bytes(content)
    assert "promises 68,719,476,735 samples" in refusal(path, read_audio, path)


# ----------------------------------------------------------------------------------------------------------------
# Something else in the place of a file or folder

PLACES = {
    "mnist_latency": ("mnist", "mnist/t10k-labels-idx1-ubyte"),
    "ptb": ("ptb", "ptb/ptb.test.txt"),
    "shd": ("shd", "shd/shd_train.h5"),
    "spikes": ("ssc", "ssc/ssc_train.h5"),
    "rawhd": ("hd_audio", "hd_audio/train_filenames.txt"),
    "rawsc": ("speech_commands/speech_commands_v0.02", "speech_commands/speech_commands_v0.02/testing_list.txt"),
}


@pytest.mark.parametrize("task", PLACES)
def test_something_else_in_the_place_of_a_file_or_folder_is_named(tmp_path, task):
    spec = RunSpec.make({"data.task": task})
    as_folder, as_file = (tmp_path / name for name in PLACES[task])
    as_folder.parent.mkdir(exist_ok=True)
    as_folder.write_text("a file")
    assert "is a file, where a folder is meant" in refusal(as_folder, Sources(tmp_path).settle, spec, False, "here")
    as_folder.unlink()
    as_folder.mkdir()

    def said():
        return refusal(as_file, Sources(tmp_path).settle, spec, False, "here")

    as_file.mkdir()
    assert "is a folder, where a file is meant" in said()
    as_file.rmdir()
    as_file.symlink_to("nowhere")
    assert "is a link to nowhere, which is not there" in said()
    as_file.unlink()
    as_file.symlink_to(as_file.name)
    assert "cannot be looked at (Too many levels of symbolic links)" in said()
    as_file.unlink()
    os.mkfifo(as_file)
    assert "is neither file nor folder" in said()


def test_a_pipe_among_recordings_is_named(tmp_path):
    (tmp_path / "hd_audio/audio").mkdir(parents=True)
    for name in rawhd.LISTS.values():
        (tmp_path / "hd_audio" / name).write_text("")
    path = tmp_path / "hd_audio/audio/a.flac"
    os.mkfifo(path)
    spec = RunSpec.make({"data.task": "rawhd"})
    assert "neither file nor folder" in refusal(path, Sources(tmp_path).settle, spec, False, "here")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
@pytest.mark.parametrize("place", ["ptb", "ptb/ptb.train.txt"])
def test_what_may_not_be_read_is_named(tmp_path, place):
    path = treebank(tmp_path) / place
    path.chmod(0)
    spec = RunSpec.make({"data.task": "ptb"})
    try:
        assert "Permission denied" in refusal(path, Sources(tmp_path).settle, spec, False, "here")
    finally:
        path.chmod(0o700)
