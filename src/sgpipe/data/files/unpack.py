"""Unpacks archives of published sets: as a whole or not at all, and only plain files and folders."""

import gzip
import itertools
import os
import shutil
import tarfile
import zlib
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from sgpipe.base.errors import SgpipeError
from sgpipe.base.files import DISK_FULL

MOST_BYTES = 20_000_000_000  # of everything unpacked; the largest set has a fifth of it
MOST_MEMBERS = 1_000_000  # the largest set has a tenth of it
MOST_AT_ONCE = 1 << 24  # bytes; a header that asks for more is invalid


class _Bounded:
    """A gzipped file that is read only up to a sane size, and only a little at once."""

    def __init__(self, file: gzip.GzipFile):
        self._file = file
        self.tell, self.seek = file.tell, file.seek

    def read(self, size: int) -> bytes:
        if not 0 <= size <= MOST_AT_ONCE:
            raise tarfile.ReadError(f"a header of {size:,} bytes")
        if self._file.tell() + size > MOST_BYTES:
            raise tarfile.ReadError(f"more than {MOST_BYTES:,} bytes")
        return self._file.read(size)


def unpack(archive: Path, target: Path, inside: Iterable[str]) -> None:
    """Unpack a tar archive as a whole, or not at all.

    Args:
        archive: The archive.
        target: Where the archive's folder that holds `inside` goes; a folder left by an earlier call is replaced.
        inside: Names in that folder.

    Raises:
        SgpipeError: The archive is damaged, lacks that folder, or has a member that is not a plain file or folder below
            it: an absolute path, `..`, a link, a device. Nothing is left behind.
    """
    aside = target.with_name(f".{target.name}.unpacking")
    shutil.rmtree(aside, ignore_errors=True)
    try:
        with gzip.open(archive) as packed, tarfile.open(fileobj=_Bounded(packed), mode="r:") as members:
            left = MOST_BYTES
            for number, member in enumerate(members):
                if number == MOST_MEMBERS:
                    raise tarfile.ReadError(f"more than {MOST_MEMBERS:,} members")
                if member.size < 0:  # the next member would be sought before this one, for ever
                    raise tarfile.ReadError("a member of negative size")
                left -= member.size  # for a sparse file this is more than its size in the archive
                if left < 0:
                    raise tarfile.ReadError(f"more than {MOST_BYTES:,} bytes")
                _extract(members, member, aside, archive)
        folders = itertools.chain([aside], (path for path in aside.rglob("*") if path.is_dir()))
        wanted = next((folder for folder in folders if all((folder / name).exists() for name in inside)), None)
        if wanted is None:
            raise SgpipeError(f"{archive}: has no folder with {', '.join(inside)}; it is not the published archive")
        shutil.rmtree(target, ignore_errors=True)
        os.replace(wanted, target)
    except (tarfile.TarError, OSError, EOFError, ValueError, zlib.error) as error:
        if getattr(error, "errno", None) in DISK_FULL:
            raise
        raise SgpipeError(
            f"{archive}: not a whole archive ({error}); give the same command again to fetch it anew"
        ) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _extract(members: tarfile.TarFile, member: tarfile.TarInfo, folder: Path, archive: Path) -> None:
    """Write one member, as a plain file that we own."""
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts or "\\" in member.name:
        raise SgpipeError(f"{archive}: unsafe: {member.name!r} lies outside of it; nothing was unpacked")
    if member.isdir():
        (folder / path).mkdir(parents=True, exist_ok=True)
        return
    if not member.isreg():
        raise SgpipeError(f"{archive}: unsafe: {member.name!r} is neither file nor folder; nothing was unpacked")
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    with members.extractfile(member) as content, open(folder / path, "wb") as file:
        shutil.copyfileobj(content, file)
