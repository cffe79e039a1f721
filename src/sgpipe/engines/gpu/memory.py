"""How much memory a run takes, and how much is free."""

from itertools import pairwise

import numpy as np
import torch

from sgpipe.data.samples import Task
from sgpipe.engines.gpu.kernels import Kernels
from sgpipe.engines.gpu.pack import EVALUATION_BATCH
from sgpipe.spec.run import RunSpec


def bytes_of(spec: RunSpec, task: Task, kernels: Kernels) -> int:
    """Return about how much one run of a pack holds at most.

    That is the membranes and spikes of every layer in a minibatch, the temporary tensors of a step, weights with
    gradients and moments, and the records of an epoch. A pack that takes more after all is halved while it trains.
    """
    hidden, item = spec.network.hidden, np.dtype(spec.training.dtype).itemsize
    cells = max(spec.training.batch_size, EVALUATION_BATCH) * task.steps
    kept = sum(hidden) * (item + (kernels.spike_bytes or item))
    work = kernels.work_tensors * max((*hidden, task.classes)) * item
    raster = task.units * item if kernels.makes_raster else 0
    weights = sum(a * b for a, b in pairwise((task.units, *hidden, task.classes)))
    if spec.network.recurrent:
        weights += sum(n * n for n in hidden)
    records = len(task.train) * (3 + len(hidden))
    return cells * (kept + work + raster) + (8 * weights + 2 * records) * item


def free_bytes(device: str) -> int:
    """Return how much is free on a GPU, including torch's reserve; 2 GiB elsewhere."""
    if not device.startswith("cuda"):
        return 2**31
    with torch.cuda.device(device):
        reserve = torch.cuda.memory_reserved() - torch.cuda.memory_allocated()
        return torch.cuda.mem_get_info()[0] + reserve
