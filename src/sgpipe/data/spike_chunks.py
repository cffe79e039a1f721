"""Spikes from files, a few samples at a time: which values are allowed, and how they become events."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from sgpipe.base.errors import SgpipeError
from sgpipe.base.rng import permutation, stream
from sgpipe.data.samples import Events


@dataclass(frozen=True)
class Chunk:
    """Some samples of a file: sample i owns the next `counts[i]` spikes."""

    first: int  # the index of the first sample among all
    counts: np.ndarray  # int64 (samples,)
    times: np.ndarray  # (spikes,), in the file's unit of time and data type
    units: np.ndarray  # int64 (spikes,)
    labels: np.ndarray  # int64 (samples,)


@dataclass(frozen=True)
class Allowed:
    """Limits on files of spikes; exceeding one is an error, detected before it takes memory."""

    units: int
    classes: int
    longest: float  # latest time, in the file's unit of time
    time_kinds: str = "f"  # numpy's letters for the allowed types of times
    samples: int = 100_000
    spikes: int = 200_000  # per sample
    spikes_of_all: int = 200_000_000
    at_once: int = 256  # samples that are read at once

    @property
    def memory(self) -> int:
        """The largest number of bytes that the samples read at once may take, with the widest numbers."""
        return 2 * 8 * self.spikes * self.at_once + 2**28

    def fault(self, chunk: Chunk) -> str | None:
        """Say what is out of range in some samples; None if everything is in range."""
        for name, values, most in (
            ("a time", chunk.times, self.longest),
            ("a unit", chunk.units, self.units - 1),
            ("a label", chunk.labels, self.classes - 1),
        ):
            wrong = ~((values >= 0) & (values <= most))  # so that NaN is wrong too
            if np.any(wrong):
                return f"has {name} {values[wrong][0]} after sample {chunk.first}, expected 0 to {most:g}"
        return None


class SpikeSource(Protocol):
    """An open file or a folder of files with checked spikes."""

    samples: int

    def chunks(self) -> Iterator[Chunk]:
        """Yield all samples, a few at a time."""


def read_splits(
    source: SpikeSource, rows: Mapping[str, np.ndarray], binned: Callable[[Chunk], Events]
) -> dict[str, Events]:
    """Bin the samples of each split, reading the source once and a little at a time.

    Args:
        source: The file or folder.
        rows: The indices of each split's samples, ascending.
        binned: Makes events from some samples.
    """
    parts: dict[str, list[Events]] = {split: [] for split in rows}
    for chunk in source.chunks():
        events = binned(chunk)
        for split, wanted in rows.items():
            start, stop = np.searchsorted(wanted, (chunk.first, chunk.first + len(chunk.labels)))
            parts[split].append(events.take(wanted[start:stop] - chunk.first))
    return {split: _joined(parts.pop(split)) for split in rows}


def limited(rows: Mapping[str, np.ndarray], data: Any) -> dict[str, np.ndarray]:
    """Keep at most `data.limit` samples of each split, drawn by the seed.

    Args:
        rows: The indices of each split's samples.
        data: The knobs.

    Returns:
        The indices of each split's remaining samples, ascending.

    Raises:
        SgpipeError: No sample is left.
    """
    kept = {}
    for split, places in rows.items():
        chosen = np.arange(len(places))
        if data.limit:
            chosen = permutation(stream(data.seed, f"data/{data.task}/limit/{split}"), len(places))[: data.limit]
        kept[split] = np.sort(places[chosen])
        if len(chosen) == 0:
            raise SgpipeError(
                f"{data.task}: no sample is left for the {split} split; more samples or another data.valid_share"
            )
    return kept


def in_bins(sample: np.ndarray, place: np.ndarray, unit: np.ndarray, labels: np.ndarray, data: Any) -> Events:
    """Make events from binned spikes, each bin shown for `data.hold` steps.

    Args:
        sample: The sample of each spike, (spikes,).
        place: The bin of each spike, (spikes,), below `data.steps / data.hold`.
        unit: The input unit of each spike, (spikes,).
        labels: The label of each sample.
        data: The knobs; with `binary`, several spikes of a unit in one bin count once.
    """
    if data.binary:
        bins = data.steps // data.hold
        cell = np.sort((sample * bins + place) * data.units + unit)
        cell = cell[np.diff(cell, prepend=-1) > 0]  # like np.unique, in a tenth of the time
        (sample, place), unit = np.divmod(cell // data.units, bins), cell % data.units
    step = (place[:, None] * data.hold + np.arange(data.hold)).ravel()
    return Events.from_spikes(np.repeat(sample, data.hold), step, np.repeat(unit, data.hold), labels)


def _joined(parts: list[Events]) -> Events:
    counts = np.concatenate([np.diff(part.ptr) for part in parts])
    ptr = np.concatenate([[0], np.cumsum(counts)])
    labels = np.concatenate([part.labels for part in parts])
    steps, units = [part.step for part in parts], [part.unit for part in parts]
    parts.clear()  # a large file fills the memory: each array is freed once it has been copied
    step = np.concatenate(steps)
    steps.clear()
    return Events(ptr, step, np.concatenate(units), labels)
