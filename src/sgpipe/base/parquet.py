"""Read our Parquet files, and recognise damaged ones."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from sgpipe.base.errors import DamagedFile, SgpipeError
from sgpipe.base.files import telling

MOST_VALUES = 1_000_000_000  # of a table: some GB. A few bytes can stand for as many that are alike


def read_parquet(
    source: Path | str | pa.BufferReader, columns: Sequence[str] | None = None, most: int = MOST_VALUES
) -> pa.Table:
    """Read a Parquet table in this thread alone.

    `pq.read_table` starts threads that outlive it. Now and then one is still running when the process ends, which then
    aborts (apache/arrow issue 34314). Our tables are small, so threads gain nothing.

    Args:
        source: The file, or a buffer with its content.
        columns: Names of the columns to read; None for all.
        most: How many values it may promise, all columns together.

    Raises:
        OSError, pyarrow.ArrowException: As pyarrow raises them; also if it promises more values.
    """
    source = str(source) if isinstance(source, Path) else source
    with pq.ParquetFile(source, pre_buffer=False) as file:
        _check(file.metadata, most)
        return file.read(columns=columns, use_threads=False)


def _check(promised: pq.FileMetaData, most: int) -> None:
    """Raise pyarrow.ArrowInvalid if a file promises more values than it may, before any are unpacked."""
    groups = [promised.row_group(number) for number in range(promised.num_row_groups)]
    values = sum(group.column(number).num_values for group in groups for number in range(group.num_columns))
    if max(values, promised.num_rows) > most or any(group.num_rows < 0 for group in groups):
        raise pa.ArrowInvalid(f"promises {max(values, promised.num_rows):,} values, where {most:,} at most are meant")


def read_whole(path: Path | str, columns: Sequence[str] | None = None, most: int = MOST_VALUES) -> pa.Table:
    """Read a Parquet table, and tell a damaged file from one that the system refuses.

    Args:
        path: The file.
        columns: Names of the columns to read; None for all.
        most: How many values it may promise, all columns together.

    Raises:
        DamagedFile: The file is damaged or incomplete.
        FileNotFoundError: It does not exist.
        SgpipeError: A folder is in its place, or the system refuses it.
    """
    with _told(path):
        table = read_parquet(path, columns, most)
        if lacking := set(columns or ()) - set(table.column_names):
            raise DamagedFile(path, f"it has no column {sorted(lacking)[0]}")
        return table


def read_metadata(path: Path | str) -> dict[str, str]:
    """Read the metadata of a table without its rows; raises as `read_whole` does."""
    with _told(path):
        return metadata_of(pq.read_schema(path))


def metadata_of(table: pa.Table | pa.Schema) -> dict[str, str]:
    """Decode the metadata of a table or schema to text."""
    schema = table.schema if isinstance(table, pa.Table) else table
    return {key.decode(): value.decode() for key, value in (schema.metadata or {}).items()}


@contextmanager
def _told(path: Path | str) -> Iterator[None]:
    """Tell a table that is not whole from a folder and from a file that the system does not hand over."""
    if Path(path).is_dir():
        raise SgpipeError(f"{path}: a folder, where a file is meant; move it away")
    with telling(path, pa.ArrowException, UnicodeDecodeError):
        yield
