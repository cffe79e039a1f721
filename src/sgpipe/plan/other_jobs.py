"""The jobs of a plan besides training: data sets to prepare, initial states to make, figures and tables to draw.

Rough times on one core, from the jobs of scale laptop (docs/performance.md, where the minutes go).
"""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from sgpipe.plan.cost import START_SECONDS
from sgpipe.plan.outputs import kind_of, outputs_of, tables_of
from sgpipe.plan.plan import Plan
from sgpipe.spec.experiments import Experiment
from sgpipe.spec.run import RunSpec

PREPARE_SECONDS = 2.0  # of any data set, and for each training sample:
PER_SAMPLE = {
    ("shd", "embedded"): 0.12,  # a voice, and an ear that listens
    ("shd", "derived"): 0.035,  # the ear
    ("rawhd", "embedded"): 0.036,
    ("rawsc", "embedded"): 0.02,
}
PER_OTHER_SAMPLE = 0.001
STATE_SECONDS = 2.0
DRAW_SECONDS = {"figures": 7.0, "tables": 3.0}
TABLE_SECONDS = 1.0
SIMULATION_SECONDS, RECORDING_SECONDS, COUNTING_SECONDS = 9.0, 3.0, 20.0


class Jobs(NamedTuple):
    """Files of one kind: how many in all, how many are still to be made, and seconds of one core for those."""

    name: str
    total: int
    waiting: int
    seconds: float


def other_jobs(plan: Plan) -> list[Jobs]:
    """Count the jobs of a plan that train nothing, and estimate those that are to come.

    A file that is there counts as made, whatever Snakemake finds of its age.
    """
    data = {data_id: spec for data_id, spec in plan.tasks.items() if not plan.task_path(data_id).exists()}
    states = [init_id for init_id in plan.initial_states if not plan.init_path(init_id).exists()]
    drawn = {one.id: _drawing(one, plan.config.folder) for one in plan.experiments.values()}
    return [
        Jobs("data sets", len(plan.tasks), len(data), _preparing(data.values())),
        Jobs("initial states", len(plan.initial_states), len(states), len(states) * (START_SECONDS + STATE_SECONDS)),
        Jobs("figures and tables", len(drawn), sum(seconds > 0 for seconds in drawn.values()), sum(drawn.values())),
    ]


def _preparing(specs: Iterable[RunSpec]) -> float:
    """Estimate the time to prepare some data sets; what an ear has heard is kept for all bins."""
    seconds, heard = 0.0, set()
    for spec in specs:
        data = spec.data
        seconds += START_SECONDS + PREPARE_SECONDS
        words = (data.task, data.source, getattr(data, "limit", 0), getattr(data, "seed", 0))
        if data.task != "shd" or words not in heard:
            seconds += data.train_samples * PER_SAMPLE.get((data.task, data.source), PER_OTHER_SAMPLE)
        heard.add(words)
    return seconds


def _drawing(experiment: Experiment, folder: Path) -> float:
    """Estimate the time to make the tables of an experiment and draw from them; 0 if all files are there."""
    seconds = 0.0
    for name, path in tables_of(experiment, folder).items():
        if name != "baseline" and not path.exists():
            counted = experiment.record is not None and experiment.record.get("counts")
            activity = COUNTING_SECONDS if counted else RECORDING_SECONDS
            made = activity if name == "activity" else SIMULATION_SECONDS if experiment.simulate else TABLE_SECONDS
            seconds += START_SECONDS + made
    if not all(Path(path).exists() for path in outputs_of(experiment, folder)):
        seconds += START_SECONDS + DRAW_SECONDS[kind_of(experiment)] * (1 + bool(experiment.compare))
    return seconds
