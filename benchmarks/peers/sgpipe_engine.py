"""sgpipe.

The C++ engine of this package as the pipeline calls it: events in, gradients out, then its Adam.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from peers import Contender, Probe
from sgpipe.engines.cpu import _cpu
from sgpipe.engines.optimisers import Adam
from sgpipe.spec.run import Optimiser
from workloads import BETA, DECAY_MEMBRANE, DECAY_SYNAPSE, LEARNING_RATE, Workload

ADAM = Optimiser(lr=LEARNING_RATE)


def settings(workload: Workload, **more) -> dict:
    """Return the network as the extension wants it."""
    shape = workload.shape
    return {
        "steps": shape.steps,
        "inputs": shape.inputs,
        "hidden": list(shape.hidden),
        "recurrent": shape.recurrent,
        "classes": shape.classes,
        "reset": "detached",
        "recurrent_gradient": "propagated",
        "head": "max",
        "family": "inverse_square",  # SuperSpike
        "slope": BETA,
        "b_syn": DECAY_SYNAPSE,
        "b_mem": DECAY_MEMBRANE,
        "b_out": DECAY_MEMBRANE,
        **more,
    }


class Run:
    """One network in training."""

    def __init__(self, workload: Workload, threads: int = 1, dense: bool = False, **more):
        self.config, self.threads = settings(workload, **more), threads
        self.weights = [w.copy() for w in workload.weights]
        self.gradients = [np.zeros_like(w) for w in workload.weights]
        self.optimiser = Adam(ADAM, dict(zip(workload.names, self.weights, strict=True)))
        self.by_name = dict(zip(workload.names, self.gradients, strict=True))
        self.rest = (workload.labels, np.arange(workload.shape.batch))
        if dense:
            self.given, self.call = (workload.raster_batch_first,), _cpu.batch_dense
        else:
            self.given, self.call = (workload.ptr, workload.step, workload.unit), _cpu.batch

    def batch(self) -> dict:
        """Return the sums over the batch and leave the gradients of its mean loss."""
        return self.call(self.config, self.weights, *self.given, *self.rest, self.gradients, self.threads)

    def step(self) -> dict:
        """Do one training step."""
        totals = self.batch()
        self.optimiser.step(self.by_name)
        return totals


def build(workload: Workload, threads: int = 1, **more) -> Contender:
    run = Run(workload, threads, **more)

    def probe() -> Probe:
        totals = run.batch()
        spikes = sum(totals["spikes"]) / workload.neuron_steps
        return Probe(totals["loss"] / workload.shape.batch, [g.copy() for g in run.gradients], spikes)

    return Contender(run.step, probe)


def build_runs(workload: Workload, runs: int, threads: int) -> Contender:
    """One run a thread, as the pipeline does it: no run waits for another."""
    all_runs = [Run(workload) for _ in range(runs)]
    pool = ThreadPoolExecutor(threads)
    return Contender(lambda: list(pool.map(Run.step, all_runs)), build(workload).probe)
