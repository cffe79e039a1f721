from sgpipe.rules.job import job
from sgpipe.rules.provenance import provenance

with job(snakemake.config, snakemake.log) as plan:
    provenance(plan, snakemake.output.html)
