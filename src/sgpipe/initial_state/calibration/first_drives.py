"""The drives of the first hidden layer for a few training samples, while most of their input arrives."""

from collections.abc import Mapping

import numpy as np
import torch

from sgpipe.base.rng import permutation, stream
from sgpipe.data.samples import Task, Words
from sgpipe.initial_state.calibration.window import busy
from sgpipe.spec.run import RunSpec

SAMPLES, STEPS = 32, 200


def first_drives(spec: RunSpec, task: Task, weights: Mapping[str, torch.Tensor], part: int) -> tuple[torch.Tensor, int]:
    """Compute the first hidden layer's drives for some training samples, and the step from which it is measured.

    Each sample contributes the STEPS in a row with the most input, up to the last of those in which most of it arrives
    (`busy`). A text contributes the first words of strands from random places.

    Args:
        spec: The run.
        task: Its data.
        weights: The weights before training.
        part: 0 for the batch to calibrate on, 1 for the one to check on.

    Returns:
        W z, (steps, batch, gates x units), and the step from which on the layer is measured.
    """
    first = weights["W1"].T
    generator = stream(spec.init.seed, "init/batch")
    if isinstance(task.train, Words):
        steps = min(STEPS, task.steps, len(task.train))
        starts = (generator.random((2, SAMPLES))[part] * (len(task.train) - steps + 1)).astype(int)
        ids = torch.from_numpy(task.train.ids[starts + np.arange(steps)[:, None]].astype(np.int64))
        return (weights["E"][ids] @ first if "E" in weights else first[ids]), steps // 2
    count = max(1, min(SAMPLES, len(task.train) // 2))
    order = permutation(generator, len(task.train))
    rasters = [
        task.train.take(order[start : start + count]).dense(task.steps, task.units) for start in (0, count)[: 1 + part]
    ]
    window, late = _stretch((rasters[0].astype(float) ** 2).sum((1, 2)))  # the same steps for both parts
    return torch.from_numpy(rasters[part][window].astype(np.float64)) @ first, late


def _stretch(energy: np.ndarray) -> tuple[slice, int]:
    """Return the steps to run a layer through, and after how many of them measuring starts."""
    filled = np.flatnonzero(energy) if energy.any() else np.arange(2)
    length = min(STEPS, int(filled[-1] - filled[0]) + 1)
    sums = np.convolve(energy[filled[0] : filled[-1] + 1], np.ones(length), "valid")
    start = int(filled[0] + np.argmax(sums))
    most = busy(energy[start : start + length])
    late = min(most.start, most.stop - 2) if most.stop > 1 else 0  # growth takes two steps
    return slice(start, start + max(most.stop, 2)), late
