"""The theory of initialisation, applied to a network."""

from pathlib import Path

import pandas as pd

from sgpipe.base.errors import SgpipeError
from sgpipe.data.samples import Task
from sgpipe.initial_state.make import initial_state
from sgpipe.initial_state.observe import theory_of
from sgpipe.library.runs import Run, make_run, make_task
from sgpipe.spec.condition_choices import THEORY_NEURONS


def conditions(run: Run, task: Task | None = None, *, folder: Path | str | None = None) -> pd.DataFrame:
    """Compute how far a network is from the conditions on its initial state (herranz2022, sections 2.2 to 2.6).

    Args:
        run: The run, or its knobs. If it has `init.conditions`, the equations of these are solved first; otherwise the
            network is described unchanged.
        task: The data set, whose mean and variance the theory needs; by default the one that the data knobs describe.
        folder: The folder of data files, for a task that is read from files.

    Returns:
        A row per hidden layer, from 1: `mean` and `variance` of the recurrent weights V; `dampening`, `sharpness` and
        `tail` of the surrogate derivative; `first` and `second`, the mean of the derivative and of its square over
        all voltages; `deviations.I` to `deviations.IV`, 0 where a condition holds; and `messages`, which names each
        condition that has no solution.

    Raises:
        SgpipeError: A knob is wrong, or the theory does not apply to such a network.
    """
    spec = make_run(run)
    network = spec.network
    if not spec.conditions and (network.neuron not in THEORY_NEURONS or not network.hidden or not network.recurrent):
        raise SgpipeError(f"conditions: the theory is about recurrent layers of {' or '.join(THEORY_NEURONS)} neurons")
    task = make_task(spec, folder) if task is None else task
    if spec.conditions:
        rows = list(initial_state(spec, task).found)
    else:
        rows = [solution.row() for _, solution in theory_of(spec, task)]
    return pd.DataFrame(rows, index=pd.RangeIndex(1, len(rows) + 1, name="layer"))
