"""A search for a zero of a function of one number. It always ends, with the best argument it has seen."""

from collections.abc import Callable

import numpy as np
from scipy.optimize import brentq


class _Near(Exception):
    """A value within tolerance was found."""


class Search:
    """Looks for a zero of a function, remembering every value.

    From a start it takes ever longer steps to one side, or to the other if the first step leads away from 0. Once a
    change of sign is bracketed, Brent's method closes in on it. For a function that jumps across 0 it ends on the
    better side of the jump.
    """

    def __init__(self, function: Callable[[float], float], tolerance: float):
        self.function, self.tolerance, self.seen = function, tolerance, {}

    def run(self, start: float, step: float, most: int = 6, limits: tuple[float, float] = (-np.inf, np.inf)) -> bool:
        """Bracket the zero with growing steps, and close in on it.

        Args:
            start: The first argument.
            step: The first step; each is twice the last.
            most: The largest number of steps.
            limits: The lowest and the highest argument.

        Returns:
            Whether a value is within tolerance.
        """
        try:
            self._bracket(start, step, most, limits)
        except _Near:
            return True
        return False

    @property
    def best(self) -> float:
        """The argument of the value nearest to 0; the first of equally good ones."""
        return min(self.seen, key=lambda x: abs(self.seen[x]))

    def _bracket(self, start: float, step: float, most: int, limits: tuple[float, float]) -> None:
        last, value = start, self._value(start)
        side = -1.0 if value > 0 else 1.0
        for number in range(most):
            there = float(np.clip(last + side * step, *limits))
            if number == 0 and self._value(there) / value > 1:  # it leads away
                side = -side
                there = float(np.clip(start + side * step, *limits))
            if there == last:
                return
            if (self._value(there) > 0) != (value > 0):
                ends = sorted((last, there))
                brentq(self._value, *ends, xtol=1e-4 * (ends[1] - ends[0]), maxiter=20, disp=False)
                return
            last, value, step = there, self._value(there), 2 * step

    def _value(self, x: float) -> float:
        if x not in self.seen:
            self.seen[x] = self.function(x)
        if abs(self.seen[x]) <= self.tolerance:
            raise _Near
        return self.seen[x]
