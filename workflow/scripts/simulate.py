from pathlib import Path

from sgpipe.rules.job import job
from sgpipe.rules.simulate import simulate

with job(snakemake.config, snakemake.log) as plan:
    tasks, states = ({Path(file).stem: file for file in snakemake.input.get(name, [])} for name in ("tasks", "states"))
    simulate(plan, snakemake.wildcards.experiment, tasks, states, snakemake.output[0])
