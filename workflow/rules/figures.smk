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


# What --list-rules says of them.
for experiment in PLAN.experiments.values():
    workflow.get_rule(experiment.id).docstring = experiment.title
