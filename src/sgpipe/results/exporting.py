"""Writing trained runs of a store to an archive."""

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sgpipe.base.errors import SgpipeError, first_line
from sgpipe.base.files import atomic
from sgpipe.results.archive import MANIFEST, MANIFEST_FORMAT, NotARun, read_run
from sgpipe.results.store import Store
from sgpipe.spec.run import RunSpec


@dataclass(frozen=True)
class Exported:
    """How many runs an archive has, how many of them go without weights, and what was left out, a line each."""

    runs: int
    bare: int
    problems: tuple[str, ...]


def export_runs(store: Store, specs: Iterable[RunSpec], path: Path | str, weights: bool = True) -> Exported:
    """Write ended runs to an archive; the same runs give the same bytes.

    Args:
        store: The store of the runs.
        specs: The runs. Those that have not ended, or are damaged, are left out.
        path: The archive.
        weights: Whether to include their weights.

    Raises:
        SgpipeError: There is no run to write, or `path` exists and is not a regular file (a folder, a link, a device).
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
            _, status = read_run(contents[rows], contents.get(beside))
        except (NotARun, OSError) as error:
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
