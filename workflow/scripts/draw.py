from sgpipe.job import job
from sgpipe.steps import draw

with job(snakemake.config, snakemake.log):
    tables = {name: path for name, path in snakemake.input.items() if name != "modules"}
    draw(snakemake.params.draw, tables, snakemake.output)
