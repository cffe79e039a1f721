"""How much longer a training step of the spiking LSTM takes than one of the LIF ("four times slower", herranz2022, 4).

    python benchmarks/slstm_time.py

Both in the torch reference: one thread, minibatches of 32 random inputs of 700 channels,
100 time steps, two layers, a readout of 20 classes at every step. Prints the processor time of a minibatch, forward and
backward with the update, the least of several.
"""

import time

import numpy as np
import torch

from sgpipe.data import Events, Task
from sgpipe.engines.reference import ReferenceEngine
from sgpipe.spec.run import RunSpec
from sgpipe.weights.schemes import initial_weights

PAIR, WIDTHS = ("delta_lif", "slstm"), (42, 64, 128, 256)
STEPS, BATCH, RATE, REPEATS = 100, 32, 0.03, 5
KNOBS = {
    "data.task": "shd",
    "data.steps": STEPS,
    "network.recurrent": True,
    "surrogate.shape": "exponential",
    "init.scheme": "glorot_uniform",
    "objective.head": "steps",
    "objective.lower_strength": 0.0,
    "optimiser.name": "adabelief",
    "optimiser.clip": 1.0,
    "training.batch_size": BATCH,
}


def task() -> Task:
    """Return a minibatch of random spikes as a task."""
    draws = np.random.default_rng(0)
    step, sample, unit = np.nonzero(draws.random((STEPS, BATCH, 700)) < RATE)
    split = Events.from_spikes(sample, step, unit, draws.integers(0, 20, BATCH))
    return Task(700, 20, STEPS, split, split, split)


def milliseconds(neuron: str, units: int) -> float:
    """Return the processor time of a minibatch."""
    spec = RunSpec.make({**KNOBS, "network.neuron": neuron, "network.hidden": [units, units]})
    session = ReferenceEngine().open([spec], task(), [initial_weights(spec, 700, 20)])
    order, times = np.arange(BATCH), []
    for _ in range(REPEATS + 1):  # the first one warms up
        start = time.process_time()
        session.train_epoch([order])
        times.append(time.process_time() - start)
    return 1000 * min(times[1:])


def main() -> None:
    """Print a row per width."""
    torch.set_num_threads(1)
    print(f"{'units':>6}{'LIF, ms':>10}{'sLSTM, ms':>11}{'ratio':>7}")
    times = {(neuron, units): milliseconds(neuron, units) for units in WIDTHS for neuron in PAIR}
    for units in WIDTHS:
        lif, slstm = (times[neuron, units] for neuron in PAIR)
        print(f"{units:>6}{lif:>10.0f}{slstm:>11.0f}{slstm / lif:>7.2f}")
    for lstm, lif in ((64, 256), (42, 128)):
        print(f"sLSTM {lstm} over LIF {lif}: {times['slstm', lstm] / times['delta_lif', lif]:.2f}")


if __name__ == "__main__":
    main()
