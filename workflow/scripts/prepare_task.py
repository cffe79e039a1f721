from sgpipe.job import job
from sgpipe.steps import prepare_task

with job(snakemake.config, snakemake.log) as plan:
    prepare_task(plan.tasks[snakemake.wildcards.data], snakemake.output.task, snakemake.output.statistics)
