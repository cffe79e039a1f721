"""Files whose time of change lies ahead of the clock: it has been set back, or is behind that of another machine."""

import os
import time
from collections.abc import Iterable
from pathlib import Path

from sgpipe.base.log import LOG

TOLERATED = 1.0  # s


def no_later_than_now(folders: Iterable[Path | str]) -> int:
    """Give the present time to files that are later; Snakemake refuses what it makes from such files.

    Args:
        folders: Their own files are looked at, not those of folders in them. They need not exist.

    Returns:
        The number of files that were later. Those of others, whose time cannot be set, are left to Snakemake.
    """
    later, now = 0, time.time()
    for path in (path for folder in folders for path in Path(folder).glob("*")):
        try:
            if path.is_file() and path.stat().st_mtime > now + TOLERATED:
                os.utime(path, (now, now))
                later += 1
        except OSError:  # it is another user's, or has gone
            continue
    if later:
        LOG.warning(f"{later} files of results had times ahead of this machine's clock, and have the present one now")
    return later
