"""From a run and its data to the initial state that its conditions ask for."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from sgpipe.base.errors import SgpipeError
from sgpipe.base.rng import stream
from sgpipe.data.prepare import statistics
from sgpipe.data.samples import Task, Words
from sgpipe.initial_state.state import InitialState
from sgpipe.initial_state.theory.asked import Asked
from sgpipe.initial_state.theory.conditions import Readings
from sgpipe.initial_state.theory.layer import Layer, Weights
from sgpipe.initial_state.theory.solution import Solution, above
from sgpipe.initial_state.theory.solve import solve
from sgpipe.spec.layer_settings import LayerSettings
from sgpipe.spec.run import RunSpec
from sgpipe.weights.schemes import family_drawn, family_of, layout, matrix, variance_of


@dataclass(frozen=True)
class Inputs:
    """The statistics of z that the theory needs, over units and steps of the train split: mean, variance and bounds."""

    mean: float
    variance: float
    low: float
    high: float


def initial_state(spec: RunSpec, task: Task, described: Mapping[str, float] | None = None) -> InitialState:
    """Make the initial state that a run's conditions ask for.

    It is a function of the run's data, network, surrogate and init sections.

    Args:
        spec: The run, with `init.conditions`.
        task: Its data.
        described: The statistics of the train split (`sgpipe.data.prepare.statistics`), if they are known already.

    Returns:
        The settings of each hidden layer, and how well the conditions hold with them.

    Raises:
        SgpipeError: A condition has no solution, and `init.infeasible` is `error`.
    """
    if spec.init.method == "calibrated":
        from sgpipe.initial_state.calibration.calibrate import calibrated  # loads torch, which the theory does not need

        return calibrated(spec, task)
    return theoretical(spec, task, inputs_of(spec, task, described))


def inputs_of(spec: RunSpec, task: Task, described: Mapping[str, float] | None = None) -> Inputs:
    """Describe what the first hidden layer receives; for words, that is their initial embedding.

    Args:
        spec: The run.
        task: Its data.
        described: The statistics of the train split, if they are known already.
    """
    shapes = layout(spec, task.units, task.classes)
    if isinstance(task.train, Words) and "E" in shapes:
        embedding = matrix(spec, "E", shapes["E"])
        share = np.bincount(task.train.ids, minlength=task.units) / len(task.train)
        mean, square = (float(share @ (embedding**power).mean(1)) for power in (1, 2))
        seen = embedding[share > 0]
        return Inputs(mean, square - mean**2, float(seen.min()), float(seen.max()))
    known = described if described and "low" in described else statistics(task)
    return Inputs(known["mean"], known["variance"], known["low"], known["high"])


def theoretical(spec: RunSpec, task: Task, inputs: Inputs) -> InitialState:
    """Solve the theory's equations layer by layer, from the bottom (herranz2022, section 2.6 and appendix B).

    Args:
        spec: The run, with `init.conditions`.
        task: Its data.
        inputs: The statistics of what the first hidden layer receives.

    Raises:
        SgpipeError: A condition has no solution, and `init.infeasible` is `error`.
    """
    shapes = layout(spec, task.units, task.classes)
    layers, found, layer, solution = [], [], None, None
    for number, units in enumerate(spec.network.hidden, start=1):
        layer = first_layer(spec, inputs, shapes["W1"][1]) if layer is None else above(layer, solution, units)
        layer = replace(layer, w_in=_feed_forward(spec, number, shapes), w_rec=_recurrent(spec, number, shapes))
        try:
            solution = _solved(spec, layer, number, shapes)
        except SgpipeError as error:
            raise SgpipeError(f"hidden layer {number}: {error}") from error
        layers.append(_settings(spec, layer, solution))
        found.append(solution.row())
    return InitialState(tuple(layers), tuple(found))


def first_layer(spec: RunSpec, inputs: Inputs, afferents: int) -> Layer:
    """Describe the lowest hidden layer of a run, with `afferents` inputs per neuron and standard weights."""
    network, surrogate = spec.network, spec.surrogate
    return Layer(
        n_rec=network.hidden[0],
        n_in=afferents,
        alpha_decay=network.membrane_decay,
        thr=network.threshold,
        z_mean=inputs.mean,
        z_var=inputs.variance,
        z_low=inputs.low,
        z_high=inputs.high,
        reset=network.reset,
        reset_gradient=network.reset_gradient == "attached",
        dampening=surrogate.dampening,
        sharpness=surrogate.sharpness,
        tail=surrogate.tail or 2.0,
    )


def _feed_forward(spec: RunSpec, number: int, shapes: Mapping[str, tuple]) -> Weights:
    """Return the distribution of W; the authors' code uses the variance of the drawn values themselves."""
    scheme, shape = spec.init.scheme, shapes[f"W{number}"]
    drawn = spec.init.readings == "authors"
    variance = matrix(spec, f"W{number}", shape).var() if drawn else variance_of(scheme, shape)
    return Weights(float(variance) * spec.init.gain**2, family=family_drawn(scheme))


def _recurrent(spec: RunSpec, number: int, shapes: Mapping[str, tuple]) -> Weights:
    """Return V's distribution without conditions, but of the family from which V is drawn with them."""
    scheme = spec.init.scheme
    family = family_of(scheme) if "II" in spec.conditions else family_drawn(scheme)
    return Weights(variance_of(scheme, shapes[f"V{number}"]), family=family)


def _solved(spec: RunSpec, layer: Layer, number: int, shapes: Mapping[str, tuple]) -> Solution:
    """Return the solution of one layer; `init.extrema: sample` uses the draws that the weights will be made of."""
    init = spec.init
    asked = Asked(
        conditions=tuple(spec.conditions),
        readings=Readings.of(init.readings),
        extrema=init.extrema or "ensemble",
        infeasible=init.infeasible or "error",
        free=_free(spec),
    )

    def solution(standard: tuple[np.ndarray, np.ndarray] | None) -> Solution:
        generator = stream(init.seed, f"init/sharpness{number}")
        return solve(layer, spec.surrogate.name, asked, standard=standard, generator=generator)

    if init.extrema != "sample":
        return solution(None)
    w_in = init.gain * matrix(spec, f"W{number}", shapes[f"W{number}"]) / layer.w_in.variance**0.5
    v = f"V{number}"
    plain = matrix(spec, v, shapes[v]) / layer.w_rec.variance**0.5
    if "II" not in spec.conditions:
        return solution((plain, w_in))
    found = solution((matrix(spec, v, shapes[v], LayerSettings(0.0, 1.0)), w_in))
    # If II is left out, V stays a matrix of its scheme, and an orthogonal one is made from other random numbers.
    return solution((plain, w_in)) if _left_out(found, layer) else found


def _left_out(solution: Solution, layer: Layer) -> bool:
    return solution.variance == layer.w_rec.variance


def _free(spec: RunSpec) -> str:
    """Name the parameter that IV is solved for; the authors know only the sharpness."""
    return spec.init.free if spec.init.free and spec.init.readings != "authors" else "sharpness"


def _settings(spec: RunSpec, layer: Layer, solution: Solution) -> LayerSettings:
    """Gather what the chosen conditions fix."""
    fixed = {
        "recurrent_mean": ("I", solution.mean),
        "recurrent_variance": ("II", None if _left_out(solution, layer) else solution.variance),
        "dampening": ("III", solution.dampening),
        _free(spec): ("IV", getattr(solution, _free(spec))),
    }
    chosen = {name: value for name, (by, value) in fixed.items() if by in spec.conditions and value is not None}
    return LayerSettings(**{name: value if np.ndim(value) else float(value) for name, value in chosen.items()})
