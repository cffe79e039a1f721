"""The GPU engine: packs of runs of one network shape, side by side on one device.

The weights of all runs are stacked, and each step of a training is one launch for all of them: Triton kernels
(`gpu_scan`), or where Triton is missing the same mathematics in plain torch (`PlainKernels`), with a Python loop over
time. Both are tested on the CPU, Triton in its interpreter. Not yet timed on a GPU.
"""

import importlib.util
import os
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
import torch

from sgpipe.data.events import SPLITS, Events, Task
from sgpipe.engine import Measures, Weights
from sgpipe.neurons.decay import decay
from sgpipe.spec import RunSpec
from sgpipe.surrogates import SURROGATES

SHAPES = ("superspike", "sigmoid", "esser", "asymptotic_superspike", "constant", "true_derivative")
EVALUATION_BATCH = 250


@dataclass(frozen=True)
class Knobs:
    """What runs of a session may differ in, each (runs,); numbers in the runs' precision, switches as int32."""

    membrane_decay: torch.Tensor
    membrane_gain: torch.Tensor  # 1 - decay, rounded once
    synapse_decay: torch.Tensor
    readout_decay: torch.Tensor
    readout_gain: torch.Tensor
    readout_start: torch.Tensor
    shape: torch.Tensor  # place in SHAPES
    beta: torch.Tensor
    reset_attached: torch.Tensor
    recurrent_propagated: torch.Tensor
    max_head: torch.Tensor
    lower_strength: torch.Tensor
    lower_threshold: torch.Tensor
    upper_strength: torch.Tensor
    upper_threshold: torch.Tensor
    upper_squared: torch.Tensor

    @classmethod
    def of(cls, specs: Sequence[RunSpec], device: str) -> "Knobs":
        """Read the knobs of runs; idle ones become 0."""
        rows = [cls._row(spec) for spec in specs]
        precision = getattr(torch, specs[0].training.precision)
        return cls(**{
            item.name: torch.tensor(
                [row[item.name] or 0 for row in rows],
                dtype=torch.int32 if isinstance(rows[0][item.name], bool | int) else precision,
                device=device,
            )
            for item in fields(cls)
        })  # fmt: skip

    @staticmethod
    def _row(spec: RunSpec) -> dict[str, float | int | bool | None]:
        network, objective, dt = spec.network, spec.objective, spec.data.dt
        membrane = decay(dt, network.tau_membrane) if network.hidden else 0.0
        readout = decay(dt, network.tau_readout)
        return {
            "membrane_decay": membrane,
            "membrane_gain": 1 - membrane,
            "synapse_decay": decay(dt, network.tau_synapse),
            "readout_decay": readout,
            "readout_gain": 1 - readout,
            "readout_start": network.readout_start,
            "shape": SHAPES.index(spec.surrogate.shape or "constant"),
            "beta": spec.surrogate.beta,
            "reset_attached": network.reset_gradient == "attached",
            "recurrent_propagated": network.recurrent_gradient == "propagated",
            "max_head": objective.head == "max",
            "lower_strength": objective.lower_strength,
            "lower_threshold": objective.lower_threshold,
            "upper_strength": objective.upper_strength,
            "upper_threshold": objective.upper_threshold,
            "upper_squared": objective.upper_exponent == 2,
        }


class Split:
    """Events of one split on the device, indexed twice: by (sample, step) on the way forward, by (sample, unit) back.

    Events k of `unit` and `step` with step_ptr[s * steps + n] <= k < step_ptr[s * steps + n + 1] arrive in sample s
    at step n; `step_by_unit` holds the same steps in the order of (sample, unit), with unit_ptr alike.
    """

    labels: torch.Tensor
    step: torch.Tensor
    unit: torch.Tensor
    step_ptr: torch.Tensor
    step_by_unit: torch.Tensor
    unit_ptr: torch.Tensor

    def __init__(self, events: Events, task: Task, device: str):
        self.steps, self.units = task.steps, task.units
        sample = np.repeat(np.arange(len(events)), np.diff(events.ptr))
        order = np.lexsort((events.step, events.unit, sample))

        def pointers(place: np.ndarray, size: int) -> np.ndarray:
            return np.concatenate([[0], np.cumsum(np.bincount(place, minlength=len(events) * size))])

        arrays = {
            "labels": events.labels,
            "step": events.step,
            "unit": events.unit,
            "step_ptr": pointers(sample * task.steps + events.step, task.steps),
            "step_by_unit": events.step[order],
            "unit_ptr": pointers(sample * task.units + events.unit, task.units),
        }
        for name, array in arrays.items():
            setattr(self, name, torch.from_numpy(np.ascontiguousarray(array)).to(device))


class Scores(NamedTuple):
    """Cross-entropy and hits (runs, batch), and the gradient of the mean loss by the readout's drive."""

    loss: torch.Tensor
    correct: torch.Tensor
    drive_gradient: torch.Tensor


def _per_run(values: torch.Tensor) -> torch.Tensor:
    return values[:, None, None]


def _each(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    # Run by run: a batched product may take another route, and other roundings, for another number of runs.
    return torch.stack([one @ other for one, other in zip(left, right, strict=True)])


class PlainKernels:
    """The steps of a training in plain torch; `gpu_scan.TritonKernels` says what each returns.

    It holds a dense raster of each minibatch, which the Triton kernels never make.
    """

    most_recurrent_units = None

    def drive(self, weights, split, samples):
        return self.product(self._raster(split, samples, weights), weights)

    def event_gradient(self, split, samples, drive_gradient, out):
        self.weight_gradient(self._raster(split, samples, out), drive_gradient, out)

    @staticmethod
    def _raster(split: Split, samples: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
        (runs, rows), flat = samples.shape, samples.flatten()
        begin, end = split.step_ptr[flat * split.steps], split.step_ptr[(flat + 1) * split.steps]
        count = end - begin
        row = torch.arange(len(flat), device=flat.device).repeat_interleave(count)
        event = torch.arange(len(row), device=flat.device) + (begin - count.cumsum(0) + count)[row]
        raster = like.new_zeros((runs, split.steps, rows, split.units))
        place = (row // rows, split.step[event].long(), row % rows, split.unit[event].long())
        return raster.index_put_(place, raster.new_ones(()), accumulate=True)

    def forward(self, knobs, drive, recurrent):
        b_membrane, gain = _per_run(knobs.membrane_decay), _per_run(knobs.membrane_gain)
        b_synapse, potential, spikes = _per_run(knobs.synapse_decay), [], []
        membrane = current = before_reset = torch.zeros_like(drive[:, 0])
        for arriving in drive.unbind(1):
            spike = (membrane > 1).to(drive.dtype)
            potential.append(before_reset)
            spikes.append(spike)
            if recurrent is not None:
                arriving = arriving + _each(spike, recurrent)
            before_reset = b_membrane * membrane + gain * current
            membrane = before_reset * (1 - spike)
            current = b_synapse * current + arriving
        return torch.stack(potential, 1), torch.stack(spikes, 1), sum(spikes)

    def backward(self, knobs, potential, spikes, spike_gradient, count_gradient, recurrent):
        b_membrane, gain = _per_run(knobs.membrane_decay), _per_run(knobs.membrane_gain)
        b_synapse, attached = _per_run(knobs.synapse_decay), _per_run(knobs.reset_attached != 0)
        propagated = _per_run(knobs.recurrent_propagated != 0)
        centred = potential - 1
        centred[:, 1:] = potential[:, 1:] * (1 - spikes[:, :-1]) - 1
        slopes = zip(knobs.shape.tolist(), knobs.beta.tolist(), centred, strict=True)
        surrogate = torch.stack([SURROGATES[SHAPES[shape]](x, beta, torch) for shape, beta, x in slopes])
        to_membrane = to_current = next_before_reset = torch.zeros_like(count_gradient)
        gradients = []
        for step in reversed(range(potential.shape[1])):
            gradients.append(to_current)
            to_spike = spike_gradient[:, step] + count_gradient
            to_spike = torch.where(attached, to_spike - to_membrane * next_before_reset, to_spike)
            if recurrent is not None:
                through = _each(to_current, recurrent.transpose(1, 2))
                to_spike = torch.where(propagated, to_spike + through, to_spike)
            kept = to_membrane * (1 - spikes[:, step])
            to_current = b_synapse * to_current + gain * kept
            to_membrane = b_membrane * kept + to_spike * surrogate[:, step]
            next_before_reset = potential[:, step]
        return torch.stack(gradients[::-1], 1)

    def readout(self, knobs, drive, labels, train):
        b_readout, gain = _per_run(knobs.readout_decay), _per_run(knobs.readout_gain)
        b_synapse, takes_max = _per_run(knobs.synapse_decay), _per_run(knobs.max_head != 0)
        current = torch.zeros_like(drive[:, 0])
        membrane = highest = current + _per_run(knobs.readout_start)
        total, when = current, torch.zeros_like(current, dtype=torch.int32)
        for step, arriving in enumerate(drive.unbind(1)):
            # A tie keeps its first step; a membrane that is not a number must reach the loss, where it ends the run.
            higher = (membrane > highest) | membrane.isnan()
            highest, when = torch.where(higher, membrane, highest), when.masked_fill(higher, step)
            total = total + membrane
            membrane = b_readout * membrane + gain * current
            current = b_synapse * current + arriving
        logits = torch.where(takes_max, highest, total)
        log_chance = torch.stack([torch.log_softmax(one, 1) for one in logits])
        loss = -log_chance.gather(2, labels[:, :, None])[:, :, 0]
        correct = logits.argmax(2) == labels
        if not train:
            return Scores(loss, correct, drive)
        is_label = torch.nn.functional.one_hot(labels, drive.shape[3])
        to_logit = (torch.stack([one.exp() for one in log_chance]) - is_label) / drive.shape[2]
        to_membrane = to_current = torch.zeros_like(current)
        gradients = []
        for step in reversed(range(drive.shape[1])):
            gradients.append(to_current)
            to_current = b_synapse * to_current + gain * to_membrane
            to_membrane = b_readout * to_membrane + torch.where((when == step) | ~takes_max, to_logit, 0)
        return Scores(loss, correct, torch.stack(gradients[::-1], 1))

    def regularise(self, knobs, counts):
        lower, upper = _per_run(knobs.lower_strength), knobs.upper_strength[:, None]
        _, rows, units = counts.shape
        missing = torch.relu(_per_run(knobs.lower_threshold) - counts)
        spent, squared = counts.sum(2), knobs.upper_squared[:, None] != 0
        excess = torch.relu(spent / units - knobs.upper_threshold[:, None])
        penalty = (lower * missing.square()).mean(2) + upper * torch.where(squared, excess * excess, excess)
        to_mean = upper * torch.where(squared, 2 * excess, (excess > 0).to(excess.dtype))
        return penalty, spent, (to_mean[:, :, None] - 2 * lower * missing) / units / rows

    def product(self, left, right):
        return _each(left.flatten(1, 2), right).unflatten(1, left.shape[1:3])

    def weight_gradient(self, spikes, drive_gradient, out):
        out.copy_(_each(spikes.flatten(1, 2).transpose(1, 2), drive_gradient.flatten(1, 2)))


class PackAdam:
    """`optimisers.Adam` for stacked weights: the same operations in the same order."""

    def __init__(self, specs: Sequence[RunSpec], weights: torch.Tensor):
        self.settings = [spec.optimiser for spec in specs]
        self.weights, self.counts = weights, [0] * len(specs)
        self.first, self.second = torch.zeros_like(weights), torch.zeros_like(weights)
        # Rounded from double precision, as numpy rounds a Python float that meets an array.
        self.constants = [
            weights.new_tensor(values)[:, None]
            for values in zip(*((1 - s.beta1, s.beta2, 1 - s.beta2, s.eps) for s in self.settings), strict=True)
        ]

    def rates(self, updates: int) -> torch.Tensor:
        """Return the learning rates and roots of the next updates, (updates, 2, runs, 1)."""
        table = [
            [
                [s.lr / (1 - s.beta1**count) for s, count in zip(self.settings, counts, strict=True)],
                [(1 - s.beta2**count) ** 0.5 for s, count in zip(self.settings, counts, strict=True)],
            ]
            for counts in ([count + ahead for count in self.counts] for ahead in range(1, updates + 1))
        ]
        return self.weights.new_tensor(table)[..., None]

    def step(self, gradients: torch.Tensor, rates: torch.Tensor, alive: torch.Tensor) -> None:
        """Move the weights of the runs that are alive, (runs, 1), against the gradients."""
        (rate, root), (gain1, beta2, gain2, eps) = rates, self.constants
        first = self.first + gain1 * (gradients - self.first)
        second = self.second * beta2 + gain2 * gradients * gradients
        weights = self.weights - rate * (first / (second.sqrt() / root + eps))
        for old, new in ((self.first, first), (self.second, second), (self.weights, weights)):
            torch.where(alive, new, old, out=old)


class PackSession:
    """Runs in lockstep: one task, one network shape, one batch size, one precision."""

    def __init__(self, specs: Sequence[RunSpec], weights: Sequence[Weights], splits: dict[str, Split], kernels, device):
        self.specs, self.splits, self.kernels, self.device = specs, splits, kernels, device
        self.knobs = Knobs.of(specs, device)
        self.layout = {name: array.shape for name, array in weights[0].items()}
        self.flat = self._stack(weights)
        self.gradient = torch.zeros_like(self.flat)
        self.optimiser = PackAdam(specs, self.flat)

    def _stack(self, weights: Sequence[Weights], prefix: str = "") -> torch.Tensor:
        # Weights lie (units in, units out): the row of one input is what its spike adds, and is read in one piece.
        rows = [np.concatenate([one[prefix + name].T.ravel() for name in self.layout]) for one in weights]
        return torch.from_numpy(np.stack(rows)).to(self.device)

    def parts(self, flat: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the matrices (runs, units in, units out) that `flat` holds, as views."""
        sizes = [rows * columns for rows, columns in self.layout.values()]
        pieces = zip(self.layout.items(), flat.split(sizes, 1), strict=True)
        return {name: piece.unflatten(1, (columns, rows)) for (name, (rows, columns)), piece in pieces}

    def batch(self, split: Split, samples: torch.Tensor, train: bool) -> torch.Tensor:
        """Return loss, penalty, hits and spikes of each layer, (3 + layers, runs, batch), at `samples` (runs, batch).

        If training, the gradients of the mean losses are left in `self.gradient`.
        """
        kernels, weights, layers, fired = self.kernels, self.parts(self.flat), [], []
        spikes, penalty = None, self.flat.new_zeros(samples.shape)

        def drive(name: str) -> torch.Tensor:
            if spikes is None:
                return kernels.drive(weights[name], split, samples)
            return kernels.product(spikes, weights[name])

        for layer in range(1, len(self.specs[0].network.hidden) + 1):
            potential, spikes, counts = kernels.forward(self.knobs, drive(f"W{layer}"), weights.get(f"V{layer}"))
            cost, spent, to_count = kernels.regularise(self.knobs, counts)
            penalty = penalty + cost
            fired.append(spent)
            layers.append((potential, spikes, to_count))
        scores = kernels.readout(self.knobs, drive("W_out"), split.labels[samples], train)
        if train:
            self._reverse(split, samples, weights, layers, scores.drive_gradient)
        return torch.stack([scores.loss, penalty, scores.correct.to(penalty.dtype), *fired])

    def _reverse(self, split, samples, weights, layers, drive_gradient) -> None:
        gradients, name = self.parts(self.gradient), "W_out"
        while layers:
            layer = len(layers)
            potential, spikes, to_count = layers.pop()
            self.kernels.weight_gradient(spikes, drive_gradient, gradients[name])
            to_spike = self.kernels.product(drive_gradient, weights[name].transpose(1, 2).contiguous())
            recurrent, name = weights.get(f"V{layer}"), f"W{layer}"
            drive_gradient = self.kernels.backward(self.knobs, potential, spikes, to_spike, to_count, recurrent)
            if recurrent is not None:
                self.kernels.weight_gradient(spikes, drive_gradient, gradients[f"V{layer}"])
        self.kernels.event_gradient(split, samples, drive_gradient, gradients[name])

    def train_epoch(self, orders: Sequence[np.ndarray]) -> list[Measures]:
        orders, size = torch.from_numpy(np.stack(orders)).to(self.device), self.specs[0].training.batch_size
        runs, n = orders.shape
        alive = torch.ones((runs, 1), dtype=torch.bool, device=self.device)
        updates, seen = torch.zeros((2, runs, 1), dtype=torch.int64, device=self.device)
        rates, records = self.optimiser.rates(-(-n // size)), []
        for rate, samples in zip(rates, orders.split(size, 1), strict=True):
            records.append(self.batch(self.splits["train"], samples.contiguous(), True))
            seen += alive * samples.shape[1]
            # A run that diverges stands still from there on; nobody waits for the device to say which one it is.
            alive = alive & records[-1][:2].isfinite().all(2).all(0)[:, None]
            updates += alive
            self.optimiser.step(self.gradient, rate, alive)
        self.optimiser.counts = [a + b for a, b in zip(self.optimiser.counts, updates[:, 0].tolist(), strict=True)]
        return _measures(records, seen[:, 0].tolist())

    def evaluate(self, split: str) -> list[Measures]:
        events, runs = self.splits[split], len(self.specs)
        indices = torch.arange(len(events.labels), device=self.device).expand(runs, -1)
        records = [self.batch(events, part.contiguous(), False) for part in indices.split(EVALUATION_BATCH, 1)]
        return _measures(records, [indices.shape[1]] * runs)

    def states(self) -> list[Weights]:
        known = {"": self.flat, "optimiser.first.": self.optimiser.first, "optimiser.second.": self.optimiser.second}
        states = [{"optimiser.step_count": np.array(count)} for count in self.optimiser.counts]
        for prefix, flat in known.items():
            for name, stacked in self.parts(flat).items():
                for state, matrix in zip(states, stacked.cpu().numpy(), strict=True):
                    state[prefix + name] = matrix.T.copy()
        return states

    def load(self, states: Sequence[Weights]) -> None:
        self.flat.copy_(self._stack(states))
        self.optimiser.first.copy_(self._stack(states, "optimiser.first."))
        self.optimiser.second.copy_(self._stack(states, "optimiser.second."))
        self.optimiser.counts = [int(state["optimiser.step_count"]) for state in states]


def _measures(records: list[torch.Tensor], seen: Sequence[int]) -> list[Measures]:
    table = torch.cat(records, 2).double().cpu().numpy()
    means = [table[:, run, :n].sum(1) / n for run, n in enumerate(seen)]
    return [Measures(*row[:3].tolist(), tuple(row[3:].tolist())) for row in means]


class GpuSession:
    """A pack of runs, cut into the largest groups that go in lockstep and fit the memory."""

    def __init__(self, groups: Sequence[tuple[list[int], PackSession]]):
        self.groups, self.runs = groups, sum(len(places) for places, _ in groups)

    def _gather(self, results) -> list:
        merged = [None] * self.runs
        for (places, _), result in zip(self.groups, results, strict=True):
            for place, one in zip(places, result, strict=True):
                merged[place] = one
        return merged

    def train_epoch(self, orders: Sequence[np.ndarray]) -> list[Measures]:
        return self._gather(pack.train_epoch([orders[place] for place in places]) for places, pack in self.groups)

    def evaluate(self, split: str) -> list[Measures]:
        return self._gather(pack.evaluate(split) for _, pack in self.groups)

    def states(self) -> list[Weights]:
        return self._gather(pack.states() for _, pack in self.groups)

    def load(self, states: Sequence[Weights]) -> None:
        for places, pack in self.groups:
            pack.load([states[place] for place in places])


def triton_runs_on(device: str) -> bool:
    """Return whether Triton is installed and can run there: on GPUs, elsewhere in its interpreter alone."""
    able = device.startswith("cuda") or os.environ.get("TRITON_INTERPRET") == "1"
    return able and importlib.util.find_spec("triton") is not None


class GpuEngine:
    """Train packs of runs at once. `kernels` is `triton`, `torch`, or `auto`: Triton where it runs."""

    name = "gpu"
    takes_packs = True

    def __init__(self, device: str = "cuda", kernels: str = "auto", memory: int | None = None):
        self.device, self.memory = device, memory
        if kernels == "triton" or (kernels == "auto" and triton_runs_on(device)):
            from sgpipe.kernels.gpu_scan import TritonKernels

            self.kernels = TritonKernels()
        else:
            self.kernels = PlainKernels()

    def refuses(self, spec: RunSpec) -> str | None:
        network, most = spec.network, self.kernels.most_recurrent_units
        if network.neuron not in (None, "lif"):
            return f"it has no {network.neuron} neurons"
        if spec.surrogate.shape not in (None, *SHAPES):
            return f"it has no {spec.surrogate.shape} surrogate"
        if most and network.recurrent and max(network.hidden) > most:
            return f"its recurrent layers have at most {most} units"
        return None

    def open(self, specs: Sequence[RunSpec], task: Task, weights: Sequence[Weights]) -> GpuSession:
        if self.device == "cpu":
            torch.set_num_threads(1)
        splits = {name: Split(getattr(task, name), task, self.device) for name in SPLITS}
        alike: dict[tuple, list[int]] = {}
        for place, spec in enumerate(specs):
            key = spec.network.hidden, spec.network.recurrent, spec.training.batch_size, spec.training.precision
            alike.setdefault(key, []).append(place)
        groups = []
        for places in alike.values():
            size = max(1, self._memory() // _bytes_of(specs[places[0]], task))
            for start in range(0, len(places), size):
                part = places[start : start + size]
                chosen = [specs[place] for place in part], [weights[place] for place in part]
                groups.append((part, PackSession(*chosen, splits, self.kernels, self.device)))
        return GpuSession(groups)

    def _memory(self) -> int:
        if self.memory is None and self.device.startswith("cuda"):
            return torch.cuda.mem_get_info(self.device)[0] // 2
        return self.memory or 2**30


def _bytes_of(spec: RunSpec, task: Task) -> int:
    """Return what one run's minibatch holds at most: potential and spikes of each layer, and three drives at once."""
    sizes, batch = (*spec.network.hidden, task.classes), max(spec.training.batch_size, EVALUATION_BATCH)
    values = 2 * sum(sizes) + 3 * max(*sizes, task.units)
    return batch * task.steps * values * np.dtype(spec.training.precision).itemsize
