"""A static estimate of what a run costs: it sizes packs and asks a cluster for time and memory.

It depends on the spec alone, never on the machine or on measured speed: a remote job parses the workflow again and
must find the same packs.
"""

from collections.abc import Sequence
from itertools import pairwise

from sgpipe.engines.cpu.lacks import lacks
from sgpipe.spec.run import RunSpec
from sgpipe.spec.tasks.data_knobs import SpectrogramKnobs

# Seconds on one core of the C++ engine, fitted to the laptop-scale runs on one core of a 2023 server.
PER_NEURON_STEP = 7.0e-10
PER_DENSE_WEIGHT_STEP = 2.0e-11  # weights from spiking neurons, recurrent or to the next hidden layer
PER_EVENT_WEIGHT = 3.0e-10
PER_CURRENT_WEIGHT = 7.0e-11  # of inputs that are currents, a matrix product
# The same of herranz2022's neurons, which fire more: fitted at networks of 64 to 512 units, for one in five firing at a
# step. The dense products alone are 2e-11, the sums over spikes 9e-11 times the share of the neurons that fire.
PER_DELTA_NEURON_STEP = 1.2e-9
PER_DELTA_DENSE_WEIGHT_STEP = 3.8e-11
# Of the spiking LSTM half of the units are active; of a readout of words the weights are nearly all there are.
PER_LSTM_DENSE_WEIGHT_STEP = 6.5e-11
PER_WORD_WEIGHT_STEP = 8.0e-11
EVALUATION_SHARE = 1.1
PER_UPDATE_WEIGHT = 1.2e-8  # AdaBelief with clipping and averages, in numpy
# What only the torch reference trains: a layer's step of one minibatch, and a weight's step of one sample, on one core.
REFERENCE_LAYER_STEP = 5.0e-4
REFERENCE_WEIGHT_STEP = 9.0e-11
REFERENCE_SLOWDOWN = 40.0
# Times the estimate: an older or a shared core, and recurrent networks that fire more than the fitted ones.
MARGIN = 6.0
REFERENCE_MARGIN = 3.0
START_SECONDS = 2.0
BASE_MEMORY_MB = 600
# Processes that prepare a data set, and MB that they and its arrays need.
PREPARING = {"rawhd": (4, 3000), "rawsc": (4, 6000), "shd": (4, 6000), "spikes": (1, 16000)}
PREPARING_OTHERS = (1, 2000)


def run_seconds(spec: RunSpec) -> float:
    """Estimate the time of one run on one core of the fastest engine that trains it, in seconds."""
    samples = spec.training.epochs * spec.data.train_samples * EVALUATION_SHARE
    updates = samples / spec.training.batch_size
    if lacks(spec):
        per_update = REFERENCE_LAYER_STEP * len(spec.network.hidden)
        return spec.data.steps * (updates * per_update + samples * REFERENCE_WEIGHT_STEP * weights(spec))
    hidden, embedding = spec.network.hidden, spec.network.embedding
    drives = [_gates(spec) * n for n in hidden]
    embedded = (embedding,) if embedding else ()
    dense = sum(one * gates for one, gates in zip((*embedded, *hidden), drives[not embedding :], strict=False))
    dense += sum(n * gates for n, gates in zip(hidden, drives, strict=True)) if spec.network.recurrent else 0
    per_neuron, per_weight, per_update = PER_NEURON_STEP, PER_DENSE_WEIGHT_STEP, 0.0
    if spec.network.neuron not in (None, "lif"):
        lstm = spec.network.neuron == "slstm"
        per_neuron, per_weight = (
            PER_DELTA_NEURON_STEP,
            PER_LSTM_DENSE_WEIGHT_STEP if lstm else PER_DELTA_DENSE_WEIGHT_STEP,
        )
        per_update = PER_UPDATE_WEIGHT * weights(spec)
    per_step = per_neuron * (sum(drives) + spec.data.classes) + per_weight * dense
    if spec.words:
        per_step += PER_WORD_WEIGHT_STEP * hidden[-1] * spec.data.classes
    per_event = PER_CURRENT_WEIGHT if isinstance(spec.data, SpectrogramKnobs) else PER_EVENT_WEIGHT
    events = 0 if embedding else spec.data.events
    per_sample = per_step * spec.data.steps + per_event * events * (*drives, spec.data.classes)[0]
    return samples * per_sample + updates * per_update


def _gates(spec: RunSpec) -> int:
    """Return how many drives a neuron has."""
    return 4 if spec.network.neuron == "slstm" else 1


def weights(spec: RunSpec) -> int:
    """Count the weights in use at each step, about."""
    units = spec.network.embedding or spec.data.units
    sizes = (units, *spec.network.hidden)
    recurrent = sum(n * n for n in spec.network.hidden) if spec.network.recurrent else 0
    return (
        _gates(spec) * (sum(one * other for one, other in pairwise(sizes)) + recurrent) + sizes[-1] * spec.data.classes
    )


def pack_minutes(specs: Sequence[RunSpec], reference: bool) -> int:
    """Compute the time limit to ask a cluster for, in minutes.

    Args:
        specs: The runs of a pack.
        reference: Whether the torch reference may train them, which takes longer.
    """
    margin, start = (REFERENCE_SLOWDOWN, REFERENCE_SLOWDOWN) if reference else (MARGIN, 1.0)
    slow = [run_seconds(spec) * (REFERENCE_MARGIN if lacks(spec) else margin) for spec in specs]
    return 10 + int((START_SECONDS * start + sum(slow)) / 60)


def memory_mb(specs: Sequence[RunSpec]) -> int:
    """Compute the memory to ask a cluster for, in MB: the libraries, and a reference minibatch's activity."""
    largest = max(
        spec.training.batch_size * spec.data.steps * (sum(spec.network.hidden) + spec.data.units + spec.data.classes)
        for spec in specs
    )
    return BASE_MEMORY_MB + int(largest * 4 * 12 / 2**20)


def prepare_workers(spec: RunSpec) -> int:
    """Choose how many processes prepare a run's data set, if there are as many cores.

    One for a stand-in: it is small, and made for the most part by one process, which would keep the others waiting.
    """
    return 1 if spec.data.source == "embedded" else PREPARING.get(spec.data.task, PREPARING_OTHERS)[0]


def listens(spec: RunSpec) -> int:
    """Return 1 if a run's data set is heard by our own ear, else 0: sets in other bins share what was heard."""
    return int(spec.data.task == "shd" and spec.data.source != "original")


def prepare_memory_mb(spec: RunSpec) -> int:
    """Compute the memory to ask a cluster for to prepare a run's data set, in MB."""
    return PREPARING.get(spec.data.task, PREPARING_OTHERS)[1]
