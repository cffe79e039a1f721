"""Data sets of extensions: checks which files the user's code reads, and the task that it makes."""

from pathlib import Path
from typing import Any

from sgpipe.base.errors import SgpipeError
from sgpipe.data.samples import Task
from sgpipe.spec.own.faults import faults
from sgpipe.spec.own.registry import Own


def own_of(data: Any) -> Own | None:
    """Return the extension to which a data section belongs; None for a built-in task."""
    return getattr(type(data), "OWN", None)


def own_files(own: Own, data: Any, folder: Path) -> list[Path]:
    """List the files that an extension's data set is made from, whether or not they are there.

    Raises:
        SgpipeError: The user's code raises, or names something outside the data folder.
    """
    with faults(own.file, own.words):
        paths = [Path(path) for path in data.find(folder)]
    if outside := [path for path in paths if not path.is_relative_to(folder)]:
        raise SgpipeError(f"{own.file}: {own.words}: find returns {outside[0]}, which is not in the folder {folder}")
    return paths


def own_task(own: Own, data: Any, folder: Path | None) -> Task:
    """Make the samples of an extension's data set.

    Raises:
        SgpipeError: The user's code raises, or what it returns is not the task that its knobs describe.
    """
    where = f"{own.file}: {own.words}"
    with faults(own.file, own.words):
        task = data.make(folder)
    if not isinstance(task, Task):
        raise SgpipeError(f"{where}: make returns {type(task).__name__}, not a Task")
    for name in ("units", "classes", "steps"):
        given, asked = getattr(task, name), getattr(data, name)
        if given != asked:
            raise SgpipeError(f"{where}: make returns a Task of {given} {name}, and its knobs say {asked}")
    return task.check(where)
