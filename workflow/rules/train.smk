rule train_pack:
    """Train the runs of one pack, or take them from the store: a Parquet table of its runs."""
    input:
        task=lambda wildcards: task_file(PLAN.pack(wildcards.pack).runs[0]),
        states=lambda wildcards: state_files(PLAN.pack(wildcards.pack).runs),
    output:
        f"{RESULTS}/packs/{{pack}}.parquet",
    log:
        f"{RESULTS}/logs/train/{{pack}}.log",
    priority: lambda wildcards: ORDER.pack(wildcards.pack)
    threads: PLAN.config.threads
    resources:
        mem_mb=lambda wildcards, attempt: CLUSTER.memory_mb(wildcards.pack, attempt),
        runtime=lambda wildcards, attempt: CLUSTER.minutes(wildcards.pack, attempt),
        gpu=1 if PLAN.config.device == "cuda" else 0,
        # For the line that says how long the rest takes; a resource, since a changed parameter would train again.
        cores_in_all=workflow.resource_settings.cores or 1,
    params:
        numerics=lambda wildcards: PLAN.pack(wildcards.pack).numerics,
        columns=lambda wildcards: PLAN.pack(wildcards.pack).columns,
    script:
        "../scripts/train_pack.py"
