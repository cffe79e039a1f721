from sgpipe.plan.table import overview
from sgpipe.rules.job import job

with job(snakemake.config) as plan:
    print(overview(plan))
