"""What every task's knobs have in common."""

from typing import Any, ClassVar

from sgpipe.spec.knob import knob


class DataKnobs:
    """Base class of the tasks; a task overrides what differs."""

    words: ClassVar[bool] = False  # True: a stream of words instead of labelled samples
    stand_in: ClassVar[bool] = True  # False: missing files are not replaced by a stand-in

    def idle(self) -> list[str]:
        """List the knobs that have no effect."""
        return []

    def check(self, where: str) -> None:
        """Check that the combination of knobs makes sense.

        Raises:
            SgpipeError: It does not make sense; the message names `where`.
        """


class SpectrogramKnobs(DataKnobs):
    """Base class of the tasks whose inputs are `frames` of 40 mel channels, each held for `hold` steps."""

    units: ClassVar[int] = 40
    frames: int
    hold: int

    @property
    def steps(self) -> int:
        """Number of time steps."""
        return self.frames * self.hold

    @property
    def events(self) -> int:
        """Events per typical sample, for the cost estimate: every frame drives every neuron from every channel."""
        return self.frames * self.units


# Knobs that several tasks share. They are functions, since each task's section has them at a different position.


def hold_knob() -> Any:
    """Declare the knob `hold`."""
    return knob(5, "time steps for which a frame is held", least=1, most=10_000)


def gain_knob() -> Any:
    """Declare the knob `gain`."""
    return knob(
        0.2, "factor on the features, which have mean 0 and sd 1; 1 / hold in the authors' code", above=0, most=1e9
    )


def limit_knob() -> Any:
    """Declare the knob `limit`."""
    return knob(
        0,
        "training samples to keep, drawn by the seed, and at most as many of the others; 0 for all",
        least=0,
        most=10**9,
    )


def bin_knob() -> Any:
    """Declare the knob `dt` for binned spikes."""
    return knob(2.0, "time step", "ms", above=0, most=1e6)


def bins_knob() -> Any:
    """Declare the knob `steps` for binned spikes."""
    return knob(400, "number of time steps, held ones included; later spikes are dropped", least=1, most=1_000_000)


def bin_hold_knob() -> Any:
    """Declare the knob `hold` for binned spikes."""
    return knob(1, "time steps for which a bin of hold x dt is shown", least=1, most=10_000)
