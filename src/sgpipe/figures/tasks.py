"""The names of data sets in figures. A stand-in is never given just the name of the data set that it replaces."""

from collections.abc import Mapping

from sgpipe.data.files.published import data_kind
from sgpipe.results.tables import data_of_row

NAMES = {"randman": "Randman", "mnist_latency": "MNIST", "shd": "SHD", "rawhd": "RawHD", "rawsc": "RawSC", "ptb": "PTB"}
STAND_INS = {
    ("mnist_latency", "embedded"): "bundled digits",
    ("shd", "derived"): "our ear's spikes",
    ("shd", "embedded"): "synthesised spikes",
    ("rawhd", "embedded"): "synthesised digits",
    ("rawsc", "embedded"): "synthesised words",
    ("ptb", "embedded"): "made-up text",
}


def title(run: Mapping) -> str:
    """Name the data set of a run (its dotted knobs), on two lines if it is not the published one."""
    task, source, kind = run["data.task"], run["data.source"], data_kind(run)
    name = NAMES.get(task, run.get("data.set") or task)
    if kind in ("original", "synthetic"):
        return name
    if kind == "part":
        return f"a part of {name}"
    return f"{STAND_INS.get((task, source), source)}\n(stand-in for {name})"


def chance(run: Mapping) -> float:
    """Compute the accuracy of guessing on a run's data set."""
    return 1 / data_of_row(run).classes
