"""The samples of a task as the engines read them: events, analog frames, or a stream of words."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from sgpipe.base.errors import SgpipeError

SPLITS = ("train", "valid", "test")


class Samples(Protocol):
    """One split of a task."""

    labels: np.ndarray  # int64 (samples,)

    def __len__(self) -> int: ...

    def take(self, indices: np.ndarray) -> "Samples":
        """Select samples by index, in the given order."""

    def dense(self, steps: int, units: int) -> np.ndarray:
        """Expand to the network's input, float32 (steps, samples, units)."""

    def sound(self, steps: int, units: int, classes: int) -> bool:
        """Tell whether every array has the right shape and every entry is in range.

        Args:
            steps: Time steps of a sample; not used for a text.
            units: Input units; not used for a text.
            classes: The number of classes; for a text the number of words.
        """


@dataclass(frozen=True)
class Events:
    """Spikes as lists of events, sorted by sample and step.

    The events of sample s are `ptr[s]:ptr[s + 1]`. Event e is one spike of input `unit[e]` at time step `step[e]`.
    """

    ptr: np.ndarray  # int64 (samples + 1,)
    step: np.ndarray  # int32 (events,), ascending within a sample
    unit: np.ndarray  # int32 (events,)
    labels: np.ndarray  # int64 (samples,)

    def __len__(self) -> int:
        return len(self.labels)

    @classmethod
    def from_spikes(cls, sample: np.ndarray, step: np.ndarray, unit: np.ndarray, labels: np.ndarray) -> "Events":
        """Build events from spikes in any order.

        Args:
            sample: The sample of each spike, (spikes,), in any order.
            step: The time step of each spike, (spikes,).
            unit: The input unit of each spike, (spikes,).
            labels: The label of each sample, (samples,).
        """
        ptr = np.zeros(len(labels) + 1, dtype=np.int64)
        np.cumsum(np.bincount(sample, minlength=len(labels)), out=ptr[1:])
        # Each spike becomes one number: sorting these is ten times as fast as sorting by three keys.
        steps, units = (int(values.max(initial=0)) + 1 for values in (step, unit))
        key = (sample.astype(np.int64) * steps + step) * units + unit
        key.sort()
        key, unit = np.divmod(key, units)
        return cls(ptr, (key % steps).astype(np.int32), unit.astype(np.int32), labels.astype(np.int64))

    def take(self, indices: np.ndarray) -> "Events":
        """Select samples by index, in the given order."""
        counts = np.diff(self.ptr)[indices]
        ptr = np.concatenate([[0], np.cumsum(counts)])
        where = np.repeat(self.ptr[indices] - ptr[:-1], counts) + np.arange(ptr[-1])
        return Events(ptr, self.step[where], self.unit[where], self.labels[indices])

    def dense(self, steps: int, units: int) -> np.ndarray:
        """Count spikes, float32 (steps, samples, units)."""
        raster = np.zeros((steps, len(self), units), dtype=np.float32)
        sample = np.repeat(np.arange(len(self)), np.diff(self.ptr))
        np.add.at(raster, (self.step, sample, self.unit), 1.0)
        return raster

    def sound(self, steps: int, units: int, classes: int) -> bool:
        """Tell whether every array has the right shape and every entry is in range."""
        return bool(
            len(self.ptr) == len(self) + 1
            and self.ptr[0] == 0
            and self.ptr[-1] == len(self.step) == len(self.unit)
            and np.all(np.diff(self.ptr) >= 0)
            and _within(self.step, steps)
            and _within(self.unit, units)
            and _within(self.labels, classes)
        )


@dataclass(frozen=True)
class Analog:
    """Real-valued input in frames, each held for `hold` time steps."""

    frames: np.ndarray  # float32 (samples, frames, units)
    labels: np.ndarray  # int64 (samples,)
    hold: int = 1

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: np.ndarray) -> "Analog":
        """Select samples by index, in the given order."""
        return Analog(self.frames[indices], self.labels[indices], self.hold)

    def dense(self, steps: int, units: int) -> np.ndarray:
        """Hold each frame, float32 (steps, samples, units)."""
        held = np.repeat(self.frames.transpose(1, 0, 2), self.hold, axis=0)
        if held.shape[0] != steps or held.shape[2] != units:
            raise SgpipeError(f"frames held: {held.shape[0]} steps of {held.shape[2]}, expected {steps} of {units}")
        return held

    def sound(self, steps: int, units: int, classes: int) -> bool:
        """Tell whether every array has the right shape and every entry is in range."""
        return bool(
            self.frames.ndim == 3
            and len(self.frames) == len(self)
            and self.frames.shape[1] * self.hold == steps
            and self.frames.shape[2] == units
            and np.all(np.isfinite(self.frames))
            and _within(self.labels, classes)
        )


@dataclass(frozen=True)
class Words:
    """A text as one stream of word ids. At each word the network has to predict the next one."""

    ids: np.ndarray  # int32 (words,)

    def __len__(self) -> int:
        return len(self.ids)

    def batches(self, rows: int, steps: int):
        """Cut the text into parallel streams of equal length, and yield them side by side, some steps at a time.

        Row r of a batch continues where row r of the previous batch ended, so that a network can keep its state. The
        remainder that does not fill a row is dropped; the last batch may have fewer steps.

        Args:
            rows: The number of parallel streams.
            steps: Time steps per batch.

        Yields:
            Ids of the input words and of the target words, each (steps, rows).
        """
        length = (len(self.ids) - 1) // rows
        inputs = self.ids[: rows * length].reshape(rows, length).T
        targets = self.ids[1 : rows * length + 1].reshape(rows, length).T
        for start in range(0, length, steps):
            yield inputs[start : start + steps], targets[start : start + steps]

    def sound(self, steps: int, units: int, classes: int) -> bool:
        """Tell whether the array has the right shape and every id is in range."""
        return self.ids.ndim == 1 and len(self.ids) > 1 and _within(self.ids, classes)


def _within(values: np.ndarray, bound: int) -> bool:
    return len(values) == 0 or (int(values.min()) >= 0 and int(values.max()) < bound)


@dataclass(frozen=True)
class Task:
    """A prepared data set: three splits, and the numbers of units, classes and steps."""

    units: int
    classes: int
    steps: int
    train: Events | Analog | Words
    valid: Events | Analog | Words
    test: Events | Analog | Words

    def check(self, where: str) -> "Task":
        """Check the arrays of all splits.

        Returns:
            The task itself.

        Raises:
            SgpipeError: An array has the wrong shape or an entry out of range; the message names `where`.
        """
        for split in SPLITS:
            if not getattr(self, split).sound(self.steps, self.units, self.classes):
                raise SgpipeError(f"{where}: the {split} split is out of shape or range")
        return self
