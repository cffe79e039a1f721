"""What each Snakemake rule does, as a plain call: files in, files out.

The rules' scripts and the command line call these; nothing here knows of Snakemake.
"""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa

from sgpipe.config import Config
from sgpipe.data import load_task, prepare, save_task, statistics
from sgpipe.data.published import SETS_OF
from sgpipe.engines import chooser
from sgpipe.errors import SgpipeError
from sgpipe.experiments import Experiment
from sgpipe.files import atomic
from sgpipe.init.states import read_state, write_state
from sgpipe.logs import ProgressLog
from sgpipe.plan import Plan
from sgpipe.results import Result, experiment_table, merge_packs, runs_table, write_table
from sgpipe.train import train_pack
from sgpipe.untrained import as_cell, knobs_in_use, knobs_of_sweeps, links_of_sweeps, manifold_points, shown_samples


def prepare_task(
    plan: Plan, data_id: str, task_path: Path | str, statistics_path: Path | str, workers: int = 1
) -> None:
    """Make a data set, and the statistics of its splits.

    Raises SgpipeError if its files are not those that the plan was made with.
    """
    spec = plan.tasks[data_id]
    plan.sources.check(spec.data)
    task = prepare(spec, plan.config.data_dir, workers, keep=Path(task_path).parent)
    save_task(task, task_path)
    described = {"data": vars(spec.data), **statistics(task)}
    with atomic(statistics_path) as temporary:
        temporary.write_text(json.dumps(described, indent=1) + "\n")


def download(plan: Plan, tasks: Iterable[str] = ()) -> None:
    """Fetch the missing published files of some tasks, by default of those that the plan's runs need.

    Raises SgpipeError at the end, with a line for each, if some could not be fetched.
    """
    from sgpipe.data.download import fetch_task  # needed here alone

    needed = sorted({run.data.task for run in plan.tasks.values()} & set(SETS_OF))
    if not tasks and not needed:
        print("nothing to fetch: these experiments need no published files")
    problems = []
    for task in tasks or needed:
        try:
            made = fetch_task(task, plan.config.data_dir)
            print(f"{task}: " + (f"fetched {', '.join(made)}" if made else "nothing to fetch"))
        except SgpipeError as error:  # another set may be there to be had
            problems.append(str(error))
    if problems:
        raise SgpipeError("\nsgpipe: ".join(problems))


def initial_state(plan: Plan, init_id: str, task_path: Path | str, output: Path | str) -> None:
    """Write the initial state that conditions ask for, from a prepared task and its statistics beside it.

    A condition without a solution is a line on the error stream. Raises SgpipeError, naming experiments and run, if
    `init.infeasible` is `error`.
    """
    from sgpipe.init.initial import initial_state  # scipy, which training need not load

    spec, path = plan.initial_states[init_id], Path(task_path)
    askers = [
        name for name, item in plan.experiments.items() if any(run.init_id == init_id for run in item.runs.values())
    ]
    where = f"{', '.join(askers)}: run {spec.id} ({spec.init.conditions})"
    described = path.with_suffix(".json")
    try:
        known = json.loads(described.read_text()) if described.exists() else None
        state = initial_state(spec, load_task(path), known)
    except SgpipeError as error:
        raise SgpipeError(f"{where}: {error}") from error
    for message in state.messages:
        print(f"sgpipe: {where}: {message}", file=sys.stderr)
    write_state(state, output, {"sgpipe.init": spec.init_id, "sgpipe.spec": spec.canonical()})


def train(plan: Plan, pack_id: str, task_path: Path | str, output: Path | str | None = None) -> None:
    """Train a pack, or take its runs from the store; write the table of its runs if `output` is given.

    The initial states that its runs ask for must have been made.
    """
    pack = plan.pack(pack_id)
    config: Config = plan.config
    with ProgressLog(f"pack {pack_id}", pack.runs) as log:
        results = train_pack(
            pack.runs,
            load_task(Path(task_path)),
            plan.store,
            chooser(config.engine, config.device),
            config.threads,
            report=log.epoch,
            ended=log.ended,
            states={init_id: read_state(plan.init_path(init_id)) for init_id in pack.init_ids},
        )
    if output is not None:
        write_table(runs_table(results), output)


def aggregate(plan: Plan, name: str, packs: Iterable[Path | str], output: Path | str) -> None:
    """Write an experiment's table from the tables of its packs."""
    experiment = plan.experiment(name)
    write_table(merge_packs(packs, experiment.sweeps), output, _metadata(experiment))


def begun(plan: Plan) -> Iterator[str]:
    """The experiments of which a run has ended."""
    for name, experiment in plan.experiments.items():
        if experiment.trains and any(spec in plan.store for spec in experiment.runs.values()):
            yield name


def collect(plan: Plan, name: str, output: Path | str) -> tuple[int, int]:
    """Write an experiment's table from whichever of its runs have ended; return how many, and of how many.

    The table says how many are missing, and so does a figure drawn from it; `<name>.missing.parquet` beside it says
    which, for claims about the others. Raises SgpipeError if none has ended.
    """
    experiment, output = plan.experiment(name), Path(output)
    results = [plan.store.get(spec) or Result(spec, "missing", ()) for spec in experiment.runs.values()]
    missing = [result for result in results if result.status == "missing"]
    if len(missing) == len(results):
        raise SgpipeError(f"{name}: none of its runs has ended yet")
    ended = [result for result in results if result.status != "missing"]
    write_table(
        experiment_table(runs_table(ended), experiment.sweeps), output, _metadata(experiment, missing=len(missing))
    )
    beside = output.with_suffix(".missing.parquet")
    if missing:
        write_table(experiment_table(runs_table(missing), experiment.sweeps), beside)
    else:
        beside.unlink(missing_ok=True)
    return len(ended), len(results)


def describe(plan: Plan, name: str, output: Path | str, tasks: Iterable[Path | str] = ()) -> None:
    """Write the table of an experiment that trains nothing.

    It holds samples of the prepared `tasks`, in the order of `plan.shown`, if the experiment asks for samples; the
    knobs of its sweeps, or the links of their computational graphs, if it shows those; else points of its manifolds, or
    if it has no runs the knobs of its paper.
    """
    experiment = plan.experiment(name)
    if experiment.samples:
        table = shown_samples(experiment, plan.shown(experiment), tasks)
    elif experiment.shows == "knobs":
        table = knobs_of_sweeps(experiment)
    elif experiment.shows == "graph":
        table = links_of_sweeps(experiment)
    else:
        table = manifold_points(experiment) if experiment.runs else knobs_in_use(plan, experiment)
    write_table(table, output, _metadata(experiment))


def simulate(
    plan: Plan, name: str, tasks: Mapping[str, Path | str], states: Mapping[str, Path | str], output: Path | str
) -> None:
    """Write what the initial networks of an experiment do before training: a row per layer and step, and more.

    `tasks` are prepared tasks by data id, `states` the initial states by init id. `kind` says what a row is: `course`
    (a step) and `mean` of a run's layer, with its knobs; `phase` and `moment` of the first run's first layer (see
    `sgpipe.init.observe`).
    """
    from sgpipe.init.observe import measured, moment_rows, phase_rows  # scipy, which training need not load

    experiment = plan.experiment(name)
    asked, rows = experiment.simulate, []
    for run_id, spec in experiment.runs.items():
        state = read_state(states[spec.init_id]) if spec.conditions else None
        found = measured(spec, load_task(tasks[spec.data_id]), state, asked["samples"], asked["steps"])
        knobs = {key: as_cell(value) for key, value in spec.flat().items()}
        for kind, part in zip(("course", "mean"), found, strict=True):
            rows += [{"kind": kind, "sweeps": list(experiment.sweeps[run_id]), **knobs, **row} for row in part]
    first = next(iter(experiment.runs.values()))
    task = load_task(tasks[first.data_id])
    phase = {key.removeprefix("phase."): value for key, value in asked.items() if key.startswith("phase.")}
    if phase:
        rows += [{"kind": "phase", **row} for row in phase_rows(first, task, **phase)]
    rows += [{"kind": "moment", **row} for row in moment_rows(first, task)]
    write_table(pa.Table.from_pylist(rows, _columns(rows)), output, _metadata(experiment))


def _columns(rows: Iterable[Mapping[str, object]]) -> pa.Schema:
    """Return the schema of rows that differ in their columns: all of them, each of the type of its values."""
    values: dict[str, list] = {}
    for row in rows:
        for key, value in row.items():
            values.setdefault(key, []).append(value)
    return pa.schema([(key, pa.array(column).type) for key, column in values.items()])


def _metadata(experiment: Experiment, **more: object) -> dict[str, str]:
    return {"sgpipe.experiment": json.dumps({**experiment.metadata(), **more}, sort_keys=True)}


def record_activity(plan: Plan, name: str, tasks: Iterable[Path | str], output: Path | str) -> None:
    """Write the activity of an experiment's recorded runs on some test samples, and their spike counts on all of them.

    `tasks` are the prepared tasks of those runs, in their order. A run that did not finish has no activity.
    """
    from sgpipe.recording import MOMENTS, SCHEMA, count_spikes, record  # torch, which training need not load

    experiment = plan.experiment(name)
    asked, parts = experiment.record, [SCHEMA.empty_table()]
    for spec, path in zip(experiment.recorded(), tasks, strict=True):
        ended = plan.store.get(spec)
        if ended is not None and ended.status != "finished":
            print(f"sgpipe: {name}: run {spec.id} {ended.status}: its activity is not recorded", file=sys.stderr)
            continue
        task, weights = load_task(path), plan.store.weights(spec)
        samples = _first_of_each_class(name, task.test.labels, asked["samples_per_class"], asked.get("labels"))
        theory = read_state(plan.init_path(spec.init_id)) if spec.conditions else None
        moments = asked.get("moments", MOMENTS)
        parts.append(record(spec, task, samples, weights, theory, moments, asked.get("membranes")))
        if asked.get("counts"):
            parts.append(count_spikes(spec, task, weights, theory, moments))
    write_table(pa.concat_tables(parts), output)


def draw(module: str, tables: Mapping[str, Path | str], outputs: Iterable[Path | str]) -> None:
    """Draw a figure, or write a table, from its tables, as the files `outputs` that share one stem."""
    from sgpipe.figures.make import make_figure, make_table  # matplotlib, which training need not load

    paths = [Path(path) for path in outputs]
    make = make_figure if any(path.suffix == ".png" for path in paths) else make_table
    make(module, {name: Path(path) for name, path in tables.items()}, paths[0].with_suffix(""))


def judge_claims(declared: Mapping[str, Experiment], folder: Path | str, output: Path | str) -> str:
    """Hold the papers' claims against the experiment tables of a folder; write the verdicts to the folder `output`.

    `declared` are the experiments that the workflow has. Returns how many claims have which verdict, in words. Raises
    SgpipeError if a claim file does not fit, or no table that a claim is about is there.
    """
    from sgpipe.claims.declare import about, claim_files, load_claims
    from sgpipe.claims.judge import judge_all
    from sgpipe.claims.report import summary_words, write
    from sgpipe.claims.tables import read_tables

    claims = about(load_claims(claim_files()), declared)
    tables = read_tables(folder, {name for claim in claims for name in claim.experiments})
    if not tables:
        raise SgpipeError(f"{folder}: no table of an experiment that a claim is about, e.g. zenke2021_fig3.parquet")
    judgements = judge_all(claims, tables, declared)
    write(judgements, output)
    return summary_words(judgements)


def _first_of_each_class(name: str, labels: np.ndarray, count: int, wanted: Iterable[int] | None = None) -> np.ndarray:
    """Return the places of the first samples of each class, or of each of the `wanted` ones; raises SgpipeError."""
    classes = np.unique(labels) if wanted is None else np.asarray(list(wanted))
    found = np.sort(np.concatenate([np.flatnonzero(labels == label)[:count] for label in classes]))
    if not len(found):
        raise SgpipeError(f"{name}: record.labels: no test sample has label {' or '.join(map(str, classes))}")
    return found
