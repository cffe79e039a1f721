"""Named plain arrays in one file."""

import errno
import os
import zipfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np

from sgpipe.base.errors import SgpipeError
from sgpipe.base.files import atomic


def save_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write named plain arrays to one file, atomically.

    Args:
        path: The file, an uncompressed .npz.
        arrays: The arrays by name.
    """
    with atomic(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, **arrays)


def load_arrays(path: Path | BinaryIO, names: Collection[str] | None = None) -> dict[str, np.ndarray] | None:
    """Read the named arrays that `save_arrays` wrote. Nothing is unpickled, and no more is read than the file has.

    Args:
        path: The file, or its open stream.
        names: Of the arrays to read; None for all.

    Returns:
        The arrays by name; None if the file is absent or damaged.

    Raises:
        SgpipeError: The system refuses the file, so nothing is known about its content.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            _check(archive)
        if not isinstance(path, Path):
            path.seek(0)
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in (file.files if names is None else names)}
    except OSError as error:
        if error.errno in (None, errno.ENOENT):
            return None
        raise SgpipeError(f"{path}: cannot be read ({error.strerror})") from error
    except Exception:  # what zipfile and numpy raise on a damaged file is a long list, a matter of their versions
        return None


def _check(archive: zipfile.ZipFile) -> None:
    """Raise ValueError if a file of arrays holds more than it is long: packed members, or members that share bytes."""
    members = archive.infolist()
    if any(member.compress_type != zipfile.ZIP_STORED for member in members):
        raise ValueError("it is compressed, which sgpipe's own files are not")
    if sum(member.file_size for member in members) > archive.fp.seek(0, os.SEEK_END):
        raise ValueError("it promises more than it has")
