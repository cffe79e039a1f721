"""The format in which runs are carried from one store to another: a plain tar file.

Its first member, the manifest, lists all others with their checksums, so that a truncated or damaged archive is
recognised. Older archives without a manifest can be read, too.
"""

import io
from pathlib import Path

import pyarrow as pa

from sgpipe.base.arrays import load_arrays
from sgpipe.base.errors import SgpipeError, first_line
from sgpipe.base.parquet import metadata_of, read_parquet
from sgpipe.results.store import MOST_VALUES, Store, check_format, result_of
from sgpipe.spec.run import from_canonical

MANIFEST = "manifest.json"
MANIFEST_FORMAT = 1

# What readers and parsers raise on files that are no runs.
UNREADABLE = (
    *(SgpipeError, pa.ArrowException, OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError),
    *(MemoryError, RecursionError),
)


class NotARun(Exception):
    """A run of an archive, or of a store, that cannot be carried; the message says why."""


def read_run(rows: bytes, weights: bytes | None) -> tuple[Path, str]:
    """Read from a run's files where it belongs and how it ended.

    Args:
        rows: The content of the file with its rows.
        weights: The content of the file with its weights; None if there is none.

    Returns:
        The path of its rows below a store, and its status.

    Raises:
        NotARun: Rows or weights are damaged.
    """
    try:
        table = read_parquet(pa.BufferReader(rows), most=MOST_VALUES)
        about = metadata_of(table)
        check_format("its rows", about)
        spec = from_canonical(about["sgpipe.spec"])
        status = result_of(spec, table, about).status
        place = Store("").place(spec.id, about["sgpipe.numerics"])  # of the versions it was made with
    except UNREADABLE as error:
        raise NotARun(f"not a run that this sgpipe can read ({first_line(error)})") from error
    if weights is not None and load_arrays(io.BytesIO(weights)) is None:
        raise NotARun("its weights are damaged")
    return place, status
