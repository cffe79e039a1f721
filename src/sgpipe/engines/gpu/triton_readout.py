"""Triton kernels of the objective: the readout with its loss, and the activity regularisers."""

import triton
import triton.language as tl

from sgpipe.engines.gpu.knobs import Row

KNOBS = tl.constexpr(len(Row._fields))
READOUT_DECAY, READOUT_GAIN, SYNAPSE_DECAY, READOUT_START, MAX_HEAD, MAX_FROM = (
    tl.constexpr(Row._fields.index(name))
    for name in ("readout_decay", "readout_gain", "synapse_decay", "readout_start", "max_head", "max_from")
)
LOWER_STRENGTH, LOWER_THRESHOLD, UPPER_STRENGTH, UPPER_THRESHOLD, UPPER_SQUARED = (
    tl.constexpr(Row._fields.index(name))
    for name in ("lower_strength", "lower_threshold", "upper_strength", "upper_threshold", "upper_squared")
)


@triton.jit
def score(
    drive,
    drive_gradient,
    labels,
    loss,
    ahead,
    moved,
    knobs,
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
    knobs += run * KNOBS
    b_readout, gain = tl.load(knobs + READOUT_DECAY), tl.load(knobs + READOUT_GAIN)
    b_synapse, takes_sum = tl.load(knobs + SYNAPSE_DECAY), tl.load(knobs + MAX_HEAD) == 0

    first_step = tl.load(knobs + MAX_FROM)

    current = tl.zeros((BLOCK_ROWS, BLOCK_CLASSES), drive.dtype.element_ty)
    membrane = current + tl.load(knobs + READOUT_START)
    highest, total = membrane, current
    when = tl.zeros((BLOCK_ROWS, BLOCK_CLASSES), tl.int32)
    here = run * steps * rows * classes
    for step in range(steps):
        # A tie keeps its first step; a membrane that is not a number must reach the loss, where it ends the run.
        higher = (membrane > highest) | (membrane != membrane)
        highest = tl.where(higher, membrane, highest)
        when = tl.where(higher, step, when)
        if step <= first_step:  # until the first step that counts has come, the newest is the highest
            highest = membrane
            when = tl.full((BLOCK_ROWS, BLOCK_CLASSES), step, tl.int32)
        total += membrane
        membrane = b_readout * membrane + gain * current
        current = b_synapse * current + tl.load(drive + here + cell, mask=inside, other=0.0)
        here += rows * classes

    logits = tl.where(unit[None, :] < classes, tl.where(takes_sum, total, highest), -float("inf"))
    label = tl.load(labels + run * rows + row, mask=row < rows, other=0)
    is_label = unit[None, :] == label[:, None]
    highest_logit = tl.max(logits, 1)[:, None]
    shifted = logits - highest_logit
    exponential = tl.exp(shifted)
    normaliser = tl.sum(exponential, 1)
    value = tl.log(normaliser) - tl.sum(tl.where(is_label, shifted, 0.0), 1)
    first = (logits == highest_logit).to(tl.int32)
    tl.store(loss + run * rows + row, value, mask=row < rows)
    tl.store(ahead + run * rows + row, tl.sum(first, 1) * tl.sum(tl.where(is_label, first, 0), 1), mask=row < rows)
    tl.store(moved + run * rows * classes + cell, (when > 0).to(tl.int8), mask=inside)
    if TRAIN:
        to_logit = (exponential / normaliser[:, None] - tl.where(is_label, 1.0, 0.0).to(current.dtype)) / rows
        to_membrane = tl.zeros((BLOCK_ROWS, BLOCK_CLASSES), current.dtype)
        to_current = to_membrane
        for back in range(steps):
            here -= rows * classes
            tl.store(drive_gradient + here + cell, to_current, mask=inside)
            to_current = b_synapse * to_current + gain * to_membrane
            to_highest = tl.where(when == steps - 1 - back, to_logit, 0.0)
            to_membrane = b_readout * to_membrane + tl.where(takes_sum, to_logit, to_highest)


@triton.jit
def regularise(
    counts, count_gradient, penalty, spikes, knobs, rows, units, BLOCK_ROWS: tl.constexpr, BLOCK_UNITS: tl.constexpr
):
    run = tl.program_id(1).to(tl.int64)
    row = tl.program_id(0) * BLOCK_ROWS + tl.arange(0, BLOCK_ROWS)
    unit = tl.arange(0, BLOCK_UNITS)
    inside = (row[:, None] < rows) & (unit[None, :] < units)
    cell = run * rows * units + row[:, None] * units + unit[None, :]
    knobs += run * KNOBS
    lower, upper = tl.load(knobs + LOWER_STRENGTH), tl.load(knobs + UPPER_STRENGTH)

    count = tl.load(counts + cell, mask=inside, other=0.0)
    missing = tl.where(inside, tl.maximum(tl.load(knobs + LOWER_THRESHOLD) - count, 0.0), 0.0)
    spent = tl.sum(count, 1)
    excess = tl.maximum(spent / units - tl.load(knobs + UPPER_THRESHOLD), 0.0)
    busy = (excess > 0.0).to(count.dtype)
    squared = tl.load(knobs + UPPER_SQUARED) != 0
    value = lower * (tl.sum(missing * missing, 1) / units) + upper * tl.where(squared, excess * excess, excess)
    to_mean = upper * tl.where(squared, 2.0 * excess, busy)
    to_count = (to_mean[:, None] - 2.0 * lower * missing) / units / rows
    tl.store(count_gradient + cell, to_count, mask=inside)
    tl.store(spikes + run * rows + row, spent, mask=row < rows)
    tl.store(penalty + run * rows + row, value, mask=row < rows)
