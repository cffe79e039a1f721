"""Knobs of spikes from the user's own files."""

import re
from dataclasses import dataclass
from typing import ClassVar

from sgpipe.base.errors import SgpipeError
from sgpipe.spec.knob import MOST_SEED, knob
from sgpipe.spec.tasks.data_knobs import DataKnobs, bin_hold_knob, bin_knob, bins_knob, limit_knob

SET_NAME = re.compile(r"(?!\.)[A-Za-z0-9._-]{1,100}(/(?!\.)[A-Za-z0-9._-]{1,100}){0,5}")
MANY_FILES = 100  # with more files than this, each file is taken to be one sample


def _set_name(text: str) -> str:
    if not SET_NAME.fullmatch(text):
        raise SgpipeError(
            "is not the name of a folder in data_dir, such as mine or lab/monday; files elsewhere take a link there"
        )
    return text


@dataclass(frozen=True)
class SpikesData(DataKnobs):
    """Spikes of any number of units and classes, from the files of a folder in data_dir (docs/data.md).

    The defaults are those of the Spiking Speech Commands (Cramer et al. 2020): 35 classes, 700 channels of an inner
    ear, a separate validation file. A run's id depends on the folder's name and the contents of its files.
    """

    stand_in: ClassVar[bool] = False

    task: str = knob("spikes", "the data set", choices=("spikes",))
    source: str = knob("original", "where the spikes come from; there is no stand-in for them", choices=("original",))
    files: str | None = knob(None, "number and digest of the source files; the plan sets it")
    set: str = knob("ssc", "the folder in data_dir with train, test and perhaps valid", spelling=_set_name)
    units: int = knob(700, "input units", least=1, most=100_000)
    classes: int = knob(35, "classes", least=1, most=100_000)
    times: str = knob(
        "s", "unit of the times in the files: seconds, milliseconds, microseconds", choices=("s", "ms", "us")
    )
    seed: int | None = knob(0, "seed of the validation split and of `limit`", least=0, most=MOST_SEED)
    valid_share: float = knob(
        0.0, "share of the training samples held out for validation; 0: the set has a file for it", least=0, below=1
    )
    binary: bool = knob(False, "whether spikes of one unit in one bin count once; else they add up")
    dt: float = bin_knob()
    steps: int = bins_knob()
    hold: int = bin_hold_knob()
    limit: int = limit_knob()

    @property
    def train_samples(self) -> int:
        """The number of training samples, for the cost estimate: a guess, unless each sample has its own file."""
        count = int(self.files.split("-")[0]) if self.files else 0
        whole = 75_466 if self.set == "ssc" else count if count > MANY_FILES else 10_000
        kept = max(int(whole * (1 - self.valid_share)), 1)
        return min(self.limit or kept, kept)

    @property
    def events(self) -> int:
        """Events per typical sample, for the cost estimate: ten spikes per unit."""
        return 10 * self.units * self.hold

    def idle(self) -> list[str]:
        """List the knobs that have no effect."""
        return ["seed"] if not self.valid_share and not self.limit else []

    def check(self, where: str) -> None:
        """Raise SgpipeError if the combination makes no sense."""
        if self.steps % self.hold:
            raise SgpipeError(f"{where}: data.steps: {self.steps} is not a multiple of data.hold = {self.hold}")
