"""What the machine can do at most, and how much arithmetic a training step needs."""

import os
import platform
from importlib import metadata
from pathlib import Path

import numpy as np
import torch

import timing
from sgpipe.engines.cpu import _cpu
from workloads import Workload

PACKAGES = ("torch", "jax", "snntorch", "norse", "spikingjelly", "sinabs", "numpy")
# Operations a neuron and step, each addition, multiplication, division, comparison and absolute value counted once:
# forward, filter and threshold; backward, the surrogate, the filters and the readout's filters.
FORWARD, BACKWARD = 5, 17


def machine() -> dict[str, object]:
    """Return what a reader needs to judge the numbers."""
    cpu = {}
    if Path("/proc/cpuinfo").exists():
        for line in Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines():
            key, _, value = line.partition(":")
            cpu[key.strip()] = value.strip()
    name = cpu.get("model name") or platform.processor() or platform.machine()
    if "model" in cpu:
        name += f" (family {cpu['cpu family']}, model {cpu['model']})"
    return {"cpu": name, "cores": os.cpu_count(), "isas": _cpu.isas(), "system": platform.system()}


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that are installed."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def _rate(work: float, step, repeats: int) -> float:
    """Return the best of work a second, by the clock that the race goes by."""
    step()
    return max(work / timing.clocked(timing.lap(step, 1)) for _ in range(repeats))


def ceilings(quick: bool = False) -> dict[str, float]:
    """Return the rates of a float32 matrix product, GFLOP/s, and of a triad on large arrays, GB/s.

    With the number of threads that torch is set to.
    """
    n = 1024 if quick else 2048
    a, b = torch.rand(n, n), torch.rand(n, n)
    out = torch.empty(n, n)
    product = _rate(2 * n**3, lambda: torch.mm(a, b, out=out), 5 if quick else 15)
    # Larger than any cache that could be ours alone.
    size = 2**24 if quick else 2**27
    x, y, z = torch.rand(size), torch.rand(size), torch.empty(size)
    triad = _rate(3 * 4 * size, lambda: torch.add(x, y, alpha=0.5, out=z), 3 if quick else 7)
    return {"gflops": product / 1e9, "gbytes": triad / 1e9}


def work(workload: Workload, spikes: float, reverse: float) -> dict[str, float]:
    """Return the GFLOP of one training step for a dense and for an event-driven algorithm.

    `spikes` are hidden spikes per neuron and step, `reverse` the share of the steps that the reverse scan passes. One
    hidden layer. The dense algorithm multiplies every matrix with its activity at every step: forward, for the weight
    gradient, and (but for the input) for the gradient of the activity. The event-driven one adds a row at each event,
    forward and into the gradient, and keeps one dense product: back through the recurrent weights.
    """
    shape = workload.shape
    (hidden,) = shape.hidden
    places = shape.batch * shape.steps
    v = hidden if shape.recurrent else 0
    pointwise = places * hidden * (FORWARD + reverse * BACKWARD)
    dense = 2 * places * hidden * (2 * shape.inputs + 3 * v + 3 * shape.classes)
    events = len(workload.step) * hidden + spikes * places * hidden * (v + shape.classes)
    product = 2 * places * reverse * hidden * v
    return {
        "dense": (dense + places * hidden * (FORWARD + BACKWARD)) / 1e9,
        "events": events * (1 + reverse) / 1e9,
        "pointwise": pointwise / 1e9,
        "product": product / 1e9,
        "raster_mb": places * shape.inputs * 4 / 1e6,
        "events_mb": (len(workload.step) * 8 + workload.ptr.nbytes) / 1e6,
    }


def reverse_share(workload: Workload) -> float:
    """Return the mean share of steps up to the latest maximum of a readout, where the reverse scan starts."""
    from peers import unbound_loop

    shape, weights = workload.shape, [torch.from_numpy(w) for w in workload.weights]
    with torch.no_grad():
        spikes = unbound_loop.layer(
            torch.from_numpy(workload.raster) @ weights[0].T, weights[1] if shape.recurrent else None
        )
        latest = unbound_loop.readout(spikes @ weights[-1].T).argmax(0).amax(-1)
    return float(np.mean(latest.numpy() + 1) / shape.steps)
