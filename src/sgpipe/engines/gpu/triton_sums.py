"""Triton kernels of the weights: sums at events, matrix products, and gradients of both.

Sums have a fixed order, and nothing is added atomically: a long sum is cut into chunks of a fixed size, which `fold`
adds up in order. Products are in full precision ("ieee"): the rounding of TF32 would move membranes across the
threshold.
"""

import triton
import triton.language as tl

from sgpipe.engines.gpu import dropping

GOLDEN, DROP_NUMBERS = tl.constexpr(dropping.GOLDEN), tl.constexpr(3)
FIRST_SHIFT, FIRST_FACTOR = (tl.constexpr(number) for number in dropping.MIX[0])
SECOND_SHIFT, SECOND_FACTOR = (tl.constexpr(number) for number in dropping.MIX[1])


@triton.jit
def _kept(drops, sample, step, unit, sources):
    # Whether a run keeps an event (`dropping.kept`), from the run's three numbers, in unsigned 64-bit arithmetic.
    counter = (sample.to(tl.int64) * tl.load(drops + 2) + step) * sources + unit + 1
    z = counter.to(tl.uint64) * GOLDEN + tl.load(drops).to(tl.uint64, bitcast=True)
    z = (z ^ (z >> FIRST_SHIFT)) * FIRST_FACTOR
    z = (z ^ (z >> SECOND_SHIFT)) * SECOND_FACTOR
    return ((z ^ (z >> 31)) >> 11).to(tl.int64) >= tl.load(drops + 1)


@triton.jit
def event_drive(
    weights,
    drive,
    samples,
    step_ptr,
    event_unit,
    drops,
    weight_stride,
    sources,
    steps,
    rows,
    units,
    DROPS: tl.constexpr,
    BLOCK_UNITS: tl.constexpr,
):
    run, row = tl.program_id(2).to(tl.int64), tl.program_id(0)
    unit = tl.program_id(1) * BLOCK_UNITS + tl.arange(0, BLOCK_UNITS)
    inside = unit < units
    sample = tl.load(samples + run * rows + row)
    step_ptr += sample * steps
    drops += run * DROP_NUMBERS
    weights += run * weight_stride + unit
    here = (run * steps * rows + row) * units
    silence = tl.zeros((BLOCK_UNITS,), drive.dtype.element_ty)
    begin = tl.load(step_ptr)
    for step in range(steps):
        end = tl.load(step_ptr + step + 1)
        total = silence
        for event in range(begin, end):
            source = tl.load(event_unit + event)
            known = inside
            if DROPS:
                known = tl.where(_kept(drops, sample, step, source, sources), inside, False)
            total += tl.load(weights + source * units, mask=known, other=0.0)
        tl.store(drive + here + unit, total, mask=inside)
        here += rows * units
        begin = end


@triton.jit
def event_gradient(
    drive_gradient,
    partial,
    samples,
    unit_ptr,
    event_step,
    drops,
    sources,
    steps,
    rows,
    units,
    chunks,
    DROPS: tl.constexpr,
    CHUNK: tl.constexpr,
    BLOCK_UNITS: tl.constexpr,
):
    # A program sums the gradient of one input's row of weights over a chunk of samples. Programs are numbered by run,
    # chunk and input on the axis that may be long.
    job, source = (tl.program_id(0) // sources).to(tl.int64), tl.program_id(0) % sources
    run, chunk = job // chunks, job % chunks
    unit = tl.program_id(1) * BLOCK_UNITS + tl.arange(0, BLOCK_UNITS)
    inside = unit < units
    total = tl.zeros((BLOCK_UNITS,), partial.dtype.element_ty)
    samples += run * rows
    unit_ptr += source
    drops += run * DROP_NUMBERS
    drive_gradient += run * steps * rows * units + unit
    for row in range(chunk * CHUNK, tl.minimum(chunk * CHUNK + CHUNK, rows)):
        sample = tl.load(samples + row)
        place = unit_ptr + sample * sources
        for event in range(tl.load(place), tl.load(place + 1)):
            step = tl.load(event_step + event).to(tl.int64)
            known = inside
            if DROPS:
                known = tl.where(_kept(drops, sample, step, source, sources), inside, False)
            total += tl.load(drive_gradient + (step * rows + row) * units, mask=known, other=0.0)
    tl.store(partial + (job * sources + source) * units + unit, total, mask=inside)


@triton.jit
def product(
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
    row = tl.program_id(0).to(tl.int64) * BLOCK_ROWS + tl.arange(0, BLOCK_ROWS)
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
def weight_gradient(
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
    # Programs are numbered by run, chunk and block of sources on the axis that may be long.
    blocks = tl.cdiv(sources, BLOCK_SOURCES)
    job = (tl.program_id(0) // blocks).to(tl.int64)
    run, chunk = job // chunks, job % chunks
    source = tl.program_id(0) % blocks * BLOCK_SOURCES + tl.arange(0, BLOCK_SOURCES)
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
def fold(partial, out, out_stride, chunks, size, BLOCK: tl.constexpr):
    run = tl.program_id(1).to(tl.int64)
    place = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    total = tl.zeros((BLOCK,), out.dtype.element_ty)
    for chunk in range(chunks):
        total += tl.load(partial + (run * chunks + chunk) * size + place, mask=place < size, other=0.0)
    tl.store(out + run * out_stride + place, total, mask=place < size)
