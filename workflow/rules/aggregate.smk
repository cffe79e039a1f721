for experiment in TRAINED:

    rule:
        name:
            f"{experiment}_data"
        input:
            expand(f"{RESULTS}/packs/{{pack}}.parquet", pack=PLAN.packs_of[experiment]),
        output:
            f"{SCALE}/{experiment}.parquet",
        log:
            f"{RESULTS}/logs/{PLAN.config.scale}/{experiment}.log",
        localrule: True
        params:
            experiment=experiment,
            definition=PLAN.experiments[experiment].definition,
        script:
            "../scripts/aggregate.py"


for experiment in [
    name for name in PLAN.experiments if name not in TRAINED + SIMULATED
]:

    rule:
        name:
            f"{experiment}_data"
        input:
            tasks=[
                f"{RESULTS}/data/{run.data_id}.arrow"
                for run in PLAN.shown(PLAN.experiments[experiment])
            ],
        output:
            f"{SCALE}/{experiment}.parquet",
        log:
            f"{RESULTS}/logs/{PLAN.config.scale}/{experiment}.log",
        localrule: True
        params:
            experiment=experiment,
            definition=PLAN.definition(experiment),
        script:
            "../scripts/describe.py"


for experiment in [name for name in TRAINED if PLAN.experiments[name].record]:

    rule:
        name:
            f"{experiment}_activity"
        input:
            table=f"{SCALE}/{experiment}.parquet",
            tasks=[
                f"{RESULTS}/data/{run.data_id}.arrow"
                for run in PLAN.experiments[experiment].recorded()
            ],
            states=state_files(PLAN.experiments[experiment].recorded()),
        output:
            f"{SCALE}/{experiment}.activity.parquet",
        log:
            f"{RESULTS}/logs/{PLAN.config.scale}/{experiment}.activity.log",
        # A few samples take a second; to count the spikes of every test sample takes minutes.
        localrule: not PLAN.experiments[experiment].record.get("counts")
        resources:
            mem_mb=6000,
            runtime=60,
        params:
            experiment=experiment,
            definition=PLAN.experiments[experiment].definition,
        script:
            "../scripts/record.py"


for experiment in SIMULATED:

    rule:
        name:
            f"{experiment}_data"
        input:
            tasks=[
                f"{RESULTS}/data/{run.data_id}.arrow"
                for run in PLAN.shown(PLAN.experiments[experiment])
            ],
            states=state_files(PLAN.experiments[experiment].runs.values()),
        output:
            f"{SCALE}/{experiment}.parquet",
        log:
            f"{RESULTS}/logs/{PLAN.config.scale}/{experiment}.log",
        resources:
            mem_mb=4000,
            runtime=30,
        params:
            numerics=SIMULATION,
            experiment=experiment,
            definition=PLAN.experiments[experiment].definition,
        script:
            "../scripts/simulate.py"
