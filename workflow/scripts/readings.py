from sgpipe.rules.job import job
from sgpipe.rules.readings import judge_readings

with job(snakemake.config, snakemake.log) as plan:
    print(judge_readings(plan, snakemake.params.experiment))
