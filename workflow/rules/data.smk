rule prepare_task:
    """Make one data set as the engines read it, with the statistics of its splits."""
    output:
        task=f"{RESULTS}/data/{{data}}.arrow",
        statistics=f"{RESULTS}/data/{{data}}.json",
    log:
        f"{RESULTS}/logs/data/{{data}}.log",
    priority: lambda wildcards: ORDER.task(wildcards.data)
    threads: lambda wildcards: cost.prepare_workers(PLAN.task(wildcards.data))
    resources:
        mem_mb=lambda wildcards, attempt: cost.prepare_memory_mb(
            PLAN.task(wildcards.data)
        )
        * 2 ** (attempt - 1),
        runtime=60,
        ears=lambda wildcards: cost.listens(PLAN.task(wildcards.data)),
    params:
        numerics=lambda wildcards: PLAN.task_numerics(wildcards.data),
    script:
        "../scripts/prepare_task.py"


rule download:
    """Fetch the published files that the chosen experiments need and that are missing."""
    localrule: True
    script:
        "../scripts/download.py"
