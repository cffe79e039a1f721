"""A data set of one's own: rhythms tapped on six keys, read from data/taps.csv."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from sgpipe.extend import Events, Task, data_set, knob, permutation, stream


@data_set("taps")
@dataclass(frozen=True)
class Taps:
    """Three rhythms, twenty samples of each; a row of the file is a tap: sample, label, key and time in ms."""

    units: ClassVar[int] = 6
    classes: ClassVar[int] = 3
    train_samples: ClassVar[int] = 36

    steps: int = knob(60, "number of time steps", least=1, most=10_000)
    dt: float = knob(2.0, "time step", "ms", above=0, most=1e3)
    seed: int = knob(0, "seed of the split", least=0, most=2**32)

    def find(self, folder):
        return [folder / "taps.csv"]

    def make(self, folder):
        rows = np.loadtxt(folder / "taps.csv", delimiter=",", skiprows=1)
        sample, label, key = rows[:, :3].astype(int).T
        step = (rows[:, 3] / self.dt).astype(int)
        labels = label[np.unique(sample, return_index=True)[1]]
        early = step < self.steps
        every = Events.from_spikes(sample[early], step[early], key[early], labels)
        order = permutation(stream(self.seed, "data/taps/split"), len(labels))
        splits = (every.take(part) for part in np.split(order, [36, 48]))
        return Task(self.units, self.classes, self.steps, *splits)
