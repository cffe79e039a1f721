# What a paper leaves open (docs/claims.md, readings): the same experiments with other values, and the claims over all.
for experiment in OPEN:

    rule:
        name:
            f"{experiment.id}_readings"
        input:
            tables=expand(
                f"{SCALE}/{{key}}.parquet", key=[experiment.id, *experiment.readings]
            ),
            claims=[str(path) for path in claim_files()],
            modules=CLAIM_MODULES,
        output:
            multiext(f"{SCALE}/{READINGS}/{experiment.id}", ".md", ".csv", ".png"),
        log:
            f"{RESULTS}/logs/{PLAN.config.scale}/{READINGS}/{experiment.id}.log",
        localrule: True
        params:
            experiment=experiment.id,
        script:
            "../scripts/readings.py"

    describe(f"{experiment.title}: with what the paper leaves open at other values")
