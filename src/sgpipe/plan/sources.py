"""Find the modules on which a figure or the verdicts on claims depend, by following imports.

The imports are followed through the rooms that only draw and choose, and the surrogates' profiles. Nothing is imported
to find them, nor are modules parsed: each job reads the Snakefile, and parsing them all takes a fifth of a second.
"""

import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import sgpipe
from sgpipe.base.errors import SgpipeError
from sgpipe.spec.experiments import Experiment
from sgpipe.spec.own.registry import EXTENSIONS

PACKAGE = Path(sgpipe.__file__).parent
FOLLOWED = ("claims/", "explorer/", "figures/", "results/", "spec/surrogates.py")
_FROM = re.compile(r"^[ \t]*from[ \t]+sgpipe([\w.]*)[ \t]+import[ \t]+(\([^)]*\)|.*)", re.MULTILINE)
_IMPORT = re.compile(r"^[ \t]*import[ \t]+sgpipe\.([\w.]+)", re.MULTILINE)


def sources_of(experiment: Experiment, package: Path = PACKAGE) -> list[str]:
    """List the modules that decide how an experiment looks; editing one of them redraws it.

    Args:
        experiment: What is drawn.
        package: The folder of the package.

    Returns:
        Paths, from the working directory if they are in it: its own module, the one that makes every figure, and what
        both import.

    Raises:
        SgpipeError: Its own module is not there.
    """
    frame = [package / "figures" / "make.py"]
    frame += [package / "figures" / "compare.py"] if experiment.compare else []
    return _shown(_followed((module_of(experiment, package), *frame), package))


def claim_sources(package: Path = PACKAGE) -> list[str]:
    """List the modules that decide the verdicts and their look; editing one of them judges anew."""
    return _shown(_followed((package / "claims").glob("*.py"), package))


def explorer_sources(package: Path = PACKAGE) -> list[str]:
    """List the modules that decide the look of the explorer; editing one of them writes its page anew."""
    page = package / "explorer" / "page.html.j2"
    return [*_shown(_followed((package / "explorer").glob("*.py"), package)), *_shown([page])]


def module_of(experiment: Experiment, package: Path = PACKAGE) -> Path:
    """Find the module that draws an experiment; raises SgpipeError if there is none."""
    if experiment.draw in EXTENSIONS.figures:
        return Path(EXTENSIONS.figures[experiment.draw].OWN.file)
    path = package / "figures" / f"{experiment.draw.replace('.', '/')}.py"
    if not path.is_file():
        raise SgpipeError(
            f"{experiment.id}: draw: there is no {_shown([path])[0]}; write it, or name another, e.g. zenke2021.fig3"
        )
    return path


def _followed(roots: Iterable[Path], package: Path) -> list[Path]:
    """List some modules and all that they import, directly or not, in order of their paths."""
    found, ahead = set(), list(roots)
    while ahead:
        path = ahead.pop()
        if path not in found:
            found.add(path)
            ahead += _imports(path, path.stat().st_mtime_ns, package)
    return sorted(found)


@cache
def _imports(path: Path, changed: int, package: Path) -> tuple[Path, ...]:
    """List the modules that one imports from the rooms that are followed; `changed` is when it was, for the cache."""
    candidates = (package.joinpath(*name.split(".")) for name in _names(path.read_text(encoding="utf-8")))
    files = (file for one in candidates for file in (one.with_suffix(".py"), one / "__init__.py"))
    return tuple(file for file in files if file.relative_to(package).as_posix().startswith(FOLLOWED) and file.is_file())


def _names(text: str) -> Iterator[str]:
    """Yield what a text imports, e.g. `figures` and `figures.parts` of `from sgpipe.figures import parts`.

    What is imported from a module is taken for a module as well: there is no file of such a name.
    """
    for module, names in _FROM.findall(text):
        base = module.lstrip(".")
        yield from filter(None, (base, *(f"{base}.{name}".lstrip(".") for name in re.findall(r"\w+", names))))
    yield from _IMPORT.findall(text)


def _shown(paths: Iterable[Path]) -> list[str]:
    here = Path.cwd()
    return [str(path.relative_to(here) if path.is_relative_to(here) else path) for path in paths]
