"""What every rule's script does first and last: read the plan, write a log, and report errors in one line."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import Any

from sgpipe.base.errors import SgpipeError
from sgpipe.plan.kept import kept
from sgpipe.plan.plan import Plan, make_plan
from sgpipe.spec.config import read_config


@contextmanager
def job(config: Mapping[str, Any], log: Sequence[str] = (), fetching: bool = False) -> Iterator[Plan]:
    """Yield the plan of a configuration, with the standard error stream sent to a log.

    A SgpipeError ends the process with exit code 1 and its message, in the log if there is one.

    Args:
        config: Snakemake's configuration.
        log: The log files of the rule; the first is used.
        fetching: Whether the job downloads files, so that the plan must do without them.
    """
    stream = sys.stderr
    if log:
        Path(log[0]).parent.mkdir(parents=True, exist_ok=True)
        stream = open(log[0], "w", buffering=1)  # noqa: SIM115 (closed with the process)
    with redirect_stderr(stream):
        try:
            yield kept(config) or make_plan(read_config(config, fetching=fetching))
        except SgpipeError as error:
            print(f"sgpipe: {error}", file=stream)
            sys.exit(1)
