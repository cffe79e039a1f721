from sgpipe.rules.draw import draw
from sgpipe.rules.job import job
from sgpipe.rules.mend import mend_tables

with job(snakemake.config, snakemake.log) as plan:
    tables = {name: path for name, path in snakemake.input.items() if name != "modules"}
    mend_tables(plan, tables.values())
    draw(snakemake.params.draw, tables, snakemake.output)
