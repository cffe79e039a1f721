from sgpipe.job import job
from sgpipe.steps import initial_state

with job(snakemake.config, snakemake.log) as plan:
    initial_state(plan, snakemake.wildcards.init, snakemake.input.task, snakemake.output[0])
