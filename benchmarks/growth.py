"""How the cost of a training step grows: steps, neurons, batch, activity of the input, runs; and memory."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import torch

import peers
import timing
import workloads
from workloads import SHAPES, Shape

BASE = SHAPES["W1"]
STEPS = (25, 50, 100, 200, 400, 800)
HIDDEN = (16, 32, 64, 128, 256, 512, 1024)
BATCH = (1, 4, 16, 64, 256, 1024)
DENSITY = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
RUNS = (1, 2, 4, 8, 16)
MEMORY = (("sgpipe_engine", 250, 256), ("sgpipe_engine", 500, 256), ("sgpipe_engine", 500, 1024),
          ("unbound_loop", 250, 256), ("unbound_loop", 500, 256))  # fmt: skip


def _variants(points: dict[int, Shape], loop_up_to: int) -> dict[str, dict[int, object]]:
    """Return steps of the engine, feed-forward and recurrent, and of the well-written loop."""
    curves = {"feed-forward": {}, "recurrent": {}, "loop, feed-forward": {}}
    for value, shape in points.items():
        for curve, recurrent in (("feed-forward", False), ("recurrent", True)):
            workload = workloads.make(replace(shape, recurrent=recurrent))
            curves[curve][value] = peers.build(peers.OURS, workload).step
        if value <= loop_up_to:
            curves["loop, feed-forward"][value] = peers.build("unbound_loop", workloads.make(shape)).step
    return curves


def _time(curves: dict[str, dict], rounds: int) -> dict[str, list[list[float]]]:
    """Return [value, milliseconds] of every point of every curve."""
    times = timing.turns({(c, v): step for c, points in curves.items() for v, step in points.items()}, rounds)
    return {c: [[value, times[c, value]] for value in points] for c, points in curves.items()}


def _activity() -> dict[str, dict[float, object]]:
    curves = {"events": {}, "dense": {}}
    engine = peers.load(peers.OURS)
    for density in DENSITY:
        # Weights of mean zero, scaled so that the hidden layer is driven about as hard at any density.
        gain = 2.0 * (0.01 / density) ** 0.5
        workload = workloads.make(replace(SHAPES["W3"], batch=32, density=density, gain=gain, mean=0.0))
        curves["events"][density] = engine.Run(workload).step
        curves["dense"][density] = engine.Run(workload, dense=True).step
    return curves


def _runs(threads: int) -> dict[int, object]:
    workload = workloads.make(BASE)
    return {runs: peers.load(peers.OURS).build_runs(workload, runs, threads).step for runs in RUNS}


def _peak_memory_apart(*point) -> float:
    code = f"import memory; print(memory.peak(*{point!r}))"
    here = Path(__file__).parent
    run = subprocess.run([sys.executable, "-c", code], cwd=here, stdout=subprocess.PIPE, text=True, check=True)
    return float(run.stdout.split()[-1])


def measure(rounds: int, quick: bool, say) -> dict[str, object]:
    """Return all curves, on one thread but for the runs."""
    torch.set_num_threads(1)

    def some(values):
        return values[1:4:2] if quick else values

    grown = {}
    say("  steps")
    grown["steps"] = _time(_variants({n: replace(BASE, steps=n) for n in some(STEPS)}, 400), rounds)
    say("  hidden neurons")
    grown["hidden"] = _time(_variants({n: replace(BASE, hidden=(n,)) for n in some(HIDDEN)}, 512), rounds)
    say("  batch")
    grown["batch"] = _time(_variants({n: replace(BASE, batch=n) for n in some(BATCH)}, 256), rounds)
    say("  activity")
    grown["activity"] = _time(_activity(), rounds)
    say("  runs")
    grown["runs"] = _time({f"{t} thread{'s' * (t > 1)}": _runs(t) for t in (1, 2)}, rounds)
    say("  memory")
    grown["memory"] = [[*point, _peak_memory_apart(*point)] for point in (MEMORY[:1] if quick else MEMORY)]
    return grown
