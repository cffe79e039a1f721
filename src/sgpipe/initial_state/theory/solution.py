"""The solution of the conditions for a layer, and the layer with that solution."""

from dataclasses import asdict, dataclass, replace

import numpy as np

from sgpipe.initial_state.theory.extrema import Value
from sgpipe.initial_state.theory.layer import Layer, Weights


@dataclass(frozen=True)
class Solution:
    """A layer's initial state and how well each condition is met.

    `mean`, `variance`: of w_rec. `dampening`, `sharpness`, `tail`: of the surrogate derivative. `target`: E[sigma'^2]
    that condition IV asks for, `second`: the surrogate's own, `first`: its mean, `wide`: eq. 2's limit, proportional
    to gamma^2 / s. `y_min`, `y_max`: the bounds of the voltage. `residuals`: of the equations solved, `deviations`:
    of the corrected ones, both 0 where a condition holds. `messages`: one line per condition without a solution.
    `peak`: the largest sigma', which for the shapes of Table S1 is the dampening.
    With sample extrema all but mean and variance are arrays (n_rec,).
    """

    mean: float
    variance: float
    dampening: Value
    sharpness: Value
    tail: Value
    target: Value
    first: Value
    second: Value
    wide: Value
    y_min: Value
    y_max: Value
    residuals: dict[str, Value]
    deviations: dict[str, Value]
    messages: tuple[str, ...]
    peak: Value

    def row(self) -> dict[str, object]:
        """Flatten it to a table row; values per neuron become their mean, residuals the largest one."""
        values = asdict(self)
        del values["peak"]
        flat = {
            f"{part}.{name}": float(np.max(np.abs(value)))
            for part in ("residuals", "deviations")
            for name, value in values.pop(part).items()
        }
        messages = "; ".join(values.pop("messages"))
        return {name: float(np.mean(value)) for name, value in values.items()} | flat | {"messages": messages}


def above(below: Layer, solution: Solution, n_rec: int | None = None) -> Layer:
    """Make the layer above a solved one: its z are spikes of mean 1/2 and variance 1/4, and xi is 1.

    Its own weights start as Glorot's; everything else is as in the layer below. Where that one has values per neuron,
    its largest peak and its mean moments are used.

    Args:
        below: The layer below.
        solution: Its solution.
        n_rec: The number of neurons, by default as many as below.

    Returns:
        The layer, not yet solved.
    """
    n_rec = below.n_rec if n_rec is None else n_rec
    return replace(
        below,
        n_rec=n_rec,
        n_in=below.n_rec,
        z_mean=0.5,
        z_var=0.25,
        z_low=0.0,
        z_high=1.0,
        w_in=Weights(2 / (below.n_rec + n_rec), family=below.w_in.family),
        w_rec=Weights(1 / n_rec, family=below.w_rec.family),
        xi=1,
        gamma_in=float(np.max(solution.peak)),
        mean_in=float(np.mean(solution.first)),
        square_in=float(np.mean(solution.second)),
    )
