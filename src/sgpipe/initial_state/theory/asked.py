"""The conditions that a run asks for in a layer, and the treatment of a condition without a solution."""

from dataclasses import dataclass, field

import numpy as np

from sgpipe.base.errors import SgpipeError, one_of
from sgpipe.initial_state.theory.conditions import Readings
from sgpipe.spec.condition_choices import CONDITIONS

EXTREMA = ("ensemble", "sample")
INFEASIBLE = ("error", "clip", "skip")
FREE = ("sharpness", "tail")


@dataclass(frozen=True)
class Asked:
    """Which conditions to solve, and how.

    Args:
        conditions: Those to solve; what no condition fixes keeps the layer's own value.
        readings: Which reading of each equation to take.
        extrema: `ensemble`, or `sample` for the sums of drawn weights, which give each neuron its own dampening and
            sharpness (eqs. 76-79).
        infeasible: Where a condition has no solution: `error`, `clip` to the nearest admissible value, or `skip` it.
        free: What condition IV is solved for, `sharpness` or `tail` (section 4). Condition III says nothing about the
            tail, since every shape peaks at the dampening.

    Raises:
        SgpipeError: A name is none of these.
    """

    conditions: tuple[str, ...] = CONDITIONS
    readings: Readings = field(default_factory=Readings)
    extrema: str = "ensemble"
    infeasible: str = "error"
    free: str = "sharpness"

    def __post_init__(self):
        for name in sorted(set(self.conditions) - set(CONDITIONS)):
            raise one_of("conditions", name, CONDITIONS)
        for where, allowed in (("extrema", EXTREMA), ("infeasible", INFEASIBLE), ("free", FREE)):
            if getattr(self, where) not in allowed:
                raise one_of(where, getattr(self, where), allowed)


class Failures:
    """Collects the conditions that have no solution, and treats them as asked for."""

    def __init__(self, infeasible: str):
        self.infeasible, self.messages = infeasible, []

    def settle(self, condition: str, bad, value, why: str, clipped, naive):
        """Keep `value` where it is good, and take another where it is bad.

        Args:
            condition: I, II, III or IV.
            bad: Whether there is no solution, one value or (n_rec,).
            value: The solution.
            why: Why there is none, for the message.
            clipped: The nearest admissible value, for `clip`.
            naive: The layer's own value, for `skip`.

        Returns:
            What to set, in the shape of `bad`.

        Raises:
            SgpipeError: There is no solution, and `infeasible` is `error`.
        """
        if not np.any(bad):
            return value
        share = "" if np.ndim(bad) == 0 else f" for {np.count_nonzero(bad)} of {np.size(bad)} neurons"
        line = f"condition {condition}: {why}{share}"
        if self.infeasible == "error":
            raise SgpipeError(f"{line}; choose infeasible: clip or skip, or other conditions")
        self.messages.append(f"{line}; {'clipped' if self.infeasible == 'clip' else 'left as without it'}")
        return np.where(bad, clipped if self.infeasible == "clip" else naive, value)[()]
