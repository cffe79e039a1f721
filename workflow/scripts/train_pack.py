from sgpipe.job import job
from sgpipe.steps import train

with job(snakemake.config, snakemake.log) as plan:
    train(plan, snakemake.wildcards.pack, snakemake.input.task, snakemake.output[0])
