# The plan, made once: everything else asks it what there is.

import os
import signal
import sys
import threading
from pathlib import Path

from sgpipe.plan import cost
from sgpipe.plan.clock import no_later_than_now
from sgpipe.plan.cluster import Cluster
from sgpipe.claims.declare import claim_files, claimed
from sgpipe.spec.config import read_config
from sgpipe.base.errors import SgpipeError
from sgpipe.base.interpreter import unusable
from sgpipe.base.log import LOG
from sgpipe.figures.needs import check_figures
from sgpipe.plan.command_line import command_line
from sgpipe.plan.kept import keep
from sgpipe.plan.notices import notices
from sgpipe.spec.numerics import SIMULATION
from sgpipe.spec.readings import FOLDER as READINGS
from sgpipe.plan.order import AT_ONCE, Order
from sgpipe.plan.partitions import Asked
from sgpipe.plan.outputs import caption_of, kind_of, outputs_of, tables_of
from sgpipe.plan.outdated import is_made_otherwise, is_outdated
from sgpipe.plan.plan import make_plan
from sgpipe.plan.sources import claim_sources, explorer_sources, sources_of

if reason := unusable(sys.executable):
    sys.exit(f"sgpipe: {reason}")

# A cluster's warning before a time limit (profiles/slurm) reaches all processes of a job; it is for those that train.
if threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)

# A job elsewhere must find the same files, and so the same ids.
if "SGPIPE_DATA" in os.environ:

    envvars:
        "SGPIPE_DATA",


COMMAND = command_line(sys.argv[1:])

try:
    # Fetching what is missing must not fail because it is missing.
    PLAN = make_plan(read_config(config, fetching=COMMAND.fetches))
    ORDER = Order(PLAN)
    CLUSTER = Cluster(PLAN)
    SOURCES = {
        name: sources_of(experiment) for name, experiment in PLAN.experiments.items()
    }
    if not COMMAND.is_job:
        # Snakemake's own message for an unknown target does not say what there is instead.
        for target in COMMAND.targets:
            PLAN.check_target(target)
        check_figures(PLAN.experiments)
        keep(PLAN, config)
        no_later_than_now(
            [
                *(
                    Path(PLAN.config.results) / part
                    for part in ("data", "init", "packs")
                ),
                PLAN.config.folder,
            ]
        )
        for notice in notices(PLAN, set(COMMAND.targets) & set(PLAN.experiments)):
            LOG.warning(notice)
except SgpipeError as error:
    sys.exit(f"sgpipe: {error}")

RESULTS = PLAN.config.results
SCALE = str(PLAN.config.folder)
PAPERS = sorted({experiment.paper for experiment in PLAN.experiments.values()})
CLAIM_MODULES = claim_sources()
EXPERIMENTS = PLAN.experiments.values()
TRAINED = [experiment.id for experiment in EXPERIMENTS if experiment.trains]
SIMULATED = [experiment.id for experiment in EXPERIMENTS if experiment.simulate]
DESCRIBED = [name for name in PLAN.experiments if name not in TRAINED + SIMULATED]
OPEN = [experiment for experiment in EXPERIMENTS if experiment.readings]
RECORDED = [experiment.id for experiment in EXPERIMENTS if experiment.record]
COUNTED = [name for name in RECORDED if PLAN.experiments[name].record.get("counts")]


def look_at_cluster():
    """Refuse what Slurm would let wait for ever; only as Snakemake begins is it known that it submits to Slurm."""
    settings = workflow.executor_settings
    if COMMAND.is_job or not hasattr(settings, "partition_config"):
        return
    jobs = [job for job in workflow.dag.needrun_jobs() if not job.is_local]
    asked = [
        Asked(
            f"{job.rule.name} {' '.join(job.wildcards)}",
            job.resources.get("runtime", 0),
            job.resources.get("slurm_partition"),
        )
        for job in jobs
    ]
    arrays = {name.strip() for name in (settings.array_jobs or "").split(",")}
    together = [
        job.wildcards.pack
        for job in jobs
        if hasattr(job.wildcards, "pack") and arrays & {"all", job.rule.name}
    ]
    file = settings.partition_config or os.environ.get("SNAKEMAKE_SLURM_PARTITIONS")
    try:
        CLUSTER.begin(asked, file, together)
    except SgpipeError as error:
        sys.exit(f"sgpipe: {error}")


def state_files(runs):
    """The initial states that runs with conditions start from."""
    ids = sorted({run.init_id for run in runs if run.conditions})
    return [
        of_these_versions(str(PLAN.init_path(init_id)), PLAN.init_notes(init_id))
        for init_id in ids
    ]


def task_file(run):
    """The prepared data set of a run."""
    return of_these_versions(
        f"{RESULTS}/data/{run.data_id}.arrow", PLAN.task_notes(run.data_id)
    )


OTHERWISE = {}


def of_these_versions(file, notes):
    """A file that jobs need; one of other versions is made again, whatever its time and Snakemake's notes."""
    if not COMMAND.is_job and file not in OTHERWISE:
        OTHERWISE[file] = is_made_otherwise(file, notes)
        if OTHERWISE[file]:
            workflow.dag.forcefiles.add(file)
    return file


def calibrated_ids():
    """A pattern of the ids of all initial states that are made by measuring; it matches nothing if there are none."""
    states = PLAN.initial_states.items()
    ids = [key for key, run in states if run.init.method == "calibrated"]
    return "|".join(ids) or "none"


def figure_files(kind, paper=None):
    """All files of all `figures` or `tables`, of one paper or of all."""
    return [
        file
        for experiment in PLAN.experiments.values()
        if kind_of(experiment) == kind and paper in (None, experiment.paper)
        for file in outputs_of(experiment, SCALE)
    ]


def reported(experiment):
    """The files of a figure or table, those that a browser shows marked for the report, where each stands once."""
    files = []
    for file in outputs_of(experiment, SCALE):
        stem, suffix = file.rsplit(".", 1)
        name = stem.rsplit("/")[-1]
        kind = kind_of(experiment)
        if suffix in {"figures": ("png", "svg"), "tables": ("html",)}[kind]:
            beside = name.endswith("_compared")
            title = (
                f"{experiment.title}, beside {experiment.compare}"
                if beside
                else experiment.title
            )
            # The first label is a line; of the other, png and svg are two forms between which the report switches.
            file = report(
                file,
                caption=f"../report/{'compared.rst' if beside else caption_of(experiment)}",
                category=experiment.paper,
                subcategory=kind,
                labels={
                    "name": f"{name}: {title}",
                    **({"format": suffix} if kind == "figures" else {}),
                },
            )
        files.append(file)
    return files


def describe(words):
    """Say what the rule that was made last is, for --list-rules.

    It is found by its place, since a workflow that has this one as a module gives its rules other names.
    """
    list(workflow.rules)[-1].docstring = words
