"""Train the same networks with the torch reference and with the C++ engine, and compare.

Usage: python benchmarks/agreement.py [--seeds N] [--epochs N] [--threads N]

In float64 the two must show the same losses for the first epochs, until a rounding error moves a spike. In float32
single runs part ways soon; over many initialisations the accuracies must be drawn from one distribution.
"""

import argparse
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from scipy.stats import ks_2samp, mannwhitneyu

from sgpipe.data import prepare
from sgpipe.engines.cpu.engine import CpuEngine
from sgpipe.engines.reference import ReferenceEngine
from sgpipe.spec.run import RunSpec
from sgpipe.training.trainer import train_run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    specs = [
        RunSpec.make({"init.seed": seed, "training.epochs": options.epochs, "optimiser.lr": 0.02})
        for seed in range(options.seeds)
    ]
    task = prepare(specs[0])

    exact = RunSpec.make({"training.precision": "float64", "training.epochs": 2, "optimiser.lr": 0.02})
    one, other = (train_run(exact, task, engine) for engine in (ReferenceEngine(), CpuEngine()))
    for slow, fast in zip(one.rows, other.rows, strict=True):
        gap = abs(slow.loss - fast.loss) / abs(slow.loss)
        print(f"float64, epoch {slow.epoch}, {slow.split:<5}  loss {slow.loss:.12f}  relative difference {gap:.1e}")

    found = {}
    with ThreadPoolExecutor(options.threads) as pool:
        for engine in (ReferenceEngine(), CpuEngine()):
            results = pool.map(lambda spec, engine=engine: train_run(spec, task, engine), specs)
            found[engine.name] = np.array([accuracy(result) for result in results])
            values = found[engine.name]
            print(f"float32, {engine.name:<9}  test accuracy {values.mean():.4f} +- {values.std(ddof=1):.4f}", *values)
    one, other = found.values()
    print(f"Mann-Whitney p = {mannwhitneyu(one, other).pvalue:.2f}")
    print(f"Kolmogorov-Smirnov p = {ks_2samp(one, other).pvalue:.2f}")


def accuracy(result) -> float:
    """Return the test accuracy at the best validation epoch."""
    return next(row.accuracy for row in result.rows if row.split == "test" and row.best)


if __name__ == "__main__":
    main()
