from sgpipe.rules.aggregate import aggregate
from sgpipe.rules.job import job

with job(snakemake.config, snakemake.log) as plan:
    aggregate(plan, snakemake.wildcards.experiment, snakemake.input, snakemake.output[0])
