"""Sound to spikes: an inner ear with 700 channels, after Cramer et al. (2020, "The Heidelberg spiking data sets").

    sound --- basilar_membrane.py ---> movement --- hair_cells.py ---> nerve activity --- bushy_cells.py ---> spikes

A sound is scaled to a root mean square of 0.3 and faded in and out over its whole length (Hann), as theirs were.
Channel 0 hears the highest frequencies. The code is written anew from the equations. Theirs steps at 24 kHz; here, hair
cells and neurons advance in steps of 1/8 ms, with integrators that are exact for constant input. The release of a fast
channel's hair cells is averaged over such a step.

The spikes of a recording depend only on its samples, its name (which names the random stream), and the model.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

import numpy as np

from sgpipe.base.rng import stream
from sgpipe.data.audio import audio_seconds, read_audio
from sgpipe.data.ear import compiled, plain
from sgpipe.data.ear.basilar_membrane import Membrane, bank, padded, spectra
from sgpipe.data.ear.bushy_cells import BushyCell
from sgpipe.data.ear.hair_cells import HairCell

VERSION = 2  # raised whenever the spikes change: kept spikes of another version are then made anew
STEP_RATE = 8000  # steps per second, of hair cells and neurons
LOUDNESS = 0.3  # root mean square
SIDE_BY_SIDE = 12  # sounds processed together: enough to be fast, few enough for memory


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
    """Scale a sound to a root mean square, then fade it in and out; silence stays silence.

    Args:
        samples: The sound, (samples,).
        loudness: The root mean square.
    """
    power = np.mean(np.square(samples, dtype=float))
    half = len(samples) // 2
    window = np.ones(len(samples))
    window[:half] = np.hanning(2 * half)[:half]
    window[len(samples) - half :] = window[:half][::-1]
    return samples * window * (loudness / np.sqrt(power) if power > 0 else 0.0)


def encode_files(
    folder: Path, names: Sequence[str], workers: int = 1, ear: Ear = HUMAN
) -> Iterator[tuple[int, Spikes]]:
    """Turn audio files into spikes, shortest first, and yield each file's spikes once they are ready; see `encode`.

    A caller that saves them at once needs memory for a few sounds only.

    Args:
        folder: The folder with the files.
        names: Their paths below it.
        workers: Parallel workers; the result does not depend on their number.
        ear: The parameters.

    Yields:
        The index into `names`, and the spikes of that file.

    Raises:
        SgpipeError: A file cannot be read; the message names it.
    """
    # Sounds of similar length go together: filters are made for one duration at a time, and no sound waits for another.
    seconds = [audio_seconds(folder / name) for name in names]
    order = sorted(range(len(names)), key=lambda row: (seconds[row], names[row]))
    batches = [order[start : start + SIDE_BY_SIDE] for start in range(0, len(order), SIDE_BY_SIDE)]
    making = Lock()

    def heard(rows: Sequence[int]) -> list[Spikes]:
        sounds = [Sound(names[row], *read_audio(folder / names[row])) for row in rows]
        with making:  # or two threads would make the same filters
            for duration in {padded(len(sound.samples), sound.rate) for sound in sounds}:
                bank(ear.membrane, duration, STEP_RATE)
        return encode(sounds, ear)

    # Threads, since kernel and numpy release the interpreter while they compute, and no array has to change process.
    with ThreadPoolExecutor(max(workers, 1)) as pool:
        for rows, found in zip(batches, pool.map(heard, batches), strict=True):
            yield from zip(rows, found, strict=True)


def encode(sounds: Sequence[Sound], ear: Ear = HUMAN, loudness: float = LOUDNESS) -> list[Spikes]:
    """Turn sounds into spikes. They are processed side by side, which saves time and does not change the result.

    Args:
        sounds: The sounds.
        ear: The parameters.
        loudness: The root mean square to which each sound is scaled.

    Returns:
        For each sound, the times in s (float64) and channels (uint16) of its spikes, in order of time.
    """
    listen = compiled.listen if compiled.built() else plain.listen
    found: list[Spikes | None] = [None] * len(sounds)
    durations = [padded(len(sound.samples), sound.rate) for sound in sounds]
    for duration in sorted(set(durations)):
        filters = bank(ear.membrane, duration, STEP_RATE)
        rows = [row for row, mine in enumerate(durations) if mine == duration]
        alike = [sounds[row] for row in rows]
        heard = [spectra(conditioned(sound.samples, loudness), sound.rate, filters) for sound in alike]
        steps = [max(1, int(np.ceil(len(sound.samples) / sound.rate * STEP_RATE))) for sound in alike]
        draws = [stream(0, f"data/shd/ear/{sound.name}") for sound in alike]
        for row, place in zip(rows, listen(filters, heard, steps, draws, ear.hair, ear.bushy), strict=True):
            step, channel = np.divmod(place, ear.membrane.channels)
            found[row] = (step / STEP_RATE, channel.astype(np.uint16))
    return found
