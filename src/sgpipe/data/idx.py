"""The idx format of MNIST: a header of big-endian 32-bit numbers, then bytes."""

import gzip
import zlib
from pathlib import Path

import numpy as np

from sgpipe.base.errors import SgpipeError
from sgpipe.data.files.reading import FETCH_AGAIN, size_of

BYTES = 8  # type code of unsigned bytes, the only one that MNIST uses
MOST = 1_000_000_000  # bytes of content; MNIST has a twentieth of it


def read_idx(path: Path, shape: tuple[int | None, ...]) -> np.ndarray:
    """Read an idx file, gzipped or plain. No more is read than the header announces.

    Args:
        path: The file.
        shape: The shape that it must have; None allows any length of a dimension.

    Returns:
        uint8 of that shape.

    Raises:
        SgpipeError: The file is damaged, not an idx file, or of another shape; the message names it.
    """
    size_of(path)
    try:
        with open(path, "rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            return _read(gzip.GzipFile(fileobj=file) if packed else file, path, shape)
    except (OSError, EOFError, zlib.error) as error:  # a bad CRC is an OSError
        raise SgpipeError(f"{path}: not a whole gzip file ({error}); {FETCH_AGAIN}") from error


def _read(file, path: Path, shape: tuple[int | None, ...]) -> np.ndarray:
    dims = len(shape)
    start, sizes = file.read(4), file.read(4 * dims)
    if start != bytes((0, 0, BYTES, dims)):
        raise SgpipeError(
            f"{path}: begins with {start.hex() or 'nothing'}, not 00000{BYTES}{dims:02x}: not idx{dims}; {FETCH_AGAIN}"
        )
    found = tuple(int(size) for size in np.frombuffer(sizes, ">u4")) if len(sizes) == 4 * dims else ()
    if found and any(want not in (None, size) for want, size in zip(shape, found, strict=True)):
        raise SgpipeError(
            f"{path}: has shape {found}, expected {tuple('any' if n is None else n for n in shape)}; {FETCH_AGAIN}"
        )
    count = 1
    for size in found:  # in Python integers, which cannot overflow
        count *= size
    if count > MOST:
        raise SgpipeError(
            f"{path}: promises {count:,} bytes in its header {found}, where {MOST:,} at most are meant; {FETCH_AGAIN}"
        )
    content = file.read(count + 1)  # one byte more, which detects a longer file and reads the checksum
    if not found or len(content) != count:
        size = len(start) + len(sizes) + len(content)
        many = f"{size:,} bytes" + (" or more" if len(content) > count else "")
        raise SgpipeError(f"{path}: has {many}, not what its header {found} says; {FETCH_AGAIN}")
    return np.frombuffer(content, np.uint8).reshape(found)
