"""Dropout before every hidden layer, and of the input: each element of each step is dropped independently.

Which elements are dropped is a function of (training.seed, epoch, place, sample, step, unit) alone, so that any engine
can drop the same ones, in any order:

    hashed(key(training.seed, "dropout/<epoch>/<place>"), (sample * steps + step) * units + unit) < share

Here `steps` is the task's number of steps, and `units` the number of units to which dropout is applied. Epochs are
counted from 1. `sample` is the sample's position in the training split (in a text: row + rows * batch). For
`network.dropout`, `place` is the number (from 1) of the hidden layer that receives the input; for
`network.input_dropout` it is `input`.

The elements that `network.dropout` keeps are divided by the share that is kept (inverted dropout), so that drives have
the same mean with and without it. Those that `network.input_dropout` keeps are not scaled: it augments the data, like
the random drop of EventDrop (Gu, Sng, Hu & Yu, IJCAI 2021, 700-707) and tonic's DropEvent. A network may well meet a
spike train with fewer spikes, but scaled spikes are not spikes. EventDrop and DropEvent drop a fixed share of a
sample's events. Here elements are dropped independently, and the spikes of one unit in one step are dropped together.
"""

import numpy as np

from sgpipe.base.rng import hashed, key
from sgpipe.spec.run import RunSpec


def dropout_factors(spec: RunSpec, epoch: int, layer: int, samples: np.ndarray, steps: int, units: int) -> np.ndarray:
    """Compute the factors by which dropout multiplies the input of a hidden layer.

    Args:
        spec: The run.
        epoch: The number of the epoch.
        layer: The number of the hidden layer that receives the input.
        samples: Positions in the train split, (batch,).
        steps: Time steps.
        units: Units of the input.

    Returns:
        0 or 1/(1 - p), float64 (steps, batch, units).
    """
    share = spec.network.dropout
    return _kept(spec, epoch, layer, share, samples, steps, units) / (1 - share)


def input_kept(spec: RunSpec, epoch: int, samples: np.ndarray, steps: int, units: int) -> np.ndarray:
    """Compute which elements of the network's input are kept in training.

    Args:
        spec: The run.
        epoch: The number of the epoch.
        samples: Positions in the train split, (batch,).
        steps: Time steps.
        units: Units of the input.

    Returns:
        bool (steps, batch, units).
    """
    return _kept(spec, epoch, "input", spec.network.input_dropout, samples, steps, units)


def _kept(
    spec: RunSpec, epoch: int, place: int | str, share: float, samples: np.ndarray, steps: int, units: int
) -> np.ndarray:
    step, sample, unit = np.ix_(np.arange(steps), samples, np.arange(units))
    counters = (sample.astype(np.uint64) * np.uint64(spec.data.steps) + step.astype(np.uint64)) * np.uint64(units)
    values = hashed(key(spec.training.seed, f"dropout/{epoch}/{place}"), counters + unit.astype(np.uint64))
    return values >= share
