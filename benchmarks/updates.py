"""Updates that the C++ engine makes by itself beside those of which Python makes each: an epoch of small networks.

    python benchmarks/updates.py [--rounds 12]

Networks of scale laptop, in minibatches of 16 and of 250. Both take turns in one process; both have the same bits. A
row has core-microseconds an update, and how many times as fast the extension alone is, with quartiles over rounds.
"""

import argparse
import statistics
from functools import partial

import numpy as np

import sgpipe as sg
import timing
from sgpipe.engines.cpu.engine import CpuEngine, CpuSession
from sgpipe.engines.minibatch import MinibatchSession
from sgpipe.weights.schemes import initial_weights

NETWORKS = {
    "20-100-10": {"network.hidden": [100]},
    "20-100-100-10": {"network.hidden": [100, 100], "init.gain": 3},
    "20-100-10, recurrent": {"network.hidden": [100], "network.recurrent": True},
}


def main() -> None:
    """Print a row per network and size of a minibatch."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=12)
    rounds = parser.parse_args().rounds
    timing.CLOCK = "cpu"
    print("| network | minibatch | Python, us | extension, us | faster |\n| --- | ---: | ---: | ---: | ---: |")
    for name, knobs in NETWORKS.items():
        for size in (16, 250):
            run = sg.make_run({"data.samples_per_class": 500, "training.batch_size": size, **knobs})
            task = sg.make_task(run)
            (session,) = [CpuEngine().open([run], task, [initial_weights(run, task.units, task.classes)])]
            order, updates = np.arange(len(task.train)), -(-len(task.train) // size)
            alone, each = (partial(kind.train_epoch, session, [order]) for kind in (CpuSession, MinibatchSession))
            own, laps = timing.race(alone, {"each": each}, rounds)
            seconds = [1e6 * statistics.median(lap.cpu) / updates for lap in (laps["each"], own)]
            low, middle, high = statistics.quantiles(laps["each"].ratio, n=4)
            cells = name, size, *(f"{one:.0f}" for one in seconds), f"{middle:.2f} ({low:.2f}, {high:.2f})"
            print(f"| {' | '.join(map(str, cells))} |")


if __name__ == "__main__":
    main()
