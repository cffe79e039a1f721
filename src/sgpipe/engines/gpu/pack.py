"""Runs that train in lockstep: stacked weights, one minibatch at a time for all."""

import math
from collections.abc import Sequence

import numpy as np
import torch

from sgpipe.engines.gpu.adam import PackAdam
from sgpipe.engines.gpu.decays import decays_of, fixed_decays, kind_of, to_time_constant
from sgpipe.engines.gpu.dropping import drops_of
from sgpipe.engines.gpu.events import EventSplit
from sgpipe.engines.gpu.kernels import Kernels
from sgpipe.engines.gpu.knobs import Knobs
from sgpipe.engines.interface import Measures, Weights
from sgpipe.model.objectives import right
from sgpipe.spec.run import RunSpec
from sgpipe.weights.time_constants import NAMES

EVALUATION_BATCH = 250


class Pack:
    """One task, one network shape, one batch size, one precision, and decays of one kind."""

    def __init__(
        self,
        specs: Sequence[RunSpec],
        weights: Sequence[Weights],
        splits: dict[str, EventSplit],
        kernels: Kernels,
        device: str,
    ):
        self.specs, self.splits, self.kernels, self.device = specs, splits, kernels, device
        self.knobs = Knobs(specs, device)
        self.layout = {name: array.shape for name, array in weights[0].items()}
        self.flat = self._stack(weights)
        self.gradient = torch.zeros_like(self.flat)
        self.optimiser = PackAdam(specs, self.flat)
        self.layers = range(1, len(specs[0].network.hidden) + 1)
        self._dropped: tuple[list[int], torch.Tensor | None] | None = None  # with the epochs that the runs are in
        self.trains_decays = kind_of(specs[0])[1]
        self.fixed_decays = [fixed_decays(specs, layer, self.flat) for layer in self.layers]

    def part(self, places: slice) -> "Pack":
        """Return some of the runs, as they stand, as a pack of their own."""
        states = self.states()[places]
        weights = [{name: state[name] for name in self.layout} for state in states]
        pack = Pack(self.specs[places], weights, self.splits, self.kernels, self.device)
        pack.load(states)
        return pack

    def _stack(self, weights: Sequence[Weights], prefix: str = "") -> torch.Tensor:
        # Weights lie (units in, units out): the row of one input is what its spike adds, and is read in one piece.
        rows = [np.concatenate([one[prefix + name].T.ravel() for name in self.layout]) for one in weights]
        return torch.from_numpy(np.stack(rows)).to(self.device)

    def parts(self, flat: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the matrices (runs, units in, units out) and neurons' parameters (runs, units), as views of `flat`."""
        pieces = flat.split([math.prod(shape) for shape in self.layout.values()], 1)
        shapes = zip(self.layout.items(), pieces, strict=True)
        return {name: piece.unflatten(1, shape[::-1]) for (name, shape), piece in shapes}

    def _decays(self, weights: dict[str, torch.Tensor], layer: int) -> torch.Tensor | None:
        """Return the decays of a layer's single neurons; None if the layer shares them."""
        if not self.trains_decays:
            return self.fixed_decays[layer - 1]
        return decays_of([weights[f"{name}{layer}"] for name in NAMES])

    def _drops(self) -> torch.Tensor | None:
        """Return which input events training drops in the epoch under way."""
        updates = -(-len(self.splits["train"].labels) // self.specs[0].training.batch_size)
        epochs = [count // updates + 1 for count in self.optimiser.counts]
        if self._dropped is None or self._dropped[0] != epochs:
            self._dropped = epochs, drops_of(self.specs, epochs, self.flat.device)
        return self._dropped[1]

    def batch(self, split: EventSplit, samples: torch.Tensor, train: bool) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the measures of `samples` (runs, batch).

        These are loss, penalty, `ahead` and each layer's spikes, (3 + layers, runs, batch), and which classes have
        their maximum past the readout's start in any of the samples, (runs, classes). If training, the gradients of the
        mean losses are left in `self.gradient`.
        """
        kernels, weights, layers, fired = self.kernels, self.parts(self.flat), [], []
        spikes, penalty = None, self.flat.new_zeros(samples.shape)
        drops = self._drops() if train else None

        def drive(name: str) -> torch.Tensor:
            if spikes is None:
                return kernels.drive(weights[name], split, samples, drops)
            return kernels.product(spikes, weights[name])

        for layer in self.layers:
            decays = self._decays(weights, layer)
            scan = kernels.forward(self.knobs, drive(f"W{layer}"), weights.get(f"V{layer}"), decays)
            spikes = scan.spikes
            cost, spent, to_count = kernels.regularise(self.knobs, scan.counts)
            penalty = penalty + cost
            fired.append(spent)
            if train:
                layers.append((scan, to_count, decays))
        scores = kernels.readout(self.knobs, drive("W_out"), split.labels[samples], train)
        if train:
            self._reverse(split, samples, drops, weights, layers, scores.drive_gradient)
        return torch.stack([scores.loss, penalty, scores.ahead.to(penalty.dtype), *fired]), scores.moved.any(1)

    def _reverse(self, split, samples, drops, weights, layers, drive_gradient) -> None:
        gradients, name = self.parts(self.gradient), "W_out"
        while layers:
            layer = len(layers)
            scan, to_count, decays = layers.pop()
            to_decays = decays.new_empty((len(decays), 2, decays.shape[2])) if self.trains_decays else None
            self.kernels.weight_gradient(scan.spikes, drive_gradient, gradients[name])
            to_spike = self.kernels.product(drive_gradient, weights[name].transpose(1, 2).contiguous())
            recurrent, name = weights.get(f"V{layer}"), f"W{layer}"
            given = scan, to_spike, to_count, recurrent, decays, to_decays
            drive_gradient = self.kernels.backward(self.knobs, *given)
            if recurrent is not None:
                self.kernels.weight_gradient(scan.spikes, drive_gradient, gradients[f"V{layer}"])
            if to_decays is not None:
                for place, of in enumerate(NAMES):
                    tau = weights[f"{of}{layer}"]
                    gradients[f"{of}{layer}"].copy_(to_time_constant(tau, to_decays[:, place]))
        self.kernels.event_gradient(split, samples, drops, drive_gradient, gradients[name])

    def train_epoch(self, orders: Sequence[np.ndarray]) -> list[Measures]:
        """Pass once over the training split; see `Session`. If memory runs out, the pack is as it was before."""
        changing = self.flat, self.optimiser.first, self.optimiser.second
        kept = [tensor.clone() for tensor in changing]
        try:
            return self._train_epoch(torch.from_numpy(np.stack(orders)).to(self.device))
        except torch.cuda.OutOfMemoryError:
            for tensor, old in zip(changing, kept, strict=True):
                tensor.copy_(old)
            raise

    def _train_epoch(self, orders: torch.Tensor) -> list[Measures]:
        (runs, n), size = orders.shape, self.specs[0].training.batch_size
        alive = torch.ones((runs, 1), dtype=torch.bool, device=self.device)
        updates, seen = torch.zeros((2, runs, 1), dtype=torch.int64, device=self.device)
        rates, records, moved = self.optimiser.rates(-(-n // size)), [], []
        for rate, samples in zip(rates, orders.split(size, 1), strict=True):
            record, past_start = self.batch(self.splits["train"], samples.contiguous(), True)
            records.append(record)
            moved.append(past_start & alive)
            seen += alive * samples.shape[1]
            # A run that diverges is not updated any more; the host does not wait for the device to say which one it is.
            alive = alive & records[-1][:2].isfinite().all(2).all(0)[:, None]
            updates += alive
            self.optimiser.step(self.gradient, rate, alive)
        self.optimiser.counts = [a + b for a, b in zip(self.optimiser.counts, updates[:, 0].tolist(), strict=True)]
        return self._measures(records, moved, seen[:, 0].tolist())

    def evaluate(self, split: str) -> list[Measures]:
        """Measure on a split without training."""
        events, runs = self.splits[split], len(self.specs)
        indices = torch.arange(len(events.labels), device=self.device).expand(runs, -1)
        parts = [self.batch(events, part.contiguous(), False) for part in indices.split(EVALUATION_BATCH, 1)]
        records, moved = zip(*parts, strict=True)
        return self._measures(records, moved, [indices.shape[1]] * runs)

    def _measures(self, records: Sequence, moved: Sequence, seen: Sequence[int]) -> list[Measures]:
        table = np.concatenate([record.cpu().numpy() for record in records], 2, dtype=np.float64)
        table[2] = right(torch.from_numpy(table[2])).numpy()
        means = [table[:, run, :n].sum(1) / n for run, n in enumerate(seen)]
        dead = 1 - torch.stack(list(moved)).any(0).double().mean(1).cpu().numpy()
        return [
            Measures(*row[:3].tolist(), tuple(row[3:].tolist()), float(share) if spec.objective.head == "max" else None)
            for spec, row, share in zip(self.specs, means, dead, strict=True)
        ]

    def states(self) -> list[Weights]:
        """Return copies of the weights and the optimiser's state of each run."""
        known = {"": self.flat, "optimiser.first.": self.optimiser.first, "optimiser.second.": self.optimiser.second}
        states = [{"optimiser.step_count": np.array(count)} for count in self.optimiser.counts]
        for prefix, flat in known.items():
            for name, stacked in self.parts(flat).items():
                for state, array in zip(states, stacked.cpu().numpy(), strict=True):
                    state[prefix + name] = array.T.copy()
        return states

    def load(self, states: Sequence[Weights]) -> None:
        """Restore states that `states` returned."""
        self.flat.copy_(self._stack(states))
        self.optimiser.first.copy_(self._stack(states, "optimiser.first."))
        self.optimiser.second.copy_(self._stack(states, "optimiser.second."))
        self.optimiser.counts = [int(state["optimiser.step_count"]) for state in states]
