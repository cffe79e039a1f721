from sgpipe.rules.job import job
from sgpipe.rules.train_pack import train

with job(snakemake.config, snakemake.log) as plan:
    cores = snakemake.resources.get("cores_in_all")
    train(plan, snakemake.wildcards.pack, snakemake.input.task, snakemake.output[0], cores)
