"""Reads, checks and writes HDF5 files in the layout of the spiking Heidelberg data sets.

spikes/times   a list per sample, float16, in s
spikes/units   a list per sample, integers 0 to 699
labels         one per sample, 0 to 19
extra/         speaker, keys and more, which no network sees
"""

import gzip
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from math import prod
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from sgpipe.base.errors import SgpipeError
from sgpipe.base.files import DISK_FULL, atomic, disk_full
from sgpipe.base.memory import at_most
from sgpipe.data.files.reading import FETCH_AGAIN, LARGEST, size_of
from sgpipe.data.spike_chunks import Allowed, Chunk

NAMES = ("spikes/times", "spikes/units", "labels")
# The published files have some 8,000 samples of 8,000 spikes, which last 1.4 s at most.
SHD = Allowed(units=700, classes=20, longest=10.0)
LARGEST_CHUNK = 100_000_000  # bytes that are unpacked at once
# What h5py raises for damaged files, types that numpy lacks, and sizes that do not fit into memory.
HDF5_ERRORS = (OSError, KeyError, RuntimeError, TypeError, ValueError, OverflowError, MemoryError)


class SpikeFile:
    """An open file of spikes; raises SgpipeError, naming the file, if anything is wrong with it.

    The form of the three data sets is checked before any of them is read. They must lie in the file itself: its
    checksum, which is part of a run's id, does not cover what a link or another file holds.
    """

    def __init__(self, path: Path, content, advice: str = FETCH_AGAIN, allowed: Allowed = SHD):
        self.path, self._advice, self._allowed = path, advice, allowed
        with self._reading("be read"):
            self._content = {name: self._dataset(content, name) for name in NAMES}
            missing = [name for name, dataset in self._content.items() if dataset is None]
            if missing:
                raise self._wrong(f"has no {', '.join(missing)}: not a spiking Heidelberg file")
            for name, dataset in self._content.items():
                self._check_form(name, dataset)
            self.samples, *lengths = (len(self._content[name]) for name in ("labels", "spikes/times", "spikes/units"))
        if self.samples == 0 or set(lengths) != {self.samples}:
            found = f"{lengths[0]} of spikes/times, {lengths[1]} of spikes/units"
            raise self._wrong(f"has {self.samples} labels, but {found}")
        if self.samples > allowed.samples:
            raise self._wrong(f"has {self.samples:,} samples, where {allowed.samples:,} at most are meant")

    def _wrong(self, what: str) -> SgpipeError:
        return SgpipeError(f"{self.path}: {what}; {self._advice}")

    @contextmanager
    def _reading(self, where: str) -> Iterator[None]:
        try:
            yield
        except HDF5_ERRORS as error:
            raise self._wrong(f"cannot {where} ({' '.join(str(error).split()) or type(error).__name__})") from error

    def _dataset(self, content, name: str):
        """Return the data set of this name, or None if there is none; links are not followed."""
        import h5py

        here = content
        for part in name.split("/"):
            if not isinstance(here, h5py.Group) or not here.id.links.exists(part.encode()):
                return None
            if here.id.links.get_info(part.encode()).type != h5py.h5l.TYPE_HARD:
                raise self._wrong(f"has a link in the place of {name}, which may lead out of the file")
            here = here[part]
        return here if isinstance(here, h5py.Dataset) else None

    def _check_form(self, name: str, dataset) -> None:
        """Raise SgpipeError if a data set is not a list of the right kind, stored in the file itself."""
        import h5py

        if dataset.is_virtual or dataset.external:
            raise self._wrong(f"keeps {name} in another file")
        if dataset.shape is None or len(dataset.shape) != 1:
            raise self._wrong(f"has {name} of shape {dataset.shape}, where a list is meant")
        kind, what = dataset.dtype, "a number"
        if name != "labels":
            kind, what = h5py.check_vlen_dtype(dataset.dtype), "a list of numbers"
        letters = self._allowed.time_kinds if name == "spikes/times" else "iu"  # numpy's kinds: floats, integers
        if not isinstance(kind, np.dtype) or kind.kind not in letters or kind.itemsize > 8:
            raise self._wrong(f"has {name} of type {kind or dataset.dtype}, where {what} for each sample is meant")
        if dataset.chunks and prod(dataset.chunks) * 16 > LARGEST_CHUNK:
            raise self._wrong(f"keeps {name} in chunks of {dataset.chunks[0]:,} samples, which are too many at once")

    def chunks(self) -> Iterator[Chunk]:
        """Yield all samples, a few at a time."""
        left, most = self._allowed.spikes_of_all, self._allowed.spikes
        for first in range(0, self.samples, self._allowed.at_once):
            rows = slice(first, first + self._allowed.at_once)
            with self._reading(f"be read after sample {first}"), at_most(self._allowed.memory):
                times, units, labels = (
                    self._content[name][rows] for name in ("spikes/times", "spikes/units", "labels")
                )
                counts = np.array([len(part) for part in times])
                others = np.array([len(part) for part in units])
            if np.any(counts != others):
                raise self._wrong(f"a sample after {first} has more times than units, or fewer")
            left -= int(counts.sum())
            if counts.max() > most or left < 0:  # lists may share their content, so a small file may have many spikes
                raise self._wrong(f"has {counts.max():,} spikes in a sample after {first}, or too many in all")
            with self._reading(f"be read after sample {first}"):
                joined = np.concatenate(times), np.concatenate(units).astype(np.int64), labels.astype(np.int64)
            chunk = Chunk(first, counts, *joined)
            if fault := self._allowed.fault(chunk):
                raise self._wrong(fault)
            yield chunk


@contextmanager
def open_spikes(path: Path | str, advice: str = FETCH_AGAIN, allowed: Allowed = SHD) -> Iterator[SpikeFile]:
    """Open a file of spikes, gzipped or not.

    Args:
        path: The file.
        advice: What to do about a bad file, for the message.
        allowed: What the file may contain.

    Yields:
        The open file.

    Raises:
        SgpipeError: The file is damaged or of another kind.
    """
    import h5py  # takes an eighth of a second, which other tasks need not spend

    path = Path(path)
    size_of(path)
    with TemporaryDirectory(prefix="sgpipe-shd-") as temporary:
        plain = path
        if path.suffix == ".gz":  # HDF5 needs random access, which a gzipped file does not allow
            plain = Path(temporary) / path.stem
            _unpack(path, plain, advice)
        try:
            content = h5py.File(plain, "r")
        except HDF5_ERRORS as error:
            raise SgpipeError(f"{path}: not a whole HDF5 file ({' '.join(str(error).split())}); {advice}") from error
        with content:
            yield SpikeFile(path, content, advice, allowed)


def _unpack(path: Path, plain: Path, advice: str) -> None:
    try:
        with gzip.open(path) as packed, open(plain, "wb") as unpacked:
            while block := packed.read(2**20):
                unpacked.write(block)
                if unpacked.tell() > LARGEST:
                    raise SgpipeError(f"{path}: unpacks to more than {LARGEST:,} bytes; {advice}")
    except (OSError, EOFError, zlib.error) as error:
        if getattr(error, "errno", None) in DISK_FULL:
            raise disk_full(plain.parent) from error
        raise SgpipeError(f"{path}: cannot be unpacked ({error}); {advice}") from error


def write_spikes(
    path: Path | str,
    spikes: Iterable[tuple[int, tuple[np.ndarray, np.ndarray]]],
    labels: Sequence[int],
    keys: Sequence[str] = (),
) -> None:
    """Write a file of spikes in the layout of the published ones.

    Args:
        path: The file.
        spikes: The index of a sample, and the times in s and units of its spikes; in any order, written as they come.
        labels: The label of each sample.
        keys: Where each sample comes from.
    """
    import h5py

    with atomic(path) as temporary, h5py.File(temporary, "w") as file:
        kinds = {"times": np.float16, "units": np.uint16}
        lists = {
            name: file.create_dataset(f"spikes/{name}", (len(labels),), h5py.vlen_dtype(kind))
            for name, kind in kinds.items()
        }
        for row, sample in spikes:
            for values, (name, kind) in zip(sample, kinds.items(), strict=True):
                lists[name][row] = values.astype(kind)
        file["labels"] = np.array(labels, dtype=np.uint16)
        if keys:
            file["extra/keys"] = list(keys)
