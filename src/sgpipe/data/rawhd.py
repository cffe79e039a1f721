"""RawHD: the Heidelberg Digits (Cramer et al. 2020) as mel spectrograms, 10 digits in English and in German.

The published folder hd_audio/ has audio/*.flac, whose names give language, speaker, trial and digit, and the lists
train_filenames.txt and test_filenames.txt. Labels are the authors': the digit in German, 10 + digit in English (SHD,
made from the same recordings, has it the other way round). A tenth of the training list, drawn by the seed, is for
validation.
"""

import re
from pathlib import Path

from sgpipe.base.errors import SgpipeError
from sgpipe.base.rng import permutation, stream
from sgpipe.data.files.reading import FETCH_SET_AGAIN, file_there, folder_there, missing_of, names_in
from sgpipe.data.files.sources import Found
from sgpipe.data.samples import Task
from sgpipe.data.speech import Recording, apart, limited, list_entries, spectrogram_task, tree
from sgpipe.data.standins.recordings import write_digits
from sgpipe.spec.tasks import RawHDData

FOLDER = "hd_audio"
LISTS = {"train": "train_filenames.txt", "test": "test_filenames.txt"}
NAME = re.compile(r"lang-(english|german)_speaker-\d+_trial-\d+_digit-(\d)\.flac", re.ASCII)
RATE = 48000
VALID_SHARE = 0.1


def find(folder: Path, data: RawHDData) -> list[Found]:
    """Find the published set in the data folder, complete or not."""
    root = folder / FOLDER
    if not folder_there(root):
        return []
    folders = (root / "audio",) if folder_there(root / "audio") else ()
    missing = (*missing_of(root, tuple(LISTS.values())), *(() if folders else ("audio/",)))
    files = tuple(path for name in LISTS.values() if file_there(path := root / name))
    return [Found("original", root, files, folders, ".flac", missing)]


def make(data: RawHDData, folder: Path | None = None, workers: int = 1) -> Task:
    """Make the task from published recordings, or without a folder from synthesised speech (`sgpipe.data.prepare`)."""
    with tree(folder and folder / FOLDER) as root:
        if folder is None:
            write_digits(root, only=())
            splits = _splits(data, listed(root))
            spoken = {name for recordings in splits.values() for name, _ in recordings}
            write_digits(root, only=spoken, workers=workers)
        else:
            splits = _splits(data, read_lists(root))
        return spectrogram_task(data, root / "audio", splits, RATE, workers)


def _splits(data: RawHDData, lists: dict[str, list[Recording]]) -> dict[str, list[Recording]]:
    order = permutation(stream(data.seed, "data/rawhd/valid"), len(lists["train"]))
    held_out = set(order[: round(VALID_SHARE * len(order))].tolist())
    splits: dict[str, list[Recording]] = {"train": [], "valid": [], "test": lists["test"]}
    for row, recording in enumerate(lists["train"]):
        splits["valid" if row in held_out else "train"].append(recording)
    return limited(data, splits)


def read_lists(root: Path) -> dict[str, list[Recording]]:
    """Read the recordings of each list. Users who have only a part of the set must shorten the lists accordingly.

    Raises:
        SgpipeError: A recording is missing, or is listed twice.
    """
    lists, there = listed(root), set(names_in(root / "audio"))
    for split, recordings in lists.items():
        absent = [file for file, _ in recordings if file not in there]
        if absent:
            raise SgpipeError(
                f"{root / LISTS[split]}: {len(absent)} of its {len(recordings)} recordings are not in audio/, "
                f"{absent[0]} is the first; cut the list to the recordings that you have, or {FETCH_SET_AGAIN}"
            )
    return lists


def listed(root: Path) -> dict[str, list[Recording]]:
    """Read the names in each list, whether or not the recordings are there."""
    paths = {split: root / name for split, name in LISTS.items()}
    lists = {split: [_recording(entry, path) for entry in list_entries(path)] for split, path in paths.items()}
    apart({paths[split]: [name for name, _ in recordings] for split, recordings in lists.items()})
    return lists


def _recording(entry: str, where: Path) -> Recording:
    match = NAME.fullmatch(entry.removeprefix("audio/"))
    if match is None:
        raise SgpipeError(
            f"{where}: {entry!r} is not the name of a recording, e.g. lang-english_speaker-00_trial-0_digit-0.flac"
        )
    return match[0], int(match[2]) + (10 if match[1] == "english" else 0)
