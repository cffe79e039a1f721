"""The contenders. Each module has a docstring, whose first line is its name and whose rest says how its model differs
from ours, and `build(workload)`, which returns a Contender; some have `build_runs(workload, runs)` as well, which
trains independent runs side by side.
"""

import importlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType

import numpy as np

from workloads import Workload

OURS = "sgpipe_engine"
# In the order of the tables.
NAMES = (
    OURS,
    "plain_loop",
    "unbound_loop",
    "compiled_loop",
    "jax_scan",
    "snntorch",
    "norse",
    "spikingjelly",
    "sinabs",
)
SAME_MODEL = ("plain_loop", "unbound_loop", "compiled_loop", "jax_scan")
LIBRARIES = ("snntorch", "norse", "spikingjelly", "sinabs")


@dataclass
class Probe:
    """What one forward and backward pass gives, without an update."""

    loss: float
    gradients: list[np.ndarray] | None  # in the order of Workload.weights; None for a model that is not ours
    spikes: float  # hidden spikes per neuron and step
    last_step: float | None = None  # mean over samples of the step where the reverse scan may start


@dataclass
class Contender:
    """One way to train, ready to go."""

    step: Callable[[], object]  # one training step: forward, loss, backward, Adam
    probe: Callable[[], Probe]  # not timed


class Missing(Exception):
    """A contender cannot run here; the message says why in one line."""


def load(name: str) -> ModuleType:
    """Import a contender, or raise Missing."""
    try:
        return importlib.import_module(f"peers.{name}")
    except ImportError as error:
        raise Missing(f"{name}: not installed ({str(error).splitlines()[0]})") from None


def title(module: ModuleType) -> str:
    """Return a contender's name as people read it."""
    return inspect.getdoc(module).splitlines()[0].rstrip(".")


def differs(module: ModuleType) -> str:
    """Return how a contender's model differs from ours."""
    return " ".join(" ".join(inspect.getdoc(module).splitlines()[1:]).split())


def build(name: str, workload: Workload) -> Contender:
    """Return a contender on a workload, or raise Missing."""
    return load(name).build(workload)
