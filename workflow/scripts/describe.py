from sgpipe.job import job
from sgpipe.steps import describe

with job(snakemake.config, snakemake.log) as plan:
    describe(plan, snakemake.params.experiment, snakemake.output[0], snakemake.input.get("tasks", []))
