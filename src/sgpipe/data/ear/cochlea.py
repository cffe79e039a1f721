"""Sound to spikes: an inner ear with 700 channels, in the way of Cramer et al. (2020, "The Heidelberg spiking data
sets"), who made SHD so.

    sound --- basilar_membrane.py ---> movement --- hair_cells.py ---> nerve activity --- bushy_cells.py ---> spikes

A sound is brought to a root mean square of 0.3 and faded in and out over its whole length (Hann), as theirs were.
Channel 0 hears the highest frequencies. Written anew from the equations; where theirs steps at 24 kHz, hair cells and
neurons here advance in steps of 1/8 ms with integrators that are exact for constant input, and what a fast channel's
hair cells release is the mean over such a step.

The spikes of a recording depend on nothing but its samples, its name (which names the random stream), and the model.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from sgpipe.base.rng import stream
from sgpipe.data.audio import audio_seconds, read_audio
from sgpipe.data.ear.basilar_membrane import Membrane, movement, padded
from sgpipe.data.ear.bushy_cells import BushyCell, BushyCells
from sgpipe.data.ear.hair_cells import HairCell, Pools, released

VERSION = 1  # raised whenever spikes change: kept spikes of another version are made anew
STEP_RATE = 8000  # steps per second, of hair cells and neurons
LOUDNESS = 0.3  # root mean square
DRAWN_AT_ONCE = 64  # steps
SIDE_BY_SIDE = 12  # sounds: enough to be fast, few enough for memory (300 MB a worker)


Spikes = tuple[np.ndarray, np.ndarray]  # times and channels


@dataclass(frozen=True)
class Sound:
    """A recording: its name and samples, float (samples,), at `rate` Hz."""

    name: str
    samples: np.ndarray
    rate: int


@dataclass(frozen=True)
class Ear:
    """The three parts of the model."""

    membrane: Membrane = field(default_factory=Membrane)
    hair: HairCell = field(default_factory=HairCell)
    bushy: BushyCell = field(default_factory=BushyCell)


HUMAN = Ear()


def conditioned(samples: np.ndarray, loudness: float = LOUDNESS) -> np.ndarray:
    """Return a sound at the given root mean square and then faded in and out; silence stays silence."""
    power = np.mean(np.square(samples, dtype=float))
    half = len(samples) // 2
    window = np.ones(len(samples))
    window[:half] = np.hanning(2 * half)[:half]
    window[len(samples) - half :] = window[:half][::-1]
    return samples * window * (loudness / np.sqrt(power) if power > 0 else 0.0)


def encode_files(folder: Path, names: Sequence[str], workers: int = 1, ear: Ear = HUMAN) -> list[Spikes]:
    """Return the spikes of the audio files `names` below `folder`, in their order; see `encode`.

    Raises SgpipeError, naming the file, if one cannot be read. The result does not depend on `workers`.
    """
    spikes: list[Spikes | None] = [None] * len(names)
    # Sounds of like lengths together: filters are made for one duration at a time, and no sound waits for another.
    seconds = [audio_seconds(folder / name) for name in names]
    order = sorted(range(len(names)), key=lambda row: (seconds[row], names[row]))
    batches = [order[start : start + SIDE_BY_SIDE] for start in range(0, len(order), SIDE_BY_SIDE)]

    def fill(rows: Sequence[int]) -> None:
        sounds = [Sound(names[row], *read_audio(folder / names[row])) for row in rows]
        for row, found in zip(rows, encode(sounds, ear), strict=True):
            spikes[row] = found

    # Threads, since numpy leaves the interpreter free while it computes, and no array has to change process.
    with ThreadPoolExecutor(max(workers, 1)) as pool:
        for _ in pool.map(fill, batches):
            pass
    return spikes


def encode(sounds: Sequence[Sound], ear: Ear = HUMAN, loudness: float = LOUDNESS) -> list[Spikes]:
    """Return the times (float64, in s) and channels (uint16) of the spikes of each sound, in order of time.

    The sounds advance side by side, which saves time and changes nothing else. `loudness` is the root mean square
    that they are brought to.
    """
    steps = [max(1, int(np.ceil(len(sound.samples) / sound.rate * STEP_RATE))) for sound in sounds]
    channels = ear.membrane.channels
    share = np.zeros((max(steps), len(sounds), channels), np.float32)
    for place, sound in enumerate(sounds):
        wave, last = conditioned(sound.samples, loudness), steps[place]
        duration = padded(len(wave), sound.rate)
        for chosen, velocity in movement(wave, sound.rate, duration, ear.membrane, STEP_RATE):
            share[:last, place, chosen] = released(ear.hair, velocity, 1 / STEP_RATE)[:, :last].T
    step, place = _fire(share, [stream(0, f"data/shd/ear/{sound.name}") for sound in sounds], ear)
    sound, channel = np.divmod(place, channels)
    found = []
    for number, last in enumerate(steps):
        mine = (sound == number) & (step < last)
        found.append((step[mine] / STEP_RATE, channel[mine].astype(np.uint16)))
    return found


def _fire(share: np.ndarray, draws: Sequence[np.random.Generator], ear: Ear) -> tuple[np.ndarray, np.ndarray]:
    """Return the step and the flat place (sound, channel) of every spike; `share` is (steps, sounds, channels)."""
    steps, sounds, channels = share.shape
    places, dt = sounds * channels, 1 / STEP_RATE
    pools, cells = Pools(ear.hair, places, dt), BushyCells(ear.bushy, places, dt)
    rate, spikes = np.empty(places, np.float32), []
    for step, released_now in enumerate(share.reshape(steps, places)):
        if step % DRAWN_AT_ONCE == 0:
            drawn = [generator.random((DRAWN_AT_ONCE, channels), dtype=np.float32) for generator in draws]
            random = np.concatenate(drawn, axis=1)
        pools.step(released_now, rate)
        spikes.append(cells.step(rate, random[step % DRAWN_AT_ONCE]))
    return np.repeat(np.arange(steps), [len(part) for part in spikes]), np.concatenate(spikes)
