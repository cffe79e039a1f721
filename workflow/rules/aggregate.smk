# One table an experiment: of trained runs, of simulated networks, or of what is shown without either.


def named(experiments):
    """A pattern of the names of some experiments; it matches nothing if there are none."""
    return "|".join(experiments) or "none"


def of(wildcards):
    """The experiment that a table is of."""
    return PLAN.experiment(wildcards.experiment)


def shown_tasks(wildcards):
    """The prepared data sets that an experiment shows samples of, or simulates its networks on."""
    renewed(wildcards)
    return [task_file(run) for run in PLAN.shown(of(wildcards))]


def renewed(wildcards):
    """Have a table made again that is of other runs than the plan's, whatever its time and Snakemake's notes.

    It is asked as an experiment's inputs are settled: then it is known that the experiment is wanted, and not yet which
    jobs are to run.
    """
    table = f"{SCALE}/{wildcards.experiment}.parquet"
    if not COMMAND.is_job and is_outdated(PLAN, wildcards.experiment, table):
        workflow.dag.forcefiles.add(table)


def pack_tables(wildcards):
    """The tables of an experiment's packs."""
    renewed(wildcards)
    packs = PLAN.packs_for(wildcards.experiment)
    return [
        of_these_versions(f"{RESULTS}/packs/{pack}.parquet", PLAN.pack(pack).notes)
        for pack in packs
    ]


rule experiment_table:
    """Join the tables of an experiment's packs: a row per run, epoch and split."""
    input:
        pack_tables,
    output:
        f"{SCALE}/{{experiment}}.parquet",
    log:
        f"{RESULTS}/logs/{PLAN.config.scale}/{{experiment}}.log",
    wildcard_constraints:
        # One in another reading lies below: readings/<reading>/<experiment>.
        experiment=f"({READINGS}/[a-z0-9_+-]+/)?({named(TRAINED)})",
    priority: AT_ONCE
    localrule: True
    params:
        definition=lambda wildcards: of(wildcards).definition,
    script:
        "../scripts/aggregate.py"


rule description_table:
    """Write the table of an experiment that trains nothing: samples of data, knobs, graphs or manifolds."""
    input:
        tasks=shown_tasks,
    output:
        f"{SCALE}/{{experiment}}.parquet",
    log:
        f"{RESULTS}/logs/{PLAN.config.scale}/{{experiment}}.log",
    wildcard_constraints:
        experiment=named(DESCRIBED),
    priority: AT_ONCE
    localrule: True
    params:
        definition=lambda wildcards: PLAN.definition(wildcards.experiment),
    script:
        "../scripts/describe.py"


rule simulation_table:
    """Simulate an experiment's networks before training: what they do at each step."""
    input:
        tasks=shown_tasks,
        states=lambda wildcards: state_files(of(wildcards).runs.values()),
    output:
        f"{SCALE}/{{experiment}}.parquet",
    log:
        f"{RESULTS}/logs/{PLAN.config.scale}/{{experiment}}.log",
    wildcard_constraints:
        experiment=named(SIMULATED),
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        numerics=SIMULATION,
        definition=lambda wildcards: of(wildcards).definition,
    script:
        "../scripts/simulate.py"


rule activity_table:
    """Record the activity of an experiment's trained networks on some samples: seconds."""
    input:
        table=f"{SCALE}/{{experiment}}.parquet",
        tasks=lambda wildcards: [task_file(run) for run in of(wildcards).recorded()],
        states=lambda wildcards: state_files(of(wildcards).recorded()),
    output:
        f"{SCALE}/{{experiment}}.activity.parquet",
    log:
        f"{RESULTS}/logs/{PLAN.config.scale}/{{experiment}}.activity.log",
    wildcard_constraints:
        experiment=named(name for name in RECORDED if name not in COUNTED),
    priority: AT_ONCE
    localrule: True
    params:
        definition=lambda wildcards: of(wildcards).definition,
    script:
        "../scripts/record.py"


use rule activity_table as counted_activity_table with:
    # To count the spikes of every test sample takes minutes.
    wildcard_constraints:
        experiment=named(COUNTED),
    localrule: False
    resources:
        mem_mb=6000,
        runtime=60,
