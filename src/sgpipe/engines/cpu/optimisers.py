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
        settings, weight = self.settings, self.weights[name]
        fresh, keeps = 1 - settings.beta1, settings.beta2
        _cpu.update(
            self.rule,
            [factor, self.shrinking(weight), *self.rates(), fresh, keeps, 1 - keeps, settings.eps],
            weight,
            gradient,
            self.moments[f"first.{name}"],
            self.moments[f"second.{name}"],
            self.moments.get(f"memory.{name}"),
        )

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

    def rates(self):
        """Return the largest step, and no correction."""
        return self.settings.lr, 1.0


COMPILED: dict[str, type[Compiled]] = {one.rule: one for one in (CompiledAdam, CompiledAdaBelief, CompiledSmorms3)}
