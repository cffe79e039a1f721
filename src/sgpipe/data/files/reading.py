"""Checks on the user's data files before they are read: that each is a file, of a sane size, in UTF-8."""

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from sgpipe.base.errors import SgpipeError

FETCH_AGAIN = "`snakemake --cores 1 download` sets it aside and fetches it again"
FETCH_SET_AGAIN = (
    "put the published file in its place, or rename the folder of the set and fetch all of it with "
    "`snakemake --cores 1 download`"
)
LARGEST = 4_000_000_000  # bytes; far more than any file of these data sets has, gzipped or not


def standing_at(path: Path) -> str | None:
    """Describe what is at a path: `a file`, `a folder`, words for anything else, or None for nothing.

    Links are followed.

    Raises:
        SgpipeError: The system does not allow a look at it.
    """
    try:
        mode = os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return f"a link to {os.readlink(path)}, which is not there" if path.is_symlink() else None
    except OSError as error:  # a folder that may not be entered, or circular links
        raise SgpipeError(f"{path}: cannot be looked at ({error.strerror})") from error
    if stat.S_ISREG(mode):
        return "a file"
    return "a folder" if stat.S_ISDIR(mode) else "neither file nor folder"


def file_there(path: Path) -> bool:
    """Tell whether a file is there; raises SgpipeError if something else is in its place."""
    return _there(path, "a file")


def folder_there(path: Path) -> bool:
    """Tell whether a folder is there; raises SgpipeError if something else is in its place."""
    return _there(path, "a folder")


def _there(path: Path, meant: str) -> bool:
    found = standing_at(path)
    if found not in (None, meant):
        raise SgpipeError(f"{path}: is {found}, where {meant} is meant; rename it")
    return found is not None


def missing_of(root: Path, names: Sequence[str]) -> tuple[str, ...]:
    """List which of some files are missing from a folder."""
    return tuple(name for name in names if not file_there(root / name))


def packed_or_not(root: Path, name: str) -> Path:
    """Choose the path of a file that may also be there gzipped; the plain one is preferred."""
    return root / name if file_there(root / name) else root / f"{name}.gz"


def size_of(path: Path, most: int = LARGEST) -> int:
    """Read the size of a file in bytes; raises SgpipeError if it is not a plain file or has more than `most` bytes."""
    if not file_there(path):
        raise SgpipeError(f"{path}: no such file")
    size = path.stat().st_size
    if size > most:
        raise SgpipeError(
            f"{path}: has {size:,} bytes, where {most:,} at most are meant: not the published file; rename it"
        )
    return size


def names_in(folder: Path) -> list[str]:
    """List the names in a folder, in no particular order; raises SgpipeError if it cannot be read."""
    try:
        return os.listdir(folder)
    except OSError as error:
        raise SgpipeError(f"{folder}: cannot be read ({error.strerror})") from error


def read_bytes(path: Path, most: int) -> bytes:
    """Read the content of a file; raises SgpipeError if it cannot be read or has more than `most` bytes."""
    size_of(path, most)
    try:
        return path.read_bytes()
    except OSError as error:
        raise SgpipeError(f"{path}: cannot be read ({error.strerror})") from error


def read_text(path: Path, most: int, remedy: str) -> str:
    """Read a text in UTF-8.

    Args:
        path: The file.
        most: The largest size in bytes.
        remedy: What to do about a bad file, for the message.

    Returns:
        The text without a byte order mark; its lines end with a newline alone.

    Raises:
        SgpipeError: It is too large or not UTF-8; the message then gives the position.
    """
    content = read_bytes(path, most)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        what, place = f"0x{content[error.start]:02x}", error.start
        raise SgpipeError(f"{path}: not a text in UTF-8: byte {what} at position {place:,}; {remedy}") from error
    if (place := content.find(b"\0")) >= 0:
        raise SgpipeError(f"{path}: not a text: a zero byte at position {place:,}; {remedy}")
    return text.removeprefix("\ufeff").replace("\r\n", "\n")
