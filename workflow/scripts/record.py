from sgpipe.rules.job import job
from sgpipe.rules.record import record_activity

with job(snakemake.config, snakemake.log) as plan:
    record_activity(plan, snakemake.wildcards.experiment, snakemake.input.tasks, snakemake.output[0])
