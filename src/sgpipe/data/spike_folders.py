"""Spikes in folders: an .npz file per sample, or Parquet files with a row per spike.

.npz        times (in the unit of time of `data.times`) and units, two arrays of the same length; label, a number
.parquet    sample, time, unit, label; the rows of a sample are adjacent. A sample without spikes is a row in which time
            and unit are missing (null)

Other arrays and columns are ignored. Samples come in the order of the files' names. Parquet files have a row per spike,
not per sample, because lists would be unpacked as a whole, however long they are.
"""

import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sgpipe.base.errors import SgpipeError, first_line
from sgpipe.data.files.reading import names_in, size_of
from sgpipe.data.spike_chunks import Allowed, Chunk

SUFFIXES = (".npz", ".parquet")
LARGEST_NPZ = 100_000_000  # bytes
LARGEST_HEADER = 10_000  # characters in the header of an array
ROWS = 1_000_000  # rows of a Parquet file that are read at once
NPZ_ERRORS = (OSError, zipfile.BadZipFile, zlib.error, EOFError, KeyError, ValueError, RuntimeError, MemoryError)
PARQUET_ERRORS = (pa.ArrowException, OSError, KeyError, ValueError, TypeError, OverflowError, MemoryError)
ARRAYS = ("times", "units", "label")
COLUMNS = ("sample", "label", "time", "unit")


def open_folder(folder: Path, allowed: Allowed, advice: str) -> "SpikeFolder":
    """Open a folder of spikes.

    Args:
        folder: The folder; its .npz or Parquet files must all be of one kind.
        allowed: What they may contain.
        advice: What to do about a bad file, for the message.

    Raises:
        SgpipeError: It has no such file, or files of both kinds, or one of them is bad.
    """
    names = sorted(name for name in names_in(folder) if name.endswith(SUFFIXES))
    kinds = {Path(name).suffix for name in names}
    if len(kinds) != 1:
        found = "both .npz and .parquet files" if kinds else "neither .npz nor .parquet files"
        raise SgpipeError(f"{folder}: has {found}; {advice}")
    kind = NpzFolder if kinds == {".npz"} else ParquetFolder
    return kind(folder, [folder / name for name in names], allowed, advice)


class SpikeFolder(ABC):
    """Files of checked spikes; raises SgpipeError, naming the file, if anything is wrong with it."""

    samples: int

    def __init__(self, folder: Path, paths: list[Path], allowed: Allowed, advice: str):
        self.path, self._paths, self._allowed, self._advice = folder, paths, allowed, advice
        self.samples = self._count()
        if not 0 < self.samples <= allowed.samples:
            what = f"has {self.samples:,} samples, where 1 to {allowed.samples:,} are meant"
            raise self._wrong(folder, what)

    def chunks(self) -> Iterator[Chunk]:
        """Yield all samples, a few at a time."""
        first, left = 0, self._allowed.spikes_of_all
        for path in self._paths:
            start = first
            for chunk in self._chunks_of(path):
                left -= int(chunk.counts.sum())
                if chunk.counts.max(initial=0) > self._allowed.spikes or left < 0:
                    raise self._wrong(path, f"has {chunk.counts.max():,} spikes in a sample, or too many in all")
                if fault := self._allowed.fault(replace(chunk, first=first - start)):
                    raise self._wrong(path, fault)
                yield replace(chunk, first=first)
                first += len(chunk.labels)
        if first != self.samples:
            raise self._wrong(self.path, f"has {first:,} samples, where its files promise {self.samples:,}")

    @abstractmethod
    def _count(self) -> int:
        """Check the files; return their number of samples."""

    @abstractmethod
    def _chunks_of(self, path: Path) -> Iterator[Chunk]:
        """Yield the samples of a file; `first` of these chunks is not used."""

    def _wrong(self, path: Path, what: str) -> SgpipeError:
        return SgpipeError(f"{path}: {what}; {self._advice}")

    @contextmanager
    def _reading(self, path: Path, errors: tuple[type[Exception], ...]) -> Iterator[None]:
        try:
            yield
        except errors as error:
            raise self._wrong(path, f"cannot be read ({' '.join(first_line(error).split())})") from error


class NpzFolder(SpikeFolder):
    """One .npz file per sample."""

    def _count(self) -> int:
        return len(self._paths)

    def _chunks_of(self, path: Path) -> Iterator[Chunk]:
        size_of(path, LARGEST_NPZ)
        with self._reading(path, NPZ_ERRORS), zipfile.ZipFile(path) as file:
            there = file.namelist()
            if missing := [name for name in ARRAYS if f"{name}.npy" not in there]:
                raise self._wrong(path, f"has no {', '.join(missing)}")
            arrays = {}
            for name in ARRAYS:
                with file.open(f"{name}.npy") as stream:
                    arrays[name] = self._array(path, name, stream)
        times, units, label = (arrays[name] for name in ARRAYS)
        if len(times) != len(units):
            raise self._wrong(path, f"has {len(times):,} times, but {len(units):,} units")
        yield Chunk(0, np.array([len(times)]), times, units.astype(np.int64), label.astype(np.int64))

    def _array(self, path: Path, name: str, stream: BinaryIO) -> np.ndarray:
        """Read an array; its header is checked before any of its content is read."""
        version = np.lib.format.read_magic(stream)
        if version not in ((1, 0), (2, 0)):
            raise self._wrong(path, f"has {name} in version {version[0]} of the format, where 1 or 2 is meant")
        header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, kind = header(stream, max_header_size=LARGEST_HEADER)
        letters = self._allowed.time_kinds if name == "times" else "iu"
        form = "a number" if name == "label" else "a list of numbers"
        fits = shape in ((), (1,)) if name == "label" else len(shape) == 1
        if kind.kind not in letters or kind.itemsize > 8 or not fits:
            raise self._wrong(path, f"has {name} of type {kind} and shape {shape}, where {form} is meant")
        count = prod(shape)
        if count > self._allowed.spikes:
            raise self._wrong(path, f"has {count:,} {name}, where {self._allowed.spikes:,} at most are meant")
        content = stream.read(count * kind.itemsize)
        if len(content) != count * kind.itemsize or stream.read(1):
            raise self._wrong(path, f"has more or less in {name} than it promises")
        return np.frombuffer(content, kind).astype(kind.newbyteorder("="))


class ParquetFolder(SpikeFolder):
    """Parquet files with a row per spike."""

    def _count(self) -> int:
        return sum(self._samples_in(path) for path in self._paths)

    def _samples_in(self, path: Path) -> int:
        """Check the columns of a file; return its number of samples."""
        size_of(path)
        with self._reading(path, PARQUET_ERRORS), pq.ParquetFile(path, pre_buffer=False) as file:
            schema = file.schema_arrow
            for name in COLUMNS:
                place = schema.get_field_index(name)
                if place < 0:
                    raise self._wrong(path, f"has no column {name}, or several")
                kind = schema.field(place).type
                real = name == "time" and pa.types.is_floating(kind)
                whole = pa.types.is_integer(kind) and (name != "time" or "i" in self._allowed.time_kinds)
                if not real and not whole:
                    meant = "numbers" if name == "time" else "whole numbers"
                    raise self._wrong(path, f"has {name} of type {kind}, where {meant} are meant")
        count, last = 0, None
        for rows in self._batches(path, ["sample"]):
            ids = rows["sample"]
            count += len(_starts(ids)) - (last is not None and ids[0] == last)
            last = ids[-1]
        return count

    def _chunks_of(self, path: Path) -> Iterator[Chunk]:
        seen: set[int] = set()
        rest: dict[str, np.ndarray] = {}
        for rows in self._batches(path, COLUMNS):
            rows = {name: np.concatenate([rest[name], part]) if rest else part for name, part in rows.items()}
            last = _starts(rows["sample"])[-1]
            rest = {name: part[last:] for name, part in rows.items()}
            if len(rest["sample"]) > self._allowed.spikes + 1:
                most = f"where {self._allowed.spikes:,} spikes at most are meant"
                raise self._wrong(path, f"has more than {len(rest['sample']) - 1:,} rows of a sample, {most}")
            if last:
                yield self._chunk(path, {name: part[:last] for name, part in rows.items()}, seen)
        if rest:
            yield self._chunk(path, rest, seen)

    def _chunk(self, path: Path, rows: dict[str, np.ndarray], seen: set[int]) -> Chunk:
        """Make a chunk of whole samples; their numbers are added to `seen`, which holds those of earlier samples."""
        starts = _starts(rows["sample"])
        ids, labels = rows["sample"][starts], rows["label"][starts]
        again = next((int(one) for one in ids if one in seen or seen.add(one)), None)
        if again is not None:
            raise self._wrong(path, f"has rows of sample {again} in two places; sort it by sample")
        lengths = np.diff([*starts, len(rows["sample"])])
        if np.any(rows["label"] != np.repeat(labels, lengths)):
            raise self._wrong(path, "has a sample with two labels")
        fires = rows["fires"]
        counts = np.add.reduceat(fires.astype(np.int64), starts)
        return Chunk(0, counts, rows["time"][fires], rows["unit"][fires], labels)

    def _batches(self, path: Path, names: Sequence[str]) -> Iterator[dict[str, np.ndarray]]:
        """Yield the columns of some rows at a time; `fires` says which of them are spikes."""
        with self._reading(path, PARQUET_ERRORS), pq.ParquetFile(path, pre_buffer=False) as file:
            for batch in file.iter_batches(ROWS, columns=list(names), use_threads=False):
                if batch.num_rows:
                    yield self._columns(path, batch, names)

    def _columns(self, path: Path, batch: pa.RecordBatch, names: Sequence[str]) -> dict[str, np.ndarray]:
        columns = {name: batch.column(batch.schema.get_field_index(name)) for name in names}
        there = {name: column.is_valid().to_numpy(zero_copy_only=False) for name, column in columns.items()}
        if not all(there[name].all() for name in ("sample", "label") if name in names):
            raise self._wrong(path, "has a row without sample or label")
        if "time" in names and np.any(there["time"] != there["unit"]):
            raise self._wrong(path, "has a time without unit, or a unit without time")
        found = {}
        for name, column in columns.items():
            values = column.drop_null().to_numpy(zero_copy_only=False)
            kind = values.dtype if name == "time" else np.int64
            found[name] = np.zeros(len(column), kind)
            found[name][there[name]] = values
        return {**found, **({"fires": there["time"]} if "time" in names else {})}


def _starts(ids: np.ndarray) -> np.ndarray:
    """Return the indices at which a sample begins, including the first."""
    return np.concatenate([[0], np.flatnonzero(np.diff(ids)) + 1])
