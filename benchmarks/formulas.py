"""A surrogate that is a formula beside its built-in twin: one training step of W1 to W3 in the C++ engine.

    python benchmarks/formulas.py [--rounds 12] [--workloads W1 W2 W3] [--threads 1]

Both are the same function; the engine knows one by its name and the other as a table of polynomials. They take turns in
one process, and a ratio is taken to the twin's turns before and after. The table gives medians over rounds, in brackets
the quartiles: above 1 the formula is faster.
"""

import argparse
import statistics

import numpy as np

import timing
from peers.sgpipe_engine import Run
from sgpipe.engines.cpu.engine import lowered
from sgpipe.spec.surrogates import lower
from workloads import BETA, SHAPES, make

TWINS = {
    "superspike": "1/(1 + abs(v))**2",
    "sigmoid": "exp(-abs(v))/(1 + exp(-abs(v)))**2",
    "esser": "max(0, 1 - abs(v))",
    "exponential": "exp(-2*abs(v))",
}


def run(workload, shape: str, threads: int) -> Run:
    """Return a network in training with a shape, given by its name or as a formula."""
    known = lowered(lower(shape, beta=BETA, sharpness=BETA), "float32")
    return Run(workload, threads, **known)


def check(one: Run, other: Run) -> None:
    """Raise AssertionError unless both give the same gradients, as closely as float32 can tell."""
    assert one.batch()["loss"] == other.batch()["loss"]
    for a, b in zip(one.gradients, other.gradients, strict=True):
        assert np.abs(a - b).max() <= 2e-5 * np.abs(b).max()


def main() -> None:
    """Print a row per workload and shape."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--workloads", nargs="+", choices=SHAPES, default=list(SHAPES))
    parser.add_argument("--shapes", nargs="+", choices=TWINS, default=list(TWINS))
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    timing.CLOCK = "cpu" if args.threads == 1 else "wall"
    print("| built-in shape, formula | " + " | ".join(args.workloads) + " |")
    print("| --- |" + " ---: |" * len(args.workloads))
    for shape in args.shapes:
        cells = []
        for name in args.workloads:
            workload = make(SHAPES[name])
            twin, own = (run(workload, one, args.threads) for one in (shape, TWINS[shape]))
            check(own, twin)
            _, laps = timing.race(twin.step, {"formula": own.step}, args.rounds)
            speeds = [1 / ratio for ratio in laps["formula"].ratio]
            low, _, high = statistics.quantiles(speeds, n=4, method="inclusive")
            cells.append(f"{statistics.median(speeds):.2f} ({low:.2f}-{high:.2f})")
        print(f"| {shape}, `{TWINS[shape]}` | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
