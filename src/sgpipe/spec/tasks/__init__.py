"""The knobs of each task: what a data set is made from and how.

A task is a frozen dataclass of knobs here and a module `sgpipe.data.<task>` with `find` and `make`
(`sgpipe.data.files.sources`, `sgpipe.data.prepare`). Besides its knobs it gives what planning needs: `units`,
`classes`, `steps`, `train_samples`, and `events` (per sample) for the cost of training.

A default is part of every run id that does not mention the knob: never change one, add a knob instead.
"""

from collections import ChainMap
from collections.abc import Mapping

from sgpipe.spec.own.registry import EXTENSIONS
from sgpipe.spec.tasks.mnist_latency import MnistLatencyData
from sgpipe.spec.tasks.ptb import PtbData
from sgpipe.spec.tasks.randman import RandmanData
from sgpipe.spec.tasks.rawhd import RawHDData
from sgpipe.spec.tasks.rawsc import RawSCData
from sgpipe.spec.tasks.shd import ShdData
from sgpipe.spec.tasks.spikes import SpikesData

BUILT_IN_TASKS: dict[str, type] = {
    "randman": RandmanData,
    "mnist_latency": MnistLatencyData,
    "ptb": PtbData,
    "rawhd": RawHDData,
    "rawsc": RawSCData,
    "shd": ShdData,
    "spikes": SpikesData,
}
# Including those of extensions.
TASKS: Mapping[str, type] = ChainMap(EXTENSIONS.data_sets, BUILT_IN_TASKS)

__all__ = [
    "BUILT_IN_TASKS",
    "TASKS",
    "MnistLatencyData",
    "PtbData",
    "RandmanData",
    "RawHDData",
    "RawSCData",
    "ShdData",
    "SpikesData",
]
