"""Time training steps of the GPU engine against plain torch loops and libraries on the same GPU.

Usage: python benchmarks/gpu.py [--runs 1,4,16,64,256] [--only W1] [--seconds 2] [--dry]

One training step is forward, loss, backward and Adam in float32, for one batch of each run. The engine trains a pack
of runs side by side; the others, of which no one has a run axis but the unbound loop, train one run after another, so
their time for a pack is that of one run times the number of runs. A column is the milliseconds of a step of the whole
pack; below it, how many times longer the others take. The engine's gradients are compared with the plain loop's first.
How the libraries' models differ from ours is told in `peers`. `--dry` does one small step of everything on the CPU, to
see that all of it runs.
"""

import argparse
import contextlib
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator

import numpy as np
import torch

import peers
import workloads
from workloads import BETA, LEARNING_RATE, Workload

OTHERS = ("plain_loop", "unbound_loop", "snntorch", "spikingjelly")
DETOUR = "unbound loop, run axis"


@contextlib.contextmanager
def building_on(device: str) -> Iterator[None]:
    """Let contenders, which are written for the CPU, make their tensors on the device.

    Only while they are built: a default device costs time at every call of torch.
    """
    from_numpy = torch.from_numpy
    torch.from_numpy = lambda array: from_numpy(array).to(device)
    try:
        with torch.device(device):
            yield
    finally:
        torch.from_numpy = from_numpy


class Engine:
    """A pack of equal networks in the GPU engine; each run has weights of its own."""

    def __init__(self, workload: Workload, runs: int, device: str):
        from sgpipe.data.samples import Events, Task
        from sgpipe.engines.gpu import GpuEngine

        shape = workload.shape
        events = Events(workload.ptr, workload.step, workload.unit, workload.labels)
        task = Task(shape.inputs, shape.classes, shape.steps, events, events, events)
        given = dict(zip(workload.names, workload.weights, strict=True))
        weights = [{name: array * (1 + run / 1000) for name, array in given.items()} for run in range(runs)]
        weights = [{name: array.astype(workload.dtype) for name, array in one.items()} for one in weights]
        engine = GpuEngine(device, memory=2**60)  # one pack, or an error that says that it does not fit
        ((_, self.pack),) = engine.open([_spec(shape, workload.dtype)] * runs, task, weights).packs
        self.samples = torch.arange(shape.batch, device=device).expand(runs, -1).contiguous()
        self.alive = torch.ones((runs, 1), dtype=torch.bool, device=device)
        (self.rate,) = self.pack.optimiser.rates(1)

    def batch(self) -> torch.Tensor:
        """Go forward and back over the batch."""
        return self.pack.batch(self.pack.splits["train"], self.samples, True)

    def step(self) -> None:
        """Do one training step of every run."""
        self.batch()
        self.pack.optimiser.step(self.pack.gradient, self.rate, self.alive)

    def gradients(self) -> list[np.ndarray]:
        """Return the gradients of the first run, as the workload lists its weights."""
        self.batch()
        return [stacked[0].T.cpu().numpy() for stacked in self.pack.parts(self.pack.gradient).values()]


def _spec(shape, dtype: str):
    from sgpipe.spec.run import RunSpec

    return RunSpec.make({
        "data.steps": shape.steps,
        "data.tau": 1.0,  # the data are not made from the spec
        "network.hidden": shape.hidden,
        "network.recurrent": shape.recurrent,
        "network.tau_readout": 10.0,
        "surrogate.beta": BETA,
        "objective.lower_strength": 0.0,
        "optimiser.lr": LEARNING_RATE,
        "training.batch_size": shape.batch,
        "training.precision": dtype,
    })  # fmt: skip


def milliseconds(step: Callable[[], object], seconds: float, device: str) -> float:
    """Return the median time of a step: the device's own clock, after a warm-up that compiles what is to be."""
    for _ in range(3):
        step()
    if not device.startswith("cuda"):
        return _wall(step)
    torch.cuda.synchronize()
    times, until = [], time.perf_counter() + seconds
    while len(times) < 5 or (time.perf_counter() < until and len(times) < 200):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        step()
        end.record()
        end.synchronize()
        times.append(begin.elapsed_time(end))
    return statistics.median(times)


def _wall(step: Callable[[], object]) -> float:
    begin = time.perf_counter()
    step()
    return (time.perf_counter() - begin) * 1e3


def disagreement(engine: Engine, workload: Workload, device: str) -> float:
    """Return the largest difference of a gradient from the plain loop's on the CPU in float64, over its largest entry.

    In float32 a membrane within a rounding of the threshold may spike here and not there: expect 1e-6 to 1e-2.
    """
    wide = workloads.make(workload.shape, "float64")
    expected = peers.build("unbound_loop", wide).probe().gradients
    found = engine.gradients()
    return max(np.abs(a - b).max() / np.abs(b).max() for a, b in zip(found, expected, strict=True))


def others(workload: Workload, device: str) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield what trains one run after another; say of one that cannot why not."""
    for name in OTHERS:
        try:
            with building_on(device):
                module = peers.load(name)
                yield peers.title(module), module.build(workload).step
        except peers.Missing as missing:
            print(missing, file=sys.stderr)


def in_step(workload: Workload, runs: int, device: str) -> Callable[[], object]:
    """Return a step of the unbound loop over a tensor axis of runs."""
    from peers import unbound_loop

    with building_on(device):
        return unbound_loop.build_runs(workload, runs).step


def measured(make: Callable[[], Callable[[], object]], seconds: float, device: str) -> float:
    """Return the milliseconds of a step, NaN where it does not fit into memory."""
    try:
        return milliseconds(make(), seconds, device)
    except torch.cuda.OutOfMemoryError:
        return float("nan")
    finally:
        if device.startswith("cuda"):
            torch.cuda.empty_cache()


def row(name: str, values: list[float]) -> str:
    """Return a line of the table."""
    return f"| {name} | " + " | ".join(f"{value:.3g}" for value in values) + " |"


def compare(workload: Workload, runs: list[int], seconds: float, device: str) -> None:
    """Print the table of one workload."""
    shape = workload.shape
    print(f"\n## {shape.name}: {shape.title}; {shape.network}, batch {shape.batch}, {shape.steps} steps\n")
    worst = disagreement(Engine(workload, 1, device), workload, device)
    print(f"Largest difference of a gradient from the plain loop in float64: {worst:.1e} of its largest entry.\n")
    print("| ms a step of all runs | " + " | ".join(f"{n} run{'s' * (n > 1)}" for n in runs) + " |")
    print("| --- |" + " --- |" * len(runs))
    ours = [measured(lambda n=n: Engine(workload, n, device).step, seconds, device) for n in runs]
    print(row("sgpipe GPU engine", ours), flush=True)
    times = {}
    for name, step in others(workload, device):
        alone = measured(lambda step=step: step, seconds, device)
        times[name] = [alone * n for n in runs]
        print(row(name, times[name]), flush=True)
    times[DETOUR] = [measured(lambda n=n: in_step(workload, n, device), seconds, device) for n in runs]
    print(row(DETOUR, times[DETOUR]))
    for name, values in times.items():
        print(row(f"{name}: times ours", [a / b for a, b in zip(values, ours, strict=True)]), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", default="1,4,16,64,256", help="sizes of the pack")
    parser.add_argument("--only", default="W", help="workloads whose names contain this")
    parser.add_argument("--seconds", type=float, default=2.0, help="time of each measurement")
    parser.add_argument("--dry", action="store_true", help="small, on the CPU, kernels interpreted: no timing")
    args = parser.parse_args()
    runs = [int(part) for part in args.runs.split(",")]
    shapes = [shape for name, shape in workloads.SHAPES.items() if args.only in name]
    device = "cuda"
    if args.dry:
        os.environ["TRITON_INTERPRET"] = "1"
        device, runs, shapes = "cpu", runs[:2], [_tiny(shape) for shape in shapes]
        print("Dry: one step of a small network on the CPU. These times mean nothing.")
    elif not torch.cuda.is_available():
        print("No GPU here that torch can use: nothing timed. (--dry shows that everything runs.)")
        return
    else:
        print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, {_triton()}; float32 without TF32")
    torch.set_float32_matmul_precision("highest")
    for shape in shapes:
        compare(workloads.make(shape), runs, args.seconds, device)


def _tiny(shape):
    from dataclasses import replace

    return replace(shape, batch=3, steps=12, inputs=8, hidden=(6,), density=0.1)


def _triton() -> str:
    try:
        import triton
    except ImportError:
        return "no Triton: the engine's plain torch path"
    return f"Triton {triton.__version__}"


if __name__ == "__main__":
    main()
