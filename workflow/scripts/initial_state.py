from sgpipe.rules.initial_state import initial_state
from sgpipe.rules.job import job

with job(snakemake.config, snakemake.log) as plan:
    initial_state(plan, snakemake.wildcards.init, snakemake.input.task, snakemake.output[0])
