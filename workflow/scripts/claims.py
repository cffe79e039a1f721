from sgpipe.rules.claims import judge_claims
from sgpipe.rules.job import job

with job(snakemake.config, snakemake.log) as plan:
    print(judge_claims(plan.experiments, plan.config.folder, plan.config.folder))
