from sgpipe.rules.download import download
from sgpipe.rules.job import job

with job(snakemake.config, fetching=True) as plan:
    download(plan)
