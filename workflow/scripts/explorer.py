from sgpipe.rules.explore import experiment_files, explore
from sgpipe.rules.job import job

with job(snakemake.config, snakemake.log) as plan:
    files = experiment_files(plan.config.experiments)
    print(explore(plan.config.folder, snakemake.output.html, files))
