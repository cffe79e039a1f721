rule initial_state:
    """Solve the conditions that runs ask of their initial state by the theory's formulas: a row per hidden layer."""
    input:
        task=lambda wildcards: task_file(PLAN.initial_state(wildcards.init)),
        statistics=lambda wildcards: f"{RESULTS}/data/{PLAN.initial_state(wildcards.init).data_id}.json",
    output:
        f"{RESULTS}/init/{{init}}.parquet",
    log:
        f"{RESULTS}/logs/init/{{init}}.log",
    wildcard_constraints:
        init=f"(?!{calibrated_ids()})[0-9a-f]{{16}}",
    priority: lambda wildcards: ORDER.state(wildcards.init)
    localrule: True
    params:
        numerics=lambda wildcards: PLAN.init_numerics(wildcards.init),
    script:
        "../scripts/initial_state.py"


use rule initial_state as calibrated_state with:
    wildcard_constraints:
        init=calibrated_ids(),
    localrule: False
    resources:
        mem_mb=2000,
        runtime=30,
