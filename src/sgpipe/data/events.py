"""Spikes as lists of events: what every task becomes and every engine reads."""

from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from sgpipe.errors import SgpipeError
from sgpipe.files import atomic

SPLITS = ("train", "valid", "test")


@dataclass(frozen=True)
class Events:
    """The samples of one split, as events sorted by sample and step.

    Sample s owns the events `ptr[s]:ptr[s + 1]`; event e is one spike of input `unit[e]` at time step `step[e]`.
    """

    ptr: np.ndarray  # int64 (samples + 1,)
    step: np.ndarray  # int32 (events,), rising within a sample
    unit: np.ndarray  # int32 (events,)
    labels: np.ndarray  # int64 (samples,)

    def __len__(self) -> int:
        return len(self.labels)

    @classmethod
    def from_spikes(cls, sample: np.ndarray, step: np.ndarray, unit: np.ndarray, labels: np.ndarray) -> "Events":
        """Return events from spikes in any order, given as three arrays of equal length."""
        order = np.lexsort((unit, step, sample))
        ptr = np.zeros(len(labels) + 1, dtype=np.int64)
        np.cumsum(np.bincount(sample, minlength=len(labels)), out=ptr[1:])
        return cls(ptr, step[order].astype(np.int32), unit[order].astype(np.int32), labels.astype(np.int64))

    def take(self, indices: np.ndarray) -> "Events":
        """Return the samples at `indices`, in that order."""
        counts = np.diff(self.ptr)[indices]
        ptr = np.concatenate([[0], np.cumsum(counts)])
        where = np.repeat(self.ptr[indices] - ptr[:-1], counts) + np.arange(ptr[-1])
        return Events(ptr, self.step[where], self.unit[where], self.labels[indices])

    def dense(self, steps: int, units: int) -> np.ndarray:
        """Return spike counts (steps, samples, units) as float32."""
        raster = np.zeros((steps, len(self), units), dtype=np.float32)
        sample = np.repeat(np.arange(len(self)), np.diff(self.ptr))
        np.add.at(raster, (self.step, sample, self.unit), 1.0)
        return raster


@dataclass(frozen=True)
class Task:
    """A prepared data set: three splits of events and the shape that a network needs to know."""

    units: int
    classes: int
    steps: int
    train: Events
    valid: Events
    test: Events

    def check(self, where: str) -> "Task":
        """Return self; raise SgpipeError if an array is out of shape or range."""
        for split in SPLITS:
            events = getattr(self, split)
            sound = (
                len(events.ptr) == len(events) + 1
                and events.ptr[0] == 0
                and events.ptr[-1] == len(events.step) == len(events.unit)
                and np.all(np.diff(events.ptr) >= 0)
                and _within(events.step, self.steps)
                and _within(events.unit, self.units)
                and _within(events.labels, self.classes)
            )
            if not sound:
                raise SgpipeError(f"{where}: the {split} split is out of shape or range; delete the file to remake it")
        return self


def _within(values: np.ndarray, bound: int) -> bool:
    return len(values) == 0 or (int(values.min()) >= 0 and int(values.max()) < bound)


def save_task(task: Task, path: Path) -> None:
    """Write a prepared task as an npz file of plain arrays."""
    arrays = {f"{split}_{name}": array for split in SPLITS for name, array in vars(getattr(task, split)).items()}
    with atomic(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, shape=np.array([task.units, task.classes, task.steps]), **arrays)


def load_task(path: Path) -> Task:
    """Read a prepared task and check its arrays; raises SgpipeError if it is damaged."""
    try:
        with np.load(path, allow_pickle=False) as file:
            splits = {
                split: Events(*(file[f"{split}_{name}"] for name in ("ptr", "step", "unit", "labels")))
                for split in SPLITS
            }
            units, classes, steps = (int(value) for value in file["shape"])
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise SgpipeError(f"{path}: not a prepared task ({error}); delete the file to remake it") from error
    return Task(units, classes, steps, **splits).check(str(path))
