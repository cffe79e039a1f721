for experiment in PLAN.experiments.values():

    rule:
        name:
            experiment.id
        input:
            **{name: str(path) for name, path in tables_of(experiment, SCALE).items()},
            modules=SOURCES[experiment.id],
        output:
            reported(experiment),
        log:
            f"{RESULTS}/logs/{PLAN.config.scale}/{experiment.id}.draw.log",
        priority: AT_ONCE
        localrule: True
        params:
            draw=experiment.draw,
        script:
            "../scripts/draw.py"

    describe(experiment.title)
