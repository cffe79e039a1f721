"""Dropout before every hidden layer, and of the input: each element of each step is dropped by itself.

Which elements are dropped is a function of (training.seed, epoch, place, sample, step, unit) alone, so that any engine
can drop the same ones, in any order:

    hashed(key(training.seed, "dropout/<epoch>/<place>"), (sample * steps + step) * units + unit) < share

with `steps` of the task, `units` of what is dropped from, the epoch from 1, and the sample's position in the training
split (in a text: row + rows * batch). The place of `network.dropout` is the number of the hidden layer that receives
it, from 1, that of `network.input_dropout` is `input`.

What `network.dropout` keeps is divided by the share that is kept (inverted dropout), so that drives have the same mean
with and without it. What `network.input_dropout` keeps stays as it is: it is augmentation of the data, as the random
drop of EventDrop (Gu, Sng, Hu & Yu, IJCAI 2021, 700-707) and tonic's DropEvent are. A train of fewer spikes is what a
network may meet; scaled spikes are not spikes. Those two take a fixed share of a sample's events; here each is dropped
by itself, and spikes of one unit in one step go together.
"""

import numpy as np

from sgpipe.base.rng import hashed, key
from sgpipe.spec.run import RunSpec


def dropout_factors(spec: RunSpec, epoch: int, layer: int, samples: np.ndarray, steps: int, units: int) -> np.ndarray:
    """Compute what the input of a hidden layer is multiplied with.

    Args:
        spec: The run.
        epoch: The number of the epoch.
        layer: The number of the hidden layer that receives it.
        samples: Positions in the train split, (batch,).
        steps: Time steps.
        units: Units of the input.

    Returns:
        0 or 1/(1 - p), float64 (steps, batch, units).
    """
    share = spec.network.dropout
    return _kept(spec, epoch, layer, share, samples, steps, units) / (1 - share)


def input_kept(spec: RunSpec, epoch: int, samples: np.ndarray, steps: int, units: int) -> np.ndarray:
    """Tell which elements of the network's input training keeps.

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
