"""Sixteen independent runs on two cores: each contender in the ways that it has, against one run a thread."""

import multiprocessing
import os

import peers
import timing
import workloads
from peers import Contender

RUNS, THREADS = 16, 2


def _serve(pipe, name: str, steps: int, core: int) -> None:
    """In a process of its own, on one thread and one core: do so many steps whenever asked."""
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[core % len(cores)]})
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
    import torch

    torch.set_num_threads(1)
    step = peers.build(name, workloads.make(workloads.SHAPES["W1"])).step
    step()
    pipe.send("ready")
    while pipe.recv():
        for _ in range(steps):
            step()
        pipe.send("done")


class SideBySide:
    """Two processes, each with half of the runs."""

    def __init__(self, name: str, runs: int):
        context = multiprocessing.get_context("spawn")
        self.pipes, self.processes = [], []
        for core in range(THREADS):
            mine, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(theirs, name, runs // THREADS, core), daemon=True)
            process.start()
            theirs.close()
            self.pipes.append(mine)
            self.processes.append(process)

    def __enter__(self) -> "SideBySide":
        for pipe in self.pipes:
            pipe.recv()
        return self

    def __exit__(self, *_) -> None:
        for pipe, process in zip(self.pipes, self.processes, strict=True):
            pipe.send(False)
            process.join()

    def step(self) -> None:
        """Do one step of every run."""
        for pipe in self.pipes:
            pipe.send(True)
        for pipe in self.pipes:
            pipe.recv()


def measure(names: list[str], runs: int, rounds: int, say) -> dict[str, object]:
    """Return milliseconds and ratios of one step of all runs, by contender and by way."""
    workload = workloads.make(workloads.SHAPES["W1"])
    ours = peers.load(peers.OURS).build_runs(workload, runs, THREADS).step
    ways: dict[str, dict[str, dict]] = {name: {} for name in names}
    own = timing.Laps()

    def record(way: str, steps: dict) -> None:
        pace, laps = timing.race(ours, steps, rounds, seconds=12.0)
        own.wall.extend(pace.wall)
        own.cpu.extend(pace.cpu)
        for name, lap in laps.items():
            ways[name][way] = lap.summary()
            say(f"  {name} {way}: {ways[name][way]['ms']:.0f} ms, {ways[name][way]['ratio']:.1f} times ours")

    def sequential(contender: Contender):
        def step():
            for _ in range(runs):
                contender.step()

        return step

    built = {name: peers.build(name, workload) for name in names}
    record("one after the other", {name: sequential(contender) for name, contender in built.items()})
    lockstep = {name: peers.load(name).build_runs for name in names if hasattr(peers.load(name), "build_runs")}
    record("run axis", {name: build(workload, runs).step for name, build in lockstep.items()})
    for name in names:
        with SideBySide(name, runs) as pair:
            record("two processes", {name: pair.step})
    return {"runs": runs, "threads": THREADS, "ours": own.summary(), "ways": ways}
