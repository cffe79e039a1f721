"""The steps of a training in Triton: each lays out the grid of one launch for all runs.

Every kernel has the run as an axis of its grid and reads the run's knobs from a table, so what a run computes does
not depend on the other runs. Tensors are contiguous, except that the weights of all runs are slices of longer rows.
"""

import torch
import triton

from sgpipe.engines.gpu import triton_readout, triton_scan, triton_sums
from sgpipe.engines.gpu.kernels import Scan, Scores

CHUNK_ROWS = 2048  # rows (step, sample) that one program adds up for a weight gradient
CHUNK_SAMPLES = 32  # samples that one program adds up for a gradient of input weights
# Scans round every product and sum, as torch does, whatever Triton's default is: a fused rounding may move a spike.
# Kernels with matrix products, recurrent scans among them, would take twice the instructions that way.
ROUNDED, FUSED = {"enable_fp_fusion": False}, {"enable_fp_fusion": True}


class TritonKernels:
    """See `Kernels`. No dense raster of a minibatch is ever made."""

    most_recurrent_units = 512  # one program holds a recurrent layer, since it needs every spike of the step
    spike_bytes = 1
    work_tensors = 4
    makes_raster = False

    def drive(self, weights, split, samples, drops):
        (runs, rows), units = samples.shape, weights.shape[2]
        out = weights.new_empty((runs, split.steps, rows, units))
        block = _power(units, 16, 128)
        # One warp per program: programs wait for memory, and so more of them wait side by side.
        triton_sums.event_drive[(rows, triton.cdiv(units, block), runs)](
            weights, out, samples, split.step_ptr, split.unit, samples if drops is None else drops, weights.stride(0),
            split.units, split.steps, rows, units,
            DROPS=drops is not None, BLOCK_UNITS=block, num_warps=1, **ROUNDED,
        )  # fmt: skip
        return out

    def event_gradient(self, split, samples, drops, drive_gradient, out):
        runs, steps, rows, units = drive_gradient.shape
        chunks, block = triton.cdiv(rows, CHUNK_SAMPLES), _power(units, 16, 128)
        partial = out.new_empty((runs, chunks, split.units, units))
        triton_sums.event_gradient[(runs * chunks * split.units, triton.cdiv(units, block))](
            drive_gradient, partial, samples, split.unit_ptr, split.step_by_unit, samples if drops is None else drops,
            split.units, steps, rows, units, chunks,
            DROPS=drops is not None, CHUNK=CHUNK_SAMPLES, BLOCK_UNITS=block, num_warps=1, **ROUNDED,
        )  # fmt: skip
        _fold(partial, out)

    def product(self, left, right):
        (runs, steps, rows, inner), columns = left.shape, right.shape[2]
        out = right.new_empty((runs, steps, rows, columns))
        block = _power(columns, 16, 64)
        triton_sums.product[(triton.cdiv(steps * rows, 64), triton.cdiv(columns, block), runs)](
            left, right, out, right.stride(0), steps * rows, inner, columns,
            BLOCK_ROWS=64, BLOCK_COLUMNS=block, BLOCK_K=32, **FUSED,
        )  # fmt: skip
        return out

    def weight_gradient(self, spikes, drive_gradient, out):
        (runs, steps, batch, sources), units = spikes.shape, drive_gradient.shape[3]
        rows = steps * batch
        chunks = triton.cdiv(rows, CHUNK_ROWS)
        partial = out.new_empty((runs, chunks, sources, units))
        blocks = _power(sources, 16, 64), _power(units, 16, 64)
        grid = runs * chunks * triton.cdiv(sources, blocks[0]), triton.cdiv(units, blocks[1])
        triton_sums.weight_gradient[grid](
            spikes, drive_gradient, partial, rows, sources, units, chunks,
            CHUNK=CHUNK_ROWS, BLOCK_SOURCES=blocks[0], BLOCK_UNITS=blocks[1], BLOCK_K=32, **FUSED,
        )  # fmt: skip
        _fold(partial, out)

    def forward(self, knobs, drive, recurrent, decays):
        runs, steps, rows, units = drive.shape
        potential, spikes = torch.empty_like(drive), torch.empty_like(drive, dtype=torch.int8)
        counts = drive.new_empty((runs, rows, units))
        grid, shape = _scan_layout(runs, rows, units, recurrent)
        weights = drive if recurrent is None else recurrent
        own, single = knobs.table if decays is None else decays, decays is not None
        triton_scan.forward_scan[grid](
            drive, potential, spikes, counts, weights, weights.stride(0), knobs.table, own, units, steps,
            SINGLE=single, **shape,
        )  # fmt: skip
        return Scan(potential, spikes, counts)

    def backward(self, knobs, scan, spike_gradient, count_gradient, recurrent, decays, to_decays):
        runs, steps, rows, units = scan.potential.shape
        out = torch.empty_like(scan.potential)
        trained, partial = to_decays is not None, out
        grid, shape = _scan_layout(runs, rows, units, recurrent, trained)
        weights = out if recurrent is None else recurrent.transpose(1, 2).contiguous()
        formulas = knobs.formulas or (knobs.table, knobs.table, knobs.table)  # without formulas, nothing is read
        if trained:
            partial = out.new_empty((2 * runs, rows, 1, units))  # one for each sample, to be added in order
        triton_scan.backward_scan[grid](
            scan.potential, scan.spikes, spike_gradient, count_gradient, out, weights, weights.stride(0),
            knobs.table, *formulas, knobs.table if decays is None else decays, partial, units, steps,
            SINGLE=decays is not None, TRAINED=trained, FORMULAS=knobs.formulas is not None, **shape,
        )  # fmt: skip
        if trained:
            _fold(partial, to_decays.view(2 * runs, 1, units))
        return out

    def readout(self, knobs, drive, labels, train):
        runs, steps, rows, classes = drive.shape
        gradient = torch.empty_like(drive) if train else drive
        loss, ahead = drive.new_empty((runs, rows)), labels.new_empty((runs, rows), dtype=torch.int32)
        moved = labels.new_empty((runs, rows, classes), dtype=torch.int8)
        triton_readout.score[(triton.cdiv(rows, 16), runs)](
            drive, gradient, labels, loss, ahead, moved, knobs.table, steps, rows, classes,
            TRAIN=train, BLOCK_ROWS=16, BLOCK_CLASSES=_power(classes, 2, 2**20), **ROUNDED,
        )  # fmt: skip
        return Scores(loss, ahead, moved.bool(), gradient)

    def regularise(self, knobs, counts):
        runs, rows, units = counts.shape
        gradient, (penalty, spikes) = torch.empty_like(counts), counts.new_empty((2, runs, rows))
        triton_readout.regularise[(triton.cdiv(rows, 4), runs)](
            counts, gradient, penalty, spikes, knobs.table, rows, units,
            BLOCK_ROWS=4, BLOCK_UNITS=_power(units, 16, 2**20), **ROUNDED,
        )  # fmt: skip
        return penalty, spikes, gradient


def _scan_layout(
    runs: int, rows: int, units: int, recurrent: torch.Tensor | None, trained: bool = False
) -> tuple[tuple, dict]:
    if recurrent is None:
        # Neurons do not see each other: samples and units are one long row, and no lane idles.
        shape = {"rows": 1, "units": rows * units, "RECURRENT": False, "BLOCK_ROWS": 1, "BLOCK_K": 16}
        shape |= {"BLOCK_UNITS": _power(rows * units, 16, 256), "num_warps": 4, **ROUNDED}
    else:
        # Without prefetching: a tile is read back in the step that writes it. The widest layers take fewer samples,
        # so that their state still fits the registers; so do layers that sum gradients of decays.
        block = _power(units, 16, TritonKernels.most_recurrent_units)
        samples = (16 if block < 512 else 8) // (2 if trained else 1)
        shape = {"rows": rows, "units": units, "RECURRENT": True, "BLOCK_ROWS": samples, "BLOCK_K": 16}
        shape |= {"BLOCK_UNITS": block, "num_warps": 8 if block > 128 else 4, "num_stages": 1, **FUSED}
    blocks = triton.cdiv(shape["units"], shape["BLOCK_UNITS"]), triton.cdiv(shape["rows"], shape["BLOCK_ROWS"])
    return (*blocks, runs), shape


def _fold(partial: torch.Tensor, out: torch.Tensor) -> None:
    runs, chunks, sources, units = partial.shape
    size = sources * units
    triton_sums.fold[(triton.cdiv(size, 256), runs)](
        partial, out, out.stride(0), chunks, size, BLOCK=256, **ROUNDED
    )  # fmt: skip


def _power(n: int, least: int, most: int) -> int:
    return min(max(triton.next_power_of_2(n), least), most)
