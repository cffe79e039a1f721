"""From spectra to spikes in numpy: bit-identical to the compiled kernel (compiled.py), at a tenth of its speed."""

from collections.abc import Mapping, Sequence

import numpy as np

from sgpipe.data.ear.basilar_membrane import Bank, movement
from sgpipe.data.ear.bushy_cells import BushyCell, BushyCells
from sgpipe.data.ear.hair_cells import HairCell, Pools, released

DRAWN_AT_ONCE = 64  # steps


def listen(
    bank: Bank,
    heard: Sequence[Mapping[int, np.ndarray]],
    steps: Sequence[int],
    draws: Sequence[np.random.Generator],
    hair: HairCell,
    bushy: BushyCell,
) -> list[np.ndarray]:
    """Compute the spikes of sounds of one duration.

    Args:
        bank: The filters for that duration.
        heard: The `spectra` of each sound.
        steps: How many time steps each sound lasts.
        draws: The random stream of each sound, at its start.
        hair: Parameters of the hair cells.
        bushy: Parameters of the bushy cells.

    Returns:
        For each sound, step x channels + channel of every spike, int64, ascending.
    """
    channels, dt = bank.channels, 1 / bank.step_rate
    share = np.zeros((max(steps), len(heard), channels), np.float32)
    for place, (spectra, last) in enumerate(zip(heard, steps, strict=True)):
        for chosen, velocity in movement(bank, spectra):
            share[:last, place, chosen] = released(hair, velocity, dt)[:, :last].T
    step, place = _fire(share, draws, hair, bushy, dt)
    sound, channel = np.divmod(place, channels)
    return [(step * channels + channel)[(sound == number) & (step < last)] for number, last in enumerate(steps)]


def _fire(
    share: np.ndarray, draws: Sequence[np.random.Generator], hair: HairCell, bushy: BushyCell, dt: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the step and the flat index (sound, channel) of every spike; `share` is (steps, sounds, channels)."""
    steps, sounds, channels = share.shape
    places = sounds * channels
    pools, cells = Pools(hair, places, dt), BushyCells(bushy, places, dt)
    rate, spikes = np.empty(places, np.float32), []
    for step, released_now in enumerate(share.reshape(steps, places)):
        if step % DRAWN_AT_ONCE == 0:
            drawn = [generator.random((DRAWN_AT_ONCE, channels), dtype=np.float32) for generator in draws]
            random = np.concatenate(drawn, axis=1)
        pools.step(released_now, rate)
        spikes.append(cells.step(rate, random[step % DRAWN_AT_ONCE]))
    return np.repeat(np.arange(steps), [len(part) for part in spikes]), np.concatenate(spikes)
