"""What planning, packing, scheduling and filing cost beside training: 5,000 runs that take next to no time themselves.

    python benchmarks/overhead.py [--runs 5000] [--packs 16]

Each network has one unit and trains an epoch on a few samples, so nearly all that is measured is overhead: the plan,
the jobs, their starts, the store and the tables. In ms of CPU time a run, which another program on the machine changes
little.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from sgpipe.base.workflow import snakefile
from sgpipe.data import prepare
from sgpipe.engines.cpu.engine import CpuEngine
from sgpipe.plan import cost
from sgpipe.plan.outdated import is_outdated
from sgpipe.plan.plan import make_plan
from sgpipe.plan.status import status
from sgpipe.results.store import Store
from sgpipe.results.tables import merge_packs, runs_table
from sgpipe.spec.config import read_config
from sgpipe.training.pack import Workshop, train_pack

EXPERIMENT = """
paper: mine
base:
  data: {{classes: 2, samples_per_class: 10, units: 2, steps: 3, tau: 2}}
  network: {{hidden: [1]}}
  training: {{epochs: 1, batch_size: 10}}
experiments:
  mine_fig1:
    title: Runs that take no time
    draw: zenke2021.fig3
    sweeps:
      shapes:
        grid: {{init.seed: {seeds}, surrogate.beta: {betas}}}
"""
TABLE = "results/smoke/mine_fig1.parquet"


def main() -> None:
    """Measure, and print a line for each part."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5000, help="a multiple of 100 (5000)")
    parser.add_argument("--packs", type=int, default=16, help="about as many jobs (16)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        shutil.copy(Path(snakefile()).with_name("config.yaml"), ".")
        seeds = list(range(options.runs // 100))
        Path("mine.yaml").write_text(EXPERIMENT.format(seeds=seeds, betas=list(range(1, 101))))
        settings = {"scale": "smoke", "experiments": ["mine.yaml"]}
        measure(options, settings)


def measure(options: argparse.Namespace, settings: dict) -> None:
    """Measure each part alone, and then Snakemake with all of them."""

    def said(what: str, seconds: float, runs: int = options.runs) -> None:
        print(f"{what:<58}{1000 * seconds / runs:>9.2f} ms a run", flush=True)

    seconds, plan = spent(lambda: make_plan(read_config(settings)))
    said("plan: read, check and pack all runs", seconds)
    specs = list(plan.experiments["mine_fig1"].runs.values())
    whole = sum(map(cost.run_seconds, specs))
    few = specs[: min(500, len(specs))]
    task, store, engine = prepare(few[0]), Store("alone"), CpuEngine()
    said("train and file", spent(lambda: train_pack(few, task, Workshop(store, lambda spec: engine)))[0], len(few))
    seconds, results = spent(lambda: train_pack(few, task, Workshop(store, lambda spec: engine)))
    said("take from the store", seconds, len(few))
    seconds, table = spent(lambda: runs_table(results))
    said("table of a pack", seconds, len(few))
    sweeps = {spec.id: ("all",) for spec in few}
    said("table of an experiment", spent(lambda: merge_packs([table], sweeps))[0], len(few))

    words = ["--config", "scale=smoke", "experiments=[mine.yaml]"]
    said("Snakemake: a job a run, planned alone", snakemake("--dry-run", "--quiet", "all", *words, "pack_minutes=1e-9"))
    words.append(f"pack_minutes={whole / 60 / options.packs * 1.5}")
    said(f"Snakemake: all, in jobs of some {options.runs // options.packs} runs", snakemake("--cores", "2", *words))
    said("Snakemake: that nothing is to be done", snakemake("--cores", "2", *words))
    said("the table is the plan's", spent(lambda: is_outdated(plan, "mine_fig1", TABLE))[0])
    said("sgpipe status", spent(lambda: status(plan))[0])


def spent(call: Callable) -> tuple[float, object]:
    """Call something; return the CPU time in s, and what it gives."""
    began = time.process_time()
    given = call()
    return time.process_time() - began, given


def snakemake(*words: str) -> float:
    """Run Snakemake for the table; return the CPU time of it and its jobs, in s."""
    command = [sys.executable, "-m", "snakemake", "-s", snakefile(), "--scheduler", "greedy", TABLE, *words]
    before = os.times()
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


if __name__ == "__main__":
    main()
