"""What already exists where a published file would be downloaded: the file, a damaged one, or another one."""

import hashlib
from collections.abc import Callable
from pathlib import Path

from sgpipe.base.errors import SgpipeError
from sgpipe.base.log import LOG
from sgpipe.data.files.published import UNPACKED, Published
from sgpipe.data.files.reading import standing_at

UNPACKED_MD5 = {name: md5 for files in UNPACKED.values() for name, md5 in files.items()}
Check = Callable[[Path], None]  # raises SgpipeError for a file that its reader cannot use


def looked_at(target: Path, item: Published, check: Check | None) -> tuple[list[Path], dict[Path, str]]:
    """Look at what is already at the path of a published file, and sort it into usable and damaged.

    A gzipped file may also be there unpacked. A readable file counts as usable even if it is not the published one; a
    notice then says so.

    Args:
        target: Where the file belongs.
        item: The published file.
        check: Raises SgpipeError for a damaged file; None if there is no such check.

    Returns:
        The usable paths, and the reason for each damaged one.
    """
    plain = target.with_name(target.name.removesuffix(".gz"))
    sound: list[Path] = []
    damaged: dict[Path, str] = {}
    for path in dict.fromkeys((target, plain)):
        if (found := standing_at(path)) is None:
            continue
        problem = _folder_problem(path, item, found) if item.inside else _file_problem(path, item, found, check)
        if problem:
            damaged[path] = problem
        else:
            sound.append(path)
    return sound, damaged


def _folder_problem(path: Path, item: Published, found: str) -> str | None:
    if found != "a folder":
        return f"is {found}, where a folder is meant"
    lacking = [name for name in item.inside if standing_at(path / name) is None]
    return f"lacks {', '.join(lacking)}" if lacking else None


def _file_problem(path: Path, item: Published, found: str, check: Check | None) -> str | None:
    if found != "a file":
        return f"is {found}, where a file is meant"
    if _published(path, item):
        return None
    try:
        if check:
            check(path)
    except SgpipeError as error:
        return str(error).removeprefix(f"{path}: ").split("; ")[0]
    LOG.warning(f"{path}: left as it is, but it is not the published file; rename it to have that fetched")
    return None


def _published(path: Path, item: Published) -> bool:
    """Tell whether a file is the published one, either packed as published or unpacked."""
    kind, wanted = ("sha256", item.sha256) if item.sha256 else ("md5", item.md5)
    if path.name in UNPACKED_MD5:
        kind, wanted = "md5", UNPACKED_MD5[path.name]
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.new(kind, usedforsecurity=False)).hexdigest() == wanted
    except OSError as error:
        raise SgpipeError(f"{path}: cannot be read ({error.strerror})") from error
