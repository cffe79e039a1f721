from sgpipe.rules.draw import draw
from sgpipe.rules.job import job

with job(snakemake.config, snakemake.log):
    tables = {name: path for name, path in snakemake.input.items() if name != "modules"}
    draw(snakemake.params.draw, tables, snakemake.output)
