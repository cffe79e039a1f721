"""Whose failure an exception is: the run's own, which is a result, or the machine's, which is none.

A failure is the run's own if the same run would fail in the same way on every machine. Everything else stops the job
before anything is stored: memory, disk, libraries, drivers and devices, but also errors of the program, since the next
version may have none. torch tells most of these by a plain RuntimeError or AssertionError, so the list is of what is
the run's own, and short.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sgpipe.base.errors import SgpipeError, first_line
from sgpipe.spec.run import RunSpec

# Numbers that cannot be computed with, and arguments or places out of range.
OWN_FAILURES = (ArithmeticError, ValueError, IndexError)


@contextmanager
def machines_errors(specs: Sequence[RunSpec]) -> Iterator[None]:
    """Turn whatever is raised into one line that names the runs, and says that they are not stored."""
    try:
        yield
    except SgpipeError:
        raise
    except Exception as error:
        others = f" and {len(specs) - 1} more" if len(specs) > 1 else ""
        raise SgpipeError(
            f"run {specs[0].id}{others}: stopped by the machine or the program, not by the run "
            f"({type(error).__name__}: {first_line(error)}); not stored: put it right and give the same command again"
        ) from error
