"""Decide whether an exception is a failure of the run, which is a result, or of the machine, which is not.

A failure is the run's own if the same run would fail in the same way on every machine. Everything else stops the job
before anything is stored: memory, disk, libraries, drivers and devices, but also errors in the program, since the next
version may have none. torch raises a plain RuntimeError or AssertionError for most of these, so the list names only the
failures of runs, and is short.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sgpipe.base.errors import SgpipeError, first_line
from sgpipe.spec.run import RunSpec


class OutOfMemory(SgpipeError):
    """The machine does not have enough memory for the runs that it was asked to train at once."""


# Numbers that cannot be computed with, and arguments or indices out of range.
OWN_FAILURES = (ArithmeticError, ValueError, IndexError)


@contextmanager
def machines_errors(specs: Sequence[RunSpec]) -> Iterator[None]:
    """Turn any exception into one line that names the runs and says that they are not stored."""
    try:
        yield
    except SgpipeError:
        raise
    except Exception as error:
        others = f" and {len(specs) - 1} more" if len(specs) > 1 else ""
        kind = OutOfMemory if out_of_memory(error) else SgpipeError
        raise kind(
            f"run {specs[0].id}{others}: stopped by the machine or the program, not by the run "
            f"({type(error).__name__}: {first_line(error)}); not stored: put it right and give the same command again"
        ) from error


def out_of_memory(error: BaseException) -> bool:
    """Return whether an exception means that memory ran out: Python's, numpy's, or torch's (torch is not imported)."""
    return isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
