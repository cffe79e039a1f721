"""RawHD: the Heidelberg Digits (Cramer et al. 2020) as mel spectrograms, 10 digits in English and in German.

The published folder hd_audio/ has audio/*.flac, whose names tell language, speaker, trial and digit, and the lists
train_filenames.txt and test_filenames.txt. Labels are the authors': the digit in German, 10 + digit in English (SHD,
made from the same recordings, has it the other way round). A tenth of the training list, by seed, is for validation.
"""

import re
from pathlib import Path

from sgpipe.base.errors import SgpipeError
from sgpipe.base.rng import permutation, stream
from sgpipe.data.files.sources import Found, missing_of
from sgpipe.data.samples import Task
from sgpipe.data.speech import Recording, limited, spectrogram_task, tree
from sgpipe.data.standins.synthesiser import SPEECH_SEED, write_digits
from sgpipe.spec.tasks import RawHDData

FOLDER = "hd_audio"
LISTS = {"train": "train_filenames.txt", "test": "test_filenames.txt"}
NAME = re.compile(r"lang-(english|german)_speaker-\d+_trial-\d+_digit-(\d)\.flac")
RATE = 48000
VALID_SHARE = 0.1


def find(folder: Path, data: RawHDData) -> list[Found]:
    """Return the published set, if there is anything of it in the data folder."""
    root = folder / FOLDER
    if not root.is_dir():
        return []
    audio = root / "audio"
    missing = (*missing_of(root, tuple(LISTS.values())), *(() if audio.is_dir() else ("audio/",)))
    files = tuple(path for name in LISTS.values() if (path := root / name).is_file())
    return [Found("original", root, files, (audio,) if audio.is_dir() else (), ".flac", missing)]


def make(data: RawHDData, folder: Path | None = None, workers: int = 1) -> Task:
    """Return the task: from the files in `folder`/hd_audio, or without a folder from synthesised speech."""
    with tree(folder and folder / FOLDER) as root:
        if folder is None:
            write_digits(root, SPEECH_SEED, rate=RATE, only=())
            splits = _splits(data, {split: listed(root / name) for split, name in LISTS.items()})
            spoken = {name for recordings in splits.values() for name, _ in recordings}
            write_digits(root, SPEECH_SEED, rate=RATE, only=spoken, workers=workers)
        else:
            splits = _splits(data, {split: read_list(root, name) for split, name in LISTS.items()})
        return spectrogram_task(data, root / "audio", splits, RATE, workers)


def _splits(data: RawHDData, lists: dict[str, list[Recording]]) -> dict[str, list[Recording]]:
    order = permutation(stream(data.seed, "data/rawhd/valid"), len(lists["train"]))
    held_out = set(order[: round(VALID_SHARE * len(order))].tolist())
    splits: dict[str, list[Recording]] = {"train": [], "valid": [], "test": lists["test"]}
    for row, recording in enumerate(lists["train"]):
        splits["valid" if row in held_out else "train"].append(recording)
    return limited(data, splits)


def read_list(root: Path, name: str) -> list[Recording]:
    """Return a list's recordings; raises SgpipeError if one is not there.

    The lists say what the set is: whoever has only a part of it cuts them to that part.
    """
    recordings = listed(root / name)
    there = {path.name for path in (root / "audio").iterdir()}
    absent = [file for file, _ in recordings if file not in there]
    if absent:
        raise SgpipeError(
            f"{root / name}: {len(absent)} of its {len(recordings)} recordings are not in audio/, {absent[0]} is the "
            "first; fetch the set again, or cut the list to the recordings that you have"
        )
    return recordings


def listed(path: Path) -> list[Recording]:
    """Return what a list names, whether or not it is there."""
    try:
        names = path.read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        raise SgpipeError(f"{path}: not a list of recordings ({error})") from error
    return [_recording(name.removeprefix("audio/"), path) for name in names]


def _recording(name: str, where: Path) -> Recording:
    match = NAME.fullmatch(name)
    if match is None:
        raise SgpipeError(
            f"{where}: {name!r} is not the name of a recording, e.g. lang-english_speaker-00_trial-0_digit-0.flac"
        )
    return name, int(match[2]) + (10 if match[1] == "english" else 0)
