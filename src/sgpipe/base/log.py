"""Messages for the user: lines `sgpipe: ...` on the error stream, written by `logging`.

    LOG.warning("...")         on the error stream of the moment, which a job sends to its log
    TERMINAL.warning("...")    on the one that the process began with, where people look while jobs run

`logging.getLogger("sgpipe").setLevel(logging.ERROR)` silences both.
"""

import logging
import sys


class _ErrorStream(logging.Handler):
    """Writes to a stream of `sys` by its name, `stderr` or `__stderr__`, since it may be another at each line."""

    def __init__(self, stream: str):
        super().__init__()
        self.stream = stream

    def emit(self, record: logging.LogRecord) -> None:
        try:
            print(f"sgpipe: {self.format(record)}", file=getattr(sys, self.stream), flush=True)
        except Exception:
            self.handleError(record)


def _logger(name: str, stream: str) -> logging.Logger:
    logger = logging.getLogger(name)
    logger.propagate = False  # else a program that logs to the error stream itself would show each line twice
    if not logger.handlers:
        logger.addHandler(_ErrorStream(stream))
    return logger


LOG = _logger("sgpipe", "stderr")
LOG.setLevel(logging.INFO)
TERMINAL = _logger("sgpipe.terminal", "__stderr__")  # its level is that of "sgpipe"
