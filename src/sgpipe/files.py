"""Files that are either whole or absent."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sgpipe.errors import SgpipeError


@contextmanager
def atomic(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it into place if the block succeeds, remove it if not.

    Raises SgpipeError, naming the file, when the disk is full; what stood at `path` before is untouched.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not of the final suffix, so that what a kill leaves behind is never taken for a finished file.
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise SgpipeError(
                f"{path}: the disk is full; free some space and give the same command again (nothing finished is lost)"
            ) from error
        raise
    finally:
        temporary.unlink(missing_ok=True)
