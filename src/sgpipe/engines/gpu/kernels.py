"""The parts of a training step: the common interface of the Triton kernels and of plain torch.

Tensors that change in time are (runs, steps, batch, units), and weights are (runs, units in, units out).
"""

from typing import NamedTuple, Protocol

import torch

from sgpipe.engines.gpu.events import EventSplit
from sgpipe.engines.gpu.knobs import Knobs


class Scores(NamedTuple):
    """The readout's results for each sample.

    The cross-entropy (runs, batch), `objectives.ahead`, which classes have their maximum past the readout's start
    (runs, batch, classes), and the gradient of the mean loss with respect to the readout's drive.
    """

    loss: torch.Tensor
    ahead: torch.Tensor
    moved: torch.Tensor
    drive_gradient: torch.Tensor


class Scan(NamedTuple):
    """A layer's membrane before reset, its spikes, both like its drive, and spike counts (runs, batch, units)."""

    potential: torch.Tensor
    spikes: torch.Tensor
    counts: torch.Tensor


class Kernels(Protocol):
    """The steps of a training, each for all runs at once."""

    most_recurrent_units: int | None  # None: any
    spike_bytes: int | None  # bytes of one spike; None: as many as a membrane's
    work_tensors: int  # temporary tensors of a step, each as large as the widest layer's drive, at most
    makes_raster: bool  # whether it holds a minibatch's inputs densely

    def drive(
        self, weights: torch.Tensor, split: EventSplit, samples: torch.Tensor, drops: torch.Tensor | None
    ) -> torch.Tensor:
        """Return the weighted input events (runs, steps, batch, units) of `samples` (runs, batch).

        `drops` say which events are left out (`dropping.drops_of`).
        """

    def event_gradient(
        self, split: EventSplit, samples: torch.Tensor, drops: torch.Tensor | None, drive_gradient: torch.Tensor, out
    ) -> None:
        """Write the gradient of the input weights to `out` (runs, inputs, units)."""

    def product(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        """Return left (runs, steps, batch, k) @ right (runs, k, units)."""

    def weight_gradient(self, spikes: torch.Tensor, drive_gradient: torch.Tensor, out: torch.Tensor) -> None:
        """Write the sum over steps and samples of spikes x drive gradient to `out` (runs, units in, units out)."""

    def forward(
        self, knobs: Knobs, drive: torch.Tensor, recurrent: torch.Tensor | None, decays: torch.Tensor | None
    ) -> Scan:
        """Scan a layer over time; `decays` are those of single neurons (`decays`), None if the layer shares them."""

    def backward(
        self,
        knobs: Knobs,
        scan: Scan,
        spike_gradient: torch.Tensor,
        count_gradient: torch.Tensor,
        recurrent: torch.Tensor | None,
        decays: torch.Tensor | None,
        to_decays: torch.Tensor | None,
    ) -> torch.Tensor:
        """Scan a layer back in time and return the gradient of its drive.

        The loss depends on its spikes through the next layer's drive (`spike_gradient`) and through their counts. The
        gradients of the decays of membranes and currents are left in `to_decays` (runs, 2, units), unless it is None.
        """

    def readout(self, knobs: Knobs, drive: torch.Tensor, labels: torch.Tensor, train: bool) -> Scores:
        """Scan the readout and return its scores; if not training, the gradient is meaningless."""

    def regularise(self, knobs: Knobs, counts: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return each sample's penalty and spikes, and the gradient of the mean penalty with respect to the counts."""
