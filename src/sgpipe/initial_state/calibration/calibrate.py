"""Conditions I-IV met by measurement on a batch of training samples, for any neuron.

Layers are calibrated one by one from the bottom. The settings are the theory's four and one more: the mean of V for I,
its variance for II, the dampening for III, the sharpness or tail for IV and, where I needs it, the variance of W. The
measured quantities (`sgpipe.initial_state.calibration.measure`), as residuals of the conditions:

    I     rate / `init.rate` - 1; at one half 0 where the median of the centred voltage is
    II    Var[V x] / Var[W z] - 1
    III   growth of the tangent's maximum per step - 1
    IV    growth of its variance per step - 1

Measurements cover the steps in which most of the input arrives. After a word a layer is silent and its gradient decays;
averaging over that silence would let the gradient explode during the word. The tangent goes through one layer only,
from that layer's own past. I and II do not depend on the surrogate, so they come first: the mean is searched for, with
the deviation that meets II at every mean, for the smallest of the GAINS at which both hold. Then the sharpness is
searched for, with the dampening that meets III at every sharpness. A feed-forward layer meets I by the gain alone; II
to IV do not apply to it.
"""

from dataclasses import replace

import torch

from sgpipe.base.errors import SgpipeError
from sgpipe.data.samples import Task
from sgpipe.initial_state.calibration.by_drives import meet_feed_forward, meet_recurrent
from sgpipe.initial_state.calibration.by_tangent import meet_surrogate
from sgpipe.initial_state.calibration.draws import Draws, draws_of, recurrent
from sgpipe.initial_state.calibration.first_drives import first_drives
from sgpipe.initial_state.calibration.found import Found
from sgpipe.initial_state.calibration.measure import Bench
from sgpipe.initial_state.calibration.outcome import row_of, settings_of
from sgpipe.initial_state.state import InitialState
from sgpipe.model.network import as_tensors
from sgpipe.spec.condition_choices import HALF
from sgpipe.spec.run import RunSpec
from sgpipe.weights.schemes import initial_weights


def calibrated(spec: RunSpec, task: Task) -> InitialState:
    """Calibrate the initial state of a run on 32 training samples, and check it on as many others.

    Args:
        spec: The run, with `init.conditions`. Its training section plays no part.
        task: Its data.

    Returns:
        The settings of each hidden layer, and a row for each: `residuals.I` to `.IV` as above, and `held_out.` the same
        for the other samples, whichever conditions were asked for; rate, median, variance_ratio, growth_max and
        growth_variance; and the size of the measurement: samples, steps, passes.

    Raises:
        SgpipeError: A condition cannot be met, and `init.infeasible` is `error`.
    """
    torch.set_num_threads(1)
    exact = replace(spec, training=replace(spec.training, precision="float64"))
    weights = as_tensors(initial_weights(exact, task.units, task.classes))
    inputs, late = zip(*(first_drives(exact, task, weights, part) for part in range(2)), strict=True)
    layers, rows = [], []
    for number in range(1, len(spec.network.hidden) + 1):
        batch, held_out = (
            Bench(exact, number, weights, drives, part, late[0])
            for drives, part in zip(inputs, ("batch", "held"), strict=True)
        )
        draws = draws_of(exact, batch)
        try:
            found = _found(exact, batch, draws)
        except SgpipeError as error:
            raise SgpipeError(f"hidden layer {number}: {error}") from error
        layers.append(settings_of(found))
        rows.append(row_of(found, draws, batch, held_out))
        if number < len(spec.network.hidden):
            above = weights[f"W{number + 1}"].T
            v = recurrent(batch, draws, found.mean, found.deviation)
            inputs = [bench.outputs(v, found.gain) @ above for bench in (batch, held_out)]
    return InitialState(tuple(layers), tuple(rows))


def _found(spec: RunSpec, bench: Bench, draws: Draws | None) -> Found:
    """Search for what one layer needs: first what I and II ask for, then, with these drives, the surrogate."""
    found = Found(spec.init.infeasible, spec.init.rate or HALF)
    if draws is None:
        meet_feed_forward(bench, spec.conditions, found)
        return found
    meet_recurrent(spec, bench, draws, found)
    meet_surrogate(spec, bench, recurrent(bench, draws, found.mean, found.deviation), found)
    return found
