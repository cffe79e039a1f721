"""Reads the files listed under `extensions:`, and fills the registry with what they declare."""

import sys
from collections.abc import Iterable, Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path
from types import ModuleType

import sgpipe
from sgpipe.base.errors import SgpipeError
from sgpipe.spec.extensions.complete import completed
from sgpipe.spec.initialisers import INITIALISERS
from sgpipe.spec.numerics import BUILT_IN_VERSIONS
from sgpipe.spec.own.declare import NOTES
from sgpipe.spec.own.faults import faults
from sgpipe.spec.own.registry import EXTENSIONS
from sgpipe.spec.run import BUILT_IN_NEURONS, SECTIONS
from sgpipe.spec.tasks import BUILT_IN_TASKS

# Neurons and initialisers name a section of knobs; the name of a scale would be taken for a value per scale.
OTHER_KEYS = (*SECTIONS, "data", "smoke", "laptop", "paper")
TAKEN = {
    "neuron": (*BUILT_IN_NEURONS, *OTHER_KEYS),
    "initialiser": ("uniform", *INITIALISERS, *OTHER_KEYS),
    "data_set": tuple(BUILT_IN_TASKS),
}


def use_extensions(files: Sequence[str], where: str = "extensions") -> None:
    """Register what some files declare, and forget what was registered before.

    Args:
        files: Python files, as paths from the working directory.
        where: Names the setting in error messages.

    Raises:
        SgpipeError: A file is missing, is not Python, is listed twice, raises, or registers nothing or something
            invalid, or a name is taken.
    """
    for place, file in enumerate(files):
        if not file.endswith(".py"):
            raise SgpipeError(f"{where}: {file} is not a Python file (.py)")
        if file in files[:place]:
            raise SgpipeError(f"{where}: {file} is there twice; name it once")
    things = [made for file in files for made in _declared_by(file, where)]
    _check_names(things)
    EXTENSIONS.fill(things)


def _declared_by(file: str, where: str) -> tuple[type, ...]:
    try:
        text = Path(file).read_bytes()
    except OSError as error:
        raise SgpipeError(f"{where}: {file}: {'no such file' if not Path(file).exists() else error.strerror}") from None
    return _executed(file, text)


@cache  # a file that is read again gives the same classes, and equal runs
def _executed(file: str, text: bytes) -> tuple[type, ...]:
    code = sha256(text).hexdigest()[:16]
    module = ModuleType(f"sgpipe_extension_{code}")
    module.__file__ = file
    there = set(sys.modules)
    sys.modules[module.__name__] = module  # where dataclasses look up the module of a class
    with faults(file):
        exec(compile(text, file, "exec"), module.__dict__)
    _check_alone(file, {name: found for name, found in sys.modules.items() if name not in there})
    declared = getattr(module, NOTES, [])
    if not declared:
        raise SgpipeError(
            f"{file}: registers nothing; put a decorator of sgpipe.extend above a class (docs/extensions.md)"
        )
    with faults(file):
        return tuple(completed(one, file, code, text) for one in declared)


def _check_alone(file: str, imported: dict[str, ModuleType]) -> None:
    """Refuse an extension that imports modules beside it: a change in them would not change the run ids."""
    folder = Path(file).resolve().parent
    for name, module in imported.items():
        place = getattr(module, "__file__", None)
        if place and Path(place).resolve().parent == folder and Path(place).resolve() != Path(file).resolve():
            raise SgpipeError(
                f"{file}: imports {Path(place).name} beside it, of which no run id would tell a change; put `{name}` "
                "into the same file, or install it"
            )


def _check_names(things: Iterable[type]) -> None:
    figures = Path(sgpipe.__file__).parent / "figures"
    taken = {(kind, name): "sgpipe" for kind, names in TAKEN.items() for name in names}
    for made in things:
        own = made.OWN
        # Both kinds name a section of knobs.
        kinds = ("neuron", "initialiser") if own.kind in ("neuron", "initialiser") else (own.kind,)
        holder = next((taken[kind, own.name] for kind in kinds if (kind, own.name) in taken), None)
        if own.component in BUILT_IN_VERSIONS:
            holder = "sgpipe"
        if own.kind == "figure" and (figures / f"{own.name.replace('.', '/')}.py").is_file():
            holder = "sgpipe"
        if holder:
            where = "sgpipe has" if holder == "sgpipe" else "it has already" if holder == own.file else f"{holder} has"
            raise SgpipeError(f"{own.file}: {own.words}: {where} one of this name; give it another")
        taken[own.kind, own.name] = own.file
