"""The plan: which runs the experiments need, grouped into packs. All of it follows from the YAML alone."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from sgpipe.base.errors import SgpipeError, one_of
from sgpipe.data.files.sources import Sources
from sgpipe.plan import cost
from sgpipe.results.store import Store
from sgpipe.spec.config import Config
from sgpipe.spec.experiments import Experiment, in_readings, load_experiments
from sgpipe.spec.numerics import SIMULATION, VERSIONS, init_version, versions
from sgpipe.spec.readings import FOLDER as READINGS
from sgpipe.spec.run import SECTIONS, SEEDS, RunSpec, canonical_json, digest, knobs

NUMERICS = "sgpipe.numerics"  # in the metadata of a file: the versions of what made it


@dataclass(frozen=True)
class Pack:
    """Runs that one job trains: one task, networks of a shape together, asked for by the same experiments."""

    id: str
    runs: tuple[RunSpec, ...]

    @cached_property
    def columns(self) -> str:
        """A digest of the names of the knobs: a table from before a knob was added lacks its column."""
        sections = ("data", *SECTIONS)  # and not those of extensions, whose tables have other runs
        names = (name for name in knobs(self.runs[0].data.task) if name.partition(".")[0] in sections)
        return digest(",".join(names))

    @cached_property
    def numerics(self) -> str:
        """The numerics versions of everything its runs use, as one canonical string."""
        return ";".join(sorted({versions(spec) for spec in self.runs}))

    @property
    def notes(self) -> dict[str, str]:
        """What its table says of its making, for whoever finds it without Snakemake's notes."""
        return {NUMERICS: self.numerics, "sgpipe.columns": self.columns}

    @property
    def init_ids(self) -> list[str]:
        """The initial states that its runs start from, by id, sorted; none for runs without conditions."""
        return sorted({spec.init_id for spec in self.runs if spec.conditions})

    def memory_mb(self, attempt: int = 1) -> int:
        """Compute the memory to ask a cluster for, in MB; every further attempt asks for twice as much."""
        return cost.memory_mb(self.runs) * 2 ** (attempt - 1)


@dataclass(frozen=True)
class Plan:
    """Everything that is to be made at one scale."""

    config: Config
    experiments: dict[str, Experiment]
    packs: dict[str, Pack]
    packs_of: dict[str, tuple[str, ...]]  # experiment id -> the packs that hold its runs

    @property
    def store(self) -> Store:
        """Where ended runs are kept."""
        return Store(Path(self.config.results) / "runs")

    @cached_property
    def in_readings(self) -> "Plan":
        """The experiments in all readings but the default, with the packs that they need besides this plan's.

        Made when it is first asked for: at scale paper it takes seconds.
        """
        home = {run.id: pack for pack in self.packs.values() for run in pack.runs}
        return packed(self.config, in_readings(self.config.experiments, self.experiments), home)

    def experiment(self, name: str) -> Experiment:
        """Look up an experiment, or one in a reading; raises SgpipeError, with the known names, if there is none."""
        if name in self.experiments:
            return self.experiments[name]
        known = self.in_readings.experiments if name.startswith(f"{READINGS}/") else self.experiments
        if name not in known:
            raise one_of("experiment", name, known)
        return known[name]

    def packs_for(self, name: str) -> tuple[str, ...]:
        """List the packs that hold the runs of an experiment, or of one in a reading."""
        return self.packs_of[name] if name in self.packs_of else self.in_readings.packs_of[name]

    def check_target(self, target: str) -> None:
        """Raise SgpipeError, with what there is instead, if a target is meant for a figure or table that is not there.

        Of a paper that is here any `<paper>_<word>` is meant so, of another one what has `fig` or `table` in its place;
        and so is a figure's name without its paper, such as `fig3`.
        """
        parts = re.fullmatch(r"(?!all_)([A-Za-z0-9]+)_([A-Za-z][0-9A-Za-z]*)", target)
        papers = {experiment.paper for experiment in self.experiments.values()}
        if parts is not None and (parts[1] in papers or re.match("fig|table", parts[2]) is not None):
            self.experiment(target)
        alone = [name for name in self.experiments if name.partition("_")[2] == target]
        if alone and not Path(target).exists():
            raise SgpipeError(f"experiment: {target!r} lacks its paper; did you mean {' or '.join(map(repr, alone))}?")

    def pack(self, pack_id: str) -> Pack:
        """Look up a pack; raises SgpipeError if no experiment makes it."""
        pack = self.packs.get(pack_id) or self.in_readings.packs.get(pack_id)
        if pack is None:
            raise SgpipeError(
                f"pack {pack_id}: no experiment makes it at scale {self.config.scale}; `sgpipe plan` lists them"
            )
        return pack

    def task(self, data_id: str) -> RunSpec:
        """Look up a run of a data set that has to be prepared."""
        return self.tasks.get(data_id) or self.in_readings.tasks[data_id]

    def initial_state(self, init_id: str) -> RunSpec:
        """Look up a run that starts from an initial state that conditions ask for."""
        return self.initial_states.get(init_id) or self.in_readings.initial_states[init_id]

    def minutes(self, pack_id: str, attempt: int = 1) -> int:
        """Compute the time limit to ask a cluster for; a second attempt has time for the torch reference.

        So has the first where config.yaml has the reference or a GPU train: no other engine's speed is known. Every
        further attempt asks for twice as much; it goes on from the state that the one before has left.
        """
        fast = self.config.engine in ("auto", "cpu") and self.config.device == "cpu"
        minutes = cost.pack_minutes(self.pack(pack_id).runs, reference=attempt > 1 or not fast)
        return minutes * 2 ** max(0, attempt - (2 if fast else 1))

    def task_numerics(self, data_id: str) -> str:
        """Return the numerics version of a data set's maker."""
        name = f"task.{self.task(data_id).data.task}"
        return f"{name}={VERSIONS[name]}"

    def task_notes(self, data_id: str) -> dict[str, str]:
        """Return what a prepared task says of its making, as `Pack.notes`."""
        return {NUMERICS: self.task_numerics(data_id)}

    def init_notes(self, init_id: str) -> dict[str, str]:
        """Return what an initial state says of its making, as `Pack.notes`."""
        return {NUMERICS: self.init_numerics(init_id)}

    @property
    def simulation_notes(self) -> dict[str, str]:
        """What a table of simulated networks says of its making, as `Pack.notes`."""
        return {NUMERICS: f"simulation={SIMULATION}"}

    def definition(self, name: str) -> str:
        """Digest what an experiment's table depends on besides results: its runs and settings."""
        experiment = self.experiment(name)
        return (
            experiment.definition
            if experiment.runs
            else digest(
                experiment.definition + ",".join(f"{by}:{spec.id}" for by, spec in self.paper_runs(experiment.paper))
            )
        )

    @property
    def sources(self) -> Sources:
        """Where data come from."""
        return Sources(self.config.data_dir, self.config.data, self.config.results)

    @cached_property
    def tasks(self) -> dict[str, RunSpec]:
        """One run for each data set that has to be prepared, by data id."""
        shown = [spec for experiment in self.experiments.values() for spec in self.shown(experiment)]
        return {spec.data_id: spec for spec in [*shown, *(pack.runs[0] for pack in self.packs.values())]}

    @cached_property
    def initial_states(self) -> dict[str, RunSpec]:
        """One run for each initial state that conditions ask for, by init id."""
        trained = [spec for pack in self.packs.values() for spec in pack.runs]
        simulated = [spec for one in self.experiments.values() if one.simulate for spec in one.runs.values()]
        return {spec.init_id: spec for spec in [*simulated, *trained] if spec.conditions}

    def task_path(self, data_id: str) -> Path:
        """Return where a prepared task lies or would lie; its statistics lie beside it, as `.json`."""
        return Path(self.config.results) / "data" / f"{data_id}.arrow"

    def pack_path(self, pack_id: str) -> Path:
        """Return where the table of a pack lies or would lie."""
        return Path(self.config.results) / "packs" / f"{pack_id}.parquet"

    def init_path(self, init_id: str) -> Path:
        """Return where an initial state lies or would lie."""
        return Path(self.config.results) / "init" / f"{init_id}.parquet"

    def init_numerics(self, init_id: str) -> str:
        """Return the numerics versions of what makes an initial state."""
        return init_version(self.initial_state(init_id))

    def shown(self, experiment: Experiment) -> list[RunSpec]:
        """Choose a run for each data set whose samples an experiment shows, or simulates its networks on."""
        looked_at = experiment.runs.values() if experiment.samples or experiment.simulate else ()
        return list({spec.data_id: spec for spec in looked_at}.values())

    def paper_runs(self, paper: str) -> list[tuple[str, RunSpec]]:
        """List (experiment, run) for all runs that a paper's experiments train."""
        return [
            (experiment.id, spec)
            for experiment in self.experiments.values()
            if experiment.paper == paper and experiment.trains
            for spec in experiment.runs.values()
        ]


def make_plan(config: Config) -> Plan:
    """Make the plan for a configuration; raises SgpipeError on anything wrong in the experiment files."""
    sources = Sources(config.data_dir, config.data, config.results)
    settle = sources.settle_if_there if config.fetching else sources.settle
    return packed(config, load_experiments(config.experiments, config.scale, config.seed, settle))


def packed(config: Config, experiments: dict[str, Experiment], home: Mapping[str, Pack] | None = None) -> Plan:
    """Plan some experiments: their runs in packs.

    Args:
        config: What is configured.
        experiments: By the key that their tables' paths have.
        home: The packs of runs that have one already, by run id.
    """
    home = home or {}
    packs: dict[str, Pack] = {}
    packs_of: dict[str, dict[str, None]] = {name: {} for name, one in experiments.items() if one.trains}
    askers: dict[str, list[str]] = {}
    runs: dict[str, RunSpec] = {}
    for name in packs_of:
        for run_id, spec in experiments[name].runs.items():
            if run_id in home:
                packs_of[name][home[run_id].id] = None
            else:
                askers.setdefault(run_id, []).append(name)
                runs[run_id] = spec
    groups: dict[tuple, list[RunSpec]] = {}
    for run_id, spec in runs.items():
        groups.setdefault((spec.data_id, *askers[run_id]), []).append(spec)
    for key, specs in groups.items():
        for pack in cut(specs, config.pack_seconds):
            packs[pack.id] = pack
            for name in key[1:]:
                packs_of[name][pack.id] = None
    return Plan(config, experiments, packs, {name: tuple(sorted(ids)) for name, ids in packs_of.items()})


def cut(specs: Sequence[RunSpec], seconds: float) -> Iterable[Pack]:
    """Cut a group of runs into packs.

    A run's place is decided by its own content alone: the runs hang in a binary tree by the bits of their key, and a
    branch that is light enough is a pack. A new run can only change the pack it falls into.

    Args:
        specs: The runs.
        seconds: The largest estimated time of a pack of several runs.
    """
    keyed = [(_key(spec), cost.run_seconds(spec), spec) for spec in specs]
    return _branch(sorted(keyed, key=lambda item: item[0]), 0, seconds)


def _branch(keyed: list[tuple[str, float, RunSpec]], depth: int, seconds: float) -> Iterable[Pack]:
    if not keyed:
        return
    if len(keyed) == 1 or sum(one for _, one, _ in keyed) <= seconds:
        runs = tuple(sorted((spec for *_, spec in keyed), key=lambda spec: spec.id))
        yield Pack(digest(",".join(spec.id for spec in runs)), runs)
        return
    for bit in "01":
        yield from _branch([item for item in keyed if item[0][depth] == bit], depth + 1, seconds)


def _key(spec: RunSpec) -> str:
    """Return 192 bits as text, of: the network shape; the point (the spec without learning rate and seeds); the run.

    So networks of one shape stay together, and all seeds and learning rates of a point, unless they are too many for
    one pack.
    """
    shape = digest(f"{spec.network.neuron} {spec.network.hidden} {spec.network.recurrent}")
    flat = {key: value for key, value in spec.flat().items() if key not in (*SEEDS, "optimiser.lr")}
    return f"{int(shape + digest(canonical_json(flat, spec.data.task)) + spec.id, 16):0192b}"
