from sgpipe.rules.job import job
from sgpipe.rules.prepare_task import prepare_task

with job(snakemake.config, snakemake.log) as plan:
    out = snakemake.output
    prepare_task(plan, snakemake.wildcards.data, out.task, out.statistics, snakemake.threads)
