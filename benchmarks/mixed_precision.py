"""Whether mixed precision trains as single precision does: pairs of networks from the same seeds, of three tasks.

    python benchmarks/mixed_precision.py DATA [--tasks digits words text] [--seeds 10] [--margin 0.01] [--write-docs]

DATA is the folder of the published files (docs/data.md): MNIST, the Penn Treebank, and the Heidelberg recordings, which
our ear listens to. A row has the mean over seeds in either precision, at the best validation epoch, and the mean
difference within pairs with its 90 % confidence interval: two one-sided tests at 5 % find the two equivalent if the
interval lies within the margin. Digits and words have test accuracies, text has test losses in nats a word.
`--write-docs` renews the rows of docs/performance.md, for which all tasks must be asked for.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import stats

import report
import sgpipe as sg

SHARED = {
    "network.recurrent": True,
    "network.reset_gradient": "attached",
    "init.scheme": "glorot_uniform",
    "objective.label_smoothing": 0.1,
    "objective.lower_strength": 0,
    "optimiser.name": "adabelief",
    "optimiser.clip": 1,
    "training.batch_size": 32,
}
STEPS = {"objective.head": "steps", "objective.accuracy": "summed"}


@dataclass(frozen=True)
class Trial:
    """What the networks of a task learn, which neurons they have, and the column that is compared."""

    knobs: dict[str, object]
    neurons: tuple[str, ...]
    measure: str
    words: str


TRIALS = {
    "digits": Trial(
        {
            **STEPS,
            "data.task": "mnist_latency",
            "data.source": "original",
            "data.variant": "coded",
            "data.steps": 50,
            "data.valid_share": 0.2,
            "data.limit": 20_000,
            "network.hidden": [128, 128],
            "network.tau_adaptation": 25,
            "surrogate.shape": "exponential",
            "init.gain": 3,
            "optimiser.lr": 3e-3,
            "training.epochs": 8,
        },
        ("delta_lif", "alif"),
        "accuracy",
        "20,000 digits, 128 + 128 units, 8 epochs: test accuracy",
    ),
    "words": Trial(
        {
            **STEPS,
            "data.task": "shd",
            "data.source": "derived",
            "data.binary": True,
            "data.dt": 10,
            "data.steps": 100,
            "network.hidden": [256, 256],
            "surrogate.shape": "dfast_sigmoid",
            "optimiser.lr": 1e-3,
            "optimiser.eps": 1e-14,
            "optimiser.weight_decay": 0.1,
            "training.epochs": 8,
        },
        ("delta_lif",),
        "accuracy",
        "10,420 spoken words, 256 + 256 units, 8 epochs: test accuracy",
    ),
    "text": Trial(
        {
            "data.task": "ptb",
            "data.source": "original",
            "data.steps": 25,
            "data.limit": 100_000,
            "network.hidden": [256, 256],
            "network.embedding": 256,
            "network.membrane_decay": 4.5399929762484854e-05,
            "network.threshold": 0.01,
            "network.trained_neurons": True,
            "surrogate.shape": "dfast_sigmoid",
            "optimiser.lr": 1e-3,
            "optimiser.eps": 1e-14,
            "optimiser.clip_scope": "variable",
            "training.epochs": 2,
        },
        ("delta_lif",),
        "loss",
        "100,000 words of text, 256 + 256 units, 2 epochs: test loss",
    ),
}


def main() -> None:
    """Print a row per task and neuron."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("--tasks", nargs="*", choices=TRIALS, default=list(TRIALS))
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--margin", type=float, default=0.01)
    parser.add_argument("--write-docs", action="store_true", help="renew the table of docs/performance.md")
    given = parser.parse_args()
    if given.write_docs and set(given.tasks) != set(TRIALS):
        parser.error("--write-docs wants all tasks")
    rows = []
    for name in given.tasks:
        trial = TRIALS[name]
        task = sg.make_task(trial.knobs, given.folder)
        for neuron in trial.neurons:
            found = np.array(
                [
                    [measured(task, trial, neuron, seed, precision) for precision in ("float32", "mixed")]
                    for seed in range(given.seeds)
                ]
            )
            rows.append([f"`{neuron}`, {trial.words}", *cells(found, given.margin)])
            print(" | ".join(rows[-1]), flush=True)
    head = ["networks", "pairs", "single precision", "mixed", "difference (90 % interval)", "equivalent"]
    table = report.table(head, rows)
    print(table)
    if given.write_docs:
        report.renew({"mixed": table}, Path(__file__).resolve().parents[1] / "docs/performance.md")


def cells(found: np.ndarray, margin: float) -> list[str]:
    """Return what a row says of pairs of measures, (seeds, 2)."""
    apart = found[:, 1] - found[:, 0]
    half = stats.t.ppf(0.95, len(apart) - 1) * apart.std(ddof=1) / len(apart) ** 0.5
    low, high = apart.mean() - half, apart.mean() + half
    same = "yes" if max(-low, high) < margin else "not shown"
    means = [f"{mean:.4f}" for mean in found.mean(axis=0)]
    return [f"{len(apart)}", *means, f"{apart.mean():+.4f} ({low:+.4f}, {high:+.4f})", same]


def measured(task: sg.Task, trial: Trial, neuron: str, seed: int, precision: str) -> float:
    """Train a network; return its test measure at the best validation epoch."""
    knobs = {
        **SHARED,
        **trial.knobs,
        "network.neuron": neuron,
        "init.seed": seed,
        "training.seed": seed,
        "training.precision": precision,
    }
    rows = sg.train(knobs, task).epochs
    return float(rows.loc[(rows["split"] == "test") & rows["best"], trial.measure].iloc[0])


if __name__ == "__main__":
    main()
