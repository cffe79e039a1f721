"""Spikes from the user's own files: a folder in data_dir with train, test and optionally valid.

Each is an HDF5 file in the layout of the spiking Heidelberg digits (`train.h5`, or with the folder's name before it as
in `ssc_train.h5`; gzipped or not), or a folder of .npz or Parquet files (`sgpipe.data.spike_folders`). Times count from
the start of a sample; a spike at t is in bin floor(t / width), which is shown for `data.hold` steps.
"""

from contextlib import ExitStack
from pathlib import Path

import numpy as np

from sgpipe.base.errors import SgpipeError
from sgpipe.base.log import LOG
from sgpipe.base.rng import permutation, stream
from sgpipe.data.files.reading import file_there, folder_there
from sgpipe.data.files.sources import Found
from sgpipe.data.samples import SPLITS, Events, Task
from sgpipe.data.shd_files import SpikeFile, open_spikes
from sgpipe.data.spike_chunks import Allowed, Chunk, in_bins, limited, read_splits
from sgpipe.data.spike_folders import SUFFIXES, SpikeFolder, open_folder
from sgpipe.spec.tasks import SpikesData

ENDS = (".h5", ".hdf5", ".h5.gz", ".hdf5.gz")
MS = {"s": 1e3, "ms": 1.0, "us": 1e-3}  # the units of `data.times` in ms
LONGEST = 1e7  # ms
FAR = 1e15  # bins; more than any task has, and fits a 64-bit integer
ADVICE = "write it as docs/data.md says, or set data.units, data.classes and data.times to what it has"


def find(folder: Path, data: SpikesData) -> list[Found]:
    """Find the files of a set in the data folder; the validation file is left out if training samples are held out."""
    root = folder / data.set
    splits = [split for split in SPLITS if split != "valid" or not data.valid_share]
    places = {split: place(root, split) if folder_there(root) else None for split in splits}
    there = [path for path in places.values() if path is not None]
    lacking = tuple(f"{split}.h5 or a folder {split}" for split, path in places.items() if path is None)
    remedy = "put it there, or set data_dir or data.set; files of your own have no stand-in"
    if "valid" in places and places["valid"] is None:
        remedy = f"set data.valid_share to hold out training samples for validation, or {remedy}"
    files = tuple(path for path in there if not path.is_dir())
    folders = tuple(path for path in there if path.is_dir())
    return [Found("original", root, files, folders, SUFFIXES, lacking, remedy)]


def place(root: Path, split: str) -> Path | None:
    """Locate the file or folder of a split in the folder of a set.

    Args:
        root: The folder of the set.
        split: `train`, `valid` or `test`.

    Returns:
        Its path, or None if there is none. A gzipped file that is also there unpacked does not count.

    Raises:
        SgpipeError: There are several, or something else is in its place.
    """
    names = [f"{start}{split}{end}" for start in ("", f"{root.name}_") for end in ENDS]
    there = [root / name for name in names if file_there(root / name)]
    there = [path for path in there if path.suffix != ".gz" or path.with_suffix("") not in there]
    there += [root / split] if folder_there(root / split) else []
    if len(there) > 1:
        raise SgpipeError(f"{there[1]}: and {there[0].name} are both for {split}; rename the one that is not meant")
    return there[0] if there else None


def make(data: SpikesData, folder: Path, workers: int = 1) -> Task:
    """Make the task from the files of its set.

    Args:
        data: The knobs.
        folder: The data folder.
        workers: Not used; files are read one after the other.

    Raises:
        SgpipeError: A file is missing or bad; the message names it.
    """
    allowed = Allowed(
        data.units,
        data.classes,
        LONGEST / MS[data.times],
        time_kinds="fiu",
        samples=1_000_000,
        spikes=1_000_000,
        spikes_of_all=2_000_000_000,
        at_once=16,
    )
    root = folder / data.set
    with ExitStack() as stack:
        sources = {}
        for split in SPLITS:
            if split == "valid" and data.valid_share:
                continue
            path = place(root, split)
            if path is None:
                raise SgpipeError(f"{root}: has neither {split}.h5 nor a folder {split}; put it there")
            if path.is_dir():
                sources[split] = open_folder(path, allowed, ADVICE)
            else:
                sources[split] = stack.enter_context(open_spikes(path, ADVICE, allowed))
        rows = _rows(data, {split: source.samples for split, source in sources.items()})
        parts: dict[str, Events] = {}
        for split, source in sources.items():
            wanted = ("train", "valid") if split == "train" and data.valid_share else (split,)
            parts |= _read(source, {name: rows[name] for name in wanted}, data)
    return Task(data.units, data.classes, data.steps, *(parts[split] for split in SPLITS))


def _rows(data: SpikesData, samples: dict[str, int]) -> dict[str, np.ndarray]:
    """Return the samples of its file that form each split, in ascending order."""
    rows = {split: np.arange(count) for split, count in samples.items()}
    if data.valid_share:
        order = permutation(stream(data.seed, "data/spikes/valid"), samples["train"])
        kept = len(order) - round(data.valid_share * len(order))
        rows |= {"train": order[:kept], "valid": order[kept:]}
    return limited(rows, data)


def _read(source: SpikeFile | SpikeFolder, rows: dict[str, np.ndarray], data: SpikesData) -> dict[str, Events]:
    """Return the binned samples of some splits; report if much of a file lies outside the time window shown."""
    bins = _Bins(data)
    parts = read_splits(source, rows, bins)
    shown = f"the first {data.dt * data.steps:g} ms ({data.steps} steps of {data.dt:g} ms, times in {data.times})"
    if bins.late == bins.spikes:
        raise SgpipeError(
            f"{source.path}: has no spike within {shown}; set data.times, data.dt and data.steps to what it has"
        )
    if bins.late > bins.spikes / 2:
        LOG.warning(f"{source.path}: {bins.late:,} of {bins.spikes:,} spikes are left out, since not within {shown}")
    if bins.silent:
        LOG.warning(f"{source.path}: samples without a spike within {shown}: {bins.silent:,} of {source.samples:,}")
    return parts


class _Bins:
    """Bins the spikes of samples, a few at a time, and counts the spikes outside the time window shown."""

    def __init__(self, data: SpikesData):
        self._data = data
        self.spikes = self.late = self.silent = 0

    def __call__(self, chunk: Chunk) -> Events:
        data = self._data
        sample = np.repeat(np.arange(len(chunk.labels)), chunk.counts)
        place = bins_of(chunk.times, MS[data.times], data.dt * data.hold)
        inside = place < data.steps // data.hold
        self.spikes += len(inside)
        self.late += len(inside) - int(inside.sum())
        self.silent += int(np.sum(np.bincount(sample[inside], minlength=len(chunk.labels)) == 0))
        return in_bins(sample[inside], place[inside], chunk.units[inside], chunk.labels, data)


def bins_of(times: np.ndarray, unit: float, width: float) -> np.ndarray:
    """Compute the bins of some times: floor(t / width), int64.

    A time that equals the edge of a bin except for rounding belongs to the bin that begins there: 57 ms written as
    0.057 s is no earlier. Times in half precision, whose rounding error may be as long as a bin, are not corrected.

    Args:
        times: Numbers of any type, (spikes,).
        unit: Their unit, in ms.
        width: The width of a bin, in ms.
    """
    with np.errstate(over="ignore"):  # times far beyond the last bin
        exact = times.astype(np.float64) * unit / width
    if times.dtype != np.float16:
        exact *= 1 + 4 * float(np.finfo(times.dtype if times.dtype.kind == "f" else np.float64).eps)
    return np.floor(np.minimum(exact, FAR)).astype(np.int64)
