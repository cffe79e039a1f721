"""Digests of files: the MD5 of each file, and one digest for a set of files."""

import hashlib
import json
from pathlib import Path

from sgpipe.base.errors import SgpipeError
from sgpipe.spec.run import digest

CHUNK = 1 << 20


def md5(path: Path) -> str:
    """Compute the MD5 of a file; raises SgpipeError if it cannot be read."""
    total = hashlib.md5(usedforsecurity=False)
    try:
        with open(path, "rb", buffering=0) as file:
            while chunk := file.read(CHUNK):
                total.update(chunk)
    except OSError as error:
        raise SgpipeError(f"{path}: cannot be read ({error.strerror})") from error
    return total.hexdigest()


def files_digest(sums: dict[str, str]) -> str:
    """Compute the value of `data.files` from the MD5s of the files by name."""
    return f"{len(sums)}-{digest(json.dumps(sums, sort_keys=True))}"
