"""Optimisers that the extension updates, in one pass through an array where numpy takes ten, bit for bit the same."""

from collections.abc import Mapping

import numpy as np

from sgpipe.engines.optimisers import AdaBelief, Adam, Moments, Smorms3, clipping

try:
    from sgpipe.engines.cpu import _cpu
except ImportError:  # no compiler at installation
    _cpu = None


class Compiled(Moments):
    """An optimiser whose arrays the extension updates."""

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
        """Return the numbers that stay the same: 1 - beta1, beta2, 1 - beta2 and eps."""
        settings = self.settings
        return [1 - settings.beta1, settings.beta2, 1 - settings.beta2, settings.eps]

    @property
    def between_updates(self) -> bool:
        """Whether an update does more than move the weights: clipping or averaging."""
        return bool(self.settings.clip or self.average)

    def moving(self, updates: int) -> dict[str, object]:
        """Return what the extension needs for the next updates."""
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
    """`Smorms3` in the extension; its step is the largest one, and there is no bias correction."""

    rule = "smorms3"

    def constants(self):
        """Return eps, after numbers that are not used."""
        return [0.0, 0.0, 0.0, self.settings.eps]

    def rates(self, step):
        """Return the largest step, and no correction."""
        return self.settings.lr, 1.0


COMPILED: dict[str, type[Compiled]] = {one.rule: one for one in (CompiledAdam, CompiledAdaBelief, CompiledSmorms3)}
