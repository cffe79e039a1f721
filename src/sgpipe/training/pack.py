"""Train a pack of runs: choose which are trained together, and train none twice."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from threading import Lock

from filelock import Timeout

from sgpipe.base.errors import first_line
from sgpipe.base.log import LOG
from sgpipe.data.samples import Task
from sgpipe.engines.interface import Engine, Pause, Threads, go_on
from sgpipe.results.store import Result, Store
from sgpipe.spec.run import RunSpec
from sgpipe.training.checkpoint import place_of
from sgpipe.training.failures import OWN_FAILURES, OutOfMemory, machines_errors, out_of_memory
from sgpipe.training.progress import Reporter, Silent
from sgpipe.training.provenance import git_revision, provenance
from sgpipe.training.trainer import States, train_runs

Group = Sequence[RunSpec]
SECONDS_BETWEEN_LOOKS = 1.0  # at a lock that another process holds


@dataclass(frozen=True)
class Workshop:
    """What a pack is trained with: the store, the engine of each run, the number of threads, and the reporter.

    `stop` is called between minibatches, and raises Stopped if training has to stop.
    """

    store: Store
    engine_for: Callable[[RunSpec], Engine]
    threads: int = 1
    reporter: Reporter = field(default_factory=Silent)
    stop: Pause = go_on


def train_pack(specs: Group, task: Task, workshop: Workshop, states: States | None = None) -> list[Result]:
    """Train the runs of a pack that the store does not have, and store each as it ends.

    An engine that takes packs gets all runs that can be trained in step at once. Otherwise each run is trained alone,
    and the runs are spread over the threads; once fewer runs than threads are left, each may use several. A run that
    another process is training comes last, and is then taken from the store if that process has stored it. A run that
    ran out of memory beside others also comes last, and is then trained alone. A group that is trained together is
    halved instead.

    Args:
        specs: The runs.
        task: The data set of the runs.
        workshop: Store, engine, threads and reporter.
        states: The initial state of every run with conditions, by init id.

    Returns:
        The results of all runs, in their order. A run that fails by its own fault has status `failed` (see `failures`).

    Raises:
        SgpipeError: The user or the machine has to put something right. Runs that had ended by then are stored.
        Stopped: As `workshop.stop` raised it; the states of the runs under way are saved.
    """
    ended = {spec: found for spec in specs if (found := workshop.store.get(spec))}
    for spec in ended:
        workshop.store.tidy(spec)
    engines = {spec: workshop.engine_for(spec) for spec in specs if spec not in ended}
    for spec in engines:
        workshop.store.check_places(spec)
    groups = _groups(engines, workshop.store)
    share = _ThreadShare(workshop.threads, len(groups))
    bench = _Bench(task, workshop, states or {}, share.each, git_revision() if groups else "")

    def settle(group: Group) -> Mapping[RunSpec, Result]:
        try:
            return _settle(group, engines[group[0]], bench)
        except OutOfMemory as error:
            if workshop.threads == 1:
                raise
            LOG.warning(f"{first_line(error)}; it is trained again, alone, after the others")
            return {}
        finally:
            share.leave()

    with ThreadPoolExecutor(workshop.threads) as pool:
        for settled in pool.map(settle, groups):
            ended |= settled
    for spec in specs:
        if spec not in ended:
            ended |= _settle([spec], engines[spec], bench, wait=True)
    return [ended[spec] for spec in specs]


class _ThreadShare:
    """The threads of a pack: the fewer groups are left, the more each may use."""

    def __init__(self, threads: int, groups: int):
        self._threads, self._groups, self._lock = threads, groups, Lock()

    def each(self) -> int:
        return max(1, self._threads // max(1, self._groups))

    def leave(self) -> None:
        with self._lock:
            self._groups -= 1


@dataclass(frozen=True)
class _Bench:
    """What all groups of a pack are trained with."""

    task: Task
    workshop: Workshop
    states: States
    threads: Threads
    revision: str


def _groups(engines: Mapping[RunSpec, Engine], store: Store) -> list[Group]:
    """Group the runs to train in step: each alone or, if the engine takes packs, by shape, length and progress."""
    groups: dict[tuple, list[RunSpec]] = {}
    for spec, engine in engines.items():
        network, training = spec.network, spec.training
        shape = (network.neuron, network.hidden, network.recurrent)
        pace = (engine.name, *shape, training.epochs, training.batch_size, training.precision)
        key = (*pace, place_of(store.checkpoint_path(spec))) if engine.takes_packs else (spec,)
        groups.setdefault(key, []).append(spec)
    return list(groups.values())


def _settle(group: Group, engine: Engine, bench: _Bench, wait: bool = False) -> dict[RunSpec, Result]:
    """Return the results of those runs of a group that no other process is training; store those trained here."""
    store, settled, mine = bench.workshop.store, {}, []
    with machines_errors(group), ExitStack() as locks:
        for spec in group:
            if not _locked(spec, bench.workshop, locks, wait):
                continue
            if found := store.get(spec):
                settled[spec] = found
            else:
                mine.append(spec)
        for result in _trained(mine, engine, bench) if mine else ():
            store.put(result)
            settled[result.spec] = result
            bench.workshop.reporter.ended(result.spec, result.status)
    return settled


def _locked(spec: RunSpec, workshop: Workshop, locks: ExitStack, wait: bool) -> bool:
    """Take the lock of a run, to be released with `locks`; return whether it was available. Waiting can be stopped."""
    while True:
        workshop.stop()
        try:
            locks.enter_context(workshop.store.lock(spec, timeout=SECONDS_BETWEEN_LOOKS if wait else 0))
            return True
        except Timeout:
            if not wait:
                return False


def _trained(specs: Group, engine: Engine, bench: _Bench) -> Iterator[Result]:
    """Train runs in step or, if one of them fails, each alone; a failure of the run's own is a result.

    If memory does not suffice for all of them, one half is trained after the other.
    """
    known = provenance(specs[0], engine, bench.revision)
    checkpoints = [bench.workshop.store.checkpoint_path(spec) for spec in specs]
    report, stop, results = bench.workshop.reporter.epoch, bench.workshop.stop, []
    try:
        results = train_runs(specs, bench.task, engine, checkpoints, report, bench.states, bench.threads, stop)
    except OWN_FAILURES as error:
        if len(specs) > 1:  # find out which of them it was
            for spec in specs:
                yield from _trained([spec], engine, bench)
            return
        message = f"{type(error).__name__}: {first_line(error)}"
        LOG.warning(f"run {specs[0].id} failed: {message}")
        results = [Result(specs[0], "failed", (), message)]
    except Exception as error:
        if len(specs) == 1 or not out_of_memory(error):
            raise
    if not results:  # outside the handler: the error keeps alive what was in memory when it was raised
        LOG.warning(f"no memory for {len(specs)} runs in step; one half of them is trained after the other")
        for half in (specs[: len(specs) // 2], specs[len(specs) // 2 :]):
            yield from _trained(half, engine, bench)
    for result in results:
        yield replace(result, provenance={**known, **result.provenance})
