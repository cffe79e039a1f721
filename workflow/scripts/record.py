from sgpipe.job import job
from sgpipe.steps import record_activity

with job(snakemake.config, snakemake.log) as plan:
    record_activity(plan, snakemake.params.experiment, snakemake.input.tasks, snakemake.output[0])
