"""Knobs of the random manifolds."""

from dataclasses import dataclass

from sgpipe.base.errors import SgpipeError
from sgpipe.spec.knob import MOST_SEED, knob
from sgpipe.spec.tasks.data_knobs import DataKnobs


@dataclass(frozen=True)
class RandmanData(DataKnobs):
    """Smooth random manifolds (Zenke & Vogels 2021, section 4.1.1)."""

    task: str = knob("randman", "the data set", choices=("randman",))
    source: str = knob("synthetic", "where the data come from", choices=("synthetic",))
    variant: str = knob(
        "printed",
        "spectrum and split: the paper's formula, or one of the two generators in the authors' code",
        choices=("printed", "authors_torch", "authors_numpy"),
    )
    seed: int = knob(0, "seed of the manifolds and of the points on them", least=0, most=MOST_SEED)
    classes: int = knob(10, "number of manifolds, one a class", least=2, most=10_000)
    units: int = knob(20, "input units M, the embedding dimension", least=1, most=100_000)
    dim: int = knob(1, "intrinsic manifold dimension D", least=1, most=100)
    alpha: float = knob(1.0, "smoothness: the spectrum falls as frequency^-alpha", above=0, most=1e6)
    samples_per_class: int = knob(
        1000, "points on each manifold: 80 % train, 10 % valid, 10 % test", least=10, most=1_000_000
    )
    tau: float = knob(50.0, "spike times lie in [0, tau)", "ms", above=0, most=1e6)
    dt: float = knob(1.0, "time step", "ms", above=0, most=1e6)
    steps: int = knob(100, "number of time steps", least=1, most=1_000_000)

    @property
    def train_samples(self) -> int:
        """The number of training samples, for the cost estimate."""
        return int(0.8 * self.samples_per_class * self.classes)

    @property
    def events(self) -> int:
        """Events per sample: one per unit."""
        return self.units

    def check(self, where: str) -> None:
        """Raise SgpipeError if the combination makes no sense."""
        if self.tau > self.dt * self.steps * (1 + 1e-9):  # 0.03 * 81 falls short of 2.43
            raise SgpipeError(
                f"{where}: data.tau: {self.tau} ms is longer than data.steps x data.dt = "
                f"{self.dt * self.steps} ms; raise data.steps or lower data.tau"
            )
