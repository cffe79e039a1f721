"""The random numbers that V is made of, drawn once, so that measurements differ only in what is asked for."""

from dataclasses import dataclass
from math import sqrt

import torch

from sgpipe.initial_state.calibration.measure import Bench
from sgpipe.spec.layer_settings import LayerSettings
from sgpipe.spec.run import RunSpec
from sgpipe.weights.schemes import variance_of


@dataclass(frozen=True)
class Draws:
    """V's draws divided by their deviation, each (gates x units, units).

    `deviation`: of V without conditions. `scheme`: draws of the run's scheme. `given`: draws of the distribution that
    replaces the scheme's where condition II sets the variance.
    """

    deviation: float
    scheme: torch.Tensor
    given: torch.Tensor

    def at(self, deviation: float | None) -> tuple[torch.Tensor, float]:
        """Return the draws for a deviation that is set (the scheme's draws for None), and the deviation."""
        return (self.scheme, self.deviation) if deviation is None else (self.given, deviation)


def draws_of(spec: RunSpec, bench: Bench) -> Draws | None:
    """Draw the numbers of a layer's V; None for a feed-forward layer, which has no V."""
    if not spec.network.recurrent:
        return None
    deviation = sqrt(variance_of(spec.init.scheme, (bench.units, bench.units)))
    return Draws(deviation, bench.standard(None, deviation), bench.standard(LayerSettings(0.0, 1.0)))


def recurrent(bench: Bench, draws: Draws | None, mean: float | None, deviation: float | None) -> torch.Tensor | None:
    """Make V as it will be drawn with a mean and a deviation.

    Args:
        bench: The layer.
        draws: Its random numbers; None for a layer without V.
        mean: Of V; None for 0.
        deviation: Of V; None for that of the run's scheme.

    Returns:
        (gates x units, units); None without draws.
    """
    if draws is None:
        return None
    standard, deviation = draws.at(deviation)
    v = (mean or 0.0) + deviation * standard
    return v if bench.loops else v - torch.diag(v.diagonal())
