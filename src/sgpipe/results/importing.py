"""Filing the runs of an archive in a store."""

import hashlib
import json
import re
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sgpipe.base.errors import SgpipeError, first_line
from sgpipe.base.files import atomic
from sgpipe.results.archive import MANIFEST, MANIFEST_FORMAT, UNREADABLE, NotARun, read_run
from sgpipe.results.store import Store

ROWS, WEIGHTS = "parquet", "weights.npz"
MEMBER = re.compile(r"runs/([0-9a-f]{16}-[0-9a-f]{6})\.(parquet|weights\.npz)")
END = bytes(2 * tarfile.BLOCKSIZE)  # what a whole tar file ends with


@dataclass(frozen=True)
class Imported:
    """How many runs were new, how many were here already, and what could not be filed, a line each."""

    new: int
    known: int
    problems: tuple[str, ...]


def import_runs(store: Store, path: Path | str) -> Imported:
    """File the runs of an exported archive that are whole, and say what is not.

    Nothing in the archive decides where a file goes: a run's place follows from its own description. A run is filed
    with everything that the archive promises of it, or not at all.

    Args:
        store: Where to file them.
        path: The archive.

    Raises:
        SgpipeError: The file is no archive.
    """
    new, known = 0, 0
    try:
        with tarfile.open(path, "r:") as archive:
            members, whole = _members(archive)
            promised, problems = _manifest(archive, members)
            runs, foreign = _runs(members, promised)
            problems += foreign
            for stem, parts in runs.items():
                try:
                    contents = {part: _content(archive, member, promised) for part, member in parts.items()}
                    added = _file(store, stem, contents)
                    new, known = new + added, known + (not added)
                except NotARun as error:
                    problems.append(f"{stem}: not filed: {error}")
    except tarfile.TarError as error:
        raise SgpipeError(f"{path}: not an archive of runs, or damaged ({first_line(error)})") from error
    except OSError as error:
        raise SgpipeError(f"{error.filename or path}: {error.strerror or first_line(error)}") from error
    if not whole and promised is None:
        problems.append("it is cut short, and does not say what is missing; export or copy it again")
    return Imported(new, known, tuple(f"{path}: {problem}" for problem in problems))


def _members(archive: tarfile.TarFile) -> tuple[list[tarfile.TarInfo], bool]:
    """Return the members, and whether the archive ends as a whole one does."""
    members: list[tarfile.TarInfo] = []
    try:
        for member in archive:
            if member.size < 0:  # the next would be sought before this one, for ever
                raise tarfile.ReadError("a member of negative size")
            members.append(member)
    except tarfile.TarError:
        return members, False
    # tarfile takes an end between two members for the end of the archive.
    archive.fileobj.seek(archive.offset)
    return members, archive.fileobj.read(len(END)) == END


def _manifest(
    archive: tarfile.TarFile, members: Iterable[tarfile.TarInfo]
) -> tuple[Mapping[str, str] | None, list[str]]:
    """Return the checksums that the archive promises, by member; None if it promises nothing. And what is wrong."""
    found = next((member for member in members if member.name == MANIFEST), None)
    if found is None:
        return None, []
    try:
        promised = json.loads(_content(archive, found, None))
        if promised["format"] != MANIFEST_FORMAT:
            return None, [f"{MANIFEST}: is of format {promised['format']}; this sgpipe reads {MANIFEST_FORMAT}"]
        return {str(name): str(known) for name, known in promised["members"].items()}, []
    except (NotARun, *UNREADABLE) as error:
        return None, [f"{MANIFEST}: is damaged ({first_line(error)}): nothing tells whether all runs are there"]


def _runs(
    members: Iterable[tarfile.TarInfo], promised: Mapping[str, str] | None
) -> tuple[dict[str, dict[str, tarfile.TarInfo | None]], list[str]]:
    """Return the members of each run, None for one that is promised and missing; and what is no run's, or no longer.

    Of a run that is missing altogether there is a word among the latter, all of them in one line.
    """
    runs: dict[str, dict[str, tarfile.TarInfo | None]] = {}
    problems = []
    for member in members:
        parts = MEMBER.fullmatch(member.name) if member.isfile() and not member.issparse() else None
        if member.name == MANIFEST:
            continue
        if parts is None or parts[2] in runs.get(parts[1], {}) or member.name not in (promised or {member.name}):
            problems.append(f"{member.name!r} is not a run, or there twice, and is passed over")
            continue
        runs.setdefault(parts[1], {})[parts[2]] = member
    missing = set()
    for parts in filter(None, map(MEMBER.fullmatch, promised or ())):
        if parts[1] in runs:
            runs[parts[1]].setdefault(parts[2], None)
        else:
            missing.add(parts[1])
    if missing:
        named = ", ".join(sorted(missing)[:10]) + (", ..." if len(missing) > 10 else "")
        problems.append(f"{len(missing)} runs are missing, since it is cut short or was changed: {named}")
    return runs, problems


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo | None, promised: Mapping[str, str] | None) -> bytes:
    """Return a member's content, held against what is promised of it."""
    if member is None:
        raise NotARun("a part of it is missing")
    try:
        content = archive.extractfile(member).read()
    except tarfile.ReadError as error:
        raise NotARun("it is cut short") from error
    if promised is not None and hashlib.sha256(content).hexdigest() != promised[member.name]:
        raise NotARun("it is damaged: its content is not what was exported")
    return content


def _file(store: Store, stem: str, contents: Mapping[str, bytes]) -> bool:
    """File one run unless it is here; return whether it was new."""
    if ROWS not in contents:
        raise NotARun("its weights are there without its rows")
    below, _ = read_run(contents[ROWS], contents.get(WEIGHTS))
    place = store.root / below
    if stem != place.stem:
        raise NotARun("its name is that of another run")
    if place.is_dir():
        raise NotARun(f"{place} is a folder; move it away")
    if place.exists():
        return False
    for target, content in ((place.with_suffix(".weights.npz"), contents.get(WEIGHTS)), (place, contents[ROWS])):
        if content is not None:
            with atomic(target) as temporary:
                temporary.write_bytes(content)
    return True
