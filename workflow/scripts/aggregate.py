from sgpipe.job import job
from sgpipe.steps import aggregate

with job(snakemake.config, snakemake.log) as plan:
    aggregate(plan, snakemake.params.experiment, snakemake.input, snakemake.output[0])
