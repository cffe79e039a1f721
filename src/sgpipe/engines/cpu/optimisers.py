"""The optimisers whose updates the extension makes, one pass through an array for numpy's ten, with the same bits."""

from collections.abc import Mapping

import numpy as np

from sgpipe.engines.optimisers import AdaBelief, Adam, Moments, Smorms3, clipping

try:
    from sgpipe.engines.cpu import _cpu
except ImportError:  # no compiler at installation
    _cpu = None


class Compiled(Moments):
    """An optimiser whose arrays the extension moves."""

    rule: str

    def move(self, name, gradient, factor):
        weight = self.weights[name]
        _cpu.update(
            self.rule,
            [factor, self.shrinking(weight), *self.rates(self.step_count), *self.constants()],
            weight,
            gradient,
            self.moments[f"first.{name}"],
            self.moments[f"second.{name}"],
            self.moments.get(f"memory.{name}"),
        )

    def constants(self) -> list[float]:
        """Return what stays the same: 1 - beta1, beta2, 1 - beta2 and eps."""
        settings = self.settings
        return [1 - settings.beta1, settings.beta2, 1 - settings.beta2, settings.eps]

    @property
    def between_updates(self) -> bool:
        """Whether there is more to do in an update than to move the weights: they are clipped or averaged."""
        return bool(self.settings.clip or self.average)

    def moving(self, updates: int) -> dict[str, object]:
        """Return what the extension needs to know to make the next updates."""
        now = self.step_count
        of = {
            kind: [self.moments.get(f"{kind}.{name}") for name in self.weights]
            for kind in ("first", "second", "memory")
        }
        return {
            "rule": self.rule,
            "numbers": self.constants(),
            "shrink": [self.shrinking(weight) for weight in self.weights.values()],
            "rates": np.array([self.rates(now + update) for update in range(1, updates + 1)]),
            **of,
        }

    def factors(self, gradients: Mapping[str, np.ndarray]) -> dict[str, float]:
        squares = {name: _cpu.square_sum(array) for name, array in gradients.items()}
        return clipping(squares, self.settings.clip, self.settings.clip_scope)


class CompiledAdam(Compiled, Adam):
    """`Adam` in the extension."""

    rule = "adam"


class CompiledAdaBelief(Compiled, AdaBelief):
    """`AdaBelief` in the extension."""

    rule = "adabelief"


class CompiledSmorms3(Compiled, Smorms3):
    """`Smorms3` in the extension; its step is the largest one, and nothing is corrected."""

    rule = "smorms3"

    def constants(self):
        """Return eps after numbers that play no part."""
        return [0.0, 0.0, 0.0, self.settings.eps]

    def rates(self, step):
        """Return the largest step, and no correction."""
        return self.settings.lr, 1.0


COMPILED: dict[str, type[Compiled]] = {one.rule: one for one in (CompiledAdam, CompiledAdaBelief, CompiledSmorms3)}
