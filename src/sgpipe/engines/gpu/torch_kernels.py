"""The steps of a training in plain torch, with a Python loop over time."""

import torch

from sgpipe.engines.gpu.dropping import kept
from sgpipe.engines.gpu.events import EventSplit
from sgpipe.engines.gpu.kernels import Scan, Scores
from sgpipe.engines.gpu.knobs import Knobs
from sgpipe.model.objectives import ahead


class TorchKernels:
    """See `Kernels`. It runs wherever torch does, and holds a dense raster of each minibatch."""

    most_recurrent_units = None
    spike_bytes = None
    work_tensors = 8
    makes_raster = True

    def drive(self, weights, split, samples, drops):
        return self.product(_raster(split, samples, drops, weights), weights)

    def event_gradient(self, split, samples, drops, drive_gradient, out):
        self.weight_gradient(_raster(split, samples, drops, out), drive_gradient, out)

    def product(self, left, right):
        return _each(left.flatten(1, 2), right).unflatten(1, left.shape[1:3])

    def weight_gradient(self, spikes, drive_gradient, out):
        out.copy_(_each(spikes.flatten(1, 2).transpose(1, 2), drive_gradient.flatten(1, 2)))

    def forward(self, knobs, drive, recurrent, decays):
        b_membrane, gain, b_synapse = _decays(knobs, decays)
        membrane = current = before_reset = torch.zeros_like(drive[:, 0])
        potential, spikes = [], []
        for arriving in drive.unbind(1):
            spike = (membrane > 1).to(drive.dtype)
            potential.append(before_reset)
            spikes.append(spike)
            if recurrent is not None:
                arriving = arriving + _each(spike, recurrent)
            before_reset = b_membrane * membrane + gain * current
            membrane = before_reset * (1 - spike)
            current = b_synapse * current + arriving
        return Scan(torch.stack(potential, 1), torch.stack(spikes, 1), sum(spikes))

    def backward(self, knobs, scan, spike_gradient, count_gradient, recurrent, decays, to_decays):
        potential, spikes, _ = scan
        b_membrane, gain, b_synapse = _decays(knobs, decays)
        attached, propagated = knobs["reset_attached"] != 0, knobs["recurrent_propagated"] != 0
        membrane = potential.clone()
        membrane[:, 1:] *= 1 - spikes[:, :-1]
        slope = membrane - 1
        for run, surrogate in zip(slope, knobs.surrogates, strict=True):
            run.copy_(surrogate(run, torch))
        to_membrane = to_current = next_before_reset = torch.zeros_like(count_gradient)
        to_membrane_decay = to_synapse_decay = to_membrane
        gradients = []
        for step in reversed(range(potential.shape[1])):
            gradients.append(to_current)
            to_spike = spike_gradient[:, step] + count_gradient
            to_spike = torch.where(attached, to_spike - to_membrane * next_before_reset, to_spike)
            if recurrent is not None:
                through = _each(to_current, recurrent.transpose(1, 2))
                to_spike = torch.where(propagated, to_spike + through, to_spike)
            held = to_membrane * (1 - spikes[:, step])
            if to_decays is not None:
                scaled = next_before_reset - b_membrane * membrane[:, step]  # the current times 1 - b_membrane
                to_membrane_decay = to_membrane_decay + held * (gain * membrane[:, step] - scaled)
                to_synapse_decay = to_synapse_decay + to_current * scaled
            to_current = b_synapse * to_current + gain * held
            to_membrane = b_membrane * held + to_spike * slope[:, step]
            next_before_reset = potential[:, step]
        if to_decays is not None:
            for place, each in enumerate((to_membrane_decay, to_synapse_decay)):
                to_decays[:, place] = torch.stack([one.sum(0) for one in each / gain])
        return torch.stack(gradients[::-1], 1)

    def readout(self, knobs, drive, labels, train):
        b_readout, gain, b_synapse = knobs["readout_decay"], knobs["readout_gain"], knobs["synapse_decay"]
        takes_max = knobs["max_head"] != 0
        current = torch.zeros_like(drive[:, 0])
        membrane = highest = current + knobs["readout_start"]
        total, when = current, torch.zeros_like(current, dtype=torch.int32)
        for step, arriving in enumerate(drive.unbind(1)):
            # A tie keeps its first step; a membrane that is not a number must reach the loss, where it ends the run.
            higher = (membrane > highest) | membrane.isnan() | (step <= knobs["max_from"])
            highest, when = torch.where(higher, membrane, highest), when.masked_fill(higher, step)
            total = total + membrane
            membrane = b_readout * membrane + gain * current
            current = b_synapse * current + arriving
        logits = torch.where(takes_max, highest, total)
        log_chance = torch.stack([torch.log_softmax(one, 1) for one in logits])
        loss = -log_chance.gather(2, labels[:, :, None])[:, :, 0]
        first = ahead(logits, labels)
        if not train:
            return Scores(loss, first, when > 0, drive)
        is_label = torch.nn.functional.one_hot(labels, drive.shape[3])
        to_logit = (torch.stack([one.exp() for one in log_chance]) - is_label) / drive.shape[2]
        to_membrane = to_current = torch.zeros_like(current)
        gradients = []
        for step in reversed(range(drive.shape[1])):
            gradients.append(to_current)
            to_current = b_synapse * to_current + gain * to_membrane
            to_membrane = b_readout * to_membrane + torch.where((when == step) | ~takes_max, to_logit, 0)
        return Scores(loss, first, when > 0, torch.stack(gradients[::-1], 1))

    def regularise(self, knobs, counts):
        _, rows, units = counts.shape
        lower, upper = knobs["lower_strength"], knobs["upper_strength"][:, 0]
        squared = knobs["upper_squared"][:, 0] != 0
        missing = torch.relu(knobs["lower_threshold"] - counts)
        spent = counts.sum(2)
        excess = torch.relu(spent / units - knobs["upper_threshold"][:, 0])
        penalty = (lower * missing.square()).mean(2) + upper * torch.where(squared, excess * excess, excess)
        to_mean = upper * torch.where(squared, 2 * excess, (excess > 0).to(excess.dtype))
        return penalty, spent, (to_mean[:, :, None] - 2 * lower * missing) / units / rows


def _each(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    # Run by run: for another number of runs a batched product may take another algorithm, and round differently.
    return torch.stack([one @ other for one, other in zip(left, right, strict=True)])


def _decays(knobs: Knobs, decays: torch.Tensor | None) -> tuple[torch.Tensor, ...]:
    """Return the membrane's decay, 1 less that, and the current's, to be multiplied with (runs, batch, units)."""
    if decays is None:
        return knobs["membrane_decay"], knobs["membrane_gain"], knobs["synapse_decay"]
    return decays[:, :, None].unbind(1)


def _raster(split: EventSplit, samples: torch.Tensor, drops: torch.Tensor | None, like: torch.Tensor) -> torch.Tensor:
    """Return the spike counts (runs, steps, batch, inputs) of `samples` (runs, batch), without dropped events."""
    (runs, rows), flat = samples.shape, samples.flatten()
    begin, end = split.step_ptr[flat * split.steps], split.step_ptr[(flat + 1) * split.steps]
    count = end - begin
    row = torch.arange(len(flat), device=flat.device).repeat_interleave(count)
    event = torch.arange(len(row), device=flat.device) + (begin - count.cumsum(0) + count)[row]
    raster = like.new_zeros((runs, split.steps, rows, split.units))
    run, step, unit = row // rows, split.step[event].long(), split.unit[event].long()
    counts = raster.new_ones(())
    if drops is not None:
        counts = kept(drops[run], flat[row], step, unit, split.units).to(raster.dtype)
    return raster.index_put_((run, step, row % rows, unit), counts, accumulate=True)
