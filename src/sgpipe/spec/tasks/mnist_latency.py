"""Knobs of the spike-latency MNIST."""

from dataclasses import dataclass
from typing import ClassVar

from sgpipe.base.errors import SgpipeError
from sgpipe.spec.knob import MOST_SEED, knob
from sgpipe.spec.tasks.data_knobs import DataKnobs


@dataclass(frozen=True)
class MnistLatencyData(DataKnobs):
    """Handwritten digits, at most one spike per pixel, earlier for brighter pixels (zenke2021 section 4.1.2).

    `variant: pixels` has the same images without spikes: what a conventional network sees in a single step.
    """

    units: ClassVar[int] = 784
    classes: ClassVar[int] = 10

    task: str = knob("mnist_latency", "the data set", choices=("mnist_latency",))
    source: str = knob(
        "embedded",
        "where the data come from: the published files, or digits bundled with scikit-learn",
        choices=("original", "embedded"),
    )
    files: str | None = knob(None, "number and digest of the source files; the plan sets it")
    variant: str = knob(
        "coded",
        "pixel scaling and raster: x in [0, 1] as in zenke2021's code; x in [0, tau) as it is printed; herranz2022's "
        "raster, scrambled by a reshape; the same in the right order; or no spikes: intensities in [0, 1] as currents "
        "throughout",
        choices=("coded", "printed", "authors", "authors_corrected", "pixels"),
    )
    split: str = knob(
        "tail",
        "validation samples: the end of the training set, or random by seed; or 8,000 training, 2,000 validation and "
        "2,000 test samples drawn by seed, as herranz2022 prints (bundled digits: four to one, and all test samples)",
        choices=("tail", "random", "printed"),
    )
    valid_share: float | None = knob(0.1, "share of the training set held out for validation", above=0, below=1)
    seed: int | None = knob(
        0, "seed of a drawn split, and of every split of the bundled digits", least=0, most=MOST_SEED
    )
    tau: float | None = knob(50.0, "time constant tau_eff of the encoding", "ms", above=0, most=1e6)
    theta: float | None = knob(0.2, "threshold of the encoding, in units of x", above=0, most=1e6)
    dt: float = knob(
        1.0,
        "time step; herranz2022's rasters have 10 steps a ms of the encoding, whatever it is",
        "ms",
        above=0,
        most=1e6,
    )
    steps: int = knob(100, "number of time steps, held ones included", least=1, most=1_000_000)
    hold: int | None = knob(
        1, "time steps that each step of the encoding lasts: its spikes come again in each", least=1, most=10_000
    )
    limit: int = knob(0, "training samples to keep, and at most as many of the others; 0 for all", least=0, most=10**9)

    @property
    def window(self) -> int:
        """The number of steps of the encoding; later spikes are dropped."""
        return self.steps // self.hold

    @property
    def train_samples(self) -> int:
        """The number of training samples, for the cost estimate."""
        whole = 60_000 if self.source == "original" else 1_437
        kept = min(int(whole * 0.8), 8_000) if self.split == "printed" else int(whole * (1 - self.valid_share))
        return min(self.limit or kept, kept)

    @property
    def events(self) -> int:
        """Events of a typical sample, for the cost estimate."""
        return 140 * self.hold if self.hold else self.units

    def idle(self) -> list[str]:
        """List the knobs that have no effect."""
        encoding = ["tau", "theta", "hold"] if self.variant == "pixels" else []
        share = ["valid_share"] if self.split == "printed" else []
        return encoding + share + (["seed"] if self.source == "original" and self.split == "tail" else [])

    def check(self, where: str) -> None:
        """Raise SgpipeError if the combination makes no sense."""
        if self.hold and self.steps % self.hold:
            raise SgpipeError(f"{where}: data.steps: {self.steps} is not a multiple of data.hold = {self.hold}")
