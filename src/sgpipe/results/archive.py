"""Carrying trained runs from one store to another, as a plain tar file."""

import io
import os
import re
import tarfile
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from sgpipe.base.errors import SgpipeError
from sgpipe.base.files import atomic
from sgpipe.results.store import STORE_FORMAT, Store, load_arrays
from sgpipe.spec.run import RunSpec, from_canonical

MEMBER = re.compile(r"runs/[0-9a-f]{16}-[0-9a-f]{6}\.(parquet|weights\.npz)")


def export_runs(store: Store, specs: Iterable[RunSpec], path: Path | str, weights: bool = True) -> int:
    """Write the ended runs among `specs`, with their weights unless told otherwise; return how many there were.

    The same runs give the same bytes. Raises SgpipeError if the store has none of them, or if something stands at
    `path` that is no plain file: a folder, a link, a device.
    """
    path = Path(path)
    if os.path.lexists(path) and (path.is_symlink() or not path.is_file()):
        raise SgpipeError(f"{path}: is not a plain file, and is not replaced; give the archive another name")
    chosen = sorted((spec for spec in specs if spec in store), key=lambda spec: spec.id)
    if not chosen:
        raise SgpipeError(f"{store.root}: has none of these runs; `sgpipe plan` shows what is stored")
    try:
        with atomic(path) as temporary, tarfile.open(temporary, "w") as archive:
            for spec in chosen:
                for file in (store.weights_path(spec), store.path(spec)):
                    if file.exists() and (weights or file.suffix == ".parquet"):
                        _add(archive, file)
    except OSError as error:
        raise SgpipeError(f"{path}: cannot be written ({error.strerror or error}); give it another name") from error
    return len(chosen)


def _add(archive: tarfile.TarFile, file: Path) -> None:
    member = tarfile.TarInfo(f"runs/{file.name}")  # no owner, no date
    member.size = file.stat().st_size
    with open(file, "rb") as content:
        archive.addfile(member, content)


def import_runs(store: Store, path: Path | str) -> tuple[int, int]:
    """File the runs of an exported archive; return how many were new and how many were here already.

    Nothing in the archive decides where a file goes: a run's place follows from its own description. Raises
    SgpipeError on a file that is not such an archive, is cut short, or holds anything else; what was filed before
    that stays, and is whole.
    """
    new = known = 0
    weights: dict[str, bytes] = {}
    try:
        with tarfile.open(path, "r:") as archive:
            for member in archive:
                if not member.isfile() or not MEMBER.fullmatch(member.name):
                    raise SgpipeError(f"{path}: {member.name!r} is not a run; make the file with `sgpipe export`")
                content = archive.extractfile(member).read()
                if len(content) != member.size:
                    raise tarfile.ReadError("unexpected end of data")
                stem = member.name.split("/")[1].split(".")[0]
                if member.name.endswith(".npz"):
                    weights = {stem: content}  # they come before the rows of the same run
                    continue
                added = _file(store, stem, content, weights.pop(stem, None), path)
                new, known = new + added, known + (not added)
    except (tarfile.TarError, OSError, EOFError) as error:
        raise SgpipeError(f"{path}: not an archive of runs, or damaged ({error}); {new} runs were filed") from error
    return new, known


def _file(store: Store, stem: str, rows: bytes, weights: bytes | None, path: Path | str) -> bool:
    """File one run unless it is here; return whether it was new."""
    try:
        meta = pq.read_table(pa.BufferReader(rows)).schema.metadata
        spec = from_canonical(meta[b"sgpipe.spec"].decode())
        place = store.place(spec.id, meta[b"sgpipe.numerics"].decode())  # of the versions it was made with
        sound = int(meta[b"sgpipe.format"]) == STORE_FORMAT and stem == place.stem
        sound &= weights is None or load_arrays(io.BytesIO(weights)) is not None
    except (pa.ArrowException, KeyError, TypeError, ValueError, SgpipeError) as error:
        raise SgpipeError(f"{path}: {stem}: not a run that this sgpipe can read ({error})") from error
    if not sound:
        raise SgpipeError(f"{path}: {stem}: not a run that this sgpipe can read (it is damaged or of another format)")
    if place.exists():
        return False
    for target, content in ((place.with_suffix(".weights.npz"), weights), (place, rows)):
        if content is not None:
            with atomic(target) as temporary:
                temporary.write_bytes(content)
    return True
