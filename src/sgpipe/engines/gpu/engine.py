"""The GPU engine: which runs it takes, and which of them go side by side."""

import importlib.util
import os
from collections.abc import Sequence

import torch

from sgpipe.base.errors import SgpipeError
from sgpipe.data.samples import SPLITS, Events, Task
from sgpipe.engines.gpu.decays import kind_of
from sgpipe.engines.gpu.events import EventSplit
from sgpipe.engines.gpu.kernels import Kernels
from sgpipe.engines.gpu.knobs import FAMILIES
from sgpipe.engines.gpu.memory import bytes_of, free_bytes
from sgpipe.engines.gpu.pack import Pack
from sgpipe.engines.gpu.session import GpuSession
from sgpipe.engines.interface import Theory, Threads, Weights, one_thread
from sgpipe.engines.table import lacks_table
from sgpipe.spec.run import RunSpec
from sgpipe.spec.surrogates import SURROGATES

MOST_RUNS = 65535  # the limit on any axis of a grid but the first


def triton_runs_on(device: str) -> bool:
    """Return whether Triton is installed and can run there: on GPUs, and elsewhere only in its interpreter."""
    able = device.startswith("cuda") or os.environ.get("TRITON_INTERPRET") == "1"
    return able and importlib.util.find_spec("triton") is not None


class GpuEngine:
    """Train packs of runs at once. `kernels` is `triton`, `torch`, or `auto`: Triton where it runs.

    `memory` is how many bytes a pack may take; by default, half of what is free.
    """

    name = "gpu"
    takes_packs = True

    def __init__(self, device: str = "cuda", kernels: str = "auto", memory: int | None = None):
        self.device, self.memory = device, memory
        self.kernels = _kernels("triton" if kernels == "auto" and triton_runs_on(device) else kernels)
        self._latest: tuple[Task, dict[str, EventSplit]] | None = None

    def refuses(self, spec: RunSpec) -> str | None:
        network, optimiser, most = spec.network, spec.optimiser, self.kernels.most_recurrent_units
        if reason := _unknown(spec):
            return reason
        if spec.conditions:
            return "it takes no conditions on the initial state"
        if optimiser.name != "adam":
            return f"it has no {optimiser.name} optimiser"
        if optimiser.weight_decay or optimiser.clip or optimiser.average != "none":
            return "it has no weight decay, clipping or averaging"
        if most and network.recurrent and max(network.hidden) > most:
            return f"its recurrent layers have at most {most} units"
        return None

    def open(
        self,
        specs: Sequence[RunSpec],
        task: Task,
        weights: Sequence[Weights],
        theory: Theory | None = None,
        threads: Threads = one_thread,
    ) -> GpuSession:
        if self.device == "cpu":
            torch.set_num_threads(1)
        else:
            torch.set_float32_matmul_precision("highest")  # no TF32 in the plain path, whoever asked for it before
        splits = self._splits(task)
        alike: dict[tuple, list[int]] = {}
        for place, spec in enumerate(specs):
            key = spec.network.hidden, spec.network.recurrent, spec.training.batch_size, spec.training.precision
            key += kind_of(spec)
            alike.setdefault(key, []).append(place)
        packs = []
        for places in alike.values():
            room = self.memory or free_bytes(self.device) // 2
            size = min(max(1, room // bytes_of(specs[places[0]], task, self.kernels)), MOST_RUNS)
            for start in range(0, len(places), size):
                part = places[start : start + size]
                chosen = [specs[place] for place in part], [weights[place] for place in part]
                packs.append((part, Pack(*chosen, splits, self.kernels, self.device)))
        return GpuSession(packs, self.device)

    def _splits(self, task: Task) -> dict[str, EventSplit]:
        # A training opens a second session on its task, to test the best weights: indexing twice would be slow.
        if not isinstance(task.train, Events):
            raise SgpipeError("config.yaml: engine: gpu takes tasks of events only; set auto or reference")
        latest = self._latest
        if latest is None or latest[0] is not task:
            splits = {name: EventSplit(getattr(task, name), task, self.device, name == "train") for name in SPLITS}
            self._latest = latest = task, splits
        return latest[1]


def _unknown(spec: RunSpec) -> str | None:
    """Return what in a run these kernels do not support; None if there is no such thing."""
    network, objective = spec.network, spec.objective
    if spec.words:
        return "it reads no words"
    if network.neuron not in (None, "lif"):
        return f"it has no {network.neuron} neurons"
    if objective.head not in ("max", "sum"):
        return f"it has no {objective.head} head"
    if spec.surrogate.name and SURROGATES[spec.surrogate.name].family not in FAMILIES:
        return f"it has no surrogate {spec.surrogate.name}"
    if reason := lacks_table(spec):
        return reason
    if network.dropout:
        return "it has no dropout"
    return "it has no label smoothing" if objective.label_smoothing else None


def _kernels(name: str) -> Kernels:
    if name == "triton":
        from sgpipe.engines.gpu.triton_kernels import TritonKernels

        return TritonKernels()
    from sgpipe.engines.gpu.torch_kernels import TorchKernels

    return TorchKernels()
