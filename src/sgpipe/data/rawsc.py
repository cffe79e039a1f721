"""RawSC: Speech Commands (Warden 2018) as mel spectrograms, one class per word.

The published folder speech_commands/speech_commands_v0.02/ (or _v0.01) has a folder of 16 kHz clips for each word,
and the lists validation_list.txt and testing_list.txt; a clip in neither list is for training. `hash_split.py` has the
rule by which the author made the lists. `_background_noise_` contains no words and is left out.
"""

import re
from pathlib import Path

from sgpipe.base.errors import SgpipeError
from sgpipe.base.log import LOG
from sgpipe.data.files.reading import FETCH_SET_AGAIN, file_there, folder_there, missing_of, names_in
from sgpipe.data.files.sources import Found
from sgpipe.data.samples import Task
from sgpipe.data.speech import Recording, apart, limited, list_entries, spectrogram_task, tree
from sgpipe.data.standins.phonemes import COMMANDS
from sgpipe.data.standins.recordings import write_commands
from sgpipe.spec.tasks import RawSCData

LISTS = {"valid": "validation_list.txt", "test": "testing_list.txt"}
RATE = 16000
SINCE_V002 = ("backward", "follow", "forward", "learn", "visual")


def words(version: str) -> tuple[str, ...]:
    """List the words of a release in the order of their labels, which is the alphabetical order."""
    return COMMANDS if version == "v0.02" else tuple(word for word in COMMANDS if word not in SINCE_V002)


def _root(folder: Path, data: RawSCData) -> Path:
    return folder / "speech_commands" / f"speech_commands_{data.version}"


def find(folder: Path, data: RawSCData) -> list[Found]:
    """Find the published set in the data folder, complete or not."""
    root = _root(folder, data)
    if not folder_there(root):
        return []
    there = tuple(root / word for word in words(data.version) if folder_there(root / word))
    missing = tuple(f"{word}/" for word in words(data.version) if root / word not in there)
    files = tuple(path for name in LISTS.values() if file_there(path := root / name))
    return [Found("original", root, files, there, ".wav", (*missing_of(root, tuple(LISTS.values())), *missing))]


def make(data: RawSCData, folder: Path | None = None, workers: int = 1) -> Task:
    """Make the task from the published clips, or without a folder from synthesised speech (`sgpipe.data.prepare`)."""
    with tree(folder and _root(folder, data)) as root:
        if folder is None:
            paths = write_commands(root, only=())
        else:
            paths = sorted(
                clip.relative_to(root).as_posix() for word in words(data.version) for clip in _clips(root / word)
            )
        splits = limited(data, _splits(root, paths, words(data.version)))
        if folder is None:
            spoken = {path for recordings in splits.values() for path, _ in recordings}
            write_commands(root, only=spoken, workers=workers)
        return spectrogram_task(data, root, splits, RATE, workers)


def _clips(folder: Path) -> list[Path]:
    if not folder_there(folder):
        raise SgpipeError(f"{folder}: no such folder; the data set has one for each word")
    found = [folder / name for name in names_in(folder) if name.endswith(".wav")]
    if not found:
        raise SgpipeError(f"{folder}: has no .wav file; {FETCH_SET_AGAIN}")
    return found


def _splits(root: Path, paths: list[str], known: tuple[str, ...]) -> dict[str, list[Recording]]:
    """Return the clips of each split with their labels; `known` are the words that count.

    The folders define the set; the lists only sort it into splits. A list may name clips that are missing, as in a part
    of the set, which is then reported; but at least one of its clips must be there.
    """
    labels = {word: label for label, word in enumerate(known)}
    splits: dict[str, list[Recording]] = {"train": [], "valid": [], "test": []}
    listed = {split: read_list(root / name) for split, name in LISTS.items()}
    apart({root / LISTS[split]: entries for split, entries in listed.items()})
    split_of = {path: split for split, entries in listed.items() for path in entries}
    for path in paths:
        word = path.partition("/")[0]
        if word in labels:
            splits[split_of.get(path, "train")].append((path, labels[word]))
    for split, entries in listed.items():
        if not splits[split]:
            raise SgpipeError(f"{root / LISTS[split]}: none of its {len(entries)} clips is there; {FETCH_SET_AGAIN}")
    absent = len(split_of) - len(splits["valid"]) - len(splits["test"])
    if absent:
        LOG.warning(f"{root}: a part of the data set: {absent} clips of its lists are not there")
    return splits


def read_list(path: Path) -> list[str]:
    """Read the entries of a list, `<word>/<speaker>_nohash_<n>.wav`; raises SgpipeError for anything else."""
    entries = list_entries(path)
    for entry in entries:
        if not re.fullmatch(r"\w+/\w+_nohash_\d+\.wav", entry, re.ASCII):
            raise SgpipeError(f"{path}: {entry!r} is not the name of a clip, e.g. yes/0a7c2a8d_nohash_0.wav")
    return entries
