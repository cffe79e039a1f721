"""What a file of one's own needs to register neurons, initialisers, data sets and figures (docs/extensions.md).

The file is named under `extensions:` of config.yaml. It is read by every job, so heavy libraries (torch, pandas) are
better imported within the functions that use them.
"""

from sgpipe.base.rng import permutation, stream, uniform
from sgpipe.data.samples import Analog, Events, Task, Words
from sgpipe.spec.knob import knob
from sgpipe.spec.own.declare import data_set, figure, initialiser, neuron

__all__ = [
    "Analog",
    "Events",
    "Task",
    "Words",
    "data_set",
    "figure",
    "initialiser",
    "knob",
    "neuron",
    "permutation",
    "stream",
    "uniform",
]
