"""The spiking Heidelberg digits (Cramer et al. 2020), or similar spikes if the published files are missing.

source      spikes
original    shd/shd_train.h5 and shd_test.h5, gzipped or not
derived     the recordings of hd_audio/ (see rawhd.py) through our inner ear (cochlea.py); split by its lists
embedded    the same with synthesised speech

Spikes that we make have the layout of the published files, including times in half precision, and are kept in that
layout for other bins and splits. They are not SHD: its conversion is random, and the model here is our own.
Labels are SHD's: the digit in English, 10 + digit in German.

variant     bin of time t (bin width b)         input of unit u                  validation
zenke2021   floor(t / b)                        u                                drawn from the training file
herranz2022 first i with t <= i b, as in the    700 - u; none for u = 0          the end of the training file, whose
            code that its generator follows                                      last sample is left out
"""

from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from filelock import FileLock

from sgpipe.base.rng import permutation, stream
from sgpipe.data import rawhd
from sgpipe.data.ear import cochlea
from sgpipe.data.files.reading import file_there, folder_there, missing_of, packed_or_not
from sgpipe.data.files.sources import Found
from sgpipe.data.samples import SPLITS, Events, Task
from sgpipe.data.shd_files import SpikeFile, open_spikes, write_spikes
from sgpipe.data.spike_chunks import Chunk, in_bins, limited, read_splits
from sgpipe.data.standins.recordings import SPEECH_SEED, write_digits
from sgpipe.spec.run import digest
from sgpipe.spec.tasks import ShdData

FOLDER = "shd"
FILES = {"train": "shd_train.h5", "test": "shd_test.h5"}
SPEECH_VERSION = 1  # raised whenever the synthesised speech changes: kept spikes of another version are then made anew
HERRANZ_TEST = 2088
MAKE_AGAIN = "delete it, and it is made again"


def find(folder: Path, data: ShdData) -> list[Found]:
    """Find the published spikes, and the recordings from which spikes can be derived, in the data folder."""
    root, found = folder / FOLDER, []
    files = [packed_or_not(root, name) for name in FILES.values()] if folder_there(root) else []
    there = tuple(path for path in files if file_there(path))
    if there:
        found.append(Found("original", root, there, missing=missing_of(root, [path.name for path in files])))
    return found + [replace(audio, source="derived") for audio in rawhd.find(folder, data)]


def check_file(path: Path) -> None:
    """Read one of the published files; raises SgpipeError if it is damaged."""
    with open_spikes(path) as file:
        for _ in file.chunks():
            pass


def make(data: ShdData, folder: Path | None = None, workers: int = 1, keep: Path | None = None) -> Task:
    """Make the task from published spikes, or from recordings or synthesised speech by way of the inner ear.

    Args:
        data: The knobs.
        folder: The data folder; None for synthesised speech.
        workers: Parallel workers; the result does not depend on their number.
        keep: A folder for spikes that are made here; they are reused the next time.

    Raises:
        SgpipeError: A file is missing or damaged; the message names it.
    """
    if data.source == "original":
        paths = {split: packed_or_not(folder / FOLDER, name) for split, name in FILES.items()}
        with open_spikes(paths["train"]) as train, open_spikes(paths["test"]) as test:
            return _task(data, train, test, _rows(data, train.samples, test.samples))
    with TemporaryDirectory(prefix="sgpipe-shd-") as temporary:
        root = folder and folder / rawhd.FOLDER
        if root is None:
            root = Path(temporary) / "speech"
            write_digits(root, only=())
        lists = rawhd.listed(root) if folder is None else rawhd.read_lists(root)
        lists = {split: [_english_first(one) for one in recordings] for split, recordings in lists.items()}
        rows = _rows(data, len(lists["train"]), len(lists["test"]))
        # Only the wanted recordings are encoded: far fewer with a small `limit`.
        wanted = {"train": np.union1d(rows["train"], rows["valid"]), "test": rows["test"]}
        heard = {split: [lists[split][row] for row in some] for split, some in wanted.items()}
        rows = {split: np.searchsorted(wanted["test" if split == "test" else "train"], rows[split]) for split in SPLITS}
        known = keep is not None and (folder is None or data.files is not None)
        place = Path(keep if known else temporary) / f"ear-{_origin(data, heard)}"
        place.mkdir(parents=True, exist_ok=True)
        with FileLock(place / "lock"):  # another job may need the same spikes in other bins
            _listen(root, folder is None, heard, place, workers)
        train_path, test_path = place / FILES["train"], place / FILES["test"]
        with open_spikes(train_path, MAKE_AGAIN) as train, open_spikes(test_path, MAKE_AGAIN) as test:
            return _task(data, train, test, rows)


def _english_first(recording: rawhd.Recording) -> rawhd.Recording:
    name, label = recording
    return name, (label + 10) % 20


def _origin(data: ShdData, heard: dict[str, list[rawhd.Recording]]) -> str:
    """Return a digest of everything that determines the spikes of some recordings."""
    sounds = data.files if data.source == "derived" else f"speech {SPEECH_SEED} {SPEECH_VERSION}"
    names = ",".join(name for recordings in heard.values() for name, _ in recordings)
    return digest(f"{data.source} {sounds} ear {cochlea.VERSION} {names}")


def _listen(root: Path, speak: bool, heard: dict[str, list[rawhd.Recording]], place: Path, workers: int) -> None:
    """Write the spikes of some recordings to `place`, unless they are there; if `speak`, synthesise these first."""
    missing = [split for split, name in FILES.items() if not (place / name).is_file()]
    if missing and speak:
        only = {name for split in missing for name, _ in heard[split]}
        write_digits(root, only=only, workers=workers)
    for split in missing:
        names = [name for name, _ in heard[split]]
        spikes = cochlea.encode_files(root / "audio", names, workers)
        write_spikes(place / FILES[split], spikes, [label for _, label in heard[split]], names)


def _task(data: ShdData, train: SpikeFile, test: SpikeFile, rows: dict[str, np.ndarray]) -> Task:
    """Return the task made from some samples of a training file and of a test file."""
    in_steps = partial(binned, data=data)
    parts = read_splits(train, {split: rows[split] for split in ("train", "valid")}, in_steps)
    parts |= read_splits(test, {"test": rows["test"]}, in_steps)
    return Task(data.units, data.classes, data.steps, *(parts[split] for split in SPLITS))


def _rows(data: ShdData, train: int, test: int) -> dict[str, np.ndarray]:
    """Return the samples of the training or test file that form each split, in ascending order."""
    if data.variant == "herranz2022":
        order, test = np.arange(train - 1), min(test, HERRANZ_TEST)
        kept = int((1 - data.valid_share) * len(order))
    else:
        order = permutation(stream(data.seed, "data/shd/valid"), train)
        kept = train - round(data.valid_share * train)
    rows = {"train": order[:kept], "valid": order[kept:], "test": np.arange(test)}
    return limited(rows, data)


def binned(chunk: Chunk, data: ShdData) -> Events:
    """Bin spikes in time, and hold each bin for `data.hold` steps.

    Args:
        chunk: Some samples.
        data: The knobs.
    """
    width, bins = data.dt * data.hold, data.steps // data.hold
    sample = np.repeat(np.arange(len(chunk.labels)), chunk.counts)
    if data.variant == "herranz2022":
        # In the precision of the times, in which that code compares them: 4 ms there is 4 ms here.
        edges = (np.arange(bins) * (width / 1000)).astype(chunk.times.dtype)
        place, unit = np.searchsorted(edges, chunk.times), data.units - chunk.units
        inside = (place < bins) & (unit < data.units)
    else:
        place, unit = np.floor(chunk.times.astype(float) * 1000 / width).astype(np.int64), chunk.units
        inside = place < bins
    return in_bins(sample[inside], place[inside], unit[inside], chunk.labels, data)
