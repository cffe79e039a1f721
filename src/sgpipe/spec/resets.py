"""How a spike acts on the voltage of herranz2022's neurons: eq. 1, or a form of appendix B.7 (docs/errata.md)."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Reset:
    """How a spike of the last step, x, acts on y_t = keep y_{t-1} + pass i_t - thr x [subtracts].

    `keep` is alpha (1 - x) where the reset gates the voltage, alpha otherwise; `pass` is 1, times (1 - x) where it
    gates the drive i_t = W_rec x_{t-1} + W_in z_t, times alpha where the drive decays with the voltage.
    """

    equation: str
    subtracts: bool = False
    gates_voltage: bool = True
    gates_drive: bool = False
    drive_decays: bool = False

    @property
    def open(self) -> float:
        """Mean of the gate 1 - x, and of its square, on the voltage when half of the neurons fire; 1 without."""
        return 0.5 if self.gates_voltage else 1.0

    @property
    def drive_open(self) -> float:
        """Mean of the gate, and of its square, on the drive when half of the neurons fire; 1 without."""
        return 0.5 if self.gates_drive else 1.0


RESETS: dict[str, Reset] = {
    # Eq. 1.
    "subtractive": Reset("a y' + i - thr x'", subtracts=True, gates_voltage=False),
    # What B.7 gets by its substitution alpha -> alpha (1 - x); Wozniak et al.'s SNU; the authors' `multreset2`.
    "multiplicative": Reset("a y' (1 - x') + i"),
    # Eq. 80 with x_t taken from the voltage before its reset (y below), so that y_t is 0 where x_t is 1, as B.7 asks.
    "multiplicative_scaled": Reset("a (y' (1 - x') + i)", drive_decays=True),
    # A step of silence after each spike; the authors' `multreset1`.
    "refractory": Reset("(a y' + i) (1 - x')", gates_drive=True),
    # Eq. 80 with x_t read as x_{t-1}.
    "refractory_scaled": Reset("a (y' + i) (1 - x')", gates_drive=True, drive_decays=True),
}
