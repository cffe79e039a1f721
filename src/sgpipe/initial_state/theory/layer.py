"""One recurrent spiking layer as the theory of initialisation sees it: its sizes and statistics.

The neuron is Herranz-Celotti & Rouat's eq. 1, in the unit of the threshold:

    y_t = alpha y_{t-1} + W_rec x_{t-1} + W_in z_t - thr x_{t-1},     x_t = 1 where y_t > thr

without self-connections, or one of the multiplicative resets (`sgpipe.spec.resets`).
"""

from dataclasses import dataclass, field

from sgpipe.base.errors import SgpipeError, one_of
from sgpipe.spec.resets import RESETS, Reset
from sgpipe.weights.distributions import family


@dataclass(frozen=True)
class Weights:
    """The distribution of a matrix's elements."""

    variance: float
    mean: float = 0.0
    family: str = "uniform"

    def __post_init__(self):
        family(self.family)
        if not self.variance >= 0:
            raise SgpipeError(f"{self.family} weights: variance {self.variance:g} is not 0 or more")

    @property
    def square(self) -> float:
        """E[w^2]."""
        return self.variance + self.mean**2

    def limits(self, count: int) -> tuple[float, float]:
        """Compute the smallest and the largest weight, for an unbounded family among about `count` drawn ones."""
        reach = family(self.family).reach(count) * self.variance**0.5
        return self.mean - reach, self.mean + reach


@dataclass(frozen=True)
class Layer:
    """What conditions I-IV take as given of one layer.

    `n_rec` neurons get `n_in` inputs z of mean `z_mean` and variance `z_var` (over elements and time, from the train
    split), between `z_low` and `z_high`. `alpha_decay` is the membrane's factor per step, `thr` the threshold. `w_in`
    and `w_rec` are the weights before any condition is applied (Glorot unless given), as are `dampening`, `sharpness`
    (1/threshold) and `tail`. `xi` is 1 where z are the spikes of a layer below, whose surrogate derivative has maximum
    `gamma_in` (printed: its dampening), mean `mean_in` and second moment `square_in`.
    `reset_gradient` says whether gradients flow through the reset, as in eq. 30; the multiplicative resets are
    treated without such gradients, as in B.7.
    """

    n_rec: int
    n_in: int
    alpha_decay: float = 0.9
    thr: float = 1.0
    z_mean: float = 0.5
    z_var: float = 0.25
    z_low: float = 0.0
    z_high: float = 1.0
    reset: str = "subtractive"
    reset_gradient: bool = True
    w_in: Weights = field(default=None)
    w_rec: Weights = field(default=None)
    dampening: float = 1.0
    sharpness: float = 1.0
    tail: float = 2.0
    xi: int = 0
    gamma_in: float = 0.0
    mean_in: float = 0.0
    square_in: float = 0.0

    def __post_init__(self):
        if self.reset not in RESETS:
            raise one_of("reset", self.reset, RESETS)
        for name, value, good, rule in (
            ("n_rec", self.n_rec, self.n_rec >= 2, "2 or more: a layer without self-connections"),
            ("n_in", self.n_in, self.n_in >= 1, "1 or more"),
            ("alpha_decay", self.alpha_decay, 0 <= self.alpha_decay < 1, "in [0, 1)"),
            ("thr", self.thr, self.thr > 0, "above 0"),
            ("z_var", self.z_var, self.z_var >= 0, "0 or more"),
            ("z_low", self.z_low, self.z_low <= self.z_high, f"at most z_high = {self.z_high!r}"),
            ("xi", self.xi, self.xi in (0, 1), "0 (data below) or 1 (a layer below)"),
            ("tail", self.tail, self.tail > 1, "above 1"),
        ):
            if not good:
                raise SgpipeError(f"layer: {name}: {value!r} is not {rule}")
        if self.w_in is None:
            object.__setattr__(self, "w_in", Weights(2 / (self.n_in + self.n_rec)))
        if self.w_rec is None:
            object.__setattr__(self, "w_rec", Weights(1 / self.n_rec))

    @property
    def form(self) -> Reset:
        """The reset's equation as factors."""
        return RESETS[self.reset]

    @property
    def afferents(self) -> int:
        """Number of recurrent inputs of a neuron, n_rec - 1."""
        return self.n_rec - 1

    @property
    def input_square(self) -> float:
        """n_in E[z^2] Var[w_in]: the variance of the input drive (eq. 26 with Mean[w_in] = 0)."""
        return self.n_in * (self.z_var + self.z_mean**2) * self.w_in.variance

    @property
    def drive_factor(self) -> float:
        """The factor on the drive when the gate is open: alpha or 1."""
        return self.alpha_decay if self.form.drive_decays else 1.0

    @property
    def reset_in_gradient(self) -> bool:
        """Whether the gradient has the term -thr x of eq. 30."""
        return self.form.subtracts and self.reset_gradient
