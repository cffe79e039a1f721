"""The HDF5 files of the spiking Heidelberg data sets: read, checked, and written in the same layout.

spikes/times   a list for each sample, float16, in s
spikes/units   a list for each sample, integers 0 to 699
labels         one for each sample, 0 to 19
extra/         speaker, keys and more, which no network sees
"""

import gzip
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from sgpipe.base.errors import SgpipeError
from sgpipe.base.files import atomic

UNITS, CLASSES = 700, 20
LONGEST = 10.0  # s; the published recordings last 1.4 s at most
AT_ONCE = 256  # samples
ADVICE = "fetch it again with `snakemake --cores 1 download`"


@dataclass(frozen=True)
class Chunk:
    """Some samples of a file: sample i owns the next `counts[i]` spikes."""

    first: int  # the place of the first sample in the file
    counts: np.ndarray  # int64 (samples,)
    times: np.ndarray  # (spikes,), in s, of the file's own type
    units: np.ndarray  # int64 (spikes,)
    labels: np.ndarray  # int64 (samples,)


class SpikeFile:
    """An open file of spikes; raises SgpipeError, naming it, on whatever is wrong with it."""

    def __init__(self, path: Path, content):
        self.path, self._content = path, content
        missing = [name for name in ("spikes/times", "spikes/units", "labels") if name not in content]
        if missing:
            raise SgpipeError(f"{path}: has no {', '.join(missing)}: not a spiking Heidelberg file; {ADVICE}")
        self.samples = len(content["labels"])
        lengths = {name: len(content[name]) for name in ("spikes/times", "spikes/units")}
        if self.samples == 0 or set(lengths.values()) != {self.samples}:
            found = ", ".join(f"{count} of {name}" for name, count in lengths.items())
            raise SgpipeError(f"{path}: has {self.samples} labels, but {found}; {ADVICE}")

    def chunks(self) -> Iterator[Chunk]:
        """Yield all samples, a few at a time."""
        for first in range(0, self.samples, AT_ONCE):
            rows = slice(first, first + AT_ONCE)
            try:
                times, units = (self._content[name][rows] for name in ("spikes/times", "spikes/units"))
                labels = self._content["labels"][rows].astype(np.int64)
            except OSError as error:
                raise SgpipeError(f"{self.path}: cannot be read after sample {first} ({error}); {ADVICE}") from error
            counts = np.array([len(part) for part in times])
            if np.any(counts != [len(part) for part in units]):
                raise SgpipeError(f"{self.path}: a sample after {first} has more times than units, or fewer; {ADVICE}")
            chunk = Chunk(first, counts, np.concatenate(times), np.concatenate(units).astype(np.int64), labels)
            self._check(chunk)
            yield chunk

    def _check(self, chunk: Chunk) -> None:
        for name, values, least, most in (
            ("a time", chunk.times, 0, LONGEST),
            ("a unit", chunk.units, 0, UNITS - 1),
            ("a label", chunk.labels, 0, CLASSES - 1),
        ):
            wrong = ~((values >= least) & (values <= most))  # so that NaN is wrong too
            if np.any(wrong):
                raise SgpipeError(
                    f"{self.path}: has {name} {values[wrong][0]} after sample {chunk.first}, "
                    f"expected {least} to {most:g}; {ADVICE}"
                )


@contextmanager
def open_spikes(path: Path | str) -> Iterator[SpikeFile]:
    """Open a file of spikes, gzipped or not; raises SgpipeError if it is damaged or of another kind."""
    import h5py  # an eighth of a second that other tasks need not spend

    path = Path(path)
    with TemporaryDirectory(prefix="sgpipe-shd-") as temporary:
        plain = path
        if path.suffix == ".gz":  # HDF5 jumps to and fro in a file, which a gzipped one does not allow
            plain = Path(temporary) / path.stem
            try:
                with gzip.open(path) as packed, open(plain, "wb") as unpacked:
                    shutil.copyfileobj(packed, unpacked, 2**20)
            except (OSError, EOFError, gzip.zlib.error) as error:
                raise SgpipeError(f"{path}: cannot be unpacked ({error}); {ADVICE}") from error
        try:
            content = h5py.File(plain, "r")
        except OSError as error:
            raise SgpipeError(f"{path}: not a whole HDF5 file ({error}); {ADVICE}") from error
        with content:
            yield SpikeFile(path, content)


def write_spikes(
    path: Path | str, spikes: Sequence[tuple[np.ndarray, np.ndarray]], labels: Sequence[int], keys: Sequence[str] = ()
) -> None:
    """Write spikes, times and units of each sample, with their labels; `keys` tell where the samples come from."""
    import h5py

    with atomic(path) as temporary, h5py.File(temporary, "w") as file:
        for place, (name, kind) in enumerate((("times", np.float16), ("units", np.uint16))):
            lists = file.create_dataset(f"spikes/{name}", (len(spikes),), h5py.vlen_dtype(kind))
            for row, sample in enumerate(spikes):
                lists[row] = sample[place].astype(kind)
        file["labels"] = np.array(labels, dtype=np.uint16)
        if keys:
            file["extra/keys"] = list(keys)
