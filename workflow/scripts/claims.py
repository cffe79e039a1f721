from sgpipe.job import job
from sgpipe.steps import judge_claims

with job(snakemake.config, snakemake.log) as plan:
    print(judge_claims(plan.experiments, plan.config.folder, plan.config.folder))
