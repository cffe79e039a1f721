"""From audio files to a task of mel spectrograms: the code shared by the spoken digits and the spoken commands."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from sgpipe.base.errors import SgpipeError
from sgpipe.base.rng import permutation, stream
from sgpipe.data.audio import read_audio
from sgpipe.data.files.reading import FETCH_SET_AGAIN, read_text
from sgpipe.data.mel import CHANNELS, features
from sgpipe.data.samples import SPLITS, Analog, Task
from sgpipe.spec.tasks import RawHDData, RawSCData

Recording = tuple[str, int]  # the name of a file and its class
LONGEST_LIST = 20_000_000  # bytes; published lists have a twentieth of it


@contextmanager
def tree(root: Path | None) -> Iterator[Path]:
    """Yield the folder of a published set, or, if there is none, an empty temporary folder for a stand-in."""
    if root is not None:
        yield root
    else:
        with TemporaryDirectory(prefix="sgpipe-speech-") as temporary:
            yield Path(temporary)


def list_entries(path: Path) -> list[str]:
    """Read the names in a list of files, separated by newlines or spaces; raises SgpipeError if it is not a text."""
    return [name for name in read_text(path, LONGEST_LIST, FETCH_SET_AGAIN).replace("\n", " ").split(" ") if name]


def apart(lists: Mapping[Path, Sequence[str]]) -> None:
    """Raise SgpipeError if the lists (by file) name a recording twice: it would be in two splits at once."""
    seen: dict[str, Path] = {}
    for path, names in lists.items():
        for name in names:
            if name in seen:
                also = "twice" if seen[name] == path else f"and so does {seen[name].name}"
                raise SgpipeError(f"{path}: names {name} {also}; no recording may stand in the lists twice")
            seen[name] = path


def limited(data: RawHDData | RawSCData, splits: Mapping[str, Sequence[Recording]]) -> dict[str, list[Recording]]:
    """Draw at most `data.limit` recordings of each split by the seed, and keep their order; 0 keeps all.

    Args:
        data: The knobs.
        splits: The recordings of each split.
    """
    kept = {}
    for split, recordings in splits.items():
        draws = stream(data.seed, f"data/{data.task}/limit/{split}")
        rows = np.sort(permutation(draws, len(recordings))[: data.limit or None])
        kept[split] = [recordings[row] for row in rows]
        if not kept[split]:
            raise SgpipeError(f"{data.task}: the {split} split has no recordings; more files are needed")
    return kept


def spectrogram_task(
    data: RawHDData | RawSCData, folder: Path, splits: Mapping[str, Sequence[Recording]], rate: int, workers: int
) -> Task:
    """Make a task of mel spectrograms from recordings.

    Args:
        data: The knobs.
        folder: The folder with the recordings.
        splits: The recordings of each split.
        rate: Their sample rate in Hz.
        workers: Parallel workers; the result does not depend on their number.

    Raises:
        SgpipeError: A file is missing or damaged.
    """
    made = {}
    for split in SPLITS:
        frames = spectrograms([folder / name for name, _ in splits[split]], data, rate, workers)
        frames *= np.float32(data.gain)
        made[split] = Analog(frames, np.array([label for _, label in splits[split]], dtype=np.int64), data.hold)
    return Task(data.units, data.classes, data.steps, **made)


def spectrograms(paths: Sequence[Path], data: RawHDData | RawSCData, rate: int, workers: int = 1) -> np.ndarray:
    """Compute the features of audio files, before `data.gain`.

    Args:
        paths: The files.
        data: The knobs.
        rate: The sample rate in Hz that they must have.
        workers: Parallel workers; the result does not depend on their number.

    Returns:
        float32 (files, data.frames, 40).
    """
    frames = np.empty((len(paths), data.frames, CHANNELS), dtype=np.float32)

    def fill(row: int) -> None:
        signal, _ = read_audio(paths[row], rate)
        frames[row] = features(signal, rate, data.frames, data.variant)

    # Threads, since reading and transforming release the interpreter, and no array has to change process.
    with ThreadPoolExecutor(max(workers, 1)) as pool:
        for _ in pool.map(fill, range(len(paths))):
            pass
    return frames
