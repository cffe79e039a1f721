"""Knobs of the spoken digits as spikes."""

from dataclasses import dataclass
from typing import ClassVar

from sgpipe.base.errors import SgpipeError
from sgpipe.spec.knob import MOST_SEED, knob
from sgpipe.spec.tasks.data_knobs import DataKnobs, bin_hold_knob, bin_knob, bins_knob, limit_knob


@dataclass(frozen=True)
class ShdData(DataKnobs):
    """Spiking Heidelberg Digits (Cramer et al. 2020): 20 classes, 700 channels of an inner ear.

    The defaults are those of zenke2021's scripts, 400 steps of 2 ms. Fig 8 of the paper needs 1,000 steps of 1 ms.
    herranz2022 uses bins of 4 ms over one second, each shown twice: `variant: herranz2022, dt: 2, hold: 2, steps: 500,
    binary: true, valid_share: 0.05`.
    """

    units: ClassVar[int] = 700
    classes: ClassVar[int] = 20

    task: str = knob("shd", "the data set", choices=("shd",))
    source: str = knob(
        "embedded",
        "where the spikes come from: the published files; the Heidelberg audio, or synthesised speech, through an "
        "inner ear of ours",
        choices=("original", "derived", "embedded"),
    )
    files: str | None = knob(None, "number and digest of the source files; the plan sets it")
    variant: str = knob(
        "zenke2021",
        "bins, channels and splits: [t, t + bin), all channels, validation drawn by the seed; or herranz2022's code: "
        "(t - bin, t], channel 700 - unit without unit 0, the end of the training file, at most 2,088 test samples",
        choices=("zenke2021", "herranz2022"),
    )
    seed: int | None = knob(0, "seed of the validation split and of `limit`", least=0, most=MOST_SEED)
    valid_share: float = knob(0.1, "share of the training file held out for validation", above=0, below=1)
    binary: bool = knob(False, "whether spikes of one channel in one bin count once; else they add up")
    dt: float = bin_knob()
    steps: int = bins_knob()
    hold: int = bin_hold_knob()
    limit: int = limit_knob()

    @property
    def train_samples(self) -> int:
        """The number of training samples, for the cost estimate."""
        whole = 8_156 if self.source == "original" else 1_150
        if self.source == "derived" and self.files:
            whole = int(0.8 * int(self.files.split("-")[0]))
        kept = int(whole * (1 - self.valid_share))
        return min(self.limit or kept, kept)

    @property
    def events(self) -> int:
        """Events of a typical sample, for the cost estimate."""
        return int(7_000 * min(1.0, self.dt * self.steps / 700) * self.hold)

    def idle(self) -> list[str]:
        """List the knobs that have no effect."""
        return ["seed"] if self.variant == "herranz2022" and not self.limit else []

    def check(self, where: str) -> None:
        """Raise SgpipeError if the combination makes no sense."""
        if self.steps % self.hold:
            raise SgpipeError(f"{where}: data.steps: {self.steps} is not a multiple of data.hold = {self.hold}")
