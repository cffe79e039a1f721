"""Choosing the engine of a run."""

from collections.abc import Callable
from functools import cache

from sgpipe.base.errors import SgpipeError
from sgpipe.base.log import LOG
from sgpipe.engines.cpu.engine import CpuEngine, missing
from sgpipe.engines.interface import Engine
from sgpipe.spec.run import RunSpec


def chooser(engine: str, device: str) -> Callable[[RunSpec], Engine]:
    """Return the function from a run to its engine, for the `engine` and `device` of config.yaml.

    `auto` takes the C++ engine if it is built and accepts the run, and otherwise the torch reference, with one notice
    for each reason. The function raises SgpipeError if `cpu` or `gpu` is required but cannot be had, or if torch cannot
    compute on the device. This is checked when a run asks for its engine, not for the plan: a cluster's jobs run
    elsewhere.
    """
    fast = CpuEngine()

    @cache
    def notice(reason: str) -> None:
        LOG.warning(f"the torch reference trains instead of the C++ engine: {reason}")

    # Both of these import torch, which costs two seconds that jobs of the C++ engine need not pay.
    @cache
    def reference() -> Engine:
        from sgpipe.engines.device import check_device
        from sgpipe.engines.reference import ReferenceEngine

        check_device(device)
        return ReferenceEngine(device)

    @cache
    def gpu() -> Engine:
        from sgpipe.engines.device import check_device
        from sgpipe.engines.gpu import GpuEngine

        check_device(device)
        return GpuEngine(device)

    def choose(spec: RunSpec) -> Engine:
        if engine == "reference" or (engine == "auto" and device != "cpu"):
            return reference()
        if engine == "gpu":
            wanted, reason = gpu(), gpu().refuses(spec)
        else:
            wanted, reason = fast, missing() or fast.refuses(spec)
        if reason is None:
            return wanted
        if engine != "auto":
            raise SgpipeError(f"config.yaml: engine: {engine} cannot train this run ({reason}); set auto or reference")
        notice(reason)
        return reference()

    return choose
