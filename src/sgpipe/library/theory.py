"""What the theory of initialisation says of a network."""

from pathlib import Path

import pandas as pd

from sgpipe.base.errors import SgpipeError
from sgpipe.data.samples import Task
from sgpipe.initial_state.make import initial_state
from sgpipe.initial_state.observe import theory_of
from sgpipe.library.runs import Run, make_run, make_task
from sgpipe.spec.condition_choices import THEORY_NEURONS


def conditions(run: Run, task: Task | None = None, *, folder: Path | str | None = None) -> pd.DataFrame:
    """Ask the theory how far a network is from the conditions on its initial state (herranz2022, sections 2.2 to 2.6).

    Args:
        run: The run, or its knobs. With `init.conditions` what these set is solved first; without, the network is
            described as it is.
        task: Its data, whose mean and variance the theory needs; by default those that its data knobs describe.
        folder: Of data files, for a task that is read from files.

    Returns:
        A row per hidden layer, from 1: `mean` and `variance` of the recurrent weights V; `dampening`, `sharpness` and
        `tail` of the surrogate derivative; `first` and `second`, the mean of it and of its square over all voltages;
        `deviations.I` to `deviations.IV`, 0 where a condition holds; and `messages`, which says what has no solution.

    Raises:
        SgpipeError: A knob is wrong, or the theory is not about such a network.
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
