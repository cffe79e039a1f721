"""Write files atomically, so that they are either complete or absent."""

import errno
import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sgpipe.base.errors import DamagedFile, SgpipeError, first_line
from sgpipe.base.log import LOG

DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


def disk_full(where: object) -> SgpipeError:
    """Make the error to raise in place of an OSError that means a full disk or an exceeded quota."""
    return SgpipeError(
        f"{where}: the disk is full; free some space and give the same command again (nothing finished is lost)"
    )


@contextmanager
def atomic(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it into place if the block succeeds, remove it if not.

    Args:
        path: The file to write. Until the block has succeeded, what was there before stays.

    Raises:
        SgpipeError: The disk is full, or no file can be created there: a folder or device is in its place, or its
            parent is a file.
    """
    path = Path(path)
    if os.path.lexists(path) and not path.is_file() and not path.is_symlink():
        raise SgpipeError(f"{path}: is a {'folder' if path.is_dir() else 'device'}, and is not replaced; name a file")
    # Not of the final suffix, so that what a kill leaves behind is never taken for a finished file.
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            there = next(place for place in path.parents if os.path.lexists(place))
            raise SgpipeError(f"{path}: {there} is a file, not a folder; give another path") from None
        except PermissionError as error:
            raise SgpipeError(f"{path}: no permission to make {error.filename}; give another path") from None
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        if error.errno in DISK_FULL:
            raise disk_full(path) from error
        raise
    finally:
        with suppress(NotADirectoryError):
            temporary.unlink(missing_ok=True)


def to_disk(path: Path | str) -> None:
    """Wait until a file that was written lies on the disk, and not only in the machine's memory."""
    with open(path, "rb") as file, suppress(OSError):  # some file systems cannot say
        os.fsync(file.fileno())


def set_aside(path: Path | str, problem: str, then: str = "") -> None:
    """Rename a file that cannot be used, so that another can take its place, and say so on the error stream.

    Args:
        path: The file.
        problem: What is wrong with it.
        then: What happens next, for the notice.
    """
    path = Path(path)
    names = (f"{path.name}.damaged{number}" for number in itertools.chain([""], map("-{}".format, itertools.count(2))))
    aside = next(free for name in names if not os.path.lexists(free := path.with_name(name)))
    try:
        path.rename(aside)
    except FileNotFoundError:  # another process was faster
        return
    LOG.warning(f"{path}: {problem}; set aside as {aside.name}{then and f', {then}'}")


@contextmanager
def telling(path: Path | str, *damaged: type[Exception]) -> Iterator[None]:
    """Tell a damaged file from one that the system refuses: only an error of the system has an error number.

    Args:
        path: The file that the block reads.
        damaged: Further exceptions by which a reader says that a file is damaged.

    Raises:
        DamagedFile: The file is damaged.
        SgpipeError: The system refuses it.
        FileNotFoundError, MemoryError: As the block raised them.
    """
    try:
        yield
    except (FileNotFoundError, MemoryError):
        raise
    except OSError as error:
        if error.errno:
            raise SgpipeError(f"{path}: cannot be read ({error.strerror or error})") from error
        raise DamagedFile(path, first_line(error)) from error
    except damaged as error:
        raise DamagedFile(path, first_line(error)) from error
