"""Knobs of the spoken digits as currents."""

from dataclasses import dataclass

from sgpipe.spec.knob import MOST_SEED, knob
from sgpipe.spec.tasks.data_knobs import SpectrogramKnobs, gain_knob, hold_knob, limit_knob


@dataclass(frozen=True)
class RawHDData(SpectrogramKnobs):
    """Heidelberg Digits as mel spectrograms (Zenke & Vogels 2021, section 4.1.3).

    The defaults are the authors' recipe: 80 frames of 10 ms, each held for 5 steps and scaled by 80 / 400. Their
    scripts call the step 2 ms and double the time constants to match. Here the step is called 1 ms, so that the usual
    time constants of 10, 5 and 20 ms decay per step as in the paper. Either way, a step shows 2 ms of speech.
    """

    task: str = knob("rawhd", "the data set", choices=("rawhd",))
    source: str = knob("embedded", "where the data come from", choices=("embedded", "original"))
    files: str | None = knob(None, "number and digest of the source files; the plan sets it")
    variant: str = knob(
        "authors",
        "mel features: the authors' (48 kHz frames cut to 512 samples, floored filters), or whole frames at 16 kHz",
        choices=("authors", "corrected"),
    )
    seed: int = knob(0, "seed of the validation split and of what `limit` keeps", least=0, most=MOST_SEED)
    frames: int = knob(
        80, "frames of 10 ms; longer words are cropped, shorter ones go on with the last", least=1, most=100_000
    )
    hold: int = hold_knob()
    gain: float = gain_knob()
    dt: float = knob(1.0, "time step", "ms", above=0, most=1e6)
    limit: int = limit_knob()

    @property
    def classes(self) -> int:
        """Ten digits in two languages."""
        return 20

    @property
    def train_samples(self) -> int:
        """The number of training samples, for the cost estimate."""
        whole = 7_499 if self.source == "original" else 1_038
        return min(self.limit or whole, whole)
