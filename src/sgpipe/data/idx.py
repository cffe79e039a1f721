"""The idx format of MNIST: a header of big-endian 32-bit numbers, then bytes."""

import gzip
import zlib
from pathlib import Path

import numpy as np

from sgpipe.base.errors import SgpipeError

BYTES = 8  # type code of unsigned bytes, the only one that MNIST uses
REMEDY = "delete it and fetch it again with `snakemake --cores 1 download`"


def read_idx(path: Path, shape: tuple[int | None, ...]) -> np.ndarray:
    """Return the content of an idx file, gzipped or plain, as uint8 of the given shape (None: any length).

    Raises SgpipeError, naming the file, if it is damaged, not an idx file, or of another shape.
    """
    try:
        content = path.read_bytes()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:  # a bad CRC is an OSError
        raise SgpipeError(f"{path}: not a whole gzip file ({error}); {REMEDY}") from error
    dims = len(shape)
    if content[:4] != bytes((0, 0, BYTES, dims)):
        raise SgpipeError(
            f"{path}: begins with {content[:4].hex() or 'nothing'}, not 00000{BYTES}{dims:02x}: not idx{dims}; {REMEDY}"
        )
    header = 4 + 4 * dims
    found = tuple(int(size) for size in np.frombuffer(content[4:header], ">u4")) if len(content) >= header else ()
    if len(found) != dims or len(content) != header + int(np.prod(found)):
        raise SgpipeError(f"{path}: has {len(content):,} bytes, not what its header {found} says; {REMEDY}")
    if any(want not in (None, size) for want, size in zip(shape, found, strict=True)):
        raise SgpipeError(f"{path}: has shape {found}, expected {tuple('any' if n is None else n for n in shape)}")
    return np.frombuffer(content, np.uint8, offset=header).reshape(found)
