from sgpipe.rules.claims import judge_claims
from sgpipe.rules.job import job
from sgpipe.rules.mend import mend_tables

with job(snakemake.config, snakemake.log) as plan:
    mend_tables(plan, snakemake.input.tables)
    print(judge_claims(plan.experiments, plan.config.folder, plan.config.folder))
