"""Strike at random moments, again and again, and say what came of it: `python -m tests.faults --kills 50 --trainers 200`."""

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.faults import trainers, workflows


def main() -> int:
    """Strike; return the exit code, 1 if anything was lost."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--kills", type=int, default=50, metavar="N", help="strikes at Snakemake runs (50)")
    parser.add_argument("--trainers", type=int, default=200, metavar="N", help="strikes at single trainings (200)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments and kinds (0)")
    options = parser.parse_args()
    failures = 0
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        if options.trainers:
            whole = trainers.Undisturbed.trained(root / "trained")
            failures += _several("training", options.trainers, options.seed, root, trainers.strike, whole)
        if options.kills:
            run = workflows.Undisturbed.run(root / "run")
            failures += _several("workflow", options.kills, options.seed, root, workflows.strike, run)
    return int(failures > 0)


def _several(name: str, count: int, seed: int, root: Path, strike: Callable, undisturbed) -> int:
    """Strike several times; return how many times something was lost."""
    failures, began = 0, time.monotonic()
    for number in range(count):
        draw, folder = random.Random(f"{name}/{seed}/{number}"), root / f"{name}{number}"
        try:
            words = strike(folder, draw, undisturbed)
        except Exception as error:
            failures += 1
            kept = Path(tempfile.mkdtemp(prefix=f"{name}{number}-"))
            shutil.copytree(folder, kept, dirs_exist_ok=True)
            words = f"LOST: {type(error).__name__}: {error}; kept in {kept}"
        print(f"{name} {number}: {words}", flush=True)
        shutil.rmtree(folder, ignore_errors=True)
    minutes = (time.monotonic() - began) / 60
    print(f"{name}: {count} times struck, {failures} times something lost, {minutes:.1f} min", flush=True)
    return failures


if __name__ == "__main__":
    sys.exit(main())
