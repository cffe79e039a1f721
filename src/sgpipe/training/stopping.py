"""Requests to stop: the signals that users, schedulers and clusters send, and how training responds to them."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from sgpipe.base.errors import SgpipeError

# From the terminal, from whoever ends jobs, and the one that Slurm can be asked to send some time before a limit.
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)


class Stopped(SgpipeError):
    """Training has stopped on request, and has saved its state."""


class StopRequest:
    """Whether the process has been asked to stop; every thread that trains looks at it between two minibatches."""

    def __init__(self):
        self.signal: signal.Signals | None = None

    def check(self) -> None:
        """Raise Stopped if the process has been asked to stop."""
        if self.signal is not None:
            raise Stopped(
                f"stopped by {self.signal.name}: what was under way is saved; the same command goes on from there"
            )


@contextmanager
def stop_signals() -> Iterator[StopRequest]:
    """Turn the signals that ask a process to stop into a request, as long as the block lasts.

    Several signals count as one request: a terminal and Snakemake both pass on a single key press. Only the main thread
    of a process can do this; in other threads the signals keep their previous effect.
    """
    request, before = StopRequest(), {}

    def note(number: int, frame: object) -> None:
        request.signal = signal.Signals(number)

    try:
        if threading.current_thread() is threading.main_thread():
            for one in SIGNALS:
                before[one] = signal.signal(one, note)
        yield request
    finally:
        for one, handler in before.items():
            signal.signal(one, signal.SIG_DFL if handler is None else handler)
