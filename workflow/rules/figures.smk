for experiment in PLAN.experiments.values():

    rule:
        name:
            experiment.id
        input:
            **tables_of(experiment),
            modules=SOURCES[experiment.id],
        output:
            reported(experiment),
        log:
            f"{RESULTS}/logs/{PLAN.config.scale}/{experiment.id}.draw.log",
        localrule: True
        params:
            draw=experiment.draw,
        script:
            "../scripts/draw.py"


# What --list-rules says of the rules made in loops.
for experiment in PLAN.experiments.values():
    workflow.get_rule(experiment.id).docstring = experiment.title
    workflow.get_rule(f"{experiment.id}_data").docstring = "its table"
    if experiment.record:
        workflow.get_rule(f"{experiment.id}_activity").docstring = (
            "its recorded activity"
        )
