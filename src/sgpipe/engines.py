"""Choosing the engine of a run."""

import sys
from collections.abc import Callable
from functools import cache

from sgpipe.engine import Engine
from sgpipe.errors import SgpipeError
from sgpipe.kernels.cpu import CpuEngine, built
from sgpipe.spec import RunSpec


def chooser(engine: str, device: str) -> Callable[[RunSpec], Engine]:
    """Return the function from a run to its engine, for the `engine` and `device` of config.yaml.

    `auto` takes the C++ engine where it is built and accepts the run, and the torch reference otherwise, with one
    notice for each reason. Raises SgpipeError, when a run asks, if `cpu` is insisted on and cannot be had.
    """

    @cache
    def notice(reason: str) -> None:
        print(f"sgpipe: the torch reference trains instead of the C++ engine: {reason}", file=sys.stderr)

    @cache
    def reference() -> Engine:
        from sgpipe.reference import ReferenceEngine  # torch costs two seconds, which C++ jobs need not pay

        return ReferenceEngine(device)

    fast = CpuEngine()

    def choose(spec: RunSpec) -> Engine:
        if engine == "reference" or (engine == "auto" and device != "cpu"):
            return reference()
        reason = fast.refuses(spec) if built() else "it is not built; install again with a C++ compiler at hand"
        if reason is None:
            return fast
        if engine == "cpu":
            raise SgpipeError(f"config.yaml: engine: cpu cannot train this run ({reason}); set auto or reference")
        notice(reason)
        return reference()

    return choose
