"""The knobs of each task: what a data set is made from and how.

A task is a frozen dataclass of knobs here and a module `sgpipe.data.<task>` with `find` and `make`
(`sgpipe.data.files.sources`, `sgpipe.data.prepare`). Besides its knobs it tells what planning needs: `units`,
`classes`, `steps`, `train_samples` and `events` (per sample) for the cost of training.

A default is part of every run id that does not mention the knob: never change one, add a knob instead.
"""

from sgpipe.spec.tasks.mnist_latency import MnistLatencyData
from sgpipe.spec.tasks.ptb import PtbData
from sgpipe.spec.tasks.randman import RandmanData
from sgpipe.spec.tasks.rawhd import RawHDData
from sgpipe.spec.tasks.rawsc import RawSCData
from sgpipe.spec.tasks.shd import ShdData

TASKS: dict[str, type] = {
    "randman": RandmanData,
    "mnist_latency": MnistLatencyData,
    "ptb": PtbData,
    "rawhd": RawHDData,
    "rawsc": RawSCData,
    "shd": ShdData,
}

__all__ = ["TASKS", "MnistLatencyData", "PtbData", "RandmanData", "RawHDData", "RawSCData", "ShdData"]
