"""Show the progress of training: a bar on a terminal, plain lines in a log."""

import sys
import time
from collections.abc import Sequence
from typing import Protocol

from sgpipe.engines.interface import Measures
from sgpipe.spec.run import RunSpec

SECONDS_BETWEEN_LINES = 10.0


class Reporter(Protocol):
    """Receives reports on the runs of a pack."""

    def epoch(self, spec: RunSpec, epoch: int, measures: Measures) -> None:
        """Note that a run has finished an epoch."""

    def ended(self, spec: RunSpec, status: str) -> None:
        """Note that a run has ended and is in the store."""


class Silent:
    """Reports nothing."""

    def epoch(self, spec: RunSpec, epoch: int, measures: Measures) -> None:
        """Do nothing."""
        pass

    def ended(self, spec: RunSpec, status: str) -> None:
        """Do nothing."""
        pass


class ProgressLog:
    """Follows the runs of a pack; use it as a context manager."""

    def __init__(self, title: str, runs: Sequence[RunSpec]):
        self.title, self.runs = title, runs
        self.done, self.started, self.last_line = 0, time.monotonic(), 0.0
        self.bar = None

    def __enter__(self) -> "ProgressLog":
        print(f"{self.title}: {len(self.runs)} runs", file=sys.stderr, flush=True)
        if sys.stderr.isatty():
            from tqdm import tqdm  # which a job without a terminal need not load

            self.bar = tqdm(total=sum(spec.training.epochs for spec in self.runs), unit="epoch")
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        if self.bar is not None:
            self.bar.close()
        if error is not None:
            print(f"{self.title}: stopped, {self.done} trained", file=sys.stderr)
            return
        minutes, seconds = divmod(time.monotonic() - self.started, 60)
        known = len(self.runs) - self.done
        print(
            f"{self.title}: {self.done} trained, {known} from the store, {minutes:.0f} min {seconds:.0f} s",
            file=sys.stderr,
        )

    def epoch(self, spec: RunSpec, epoch: int, measures: Measures) -> None:
        """Note that a run has finished an epoch."""
        text = f"loss {measures.loss:.3f} accuracy {measures.accuracy:.3f}"
        if self.bar is not None:
            self.bar.set_postfix_str(f"{spec.id[:6]} {text}", refresh=False)
            self.bar.update()
        elif time.monotonic() - self.last_line > SECONDS_BETWEEN_LINES:
            self.last_line = time.monotonic()
            print(f"{spec.id}: epoch {epoch}/{spec.training.epochs}: {text}", file=sys.stderr, flush=True)

    def ended(self, spec: RunSpec, status: str) -> None:
        """Note that a run has ended and is in the store."""
        self.done += 1
        if self.bar is None:
            print(f"{spec.id}: {status} ({self.done} trained)", file=sys.stderr, flush=True)
