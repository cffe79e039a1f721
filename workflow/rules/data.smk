rule prepare_task:
    """Make one data set as lists of events, with the statistics of its train split."""
    output:
        task=f"{RESULTS}/data/{{data}}.npz",
        statistics=f"{RESULTS}/data/{{data}}.json",
    log:
        f"{RESULTS}/logs/data/{{data}}.log",
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        numerics=lambda wildcards: PLAN.task_numerics(wildcards.data),
    script:
        "../scripts/prepare_task.py"
