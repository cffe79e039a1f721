"""Knobs of the spoken commands as currents."""

from dataclasses import dataclass

from sgpipe.spec.knob import MOST_SEED, knob
from sgpipe.spec.tasks.data_knobs import SpectrogramKnobs, gain_knob, hold_knob, limit_knob


@dataclass(frozen=True)
class RawSCData(SpectrogramKnobs):
    """Speech Commands as mel spectrograms (Zenke & Vogels 2021, section 4.1.3).

    100 frames of 10 ms, each held for 5 steps and scaled by 100 / 500. The step is called 1 ms although it shows 2 ms
    of speech, for the reason given in RawHDData.
    """

    task: str = knob("rawsc", "the data set", choices=("rawsc",))
    source: str = knob("embedded", "where the data come from", choices=("embedded", "original"))
    files: str | None = knob(None, "number and digest of the source files; the plan sets it")
    version: str = knob(
        "v0.02", "release of Speech Commands: 35 words, or the first one's 30", choices=("v0.02", "v0.01")
    )
    variant: str = knob(
        "authors",
        "mel features: filters with floored edges, as the authors have them, or exact",
        choices=("authors", "corrected"),
    )
    seed: int = knob(0, "seed of what `limit` keeps; the splits are the data set's own", least=0, most=MOST_SEED)
    frames: int = knob(
        100, "frames of 10 ms; longer clips are cropped, shorter ones go on with the last", least=1, most=100_000
    )
    hold: int = hold_knob()
    gain: float = gain_knob()
    dt: float = knob(1.0, "time step", "ms", above=0, most=1e6)
    limit: int = limit_knob()

    @property
    def classes(self) -> int:
        """One class per word."""
        return 35 if self.version == "v0.02" else 30

    @property
    def train_samples(self) -> int:
        """The number of training samples, for the cost estimate."""
        whole = (84_843 if self.version == "v0.02" else 51_088) if self.source == "original" else 1_120
        return min(self.limit or whole, whole)
