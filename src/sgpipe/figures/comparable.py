"""Check, before training, that an experiment can be drawn beside another one (`compare:`)."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path

from sgpipe.figures.matching import Runs, matched
from sgpipe.plan.outputs import kind_of
from sgpipe.spec.experiments import Experiment


def comparison_problems(experiment: Experiment, experiments: Mapping[str, Experiment]) -> Iterator[str]:
    """Yield why an experiment cannot be drawn beside the one that it names, and what to type instead.

    Args:
        experiment: The experiment, which has `compare`.
        experiments: All experiments by id.
    """
    name = experiment.compare
    if name == experiment.id:
        yield "compare: is the experiment itself; name the one that it varies"
    elif name not in experiments:
        yield f"compare: {name} is in no experiment file; {_instead(name, experiments)}"
    elif not experiment.trains or kind_of(experiment) == "tables":
        yield f"compare: {experiment.draw} shows no accuracies of trained networks, which are compared; leave it out"
    elif not experiments[name].trains:
        yield f"compare: {name} trains no networks, whose accuracies are compared; name an experiment that does"
    else:
        found, reasons = matched(_runs(experiment), _runs(experiments[name]))
        if not found:
            yield f"compare: has nothing in common with {name}: {reasons[0]}"


def _instead(name: str, experiments: Mapping[str, Experiment]) -> str:
    """Say what to type instead of an unknown experiment: a similar name, or the file to add."""
    paper = name.partition("_")[0]
    near = get_close_matches(name, [one.id for one in experiments.values() if one.paper == paper], n=1)
    if near:
        return f"did you mean {near[0]}?"
    file = Path("workflow/experiments") / f"{paper}.yaml"
    return f"add its file to `experiments`{f', {file} beside yours' if file.exists() else ''}"


def _runs(experiment: Experiment) -> Runs:
    return Runs({run_id: spec.flat() for run_id, spec in experiment.runs.items()}, experiment.sweeps)
