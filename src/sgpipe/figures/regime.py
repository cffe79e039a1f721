"""The settings that herranz2022's text leaves open. Its figures name them in the corner."""

from collections.abc import Callable

import pandas as pd

from sgpipe.figures.style import number

NEURONS = ("delta_lif", "alif", "slstm")
ACCURACY = {"summed": "accuracy by summed logits", "mode": "accuracy by mode of steps"}
TIMES = {1: "once", 2: "twice"}


def regime_words(runs: pd.DataFrame, trained: bool = True) -> list[str]:
    """Say in words the decay, threshold, repetition in time, dropout and accuracy rule of some runs.

    Covers herranz2022's neurons only; nothing is said about others.

    Args:
        runs: The runs.
        trained: Whether they are trained; networks that are only simulated have neither dropout nor accuracy.
    """
    if "network.neuron" not in runs or not runs["network.neuron"].isin(NEURONS).any():
        return []
    runs = runs[runs["network.neuron"].isin(NEURONS)]
    if "run_id" in runs:
        runs = runs.drop_duplicates("run_id")
    per_neuron = runs.get("network.trained_neurons", pd.Series(dtype=bool)).eq(True).any()
    words = [
        _one_of(runs, "network.membrane_decay", lambda a: f"α {number(a)}"),
        _one_of(runs, "network.threshold", lambda thr: f"threshold {number(thr)}"),
        "both trained per neuron" if per_neuron else "",
        _one_of(runs, "data.hold", lambda times: f"bins shown {TIMES.get(int(times), f'{int(times)} times')}"),
    ]
    if trained:
        words.append(
            _one_of(runs, "network.dropout", lambda share: f"dropout {number(share)}" if share else "no dropout")
        )
        words.append(_one_of(runs, "objective.accuracy", lambda rule: ACCURACY[rule]))
    return [word for word in words if word]


def _one_of(runs: pd.DataFrame, column: str, say: Callable) -> str:
    """Return the runs' values of a knob in words, several as alternatives; empty if it applies to no run."""
    if column not in runs:
        return ""
    return " or ".join(say(value) for value in sorted(runs[column].dropna().unique()))
