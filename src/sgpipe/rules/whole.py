"""Damaged files under `results` are made again from their inputs."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from filelock import FileLock

from sgpipe.base.errors import DamagedFile
from sgpipe.base.files import set_aside
from sgpipe.plan.plan import Plan

Content = TypeVar("Content")


def whole(plan: Plan, path: Path, read: Callable[[Path], Content], make: Callable[[], None]) -> Content:
    """Read a file; set a damaged one aside with a notice, make it again and read that. Parallel jobs make it only once.

    Args:
        plan: The plan.
        path: The file.
        read: Reads it; raises DamagedFile or FileNotFoundError.
        make: Makes it again.
    """
    try:
        return read(path)
    except (DamagedFile, FileNotFoundError):  # absent: another job is about to make it again
        pass
    locks = plan.store.root / "locks"
    locks.mkdir(parents=True, exist_ok=True)
    with FileLock(locks / f"{path.name}.lock"):
        try:
            return read(path)
        except FileNotFoundError:
            pass
        except DamagedFile as damaged:
            set_aside(path, f"damaged ({damaged.problem})", "it is made again")
        make()
        return read(path)
