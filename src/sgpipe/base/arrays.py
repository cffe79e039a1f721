"""Named plain arrays in one file."""

import errno
from collections.abc import Mapping
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


def load_arrays(path: Path | BinaryIO) -> dict[str, np.ndarray] | None:
    """Read the named arrays that `save_arrays` wrote. Nothing is unpickled.

    Args:
        path: The file, or its open stream.

    Returns:
        The arrays by name; None if the file is absent or damaged.

    Raises:
        SgpipeError: The system refuses the file, so nothing is known about its content.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            return dict(file)
    except OSError as error:
        if error.errno in (None, errno.ENOENT):
            return None
        raise SgpipeError(f"{path}: cannot be read ({error.strerror})") from error
    except Exception:  # what zipfile and numpy raise on a damaged file is a long list, a matter of their versions
        return None
