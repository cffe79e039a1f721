"""From spectra to spikes in the compiled kernel (`src/`): bit-identical to plain.py, on any instruction set.

The bits are the same because both do the same additions, multiplications and divisions in the same order, without fused
multiply-adds or library functions: exp is a polynomial (hair_cells.py), and the transforms are those of fourier.py. The
kernel draws the same numbers as `Generator.random`, from the key of the stream's Philox generator.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from sgpipe.data.ear.basilar_membrane import Bank
from sgpipe.data.ear.bushy_cells import BushyCell, BushyCells
from sgpipe.data.ear.hair_cells import SERIES, HairCell, Pools, scale

try:
    from sgpipe.data.ear import _ear
except ImportError:  # no compiler at installation
    _ear = None


def built() -> bool:
    """Tell whether the kernel was built when the package was installed."""
    return _ear is not None


def listen(
    bank: Bank,
    heard: Sequence[Mapping[int, np.ndarray]],
    steps: Sequence[int],
    draws: Sequence[np.random.Generator],
    hair: HairCell,
    bushy: BushyCell,
    isa: str = "auto",
) -> list[np.ndarray]:
    """Compute the spikes of sounds of one duration, bit-identical to `plain.listen`, which describes the arguments.

    `isa` is an instruction set of the kernel; `auto` is the best one that the machine has. Python's global interpreter
    lock is released. The random streams are not advanced.
    """
    dt = 1 / bank.step_rate
    cells = BushyCells(bushy, 1, dt)
    stacked = {samples: np.stack([spectra[samples] for spectra in heard]) for samples in bank.shifts}
    keys = np.array([_key(generator) for generator in draws], np.uint64)
    found = [
        _ear.listen(
            plan=bank.plan,
            hair=_hair(hair, dt, band.per_step),
            bushy=np.array([bushy.fibres, cells.keep_current, cells.keep_voltage, cells.weight], np.float32),
            rest=len(cells.recent),
            series=SERIES,
            filters=band.filters,
            per_step=band.per_step,
            first=band.channels.start,
            count=band.channels.stop - band.channels.start,
            channels=bank.channels,
            spectra=stacked[band.per_step],
            steps=np.array(steps, np.int64),
            keys=keys,
            isa=isa,
        )
        for band in bank.bands
    ]
    return [np.sort(np.concatenate(parts)) for parts in zip(*found, strict=True)]


def _hair(hair: HairCell, dt: float, samples: int) -> np.ndarray:
    """Return the fields of HairCells in src/ear.hpp, in their order there."""
    pools = Pools(hair, 1, dt)
    push = [hair.offset, hair.half, scale(hair, dt, samples)]
    state = [pools.ready[0], pools.cleft[0], pools.returning[0]]
    moves = [pools.of_old, pools.of_new, pools.keep, pools.full, pools.recovery, pools.reprocess, pools.firing]
    return np.array(push + state + moves, np.float32)


def _key(generator: np.random.Generator) -> np.ndarray:
    """Return the key of a Philox generator from which nothing has been drawn; raises ValueError for any other."""
    state = generator.bit_generator.state
    if state["bit_generator"] != "Philox" or np.any(state["state"]["counter"]) or state["buffer_pos"] != 4:
        raise ValueError("a stream of the ear must be a Philox generator at its start")
    return state["state"]["key"]
