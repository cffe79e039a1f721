"""What an extension file imports to register neurons, initialisers, data sets and figures (docs/extensions.md).

The file is listed under `extensions:` in config.yaml. Every job reads it, so import large libraries (torch, pandas)
within the functions that use them.
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
