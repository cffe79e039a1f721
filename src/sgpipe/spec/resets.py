"""How a spike acts on the voltage of herranz2022's neurons: eq. 1, or a form of appendix B.7 (docs/errata.md)."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Reset:
    """How a spike x of the last step acts on y_t = keep y_{t-1} + pass i_t - thr x [subtracts].

    `keep` is alpha (1 - x) if the reset gates the voltage, and alpha otherwise. `pass` is 1, times (1 - x) if the reset
    gates the drive i_t = W_rec x_{t-1} + W_in z_t, and times alpha if the drive decays with the voltage.
    """

    equation: str
    subtracts: bool = False
    gates_voltage: bool = True
    gates_drive: bool = False
    drive_decays: bool = False

    @property
    def open(self) -> float:
        """Mean of the voltage's gate 1 - x, and of its square, when half of the neurons fire; 1 without a gate."""
        return 0.5 if self.gates_voltage else 1.0

    @property
    def drive_open(self) -> float:
        """Mean of the drive's gate, and of its square, when half of the neurons fire; 1 without a gate."""
        return 0.5 if self.gates_drive else 1.0


RESETS: dict[str, Reset] = {
    # Eq. 1.
    "subtractive": Reset("a y' + i - thr x'", subtracts=True, gates_voltage=False),
    # The result of B.7's substitution alpha -> alpha (1 - x); Wozniak et al.'s SNU; the authors' `multreset2`.
    "multiplicative": Reset("a y' (1 - x') + i"),
    # Eq. 80 with x_t taken from the voltage before its reset (y below), so that y_t = 0 where x_t = 1, as B.7 asks.
    "multiplicative_scaled": Reset("a (y' (1 - x') + i)", drive_decays=True),
    # One silent step after each spike; the authors' `multreset1`.
    "refractory": Reset("(a y' + i) (1 - x')", gates_drive=True),
    # Eq. 80 with x_t read as x_{t-1}.
    "refractory_scaled": Reset("a (y' + i) (1 - x')", gates_drive=True, drive_decays=True),
}
