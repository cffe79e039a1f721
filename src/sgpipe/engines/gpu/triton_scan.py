"""Triton kernels that scan a layer of LIF neurons over time, forward and back.

A program holds a tile of samples and units of one run and keeps their state in registers through all steps. The run
is the last axis of the grid. Offsets that grow with the number of steps are 64 bits wide.
"""

import triton
import triton.language as tl

from sgpipe.engines.gpu.decays import ROWS
from sgpipe.engines.gpu.knobs import FAMILIES, Place, Row

# Places in the table of knobs, and the number of them
KNOBS = tl.constexpr(len(Row._fields))
MEMBRANE_DECAY, MEMBRANE_GAIN, SYNAPSE_DECAY, FAMILY, SLOPE, HEIGHT, TAIL, RESET_ATTACHED, RECURRENT_PROPAGATED = (
    tl.constexpr(Row._fields.index(name))
    for name in (
        "membrane_decay",
        "membrane_gain",
        "synapse_decay",
        "family",
        "slope",
        "height",
        "tail",
        "reset_attached",
        "recurrent_propagated",
    )
)
INVERSE_SQUARE, LOGISTIC, EXPONENTIAL, GAUSSIAN, TRIANGLE, RECTANGLE, FORMULA = (
    tl.constexpr(FAMILIES.index(name))
    for name in ("inverse_square", "logistic", "exponential", "gaussian", "triangle", "rectangle", "formula")
)
PLACES = tl.constexpr(len(Place._fields))
OF_NEURON = tl.constexpr(ROWS)  # numbers in a table of decays for each neuron


@triton.jit
def _tabulated(v, rows, edges, place):
    # A formula as polynomials: the cell of v is in the bits of |v| + one (sgpipe.engines.table).
    rows += tl.load(place)
    edges += tl.load(place + 1)
    cells, shift = tl.load(place + 3), tl.load(place + 4)
    one, top = tl.load(edges), tl.load(edges + 1)
    size = tl.abs(v)
    size = tl.where(size > top, top, size)  # NaN stays NaN
    wide: tl.constexpr = v.dtype == tl.float64
    integer: tl.constexpr = tl.int64 if wide else tl.int32
    terms: tl.constexpr = 6 if wide else 4
    bits = (size + one).to(integer, bitcast=True)
    shift = shift.to(integer)
    named = bits >> shift
    t = size - ((named << shift).to(v.dtype, bitcast=True) - one)
    cell = tl.minimum(tl.maximum(named.to(tl.int64) - tl.load(place + 5), 0), cells - 1)
    side = tl.where(tl.load(place + 6) != 0, size, v)
    for k in range(tl.load(place + 2)):
        cell += tl.where(side >= tl.load(edges + 2 + k), cells, 0)
    polynomial = rows + cell * terms
    h = tl.load(polynomial + terms - 1)
    for k in tl.static_range(1, terms):
        h = h * t + tl.load(polynomial + terms - 1 - k)
    return tl.where(h < 0.0, 0.0, h)


@triton.jit
def _surrogate(x, knobs, rows, edges, place, FORMULAS: tl.constexpr):
    # `family` is one number for the whole program: a branch, not a divergence. Comparisons are such that a NaN gives
    # what it does in the reference: the triangle stays NaN, the rectangle is 0.
    family, height = tl.load(knobs + FAMILY), tl.load(knobs + HEIGHT)
    size = tl.load(knobs + SLOPE) * tl.abs(x)
    if family == INVERSE_SQUARE:
        h = 1.0 / ((size + 1.0) * (size + 1.0))
    elif family == LOGISTIC:
        e = tl.exp(-size)
        h = e / ((1.0 + e) * (1.0 + e))
    elif family == EXPONENTIAL:
        h = tl.exp(-size)
    elif family == GAUSSIAN:
        h = tl.exp(-size * size)
    elif family == TRIANGLE:
        h = tl.where(size >= 1.0, 0.0, 1.0 - size)
    elif family == RECTANGLE:
        h = tl.where(size < 0.5, tl.full(x.shape, 1.0, x.dtype), 0.0)
    else:
        # log(1 + size) with the rounding of 1 + size taken out: a long tail's exponent would blow it up.
        above = size + 1.0
        logarithm = tl.where(above == 1.0, size, tl.log(above) * (size / (above - 1.0)))
        h = tl.exp(-tl.load(knobs + TAIL) * logarithm)
    if FORMULAS:  # noqa: SIM102 (known to the compiler, which then leaves out what is below)
        if family == FORMULA:
            h = _tabulated(tl.load(knobs + SLOPE) * x, rows, edges, place)
    return height * h


@triton.jit
def _tile(rows, units, BLOCK_ROWS: tl.constexpr, BLOCK_UNITS: tl.constexpr):
    # This program's rows and units, their places among those of one step, and which of them exist.
    row = tl.program_id(1) * BLOCK_ROWS + tl.arange(0, BLOCK_ROWS)
    unit = tl.program_id(0) * BLOCK_UNITS + tl.arange(0, BLOCK_UNITS)
    cell = row[:, None] * units + unit[None, :]
    return row, unit, cell, (row[:, None] < rows) & (unit[None, :] < units)


@triton.jit
def _run_of(knobs):
    # This program's run, and where its knobs lie.
    run = tl.program_id(2).to(tl.int64)
    return run, knobs + run * KNOBS


@triton.jit
def _decays_of(knobs, decays, neurons, run, unit, units, SINGLE: tl.constexpr):
    # Decay of the membrane, 1 less that, and decay of the current: of the layer or, loaded once, of each neuron.
    if SINGLE:
        own = decays + run * OF_NEURON * neurons + unit % neurons  # samples and units may be one long row
        b_membrane = tl.load(own, mask=unit < units, other=0.0)[None, :]
        gain = tl.load(own + neurons, mask=unit < units, other=1.0)[None, :]
        b_synapse = tl.load(own + 2 * neurons, mask=unit < units, other=0.0)[None, :]
    else:
        b_membrane, gain = tl.load(knobs + MEMBRANE_DECAY), tl.load(knobs + MEMBRANE_GAIN)
        b_synapse = tl.load(knobs + SYNAPSE_DECAY)
    return b_membrane, gain, b_synapse


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
def forward_scan(
    drive,
    potential,
    spikes,
    counts,
    recurrent,
    recurrent_stride,
    knobs,
    decays,
    neurons,
    steps,
    rows,
    units,
    SINGLE: tl.constexpr,
    RECURRENT: tl.constexpr,
    BLOCK_ROWS: tl.constexpr,
    BLOCK_UNITS: tl.constexpr,
    BLOCK_K: tl.constexpr,
):
    run, knobs = _run_of(knobs)
    row, unit, cell, inside = _tile(rows, units, BLOCK_ROWS, BLOCK_UNITS)
    b_membrane, gain, b_synapse = _decays_of(knobs, decays, neurons, run, unit, units, SINGLE)
    weights = recurrent + run * recurrent_stride

    membrane = tl.zeros((BLOCK_ROWS, BLOCK_UNITS), drive.dtype.element_ty)
    current, before_reset, count = membrane, membrane, membrane
    here = run * steps * rows * units
    for _ in range(steps):
        arriving = tl.load(drive + here + cell, mask=inside, other=0.0)
        spike = (membrane > 1.0).to(membrane.dtype)
        tl.store(potential + here + cell, before_reset, mask=inside)
        tl.store(spikes + here + cell, spike.to(tl.int8), mask=inside)
        if RECURRENT:
            arriving = _through_weights(arriving, spikes + here, weights, row, rows, unit, units, BLOCK_K)
        count += spike
        before_reset = b_membrane * membrane + gain * current
        membrane = before_reset * (1.0 - spike)
        current = b_synapse * current + arriving
        here += rows * units
    tl.store(counts + run * rows * units + cell, count, mask=inside)


@triton.jit
def backward_scan(
    potential,
    spikes,
    spike_gradient,
    count_gradient,
    drive_gradient,
    recurrent,
    recurrent_stride,
    knobs,
    formula_rows,
    formula_edges,
    formula_places,
    decays,
    decay_gradient,
    neurons,
    steps,
    rows,
    units,
    SINGLE: tl.constexpr,
    TRAINED: tl.constexpr,
    FORMULAS: tl.constexpr,
    RECURRENT: tl.constexpr,
    BLOCK_ROWS: tl.constexpr,
    BLOCK_UNITS: tl.constexpr,
    BLOCK_K: tl.constexpr,
):
    run, knobs = _run_of(knobs)
    row, unit, cell, inside = _tile(rows, units, BLOCK_ROWS, BLOCK_UNITS)
    b_membrane, gain, b_synapse = _decays_of(knobs, decays, neurons, run, unit, units, SINGLE)
    weights = recurrent + run * recurrent_stride
    place = formula_places + run * PLACES
    attached, propagated = tl.load(knobs + RESET_ATTACHED) != 0, tl.load(knobs + RECURRENT_PROPAGATED) != 0

    to_membrane = tl.zeros((BLOCK_ROWS, BLOCK_UNITS), potential.dtype.element_ty)  # adjoints of step n + 1
    to_current, next_before_reset = to_membrane, to_membrane
    to_membrane_decay, to_synapse_decay = to_membrane, to_membrane
    regulariser = tl.load(count_gradient + run * rows * units + cell, mask=inside, other=0.0)
    first = run * steps * rows * units
    here = (run * steps + steps - 1) * rows * units
    spike = tl.load(spikes + here + cell, mask=inside, other=0).to(to_membrane.dtype)
    for _ in range(steps):
        before_reset = tl.load(potential + here + cell, mask=inside, other=0.0)
        there = tl.maximum(here - rows * units, first)  # before step 0 there is no spike, and at step 0 none either
        earlier_spike = tl.load(spikes + there + cell, mask=inside, other=0).to(to_membrane.dtype)
        to_spike = tl.load(spike_gradient + here + cell, mask=inside, other=0.0) + regulariser
        tl.store(drive_gradient + here + cell, to_current, mask=inside)
        if attached:
            to_spike -= to_membrane * next_before_reset
        if RECURRENT:  # noqa: SIM102 (known to the compiler, which then leaves out what is below)
            if propagated:
                to_spike = _through_weights(to_spike, drive_gradient + here, weights, row, rows, unit, units, BLOCK_K)
        membrane = before_reset * (1.0 - earlier_spike)
        kept = to_membrane * (1.0 - spike)
        if TRAINED:
            scaled = next_before_reset - b_membrane * membrane  # the current times 1 - b_membrane
            to_membrane_decay += kept * (gain * membrane - scaled)
            to_synapse_decay += to_current * scaled
        to_current = b_synapse * to_current + gain * kept
        slope = _surrogate(membrane - 1.0, knobs, formula_rows, formula_edges, place, FORMULAS)
        to_membrane = b_membrane * kept + to_spike * slope
        next_before_reset, spike = before_reset, earlier_spike
        here -= rows * units
    if TRAINED:
        there = decay_gradient + run * 2 * rows * units + cell
        tl.store(there, to_membrane_decay / gain, mask=inside)
        tl.store(there + rows * units, to_synapse_decay / gain, mask=inside)
