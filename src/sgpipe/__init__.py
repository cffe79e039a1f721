"""sgpipe: surrogate-gradient studies of spiking networks, rerun from data to figures.

As a library (docs/library.md) it offers `train`, `runs`, `figure`, `conditions`, `load`, `make_run` and `make_task`.
Extension files import from `sgpipe.extend`. Names are imported when they are first used, since every job of the
pipeline imports this module, and few jobs need torch or pandas.
"""

from importlib import import_module

# Their types are in __init__.pyi.
_PLACES = {
    "Network": "library.network",
    "RunSpec": "spec.run",
    "SgpipeError": "base.errors",
    "Task": "data.samples",
    "Trained": "library.train",
    "conditions": "library.theory",
    "figure": "library.figures",
    "load": "library.network",
    "make_run": "library.runs",
    "make_task": "library.runs",
    "runs": "library.runs",
    "snakefile": "base.workflow",
    "train": "library.train",
    "use_extensions": "spec.extensions",
}
__all__ = sorted(_PLACES)


def __getattr__(name: str) -> object:
    if name == "__version__":
        return _version()
    if name not in _PLACES:
        raise AttributeError(f"module 'sgpipe' has no attribute {name!r}")
    return getattr(import_module(f"sgpipe.{_PLACES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_PLACES, "__version__"})


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("sgpipe")
    except PackageNotFoundError:  # a source tree on the path, not installed
        return "0+unknown"
