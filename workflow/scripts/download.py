from sgpipe.job import job
from sgpipe.steps import download

with job(snakemake.config) as plan:
    download(plan)
