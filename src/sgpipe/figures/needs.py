"""Check, before training, that an experiment has what its figure needs.

A figure's module declares its needs in a literal, `NEEDS`, with any of these keys:

    table     what its table holds: results (of trained networks), knobs, graph, samples, manifolds, simulation, or
              paper (the knobs of everything that the paper trains; for an experiment without sweeps)
    activity  what must be recorded of the networks: keys of `record`; [] for anything
    any_of    sweeps that it can draw; at least one must be there
    all_of    sweeps that must all be there
    tasks     the data sets that it can draw
    run       a list of knob settings; some run must match at least one of them
    least     the smallest allowed value of some knobs
    settings  required keys of `settings`

The modules are read, not imported: matplotlib would slow down every job that reads the Snakefile.
"""

import ast
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from functools import cache
from pathlib import Path
from typing import Any

from sgpipe.base.errors import SgpipeError
from sgpipe.figures.comparable import comparison_problems
from sgpipe.plan.outputs import kind_of
from sgpipe.plan.sources import module_of
from sgpipe.spec.experiments import Experiment
from sgpipe.spec.own.faults import faults
from sgpipe.spec.own.registry import EXTENSIONS

FUNCTIONS = {"figures": ("select", "draw"), "tables": ("select", "printed", "legend")}


def check_figures(experiments: Mapping[str, Experiment]) -> None:
    """Check that every experiment gives its figure or table what it needs.

    Raises:
        SgpipeError: One does not.
    """
    for experiment in experiments.values():
        experiment.recorded()
        own = EXTENSIONS.figures.get(experiment.draw)
        with faults(own.OWN.file, f"{own.OWN.words}: NEEDS") if own else nullcontext():
            for problem in problems(experiment, experiments):
                raise SgpipeError(f"{experiment.id}: {problem}")


def problems(experiment: Experiment, experiments: Mapping[str, Experiment]) -> Iterator[str]:
    """Yield what is wrong, and what to type instead, if an experiment's figure cannot be drawn from its table.

    Args:
        experiment: The experiment.
        experiments: All experiments by id.
    """
    functions, needs = _told(experiment)
    draw, kind = experiment.draw, kind_of(experiment)
    if missing := [name for name in FUNCTIONS[kind] if name not in functions]:
        yield f"draw: {draw} has no function `{missing[0]}`, so it draws no {kind[:-1]}; name another"
    given = table_of(experiment)
    if given != needs.get("table", given):
        yield f"draw: {draw} draws {needs['table']}, and the experiment gives {given}; name another"
    if given == "paper" and not any(one.trains and one.paper == experiment.paper for one in experiments.values()):
        yield f"draw: {draw} lists what {experiment.paper} trains, and that is nothing; give an experiment sweeps"
    if "activity" in needs:
        yield from _activity(experiment, needs["activity"])
    sweeps = {name for names in experiment.sweeps.values() for name in names}
    if lacking := [name for name in needs.get("all_of", ()) if name not in sweeps]:
        yield f"sweeps: {draw} needs one called {lacking[0]}"
    if "any_of" in needs and not sweeps & set(needs["any_of"]):
        yield f"sweeps: {draw} knows none of them; name one of them {' or '.join(needs['any_of'])}"
    yield from _knobs(experiment, needs)
    if lacking := [key for key in needs.get("settings", ()) if not _has(experiment.settings, key)]:
        yield f"settings: {draw} needs `{lacking[0]}`"
    if experiment.compare:
        yield from comparison_problems(experiment, experiments)


def table_of(experiment: Experiment) -> str:
    """Name the content of an experiment's table."""
    if experiment.trains:
        return "results"
    if experiment.simulate:
        return "simulation"
    if experiment.samples:
        return "samples"
    return experiment.shows or ("manifolds" if experiment.runs else "paper")


def _activity(experiment: Experiment, keys: list[str]) -> Iterator[str]:
    if experiment.record is None:
        yield f"record: {experiment.draw} draws activity; add e.g. record: {{runs: {{}}, samples_per_class: 1}}"
    elif lacking := [key for key in keys if not experiment.record.get(key)]:
        yield f"record: {experiment.draw} needs {lacking[0]}: true"


def _knobs(experiment: Experiment, needs: Mapping[str, Any]) -> Iterator[str]:
    draw, runs = experiment.draw, [spec.flat() for spec in experiment.runs.values()] if needs else []
    if "tasks" in needs:
        unknown = {run["data.task"] for run in runs} - set(needs["tasks"])
        if unknown:
            yield f"data.task: {draw} is about {' or '.join(needs['tasks'])}, not {min(unknown)}"
    if "run" in needs and not any(run.items() >= wanted.items() for run in runs for wanted in needs["run"]):
        words = "; or ".join(", ".join(f"{key}: {value}" for key, value in one.items()) for one in needs["run"])
        yield f"sweeps: {draw} draws runs with {words}; there is none"
    for key, least in needs.get("least", {}).items():
        if low := [run[key] for run in runs if run.get(key) is not None and run[key] < least]:
            yield f"{key}: {draw} needs at least {least}, not {min(low)}"


def _has(settings: Mapping[str, Any], key: str) -> bool:
    return any(name == key or name.startswith(f"{key}.") for name in settings)


def _told(experiment: Experiment) -> tuple[frozenset[str], dict[str, Any]]:
    """Return the functions and the `NEEDS` of the module or extension that draws an experiment."""
    if own := EXTENSIONS.figures.get(experiment.draw):
        return frozenset(dir(own)), getattr(own, "NEEDS", {})
    path = module_of(experiment)
    return _declared(path, path.stat().st_mtime_ns)


@cache
def _declared(path: Path, changed: int) -> tuple[frozenset[str], dict[str, Any]]:
    """Return the functions and the `NEEDS` of a module; `changed` is the time of its last change, for the cache."""
    try:
        body = ast.parse(path.read_text(encoding="utf-8")).body
        functions = frozenset(node.name for node in body if isinstance(node, ast.FunctionDef))
        for node in body:
            if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "NEEDS" for t in node.targets):
                return functions, ast.literal_eval(node.value)
    except (SyntaxError, ValueError) as error:
        raise SgpipeError(f"{path}: {str(error).splitlines()[0]}") from None
    return functions, {}
