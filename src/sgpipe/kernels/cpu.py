"""The C++ engine for CPUs: one run at a time on one core, event-driven, with a hand-written reverse scan."""

from collections.abc import Sequence

from sgpipe.data.events import Task
from sgpipe.engine import Session, Weights
from sgpipe.spec import RunSpec

try:
    from sgpipe.kernels import _cpu
except ImportError:  # no compiler at installation
    _cpu = None


def built() -> bool:
    """Return whether the extension was built when the package was installed."""
    return _cpu is not None


class CpuEngine:
    """Threads train runs side by side: the extension lets go of Python's lock."""

    name = "cpu"
    takes_packs = False

    def refuses(self, spec: RunSpec) -> str | None:
        return None

    def open(self, specs: Sequence[RunSpec], task: Task, weights: Sequence[Weights]) -> Session:
        raise NotImplementedError
