"""Triton kernels of the GPU engine: scans over time, products and event sums, for many runs at once.

Every kernel has the run as an axis of its grid and reads the run's knobs from arrays with an entry a run, so what a
run computes does not depend on its company; sums have a fixed order, and nothing is added atomically. Tensors are
contiguous, (runs, steps, batch, units) for what changes in time, and weights are (runs, units in, units out).

Products are in full precision ("ieee"): the rounding of TF32 would move membranes across the threshold.
"""

import torch
import triton
import triton.language as tl

from sgpipe.kernels.gpu import SHAPES, Knobs, Scores, Split

SUPERSPIKE, SIGMOID, ESSER, ASYMPTOTIC_SUPERSPIKE, CONSTANT = (
    tl.constexpr(SHAPES.index(name)) for name in ("superspike", "sigmoid", "esser", "asymptotic_superspike", "constant")
)
CHUNK_ROWS = 2048  # rows (step, sample) that one program adds up for a weight gradient
CHUNK_SAMPLES = 32  # samples that one program adds up for a gradient of input weights
# Scans round every product and sum, as torch does, whatever Triton's default is: a fused rounding may move a spike.
# Kernels with matrix products, recurrent scans among them, would take twice the instructions so.
ROUNDED, FUSED = {"enable_fp_fusion": False}, {"enable_fp_fusion": True}


@triton.jit
def _surrogate(x, beta, shape):
    # The formulas of surrogates.py. `shape` is one number for the whole program: a branch, not a divergence.
    size = beta * tl.abs(x)
    if shape == SUPERSPIKE:
        h = 1.0 / ((size + 1.0) * (size + 1.0))
    elif shape == SIGMOID:
        e = tl.exp(-size)
        h = e / ((1.0 + e) * (1.0 + e))
    elif shape == ESSER:
        h = tl.maximum(1.0 - size, 0.0)
    elif shape == ASYMPTOTIC_SUPERSPIKE:
        h = beta / ((size + 1.0) * (size + 1.0))
    elif shape == CONSTANT:
        h = tl.full(x.shape, 1.0, x.dtype)
    else:
        h = tl.zeros(x.shape, x.dtype)
    return h


@triton.jit
def _through_weights(total, values, weights, row, rows, unit, units, BLOCK_K: tl.constexpr):
    # Adds values (rows, units) @ weights (units, units) to `total`. The values come from memory, where this program
    # has just written them: a tile in registers cannot be cut into the pieces that a product over many units needs.
    # The barrier makes the writes of all its threads visible first.
    tl.debug_barrier()
    for start in range(0, units, BLOCK_K):
        source = start + tl.arange(0, BLOCK_K)
        known = (row[:, None] < rows) & (source[None, :] < units)
        left = tl.load(values + row[:, None] * units + source[None, :], mask=known, other=0).to(total.dtype)
        known = (source[:, None] < units) & (unit[None, :] < units)
        right = tl.load(weights + source[:, None] * units + unit[None, :], mask=known, other=0.0)
        total = tl.dot(left, right, total, input_precision="ieee", out_dtype=total.dtype)
    return total


@triton.jit
def _forward(
    drive,
    potential,
    spikes,
    counts,
    recurrent,
    recurrent_stride,
    membrane_decay,
    membrane_gain,
    synapse_decay,
    steps,
    rows,
    units,
    RECURRENT: tl.constexpr,
    BLOCK_ROWS: tl.constexpr,
    BLOCK_UNITS: tl.constexpr,
    BLOCK_K: tl.constexpr,
):
    run = tl.program_id(2).to(tl.int64)
    row = tl.program_id(1) * BLOCK_ROWS + tl.arange(0, BLOCK_ROWS)
    unit = tl.program_id(0) * BLOCK_UNITS + tl.arange(0, BLOCK_UNITS)
    inside = (row[:, None] < rows) & (unit[None, :] < units)
    cell = row[:, None] * units + unit[None, :]
    first = run * steps * rows * units
    b_membrane, gain = tl.load(membrane_decay + run), tl.load(membrane_gain + run)
    b_synapse = tl.load(synapse_decay + run)

    membrane = tl.zeros((BLOCK_ROWS, BLOCK_UNITS), drive.dtype.element_ty)
    current, before_reset, count = membrane, membrane, membrane
    for step in range(steps):
        here = first + step * rows * units
        spike = (membrane > 1.0).to(membrane.dtype)
        tl.store(potential + here + cell, before_reset, mask=inside)
        tl.store(spikes + here + cell, spike.to(tl.int8), mask=inside)
        arriving = tl.load(drive + here + cell, mask=inside, other=0.0)
        if RECURRENT:
            weights = recurrent + run * recurrent_stride
            arriving = _through_weights(arriving, spikes + here, weights, row, rows, unit, units, BLOCK_K)
        count += spike
        before_reset = b_membrane * membrane + gain * current
        membrane = before_reset * (1.0 - spike)
        current = b_synapse * current + arriving
    tl.store(counts + run * rows * units + cell, count, mask=inside)


@triton.jit
def _backward(
    potential,
    spikes,
    spike_gradient,
    count_gradient,
    drive_gradient,
    recurrent,
    recurrent_stride,
    membrane_decay,
    membrane_gain,
    synapse_decay,
    shape,
    beta,
    reset_attached,
    recurrent_propagated,
    steps,
    rows,
    units,
    RECURRENT: tl.constexpr,
    BLOCK_ROWS: tl.constexpr,
    BLOCK_UNITS: tl.constexpr,
    BLOCK_K: tl.constexpr,
):
    run = tl.program_id(2).to(tl.int64)
    row = tl.program_id(1) * BLOCK_ROWS + tl.arange(0, BLOCK_ROWS)
    unit = tl.program_id(0) * BLOCK_UNITS + tl.arange(0, BLOCK_UNITS)
    inside = (row[:, None] < rows) & (unit[None, :] < units)
    cell = row[:, None] * units + unit[None, :]
    first = run * steps * rows * units
    b_membrane, gain = tl.load(membrane_decay + run), tl.load(membrane_gain + run)
    b_synapse = tl.load(synapse_decay + run)
    slope, formula = tl.load(beta + run), tl.load(shape + run)
    attached, propagated = tl.load(reset_attached + run) != 0, tl.load(recurrent_propagated + run) != 0

    regulariser = tl.load(count_gradient + run * rows * units + cell, mask=inside, other=0.0)
    to_membrane = tl.zeros((BLOCK_ROWS, BLOCK_UNITS), potential.dtype.element_ty)  # adjoints of step n + 1
    to_current, next_before_reset = to_membrane, to_membrane
    last = first + (steps - 1) * rows * units
    spike = tl.load(spikes + last + cell, mask=inside, other=0).to(to_membrane.dtype)
    for back in range(steps):
        step = steps - 1 - back
        here = first + step * rows * units
        before_reset = tl.load(potential + here + cell, mask=inside, other=0.0)
        earlier = inside & (step * rows * units + cell >= rows * units)  # none before step 0
        earlier_spike = tl.load(spikes + here - rows * units + cell, mask=earlier, other=0).to(to_membrane.dtype)
        membrane = before_reset * (1.0 - earlier_spike)

        tl.store(drive_gradient + here + cell, to_current, mask=inside)
        to_spike = tl.load(spike_gradient + here + cell, mask=inside, other=0.0) + regulariser
        if attached:
            to_spike -= to_membrane * next_before_reset
        if RECURRENT:  # noqa: SIM102 (known to the compiler, which then leaves out what is below)
            if propagated:
                weights = recurrent + run * recurrent_stride
                to_spike = _through_weights(to_spike, drive_gradient + here, weights, row, rows, unit, units, BLOCK_K)
        kept = to_membrane * (1.0 - spike)
        to_current = b_synapse * to_current + gain * kept
        to_membrane = b_membrane * kept + to_spike * _surrogate(membrane - 1.0, slope, formula)
        next_before_reset, spike = before_reset, earlier_spike


@triton.jit
def _readout(
    drive,
    drive_gradient,
    labels,
    loss,
    correct,
    readout_decay,
    readout_gain,
    synapse_decay,
    readout_start,
    max_head,
    steps,
    rows,
    classes,
    TRAIN: tl.constexpr,
    BLOCK_ROWS: tl.constexpr,
    BLOCK_CLASSES: tl.constexpr,
):
    run = tl.program_id(1).to(tl.int64)
    row = tl.program_id(0) * BLOCK_ROWS + tl.arange(0, BLOCK_ROWS)
    unit = tl.arange(0, BLOCK_CLASSES)
    inside = (row[:, None] < rows) & (unit[None, :] < classes)
    cell = row[:, None] * classes + unit[None, :]
    first = run * steps * rows * classes
    b_readout, gain = tl.load(readout_decay + run), tl.load(readout_gain + run)
    b_synapse, takes_sum = tl.load(synapse_decay + run), tl.load(max_head + run) == 0

    current = tl.zeros((BLOCK_ROWS, BLOCK_CLASSES), drive.dtype.element_ty)
    membrane = current + tl.load(readout_start + run)
    highest, total = membrane, current
    when = tl.zeros((BLOCK_ROWS, BLOCK_CLASSES), tl.int32)
    for step in range(steps):
        # A tie keeps its first step; a membrane that is not a number must reach the loss, where it ends the run.
        higher = (membrane > highest) | (membrane != membrane)
        highest = tl.where(higher, membrane, highest)
        when = tl.where(higher, step, when)
        total += membrane
        membrane = b_readout * membrane + gain * current
        arriving = tl.load(drive + first + step * rows * classes + cell, mask=inside, other=0.0)
        current = b_synapse * current + arriving

    logits = tl.where(unit[None, :] < classes, tl.where(takes_sum, total, highest), -float("inf"))
    label = tl.load(labels + run * rows + row, mask=row < rows, other=0)
    is_label = unit[None, :] == label[:, None]
    shifted = logits - tl.max(logits, 1)[:, None]
    exponential = tl.exp(shifted)
    normaliser = tl.sum(exponential, 1)
    value = tl.log(normaliser) - tl.sum(tl.where(is_label, shifted, 0.0), 1)
    hit = (tl.argmax(logits, 1) == label).to(tl.int8)
    tl.store(loss + run * rows + row, value, mask=row < rows)
    tl.store(correct + run * rows + row, hit, mask=row < rows)
    if TRAIN:
        to_logit = (exponential / normaliser[:, None] - tl.where(is_label, 1.0, 0.0).to(current.dtype)) / rows
        to_membrane = tl.zeros((BLOCK_ROWS, BLOCK_CLASSES), current.dtype)
        to_current = to_membrane
        for back in range(steps):
            step = steps - 1 - back
            tl.store(drive_gradient + first + step * rows * classes + cell, to_current, mask=inside)
            to_current = b_synapse * to_current + gain * to_membrane
            seen = (when == step) | takes_sum
            to_membrane = b_readout * to_membrane + tl.where(seen, to_logit, 0.0)


@triton.jit
def _regularise(
    counts,
    count_gradient,
    penalty,
    spikes,
    lower_strength,
    lower_threshold,
    upper_strength,
    upper_threshold,
    upper_squared,
    rows,
    units,
    BLOCK_ROWS: tl.constexpr,
    BLOCK_UNITS: tl.constexpr,
):
    run = tl.program_id(1).to(tl.int64)
    row = tl.program_id(0) * BLOCK_ROWS + tl.arange(0, BLOCK_ROWS)
    unit = tl.arange(0, BLOCK_UNITS)
    inside = (row[:, None] < rows) & (unit[None, :] < units)
    cell = run * rows * units + row[:, None] * units + unit[None, :]
    lower, upper = tl.load(lower_strength + run), tl.load(upper_strength + run)

    count = tl.load(counts + cell, mask=inside, other=0.0)
    missing = tl.where(inside, tl.maximum(tl.load(lower_threshold + run) - count, 0.0), 0.0)
    spent = tl.sum(count, 1)
    excess = tl.maximum(spent / units - tl.load(upper_threshold + run), 0.0)
    busy = (excess > 0.0).to(count.dtype)
    squared = tl.load(upper_squared + run) != 0
    value = lower * (tl.sum(missing * missing, 1) / units) + upper * tl.where(squared, excess * excess, excess)
    to_mean = upper * tl.where(squared, 2.0 * excess, busy)
    to_count = (to_mean[:, None] - 2.0 * lower * missing) / units / rows
    tl.store(count_gradient + cell, to_count, mask=inside)
    tl.store(spikes + run * rows + row, spent, mask=row < rows)
    tl.store(penalty + run * rows + row, value, mask=row < rows)


@triton.jit
def _event_drive(
    weights, drive, samples, step_ptr, event_unit, weight_stride, steps, rows, units, BLOCK_UNITS: tl.constexpr
):
    run, row = tl.program_id(2).to(tl.int64), tl.program_id(1)
    unit = tl.program_id(0) * BLOCK_UNITS + tl.arange(0, BLOCK_UNITS)
    inside = unit < units
    step_ptr += tl.load(samples + run * rows + row) * steps
    weights += run * weight_stride + unit
    drive += (run * steps * rows + row) * units + unit
    silence = tl.zeros((BLOCK_UNITS,), drive.dtype.element_ty)
    begin = tl.load(step_ptr)
    for step in range(steps):
        end = tl.load(step_ptr + step + 1)
        total = silence
        for event in range(begin, end):
            total += tl.load(weights + tl.load(event_unit + event) * units, mask=inside, other=0.0)
        tl.store(drive + step * rows * units, total, mask=inside)
        begin = end


@triton.jit
def _event_gradient(
    drive_gradient,
    partial,
    samples,
    unit_ptr,
    event_step,
    sources,
    steps,
    rows,
    units,
    chunks,
    CHUNK: tl.constexpr,
    BLOCK_UNITS: tl.constexpr,
):
    # A program gathers what a weight row of one input is owed, so that nothing needs atomic additions.
    source, job = tl.program_id(0), tl.program_id(2).to(tl.int64)
    run, chunk = job // chunks, job % chunks
    unit = tl.program_id(1) * BLOCK_UNITS + tl.arange(0, BLOCK_UNITS)
    inside = unit < units
    total = tl.zeros((BLOCK_UNITS,), partial.dtype.element_ty)
    samples += run * rows
    unit_ptr += source
    drive_gradient += run * steps * rows * units + unit
    for row in range(chunk * CHUNK, tl.minimum(chunk * CHUNK + CHUNK, rows)):
        place = unit_ptr + tl.load(samples + row) * sources
        for event in range(tl.load(place), tl.load(place + 1)):
            here = (tl.load(event_step + event) * rows + row) * units
            total += tl.load(drive_gradient + here, mask=inside, other=0.0)
    tl.store(partial + (job * sources + source) * units + unit, total, mask=inside)


@triton.jit
def _product(
    left,
    right,
    out,
    right_stride,
    rows,
    inner,
    columns,
    BLOCK_ROWS: tl.constexpr,
    BLOCK_COLUMNS: tl.constexpr,
    BLOCK_K: tl.constexpr,
):
    run = tl.program_id(2).to(tl.int64)
    row = tl.program_id(0) * BLOCK_ROWS + tl.arange(0, BLOCK_ROWS)
    column = tl.program_id(1) * BLOCK_COLUMNS + tl.arange(0, BLOCK_COLUMNS)
    left += run * rows * inner
    right += run * right_stride
    total = tl.zeros((BLOCK_ROWS, BLOCK_COLUMNS), out.dtype.element_ty)
    for start in range(0, inner, BLOCK_K):
        k = start + tl.arange(0, BLOCK_K)
        known = (row[:, None] < rows) & (k[None, :] < inner)
        a = tl.load(left + row[:, None] * inner + k[None, :], mask=known, other=0).to(total.dtype)
        known = (k[:, None] < inner) & (column[None, :] < columns)
        b = tl.load(right + k[:, None] * columns + column[None, :], mask=known, other=0.0)
        total = tl.dot(a, b, total, input_precision="ieee", out_dtype=total.dtype)
    known = (row[:, None] < rows) & (column[None, :] < columns)
    tl.store(out + run * rows * columns + row[:, None] * columns + column[None, :], total, mask=known)


@triton.jit
def _weight_gradient(
    spikes,
    drive_gradient,
    partial,
    rows,
    sources,
    units,
    chunks,
    CHUNK: tl.constexpr,
    BLOCK_SOURCES: tl.constexpr,
    BLOCK_UNITS: tl.constexpr,
    BLOCK_K: tl.constexpr,
):
    job = tl.program_id(2).to(tl.int64)
    run, chunk = job // chunks, job % chunks
    source = tl.program_id(0) * BLOCK_SOURCES + tl.arange(0, BLOCK_SOURCES)
    unit = tl.program_id(1) * BLOCK_UNITS + tl.arange(0, BLOCK_UNITS)
    total = tl.zeros((BLOCK_SOURCES, BLOCK_UNITS), partial.dtype.element_ty)
    for start in range(chunk * CHUNK, tl.minimum(chunk * CHUNK + CHUNK, rows), BLOCK_K):
        row = start + tl.arange(0, BLOCK_K)
        known = (source[:, None] < sources) & (row[None, :] < rows)
        a = tl.load(spikes + (run * rows + row[None, :]) * sources + source[:, None], mask=known, other=0)
        known = (row[:, None] < rows) & (unit[None, :] < units)
        b = tl.load(drive_gradient + (run * rows + row[:, None]) * units + unit[None, :], mask=known, other=0.0)
        total = tl.dot(a.to(total.dtype), b, total, input_precision="ieee", out_dtype=total.dtype)
    known = (source[:, None] < sources) & (unit[None, :] < units)
    tl.store(partial + (job * sources + source[:, None]) * units + unit[None, :], total, mask=known)


@triton.jit
def _fold(partial, out, out_stride, chunks, size, BLOCK: tl.constexpr):
    run = tl.program_id(1).to(tl.int64)
    place = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    total = tl.zeros((BLOCK,), out.dtype.element_ty)
    for chunk in range(chunks):
        total += tl.load(partial + (run * chunks + chunk) * size + place, mask=place < size, other=0.0)
    tl.store(out + run * out_stride + place, total, mask=place < size)


def _power(n: int, least: int, most: int) -> int:
    return min(max(triton.next_power_of_2(n), least), most)


class TritonKernels:
    """The steps of a training, each one launch for all runs."""

    most_recurrent_units = 512  # one program holds a recurrent layer, for it needs every spike of the step

    def drive(self, weights: torch.Tensor, split: Split, samples: torch.Tensor) -> torch.Tensor:
        """Return the weighted input events (runs, steps, batch, units)."""
        (runs, rows), units = samples.shape, weights.shape[2]
        out = weights.new_empty((runs, split.steps, rows, units))
        block = _power(units, 16, 128)
        _event_drive[(triton.cdiv(units, block), rows, runs)](
            weights, out, samples, split.step_ptr, split.unit, weights.stride(0), split.steps, rows, units,
            BLOCK_UNITS=block, **ROUNDED,
        )  # fmt: skip
        return out

    def forward(self, knobs: Knobs, drive: torch.Tensor, recurrent: torch.Tensor | None) -> tuple[torch.Tensor, ...]:
        """Scan a layer: the membrane before reset, spikes, both like `drive`, and counts (runs, batch, units)."""
        runs, steps, rows, units = drive.shape
        potential, spikes = torch.empty_like(drive), torch.empty_like(drive, dtype=torch.int8)
        counts = drive.new_empty((runs, rows, units))
        grid, shape = self._layout(runs, rows, units, recurrent)
        stride = 0 if recurrent is None else recurrent.stride(0)
        _forward[grid](
            drive, potential, spikes, counts, drive if recurrent is None else recurrent, stride,
            knobs.membrane_decay, knobs.membrane_gain, knobs.synapse_decay, steps, **shape,
        )  # fmt: skip
        return potential, spikes, counts

    def backward(
        self,
        knobs: Knobs,
        potential: torch.Tensor,
        spikes: torch.Tensor,
        spike_gradient: torch.Tensor,
        count_gradient: torch.Tensor,
        recurrent: torch.Tensor | None,
    ) -> torch.Tensor:
        """Scan a layer back in time: the gradient of its drive."""
        runs, steps, rows, units = potential.shape
        out = torch.empty_like(potential)
        grid, shape = self._layout(runs, rows, units, recurrent)
        back = out if recurrent is None else recurrent.transpose(1, 2).contiguous()
        _backward[grid](
            potential, spikes, spike_gradient, count_gradient, out, back, back.stride(0),
            knobs.membrane_decay, knobs.membrane_gain, knobs.synapse_decay, knobs.shape, knobs.beta,
            knobs.reset_attached, knobs.recurrent_propagated, steps, **shape,
        )  # fmt: skip
        return out

    @staticmethod
    def _layout(runs: int, rows: int, units: int, recurrent: torch.Tensor | None) -> tuple[tuple, dict]:
        if recurrent is None:
            # Neurons know nothing of each other: samples and units are one long row, and no lane idles.
            shape = {"rows": 1, "units": rows * units, "RECURRENT": False, "BLOCK_ROWS": 1, "BLOCK_K": 16}
            shape |= {"BLOCK_UNITS": _power(rows * units, 16, 256), "num_warps": 4, **ROUNDED}
        else:
            # Without prefetching: a tile is read back in the step that writes it.
            block = _power(units, 16, TritonKernels.most_recurrent_units)
            shape = {"rows": rows, "units": units, "RECURRENT": True, "BLOCK_ROWS": 16, "BLOCK_K": 16}
            shape |= {"BLOCK_UNITS": block, "num_warps": 8 if block > 128 else 4, "num_stages": 1, **FUSED}
        blocks = triton.cdiv(shape["units"], shape["BLOCK_UNITS"]), triton.cdiv(shape["rows"], shape["BLOCK_ROWS"])
        return (*blocks, runs), shape

    def readout(self, knobs: Knobs, drive: torch.Tensor, labels: torch.Tensor, train: bool) -> Scores:
        """Return losses, hits, and the gradient of the mean loss by the readout's drive."""
        runs, steps, rows, classes = drive.shape
        gradient = torch.empty_like(drive) if train else drive
        loss, correct = drive.new_empty((runs, rows)), labels.new_empty((runs, rows), dtype=torch.int8)
        _readout[(triton.cdiv(rows, 16), runs)](
            drive, gradient, labels, loss, correct, knobs.readout_decay, knobs.readout_gain, knobs.synapse_decay,
            knobs.readout_start, knobs.max_head, steps, rows, classes,
            TRAIN=train, BLOCK_ROWS=16, BLOCK_CLASSES=_power(classes, 2, 2**20), **ROUNDED,
        )  # fmt: skip
        return Scores(loss, correct, gradient)

    def regularise(self, knobs: Knobs, counts: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return each sample's penalty and spikes, and the gradient of the mean penalty by the counts."""
        runs, rows, units = counts.shape
        gradient, (penalty, spikes) = torch.empty_like(counts), counts.new_empty((2, runs, rows))
        _regularise[(triton.cdiv(rows, 4), runs)](
            counts, gradient, penalty, spikes, knobs.lower_strength, knobs.lower_threshold, knobs.upper_strength,
            knobs.upper_threshold, knobs.upper_squared, rows, units,
            BLOCK_ROWS=4, BLOCK_UNITS=_power(units, 16, 2**20), **ROUNDED,
        )  # fmt: skip
        return penalty, spikes, gradient

    def product(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        """Return left (runs, steps, batch, k) @ right (runs, k, units)."""
        (runs, steps, rows, inner), columns = left.shape, right.shape[2]
        out = right.new_empty((runs, steps, rows, columns))
        block = _power(columns, 16, 64)
        _product[(triton.cdiv(steps * rows, 64), triton.cdiv(columns, block), runs)](
            left, right, out, right.stride(0), steps * rows, inner, columns,
            BLOCK_ROWS=64, BLOCK_COLUMNS=block, BLOCK_K=32, **FUSED,
        )  # fmt: skip
        return out

    def weight_gradient(self, spikes: torch.Tensor, drive_gradient: torch.Tensor, out: torch.Tensor) -> None:
        """Write the sum over steps and samples of spikes x drive gradient to `out` (runs, units in, units out)."""
        (runs, steps, batch, sources), units = spikes.shape, drive_gradient.shape[3]
        rows = steps * batch
        chunks = triton.cdiv(rows, CHUNK_ROWS)
        partial = out.new_empty((runs, chunks, sources, units))
        blocks = _power(sources, 16, 64), _power(units, 16, 64)
        _weight_gradient[(triton.cdiv(sources, blocks[0]), triton.cdiv(units, blocks[1]), runs * chunks)](
            spikes, drive_gradient, partial, rows, sources, units, chunks,
            CHUNK=CHUNK_ROWS, BLOCK_SOURCES=blocks[0], BLOCK_UNITS=blocks[1], BLOCK_K=32, **FUSED,
        )  # fmt: skip
        self._fold(partial, out)

    def event_gradient(
        self, split: Split, samples: torch.Tensor, drive_gradient: torch.Tensor, out: torch.Tensor
    ) -> None:
        """Write the gradient of the input weights to `out` (runs, inputs, units)."""
        runs, steps, rows, units = drive_gradient.shape
        chunks, block = triton.cdiv(rows, CHUNK_SAMPLES), _power(units, 16, 128)
        partial = out.new_empty((runs, chunks, split.units, units))
        _event_gradient[(split.units, triton.cdiv(units, block), runs * chunks)](
            drive_gradient, partial, samples, split.unit_ptr, split.step_by_unit, split.units, steps, rows, units,
            chunks, CHUNK=CHUNK_SAMPLES, BLOCK_UNITS=block, **ROUNDED,
        )  # fmt: skip
        self._fold(partial, out)

    @staticmethod
    def _fold(partial: torch.Tensor, out: torch.Tensor) -> None:
        runs, chunks, sources, units = partial.shape
        size = sources * units
        _fold[(triton.cdiv(size, 256), runs)](partial, out, out.stride(0), chunks, size, BLOCK=256, **ROUNDED)
