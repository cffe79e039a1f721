from sgpipe.rules.describe import describe
from sgpipe.rules.job import job

with job(snakemake.config, snakemake.log) as plan:
    describe(plan, snakemake.wildcards.experiment, snakemake.output[0], snakemake.input.get("tasks", []))
