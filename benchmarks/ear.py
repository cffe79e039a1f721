"""Core-seconds that the inner ear needs for a spoken word, stage by stage, compiled and in numpy.

    python benchmarks/ear.py [DATA/hd_audio] [--words 12]

Of recordings of the Heidelberg Digits, or without a folder of synthesised words, spread over all lengths. Everything on
one thread, processor time, the least of some repeats with the two taking turns; checks that both hear the same spikes.
"""

import argparse
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from sgpipe.base.rng import stream
from sgpipe.data import rawhd
from sgpipe.data.audio import read_audio
from sgpipe.data.ear import compiled, plain
from sgpipe.data.ear.basilar_membrane import Bank, bank, padded, spectra
from sgpipe.data.ear.cochlea import HUMAN, STEP_RATE, conditioned
from sgpipe.data.standins.recordings import write_digits

REPEATS = 3


class Stages:
    """The least time of each stage, in core-seconds."""

    def __init__(self):
        self.seconds: dict[str, float] = {}

    def time(self, name: str, work: Callable, *arguments: Any) -> Any:
        """Return what the work returns."""
        start = time.process_time()
        result = work(*arguments)
        self.seconds[name] = min(self.seconds.get(name, np.inf), time.process_time() - start)
        return result


def recordings(folder: Path, words: int) -> list[str]:
    """Return the names of some recordings; those of synthesised words are spoken first."""
    if not (folder / "audio").is_dir():
        write_digits(folder, only=())
    names = [name for name, _ in rawhd.listed(folder)["train"]]
    chosen = names[:: max(1, len(names) // words)][:words]
    if not (folder / "audio" / chosen[0]).is_file():
        write_digits(folder, only=set(chosen))
    return chosen


def listen(how: Callable, banks: list[Bank], heard: list, steps: list[int]) -> list[np.ndarray]:
    """Return the spikes of each sound, listened to one by one."""
    sounds, cells = enumerate(zip(banks, heard, steps, strict=True)), (HUMAN.hair, HUMAN.bushy)
    return [how(one, [sound], [last], [stream(n, "ear")], *cells)[0] for n, (one, sound, last) in sounds]


def race(folder: Path, names: list[str]) -> Stages:
    """Return the time of each stage for all words together."""
    stages, filters = Stages(), cache(lambda duration: bank.__wrapped__(HUMAN.membrane, duration, STEP_RATE))
    for _ in range(REPEATS):
        read = stages.time("reading", lambda: [read_audio(folder / "audio" / name) for name in names])
        banks = [filters(padded(len(wave), rate)) for wave, rate in read]
        steps = [int(np.ceil(len(wave) / rate * STEP_RATE)) for wave, rate in read]
        waves = stages.time("loudness and fading", list, map(conditioned, (wave for wave, _ in read)))
        heard = stages.time("spectrum", list, map(spectra, waves, (rate for _, rate in read), banks))
        expected = stages.time("numpy", listen, plain.listen, banks, heard, steps)
        if compiled.built():
            # Of one step only the scan is short: all else is there.
            stages.time("compiled, membrane", listen, compiled.listen, banks, heard, [1] * len(steps))
            found = stages.time("compiled, whole", listen, compiled.listen, banks, heard, steps)
            if not all(map(np.array_equal, found, expected)):
                raise SystemExit("the kernel hears other spikes than numpy")
    return stages


def main() -> None:
    """Print a row per stage."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--words", type=int, default=12)
    options = parser.parse_args()
    with TemporaryDirectory(prefix="sgpipe-ear-") as temporary:
        folder = options.folder or Path(temporary)
        names = recordings(folder, options.words)
        stages = race(folder, names)
        fresh = Stages()
        fresh.time("filters", bank.__wrapped__, HUMAN.membrane, 0.75, STEP_RATE)
    for name, seconds in stages.seconds.items():
        print(f"{name:<22}{1000 * seconds / len(names):>8.1f} ms a word")
    print(f"{'filters':<22}{1000 * fresh.seconds['filters']:>8.1f} ms a duration (of 0.75 s), once")


if __name__ == "__main__":
    main()
