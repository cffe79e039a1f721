"""The events of one split on the device."""

import numpy as np
import torch

from sgpipe.data.samples import Events, Task


class EventSplit:
    """Events of a split, indexed by (sample, step) for the forward pass and by (sample, unit) for the backward pass.

    Events k of `unit` with step_ptr[s * steps + n] <= k < step_ptr[s * steps + n + 1] arrive in sample s at step n;
    `step_by_unit` holds their steps in the order of (sample, unit), with unit_ptr alike. Only a split to train on has
    the latter two.
    """

    labels: torch.Tensor
    step: torch.Tensor
    unit: torch.Tensor
    step_ptr: torch.Tensor
    step_by_unit: torch.Tensor
    unit_ptr: torch.Tensor

    def __init__(self, events: Events, task: Task, device: str, trains: bool):
        self.steps, self.units = task.steps, task.units
        sample = np.repeat(np.arange(len(events)), np.diff(events.ptr))
        arrays = {
            "labels": events.labels,
            "step": events.step,
            "unit": events.unit,
            "step_ptr": _pointers(sample * task.steps + events.step, len(events) * task.steps),
        }
        if trains:
            place = sample * task.units + events.unit
            order = np.argsort(place, kind="stable")  # the steps of a sample already rise
            arrays |= {
                "step_by_unit": events.step[order],
                "unit_ptr": _pointers(place, len(events) * task.units),
            }
        for name, array in arrays.items():
            setattr(self, name, torch.from_numpy(np.array(array)).to(device))


def _pointers(place: np.ndarray, places: int) -> np.ndarray:
    """Return where the events of each place begin, and where the last ends."""
    pointers = np.zeros(places + 1, dtype=np.int64 if len(place) >= 2**31 else np.int32)
    np.cumsum(np.bincount(place, minlength=places), out=pointers[1:])
    return pointers
