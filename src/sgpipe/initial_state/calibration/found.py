"""The values found while a layer is calibrated, and the treatment of a condition that cannot be met."""

from dataclasses import dataclass, field

from sgpipe.base.errors import SgpipeError
from sgpipe.spec.condition_choices import HALF

TOLERANCES = {"I": 0.04, "II": 0.05, "III": 2e-3, "IV": 1e-2}
CLOSE = 5.0  # tolerances within which a condition still counts as nearly met
GAINS = tuple(2.0**k for k in range(0, 13, 2))  # factors on Var[W]


@dataclass
class Found:
    """A layer during calibration: what has been set, and what cannot be.

    `infeasible`: error, clip or skip. `rate`: the share of neurons that I asks to fire. `mean`, `deviation`: of V, None
    where the scheme's are kept. `gain`: a factor on Var[W]. `dampening`, and `free` (the sharpness or the tail, by
    name): of the surrogate derivative. `passes`: how many times the layer was run. `messages`: a line for each
    condition that is not met.
    """

    infeasible: str
    rate: float = HALF
    mean: float | None = None
    deviation: float | None = None
    gain: float = 1.0
    dampening: float | None = None
    free: dict[str, float] = field(default_factory=dict)
    passes: int = 0
    messages: list[str] = field(default_factory=list)

    def settle(self, name: str, miss: float, why: str) -> bool:
        """Note a condition that is missed by more than its tolerance, and say whether to keep what was found for it.

        With `skip` it is kept if the miss is within CLOSE tolerances.

        Args:
            name: The condition, a key of TOLERANCES.
            miss: The size of its residual.
            why: The reason, for the message.

        Returns:
            True if it is met, or nearly enough.

        Raises:
            SgpipeError: It is not met, and `infeasible` is `error`.
        """
        if not miss > TOLERANCES[name]:
            return True
        line = f"condition {name}: {why}"
        if self.infeasible == "error":
            raise SgpipeError(f"{line}; choose infeasible: clip or skip, or other conditions")
        keeps = self.infeasible == "clip" or miss <= CLOSE * TOLERANCES[name]
        self.messages.append(f"{line}; {'left as near as it comes' if keeps else 'left as without it'}")
        return keeps
