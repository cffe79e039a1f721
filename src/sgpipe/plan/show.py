"""What `sgpipe show` prints: everything about one run, and the command that repeats it alone."""

import re
import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sgpipe.base.errors import SgpipeError
from sgpipe.base.parquet import metadata_of, read_whole
from sgpipe.plan.plan import Plan
from sgpipe.plan.table import time_words
from sgpipe.results.store import Result, check_format, result_of
from sgpipe.spec.numerics import versions
from sgpipe.spec.run import RunSpec, canonical_json, from_canonical
from sgpipe.training.checkpoint import peek

MOST_NAMED = 5


@dataclass(frozen=True)
class _Found:
    """A run, and what a file of the store says of it, if one does."""

    spec: RunSpec
    path: Path
    numerics: str
    result: Result | None


def planned_run(plan: Plan, start: str) -> RunSpec:
    """Look up a run of a plan, or of its other readings.

    Args:
        plan: The plan.
        start: The beginning of the run's id.

    Raises:
        SgpipeError: No run of the plan has such an id, or several have.
    """
    runs = _planned(plan, start) or _planned(plan.in_readings, start)
    if not runs:
        raise SgpipeError(
            f"run {start}: no experiment asks for it at scale {plan.config.scale}; is it of another one "
            "(--config scale=paper)?"
        )
    return runs[_only(start, runs)]


def show(plan: Plan, start: str, words: Sequence[str] = ()) -> str:
    """Write everything that is known about a run.

    Args:
        plan: The plan.
        start: The beginning of the run's id.
        words: Settings from the command line, other than scale and results, for the command that repeats the run.

    Raises:
        SgpipeError: Neither the plan nor the store has such a run, or there are several.
    """
    if not re.fullmatch("[0-9a-f]{1,16}", start):
        raise SgpipeError(f"run {start!r}: is no run id, nor the beginning of one: up to 16 digits from 0 to f")
    run_id = _only(start, _planned(plan, start).keys() | _stored(plan, start) or _planned(plan.in_readings, start))
    found = _find(plan, run_id)
    askers = [name for name, one in plan.experiments.items() if one.trains and run_id in one.runs]
    by = f"{', '.join(askers)} at scale {plan.config.scale}" if askers else f"no figure at scale {plan.config.scale}"
    ended = _ended(found) if found.result else [_waiting(plan, found.spec)]
    lines = [f"run {run_id}, of {by}", *ended, "", *_knobs(found.spec), "", *_origin(plan, found)]
    return "\n".join([*lines, "", *_again(plan, found, bool(askers), words)])


def _planned(plan: Plan, start: str) -> dict[str, RunSpec]:
    return {run.id: run for pack in plan.packs.values() for run in pack.runs if run.id.startswith(start)}


def _stored(plan: Plan, start: str) -> set[str]:
    folder = start[:2] if len(start) > 1 else f"{start}?"
    return {path.name.partition("-")[0] for path in plan.store.root.glob(f"{folder}/{start}*-*.parquet")}


def _only(start: str, ids) -> str:
    if not ids:
        raise SgpipeError(f"run {start}: neither the plan nor the store has it; ids are in the column run_id of tables")
    if len(ids) > 1:
        some = sorted(ids)[:MOST_NAMED]
        more = f" and {len(ids) - len(some)} more" if len(ids) > len(some) else ""
        raise SgpipeError(f"run {start}: {', '.join(some)}{more} begin so; give more digits")
    return next(iter(ids))


def _find(plan: Plan, run_id: str) -> _Found:
    """Find the file of a run: of this program's numerics versions or else of others."""
    specs = _planned(plan, run_id)
    current = plan.store.path(specs[run_id]) if specs else None
    files = [path for path in plan.store.files_of(run_id) if path.suffix == ".parquet"]
    for path in sorted(files, key=lambda path: path != current):
        table = read_whole(path)
        about = metadata_of(table)
        try:
            check_format(path, about)
            spec = specs.get(run_id) or from_canonical(about["sgpipe.spec"])
            return _Found(spec, path, about["sgpipe.numerics"], result_of(spec, table, about))
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise SgpipeError(f"{path}: damaged; `sgpipe retry {run_id}` trains the run again") from error
    spec = specs.get(run_id) or planned_run(plan, run_id)
    return _Found(spec, plan.store.path(spec), versions(spec), None)


def _waiting(plan: Plan, spec: RunSpec) -> str:
    path = plan.store.checkpoint_path(spec)
    held, saved = spec.id in plan.store.locked(), peek(path)
    words = "running" if held else "not trained yet"
    if saved:
        age = time.time() - max(one.stat().st_mtime for one in path.parent.glob(f"{path.stem}*"))
        words += f"; its state after {saved.epoch} of {spec.training.epochs} epochs was saved {time_words(age)} ago"
    return words


def _ended(found: _Found) -> Iterator[str]:
    """Yield how a run has ended, and what was measured after its last and its best epoch."""
    result, epochs = found.result, found.spec.training.epochs
    yield f"{result.status} after {max((row.epoch for row in result.rows), default=0)} of {epochs} epochs" + (
        f": {result.error}" if result.error else ""
    )
    last = max((row.epoch for row in result.rows), default=0)
    shown = [row for row in result.rows if row.best or row.epoch == last]
    if shown:
        yield f"  {'epoch':<12}{'split':<8}{'loss':>10}{'accuracy':>10}  spikes of each hidden layer"
    for row in shown:
        epoch = f"{row.epoch}{' (best)' if row.best else ''}"
        spikes = ", ".join(f"{count:.1f}" for count in row.spikes)
        yield f"  {epoch:<12}{row.split:<8}{row.loss:>10.4f}{row.accuracy:>10.4f}  {spikes}"


def _knobs(spec: RunSpec) -> Iterator[str]:
    """Yield every knob that applies; a star has what differs from the default."""
    flat = {key: value for key, value in spec.flat().items() if value is not None}
    changed = canonical_json(flat, spec.data.task)
    yield "knobs (* differs from the default)"
    for key, value in flat.items():
        star = "*" if f'"{key}":' in changed else " "
        yield f" {star}{key:<30} {list(value) if isinstance(value, tuple) else value}"


def _origin(plan: Plan, found: _Found) -> Iterator[str]:
    """Yield with what a run was trained, and where its files are."""
    spec, known = found.spec, found.result.provenance if found.result else {}
    own = " (of another version than this program's)" if found.numerics != versions(spec) else ""
    yield f"numerics    {found.numerics}{own}"
    if known:
        yield f"program     sgpipe {_of(known, 'sgpipe')}, git {_of(known, 'git')}, python {_of(known, 'python')}"
        yield (
            f"trained     {_of(known, 'started')}, {_of(known, 'seconds')} s of one core, "
            f"engine {_of(known, 'engine')} on {_of(known, 'device')} ({_of(known, 'machine')})"
        )
    files = getattr(spec.data, "files", None)
    yield f"data        {spec.data.source}{f', files {files}' if files else ''}; {_there(plan.task_path(spec.data_id))}"
    if spec.conditions:
        yield f"start       {_there(plan.init_path(spec.init_id))}"
    yield f"result      {_there(found.path)}"
    yield f"weights     {_there(found.path.with_suffix('.weights.npz'))}"


def _of(known: Mapping[str, object], key: str) -> object:
    return known.get(key, "unknown")


def _there(path: Path) -> str:
    return f"{path}{'' if path.exists() else ' (not there)'}"


def _again(plan: Plan, found: _Found, asked: bool, words: Sequence[str]) -> Iterator[str]:
    if not asked:
        yield f"no experiment asks for it at scale {plan.config.scale}; with the settings of the one that does,"
    yield "again, alone, beside what is there:"
    yield f"  sgpipe train {found.spec.id} {shlex.join([*words, '--set'])} scale={plan.config.scale} results=again"
