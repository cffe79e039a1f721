"""Errors in a user's own code, each reported in one line that names the file and the place in it."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from sgpipe.base.errors import SgpipeError, first_line


@contextmanager
def faults(file: str, what: str = "") -> Iterator[None]:
    """Turn what a user's code raises into a SgpipeError, except errors of the machine, such as a lack of memory.

    Args:
        file: The code's file, as the user named it.
        what: The part of it that is running, e.g. `neuron resonator`.
    """
    try:
        yield
    except (SgpipeError, MemoryError):
        raise
    except (Exception, SystemExit) as error:
        raise fault(file, what, error) from error


def fault(file: str, what: str, error: BaseException) -> SgpipeError:
    """Make the error for an exception that a user's code has raised; see `faults`."""
    own = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    line = own[-1] if own else None
    if isinstance(error, SyntaxError) and error.filename == file:
        line = error.lineno
    place = [file, f"line {line}" if line else "", what]
    kind = "" if isinstance(error, SyntaxError) else f"{type(error).__name__}: "
    said = error.msg if isinstance(error, SyntaxError) else first_line(error)
    return SgpipeError(f"{': '.join(filter(None, place))}: {kind}{said}")
