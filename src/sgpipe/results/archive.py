"""Carrying trained runs from one store to another, as a plain tar file.

Its first member, the manifest, lists all others with their checksums, so that an archive that is cut or damaged is told
from a whole one. Archives from before there were manifests can be read too.
"""

import hashlib
import io
import json
import os
import re
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from sgpipe.base.arrays import load_arrays
from sgpipe.base.errors import SgpipeError, first_line
from sgpipe.base.files import atomic
from sgpipe.base.parquet import metadata_of, read_parquet
from sgpipe.results.store import Store, check_format, result_of
from sgpipe.spec.run import RunSpec, from_canonical

MANIFEST, ROWS, WEIGHTS = "manifest.json", "parquet", "weights.npz"
MANIFEST_FORMAT = 1
MEMBER = re.compile(r"runs/([0-9a-f]{16}-[0-9a-f]{6})\.(parquet|weights\.npz)")
END = bytes(2 * tarfile.BLOCKSIZE)  # what a whole tar file ends with


@dataclass(frozen=True)
class Exported:
    """How many runs an archive has, how many of them go without weights, and what was left out, a line each."""

    runs: int
    bare: int
    problems: tuple[str, ...]


@dataclass(frozen=True)
class Imported:
    """How many runs were new, how many were here already, and what could not be filed, a line each."""

    new: int
    known: int
    problems: tuple[str, ...]


class _NotARun(Exception):
    """A run of an archive, or of a store, that cannot be carried; the message says why."""


def export_runs(store: Store, specs: Iterable[RunSpec], path: Path | str, weights: bool = True) -> Exported:
    """Write ended runs to an archive; the same runs give the same bytes.

    Args:
        store: Where they are filed.
        specs: The runs. Those that have not ended, or are damaged, are left out.
        path: The archive.
        weights: Whether their weights go with them.

    Raises:
        SgpipeError: There is none to write, or something stands at `path` that is no plain file: a folder, a link, a
            device.
    """
    path = Path(path)
    if os.path.lexists(path) and (path.is_symlink() or not path.is_file()):
        raise SgpipeError(f"{path}: is not a plain file, and is not replaced; give the archive another name")
    members: dict[Path, str] = {}  # file -> checksum
    runs, bare, problems = 0, 0, []
    for spec in sorted(specs, key=lambda spec: spec.id):
        if spec not in store:
            continue
        rows, beside = store.path(spec), store.weights_path(spec)
        files = [beside, rows] if weights and beside.exists() else [rows]
        try:
            contents = {file: file.read_bytes() for file in files}
            _, status = _read(contents[rows], contents.get(beside))
        except (_NotARun, OSError) as error:
            problems.append(f"{rows}: left out: {first_line(error)}; `sgpipe retry {spec.id}` trains the run again")
            continue
        members |= {file: hashlib.sha256(content).hexdigest() for file, content in contents.items()}
        runs, bare = runs + 1, bare + (weights and status == "finished" and beside not in contents)
    if not runs:
        told = f": {problems[0]}" if problems else ""
        raise SgpipeError(f"{store.root}: has none of these runs whole{told}; `sgpipe plan` shows what is stored")
    listed = {"format": MANIFEST_FORMAT, "members": {f"runs/{file.name}": known for file, known in members.items()}}
    try:
        with atomic(path) as temporary, tarfile.open(temporary, "w") as archive:
            _add(archive, MANIFEST, json.dumps(listed, indent=1).encode())
            for file in members:
                _add(archive, f"runs/{file.name}", file.read_bytes())
    except OSError as error:
        raise SgpipeError(f"{path}: cannot be written ({error.strerror or error}); give it another name") from error
    return Exported(runs, bare, tuple(problems))


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)  # no owner, no date
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


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
                except _NotARun as error:
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
    members = []
    try:
        for member in archive:
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
    except (_NotARun, ValueError, KeyError, TypeError, AttributeError) as error:
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
        raise _NotARun("a part of it is missing")
    try:
        content = archive.extractfile(member).read()
    except tarfile.ReadError as error:
        raise _NotARun("it is cut short") from error
    if promised is not None and hashlib.sha256(content).hexdigest() != promised[member.name]:
        raise _NotARun("it is damaged: its content is not what was exported")
    return content


def _read(rows: bytes, weights: bytes | None) -> tuple[Path, str]:
    """Return a run's place below a store and how it ended; raises _NotARun if its rows or weights are damaged."""
    try:
        table = read_parquet(pa.BufferReader(rows))
        about = metadata_of(table)
        check_format("its rows", about)
        spec = from_canonical(about["sgpipe.spec"])
        status = result_of(spec, table, about).status
        place = Store("").place(spec.id, about["sgpipe.numerics"])  # of the versions it was made with
    except (SgpipeError, pa.ArrowException, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _NotARun(f"not a run that this sgpipe can read ({first_line(error)})") from error
    if weights is not None and load_arrays(io.BytesIO(weights)) is None:
        raise _NotARun("its weights are damaged")
    return place, status


def _file(store: Store, stem: str, contents: Mapping[str, bytes]) -> bool:
    """File one run unless it is here; return whether it was new."""
    if ROWS not in contents:
        raise _NotARun("its weights are there without its rows")
    below, _ = _read(contents[ROWS], contents.get(WEIGHTS))
    place = store.root / below
    if stem != place.stem:
        raise _NotARun("its name is that of another run")
    if place.is_dir():
        raise _NotARun(f"{place} is a folder; move it away")
    if place.exists():
        return False
    for target, content in ((place.with_suffix(".weights.npz"), contents.get(WEIGHTS)), (place, contents[ROWS])):
        if content is not None:
            with atomic(target) as temporary:
                temporary.write_bytes(content)
    return True
