from sgpipe.job import job
from sgpipe.overview import overview

with job(snakemake.config) as plan:
    print(overview(plan))
