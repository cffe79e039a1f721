"""A small simulator of one layer before training: do the conditions hold? All trials at once, in numpy.

The neuron is eq. 1 of Herranz-Celotti & Rouat, or one of the multiplicative resets (`sgpipe.spec.resets`). A tangent
dy runs beside the state: a random unit perturbation that the surrogate Jacobian carries forward in time (eq. 33):

    dy_t = keep dy_{t-1} + pass (W_rec sigma' dy_{t-1} + W_in dz_t) - thr sigma' dy_{t-1}

The last term applies where the gradient flows through a subtractive reset.
"""

from dataclasses import dataclass

import numpy as np

from sgpipe.base.rng import stream
from sgpipe.initial_state.theory.extrema import without_self
from sgpipe.initial_state.theory.layer import Layer
from sgpipe.initial_state.theory.moments import Derivative


@dataclass(frozen=True)
class Simulation:
    """Statistics of each step over trials and neurons, (steps,), and of the drives in the second half of the steps.

    `rate`: share of neurons that fire. `median`: of v = y - thr, in units of thr. `var_rec`, `var_in`: of W_rec x_{t-1}
    and W_in z_t over trials and neurons (eq. 21). `var_rec_time`, `var_in_time`: numbers, the part of these that varies
    over time, in the second half. `grad_max`, `grad_var`: of the tangent, None without a surrogate. `grad_square`: mean
    of sigma'^2. `spikes`, `tangents`: x and sigma' dy, (trials, steps, n_rec), if asked for.
    """

    rate: np.ndarray
    median: np.ndarray
    var_rec: np.ndarray
    var_in: np.ndarray
    var_rec_time: float
    var_in_time: float
    grad_max: np.ndarray | None = None
    grad_var: np.ndarray | None = None
    grad_square: np.ndarray | None = None
    spikes: np.ndarray | None = None
    tangents: np.ndarray | None = None

    def summary(self) -> dict[str, float]:
        """Average over the second half of the steps: rate, median, variances and their ratios."""
        late = slice(len(self.rate) // 2, None)
        names = ("rate", "median", "var_rec", "var_in")
        means = {name: float(getattr(self, name)[late].mean()) for name in names}
        ratios = {
            "variance_ratio": means["var_rec"] / means["var_in"] if means["var_in"] else np.nan,
            "variance_ratio_time": self.var_rec_time / self.var_in_time if self.var_in_time else np.nan,
        }
        return means | ratios

    def growth(self, late: bool = False) -> dict[str, float]:
        """Compute the mean factor per step of the gradient's maximum and variance (geometric).

        Args:
            late: Whether to take only the second half of the steps, where the tangent has lost its initial shape.
        """
        start = len(self.rate) // 2 if late else 0
        spans = {"maxima": self.grad_max[start:], "variance": self.grad_var[start:]}
        return {name: float((v[-1] / v[0]) ** (1 / (len(v) - 1))) if v[-1] > 0 else 0.0 for name, v in spans.items()}


def random_inputs(rate: float, trials: int, steps: int, n_in: int, seed: int) -> np.ndarray:
    """Draw independent spikes z.

    Args:
        rate: The probability of a spike per input and step.
        trials: How many inputs are simulated at once.
        steps: Time steps.
        n_in: Input units.
        seed: The seed of the spikes.

    Returns:
        float64, 0 or 1, (trials, steps, n_in).
    """
    return (stream(seed, "conditions/inputs").random((trials, steps, n_in)) < rate).astype(np.float64)


def input_drive(w_in: np.ndarray, inputs: np.ndarray) -> np.ndarray:
    """Compute W_in z, (trials, steps, n_rec), for w_in (n_rec, n_in) and inputs (trials, steps, n_in)."""
    return inputs @ w_in.T


def simulate(
    layer: Layer,
    w_rec: np.ndarray,
    drive: np.ndarray,
    seed: int = 0,
    *,
    derivative: Derivative | None = None,
    tangent_drive: np.ndarray | None = None,
    keep: bool = False,
) -> Simulation:
    """Run a layer from rest under a drive (herranz2022, eq. 1), with a tangent beside it if asked for.

    The tangent starts from a random perturbation of y_0, of either sign and size 1 in each neuron and trial.

    Args:
        layer: The layer.
        w_rec: (n_rec, n_rec), a row for each receiver; its diagonal is left out.
        drive: W_in z (trials, steps, n_rec), as `input_drive` makes it.
        seed: The seed of the perturbation.
        derivative: The surrogate derivative, with knobs of one value or (n_rec,); None for no tangent.
        tangent_drive: W_in dz from a layer below, in the form of `drive`.
        keep: Whether to keep every spike and sigma' dy: these are the inputs and, through `input_drive`, the
            `tangent_drive` of a layer above.
    """
    form, a, thr = layer.form, layer.alpha_decay, layer.thr
    trials, steps, n = drive.shape
    recurrent = np.ascontiguousarray(without_self(w_rec).T)
    y, x = np.zeros((trials, n)), np.zeros((trials, n))
    dy = np.sign(stream(seed, "conditions/tangent").random((trials, n)) - 0.5)
    slopes = derivative(y - thr) if derivative else None

    series = {name: np.empty(steps) for name in ("rate", "median", "var_rec", "var_in")}
    grads = {name: np.empty(steps) for name in ("grad_max", "grad_var", "grad_square")} if derivative else {}
    kept = {"spikes": np.empty(drive.shape), "tangents": np.empty(drive.shape)} if keep else {}
    late = np.zeros((4, trials, n))  # sums and sums of squares of both drives
    for step in range(steps):
        received, given = x @ recurrent, drive[:, step]
        voltage_gate = a * (1 - x) if form.gates_voltage else a
        drive_gate = layer.drive_factor * ((1 - x) if form.gates_drive else 1.0)
        if derivative:
            through = slopes * dy
            arriving = through @ recurrent + (0.0 if tangent_drive is None else tangent_drive[:, step])
            dy = voltage_gate * dy + drive_gate * arriving - (thr * through if layer.reset_in_gradient else 0.0)
        y = voltage_gate * y + drive_gate * (received + given) - (thr * x if form.subtracts else 0.0)
        x = (y > thr).astype(np.float64)

        series["rate"][step], series["median"][step] = x.mean(), np.median(y) - thr
        series["var_rec"][step], series["var_in"][step] = received.var(), given.var()
        if step >= steps // 2:
            late += (received, received**2, given, given**2)
        if derivative:
            slopes = derivative(y - thr)
            grads["grad_max"][step], grads["grad_var"][step] = np.abs(dy).max(), dy.var()
            grads["grad_square"][step] = (slopes**2).mean()
        if keep:
            kept["spikes"][:, step] = x
            kept["tangents"][:, step] = slopes * dy if derivative else 0.0
    late /= steps - steps // 2
    over_time = {
        "var_rec_time": float((late[1] - late[0] ** 2).mean()),
        "var_in_time": float((late[3] - late[2] ** 2).mean()),
    }
    return Simulation(**series, **over_time, **grads, **kept)
