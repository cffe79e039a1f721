"""Whether mixed precision trains as single precision does: pairs of networks from the same seeds on MNIST.

    python benchmarks/mixed_precision.py DATA [--seeds 10] [--margin 0.01]

DATA is the folder of the published files (docs/data.md). Two layers of 128 neurons learn 20,000 digits. A row has the
mean test accuracy in either precision and the mean difference within pairs with its 90 % confidence interval: two
one-sided tests at 5 % find the two equivalent if the interval lies within the margin.
"""

import argparse

import numpy as np
from scipy import stats

import sgpipe as sg

DIGITS = {
    "data.task": "mnist_latency",
    "data.source": "original",
    "data.variant": "coded",
    "data.steps": 50,
    "data.valid_share": 0.2,
    "data.limit": 20_000,
    "network.hidden": [128, 128],
    "network.recurrent": True,
    "network.reset_gradient": "attached",
    "network.tau_adaptation": 25,
    "surrogate.shape": "exponential",
    "init.scheme": "glorot_uniform",
    "init.gain": 3,
    "objective.head": "steps",
    "objective.label_smoothing": 0.1,
    "objective.lower_strength": 0,
    "optimiser.name": "adabelief",
    "optimiser.lr": 3e-3,
    "optimiser.clip": 1,
    "training.batch_size": 32,
    "training.epochs": 8,
}
NEURONS = ("delta_lif", "alif")


def main() -> None:
    """Print a row per neuron."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--margin", type=float, default=0.01)
    given = parser.parse_args()
    task = sg.make_task(DIGITS, given.folder)
    print("| neuron | pairs | single precision | mixed | difference (90 % interval) | equivalent |")
    print("| --- | ---: | ---: | ---: | ---: | --- |")
    for neuron in NEURONS:
        found = np.array(
            [
                [accuracy(task, neuron, seed, precision) for precision in ("float32", "mixed")]
                for seed in range(given.seeds)
            ]
        )
        apart = found[:, 1] - found[:, 0]
        half = stats.t.ppf(0.95, len(apart) - 1) * apart.std(ddof=1) / len(apart) ** 0.5
        low, high = apart.mean() - half, apart.mean() + half
        same = "yes" if max(-low, high) < given.margin else "not shown"
        means = " | ".join(f"{mean:.4f}" for mean in found.mean(axis=0))
        print(
            f"| `{neuron}` | {len(apart)} | {means} | {apart.mean():+.4f} ({low:+.4f}, {high:+.4f}) | {same} |",
            flush=True,
        )


def accuracy(task: sg.Task, neuron: str, seed: int, precision: str) -> float:
    """Train a network; return its test accuracy at the best validation epoch."""
    knobs = {
        **DIGITS,
        "network.neuron": neuron,
        "init.seed": seed,
        "training.seed": seed,
        "training.precision": precision,
    }
    rows = sg.train(knobs, task).epochs
    return float(rows.loc[(rows["split"] == "test") & rows["best"], "accuracy"].iloc[0])


if __name__ == "__main__":
    main()
