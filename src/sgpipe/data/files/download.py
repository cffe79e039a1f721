"""Downloads published files from the first server that answers, resumes when interrupted, and checks them."""

import hashlib
import http.client
import importlib
import os
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from filelock import FileLock
from tqdm import tqdm

from sgpipe.base.errors import SgpipeError, one_of
from sgpipe.base.files import DISK_FULL, disk_full, set_aside
from sgpipe.base.log import LOG
from sgpipe.data.files.in_place import Check, looked_at
from sgpipe.data.files.published import SETS, SETS_OF, Published
from sgpipe.data.files.unpack import unpack

TRIES = 5  # at each address; a try that made progress does not count
PAUSE = 1.0  # s between tries
SECONDS = 60.0  # timeout without a byte
CHUNK = 1 << 18
HEADERS = {"User-Agent": "sgpipe"}
PART = ".part"


class _Cut(Exception):
    """This address did not give the whole file."""


def fetch_task(task: str, folder: Path | str) -> list[str]:
    """Fetch the published files of a task that are missing.

    Args:
        task: The task.
        folder: The data folder.

    Returns:
        The paths of the new files and folders, below `folder`.

    Raises:
        SgpipeError: No address gives a file with the right checksum, or the task has no published files.
    """
    if task not in SETS_OF:
        raise one_of("download", task, SETS_OF)
    check = getattr(importlib.import_module(f"sgpipe.data.{task}"), "check_file", None)
    return [item.path for name in SETS_OF[task] for item in SETS[name] if fetch(item, Path(folder), check)]


def fetch(item: Published, folder: Path, check: Check | None = None) -> bool:
    """Fetch one published file, or fetch and unpack an archive, unless it is there.

    Parallel processes wait for each other. A usable file is left untouched. A damaged one is renamed, never deleted,
    and only once its replacement is there.

    Args:
        item: The file.
        folder: The data folder.
        check: Raises SgpipeError for a damaged file. A folder is damaged if files of the archive are missing from it.

    Returns:
        Whether it was fetched.

    Raises:
        SgpipeError: No address gives a file with the right checksum.
    """
    target = folder / item.path
    sound, damaged = looked_at(target, item, check)
    if sound and not damaged:
        return False
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".download.lock"):
            sound, damaged = looked_at(target, item, check)
            fetched = None if sound else _fetched(item, target)
            for path, problem in damaged.items():
                set_aside(path, problem)
            if fetched:
                os.replace(fetched, target)
            return fetched is not None
    except OSError as error:
        if error.errno in DISK_FULL:
            raise disk_full(target) from error
        raise SgpipeError(f"{target}: cannot be written ({error.strerror or error})") from error


def _fetched(item: Published, target: Path) -> Path:
    """Return the whole file, or the folder from the archive, under a hidden name beside its target."""
    part = target.with_name(f".{item.name}{PART}")
    _from_anywhere(item, part)
    if not item.inside:
        return part
    fresh = target.with_name(f".{target.name}.unpacked")
    try:
        unpack(part, fresh, item.inside)
    finally:
        part.unlink()  # in case it is bad, so that the next call fetches it anew
    return fresh


def _from_anywhere(item: Published, part: Path) -> None:
    """Complete and check the file `part`; raises SgpipeError with each address's problem if none gives it."""
    said = []
    for address in item.addresses:
        try:
            resumed = part.exists()
            problem = _from_one(item, address, part) or wrong(part, item)
            if problem and resumed:  # the bad part may come from an earlier call or address: start afresh
                part.unlink()
                problem = _from_one(item, address, part) or wrong(part, item)
            if problem is None:
                return
            part.unlink()
        except _Cut as error:
            problem = str(error)
        said.append(f"{address}: {problem}")
    raise SgpipeError(f"{item.path}: could not be downloaded: {'; '.join(said)}; give the same command again to go on")


def _from_one(item: Published, address: str, part: Path) -> str | None:
    """Fetch from one address, resuming after interruptions; return what is wrong with the file if already known.

    Raises _Cut if the address does not give the whole file; what it gave stays in `part`.
    """
    tries = TRIES
    while True:
        before = part.stat().st_size if part.exists() else 0
        if item.size is not None and before >= item.size:
            return None if before == item.size else f"longer than the published {item.size:,} bytes"
        try:
            _stream(item, address, part, before)
        except urllib.error.HTTPError as error:
            if error.code == 416 and before:  # nothing follows what we have: it is whole, or another file
                return None
            raise _Cut(f"HTTP {error.code} {error.reason}") from error
        except urllib.error.URLError as error:  # no connection: try the next address
            raise _Cut(str(error.reason)) from error
        except (OSError, http.client.HTTPException) as error:
            if getattr(error, "errno", None) in DISK_FULL:
                raise
            tries = TRIES if part.exists() and part.stat().st_size > before else tries - 1
            if not tries:
                raise _Cut(str(error) or type(error).__name__) from error
            time.sleep(PAUSE)
        else:
            if item.size is None or part.stat().st_size >= item.size:
                return None
            raise _Cut(f"has {part.stat().st_size:,} bytes, published are {item.size:,}")


def _stream(item: Published, address: str, part: Path, before: int) -> None:
    """Append the missing bytes to `part`; raises ConnectionError if the connection ends early."""
    headers = {**HEADERS, **({"Range": f"bytes={before}-"} if before else {})}
    with urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=SECONDS) as answer:
        if before and answer.status != 206:  # this server starts from the beginning
            before = 0
        length = answer.headers.get("Content-Length")
        total = before + int(length) if length else item.size
        bar = tqdm(
            total=total, initial=before, unit="B", unit_scale=True, desc=item.name, file=sys.stderr, mininterval=1
        )
        with open(part, "ab" if before else "wb") as file, bar:
            while chunk := answer.read(CHUNK):
                file.write(chunk)
                bar.update(len(chunk))
                if item.size is not None and file.tell() > item.size:
                    return  # another file: no need to read on
            got = file.tell()
    if total is not None and got < total:
        raise ConnectionError(f"cut after {got:,} of {total:,} bytes")


def wrong(path: Path, item: Published) -> str | None:
    """Say what is wrong with a fetched file; None if its checksum is the published one, or none is published.

    Args:
        path: The file.
        item: What it should be.
    """
    if item.sha256:
        kind, wanted = "sha256", item.sha256
    else:
        kind, wanted = "md5", item.md5 or _listed(item)
    if wanted is None:
        LOG.warning(f"{item.name}: no checksum is published; only the archive's own was checked")
        return None
    with open(path, "rb") as file:
        found = hashlib.file_digest(file, lambda: hashlib.new(kind, usedforsecurity=False)).hexdigest()
    return None if found == wanted else f"checksum: {kind} is {found}, published is {wanted}"


def _listed(item: Published) -> str | None:
    """Return a file's MD5 from its publisher's list; None if there is no list."""
    if item.sums is None:
        return None
    try:
        with urllib.request.urlopen(urllib.request.Request(item.sums, headers=HEADERS), timeout=SECONDS) as answer:
            lines = answer.read(1_000_000).decode(errors="replace").splitlines()
    except (OSError, http.client.HTTPException):
        return None
    for words in map(str.split, lines):
        if len(words) == 2 and words[1].lstrip("*").rsplit("/", 1)[-1] == item.name and len(words[0]) == 32:
            return words[0].lower()
    return None
