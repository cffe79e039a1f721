"""Simulate a network on its data before training, and compare with the theory's predictions."""

from collections.abc import Sequence

import numpy as np

from sgpipe.base.errors import SgpipeError
from sgpipe.data.samples import Task, Words
from sgpipe.initial_state.calibration.window import busy
from sgpipe.initial_state.layers import as_drawn, lowest
from sgpipe.initial_state.make import inputs_of
from sgpipe.initial_state.theory.asked import Asked
from sgpipe.initial_state.theory.gain import phase_diagram
from sgpipe.initial_state.theory.layer import Layer
from sgpipe.initial_state.theory.moments import Derivative
from sgpipe.initial_state.theory.simulate import Simulation, input_drive, simulate
from sgpipe.initial_state.theory.solution import Solution, above
from sgpipe.initial_state.theory.solve import solve
from sgpipe.spec.layer_settings import LayerSettings
from sgpipe.spec.run import RunSpec
from sgpipe.weights.schemes import initial_weights

Rows = list[dict[str, object]]
SERIES = ("rate", "median", "var_rec", "var_in", "grad_max", "grad_var", "grad_square")
SHARPNESSES = np.geomspace(1e-3, 1e3, 121)


def measured(
    spec: RunSpec, task: Task, state: Sequence[LayerSettings] | None, samples: int, steps: int
) -> tuple[Rows, Rows]:
    """Simulate each hidden layer on training samples, and measure what it does.

    The weights are those from which training would start. A perturbation of every voltage, of random sign, is carried
    forward in time beside the state, as the gradient is (`sgpipe.initial_state.theory.simulate`).

    Args:
        spec: The run.
        task: Its data.
        state: The settings of each hidden layer; None for a run without conditions.
        samples: How many samples to simulate.
        steps: How many time steps of each.

    Returns:
        Two lists of rows. A row of the first is a step of a layer: `layer`, `step` and SERIES, with `median` in
        thresholds. A row of the second is a layer: `layer`; means over the steps `begin` to `end`, in which most of the
        input arrives (`busy`): `rate`, `median`, `variance_ratio`, `second` (the mean of s'^2), and the growth of the
        perturbation per step, `growth_max` and `growth_var`; the theory's predictions of all of these but the first two
        (`theory_...`); `dampening` and `sharpness`; and `input_rate_of_task`, the mean input per unit and step.

    Raises:
        SgpipeError: The network cannot be simulated.
    """
    _check(spec, task)
    weights = initial_weights(spec, task.units, task.classes, state)
    weights = {name: array.astype(np.float64) for name, array in weights.items()}
    inputs, tangents = batch(task, samples, steps), None
    rate, window = float(inputs.mean()), busy(inputs.sum((0, 2)))
    courses: Rows = []
    means: Rows = []
    for number, (layer, solution) in enumerate(theory_of(spec, task, state), start=1):
        knobs = {"dampening": layer.dampening, "sharpness": layer.sharpness, "tail": layer.tail}
        knobs |= state[number - 1].surrogate() if state else {}
        feed = weights[f"W{number}"]
        found = simulate(
            layer,
            weights[f"V{number}"],
            input_drive(feed, inputs),
            spec.init.seed,
            derivative=Derivative(spec.surrogate.name, **knobs),
            tangent_drive=None if tangents is None else input_drive(feed, tangents),
            keep=True,
        )
        inputs, tangents = found.spikes, found.tangents
        courses += _course(found, number, layer.thr)
        means.append(
            {"layer": number, "input_rate_of_task": rate, **_means(found, layer.thr, window), **_said(solution)}
        )
    return courses, means


def theory_of(spec: RunSpec, task: Task, state: Sequence[LayerSettings] | None = None) -> list[tuple[Layer, Solution]]:
    """Describe each hidden layer as the theory sees it, with the weights and surrogate that it really has."""
    found: list[tuple[Layer, Solution]] = []
    for number, units in enumerate(spec.network.hidden, start=1):
        layer = above(*found[-1], units) if found else lowest(spec, inputs_of(spec, task))
        layer = as_drawn(layer, spec, state[number - 1] if state else None)
        found.append((layer, solve(layer, spec.surrogate.name, Asked(()))))
    return found


def batch(task: Task, samples: int, steps: int) -> np.ndarray:
    """Take the first `steps` of training samples spread over the split, (samples, steps, units) float64."""
    which = np.unique(np.linspace(0, len(task.train) - 1, samples).round().astype(int))
    dense = task.train.take(which).dense(task.steps, task.units)
    return np.ascontiguousarray(dense[: min(steps, task.steps)].transpose(1, 0, 2), dtype=np.float64)


def growth(series: np.ndarray) -> float:
    """Compute the geometric mean of a positive series' factor per step, as far as the series stays above 0."""
    good = np.flatnonzero(np.isfinite(series) & (series > 0))
    if len(good) < 2 or good[0] != 0:
        return np.nan
    last = int(np.argmax(np.diff(np.append(good, np.inf)) > 1))  # the end of the first stretch
    return float((series[good[last]] / series[0]) ** (1 / good[last])) if last else np.nan


def phase_rows(spec: RunSpec, task: Task, rates, gains, samples: int, steps: int, seed: int = 0) -> Rows:
    """Simulate the first layer over input rates and gains on Var[w_in] (`phase_diagram`).

    Args:
        spec: The run.
        task: Its data.
        rates: Probabilities of a spike per input and step.
        gains: Factors on Var[w_in].
        samples: How many inputs to simulate at once.
        steps: For how many time steps.
        seed: The seed of weights and inputs.

    Returns:
        One row per pair, with `median` in thresholds.
    """
    layer = theory_of(spec, task)[0][0]
    table = phase_diagram(layer, rates, gains, trials=samples, steps=steps, seed=seed)
    return table.assign(median=table["median"] / layer.thr).to_dict("records")


def moment_rows(spec: RunSpec, task: Task) -> Rows:
    """Compute E[sigma'^2] of the first layer over sharpness, as rows: by eq. 64 and its limit gamma^2 / s (eq. 2)."""
    layer, solution = theory_of(spec, task)[0]
    low, high = solution.y_min - layer.thr, solution.y_max - layer.thr
    derivative = Derivative(spec.surrogate.name, layer.dampening, SHARPNESSES, layer.tail)
    exact, wide = derivative.moment(2, low, high), derivative.wide_limit(low, high)
    return [
        {"sharpness": float(s), "theory_second": float(one), "wide": float(other)}
        for s, one, other in zip(SHARPNESSES, exact, wide, strict=True)
    ]


def _check(spec: RunSpec, task: Task) -> None:
    network = spec.network
    for bad, words in (
        (isinstance(task.train, Words), f"data.task: {spec.data.task} is a text"),
        (network.neuron != "delta_lif", f"network.neuron: {network.neuron} is not delta_lif"),
        (not network.recurrent, "network.recurrent: false"),
        (bool(network.trained_neurons), "network.trained_neurons: true gives each neuron its own decay and threshold"),
    ):
        if bad:
            raise SgpipeError(f"simulate: {words}; only recurrent delta_lif layers can be simulated")


def _course(found: Simulation, number: int, thr: float) -> Rows:
    series = {name: getattr(found, name) for name in SERIES}
    series["median"] = series["median"] / thr
    columns = {"layer": [number] * len(found.rate), "step": range(len(found.rate)), **series}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _means(found: Simulation, thr: float, window: slice) -> dict[str, float]:
    means = {name: float(getattr(found, name)[window].mean()) for name in SERIES}
    return {
        "begin": window.start,
        "end": window.stop,
        "rate": means["rate"],
        "median": means["median"] / thr,
        "variance_ratio": means["var_rec"] / means["var_in"] if means["var_in"] else np.nan,
        "growth_max": growth(found.grad_max[window]),
        "growth_var": growth(found.grad_var[window]),
        "second": means["grad_square"],
    }


def _said(solution: Solution) -> dict[str, float]:
    """Gather the theory's predictions for a layer: the corrected equations, for its actual weights and surrogate."""
    off = {name: float(np.mean(value)) for name, value in solution.deviations.items()}
    return {
        "theory_variance_ratio": 1 + off["II"],
        "theory_growth_max": 1 + off["III"],
        "theory_growth_var": 1 + off["IV"],
        "theory_second": float(np.mean(solution.second)),
        "dampening": float(np.mean(solution.dampening)),
        "sharpness": float(np.mean(solution.sharpness)),
    }
