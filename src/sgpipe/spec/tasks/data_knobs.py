"""What every task's knobs have in common."""

from typing import ClassVar


class DataKnobs:
    """Base of the tasks; a task overrides what is different about it."""

    words: ClassVar[bool] = False  # True: a stream of words in the place of labelled samples

    def idle(self) -> list[str]:
        """Return the knobs that cannot matter."""
        return []

    def check(self, where: str) -> None:
        """Raise SgpipeError, naming `where`, if the combination of knobs makes no sense."""


class SpectrogramKnobs(DataKnobs):
    """Base of the tasks whose input are `frames` of 40 mel channels, each held for `hold` steps."""

    units: ClassVar[int] = 40
    frames: int
    hold: int

    @property
    def steps(self) -> int:
        """Number of time steps."""
        return self.frames * self.hold

    @property
    def events(self) -> int:
        """Events of a typical sample, for the cost estimate: every frame drives every neuron from every channel."""
        return self.frames * self.units
