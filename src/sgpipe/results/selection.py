"""Select among results. Nothing else in the package does, and no selection uses test data.

A cell is one run of a group, such as one (beta, eta) of a surrogate; the best cells are those of highest validation
accuracy. Test accuracies are kept and summarised, but decide nothing. The trainer, too, asks here which epoch
of a run is its best.
"""

from __future__ import annotations  # pandas is for tables alone: jobs that train need not wait for it

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

CONFIDENCE = 0.95
LARGEST_SHARE = 3  # at most one cell in three counts as best: the best of few are not a finding


class Summary(NamedTuple):
    """Size, mean, standard deviation, and the bounds of the 95 % confidence interval of the mean (Student t)."""

    n: int
    mean: float
    sd: float
    low: float
    high: float


def score(valid_accuracy: float, valid_loss: float) -> tuple[float, float]:
    """Order networks or epochs, the larger the better: by accuracy, then by the lower loss."""
    return valid_accuracy, -valid_loss


def outcomes(table: pd.DataFrame) -> pd.DataFrame:
    """Make a row per run of an experiment table, sorted by run id: its knobs and how it came out.

    Args:
        table: A row per run, epoch and split, as `runs_table` makes it.

    Returns:
        `run_id`, `sweeps`, `status`, the dotted knobs, `hidden_layers`, and, at the best validation epoch
        `best_epoch`: `valid_accuracy`, `valid_loss`, `test_accuracy`, `spikes_total` (mean hidden spikes per test
        sample, all layers); `test_accuracy_last` after the last epoch. A diverged or failed run has no numbers.
    """
    knobs = [name for name in table.columns if "." in name]
    runs = table.drop_duplicates("run_id").set_index("run_id").sort_index()[["sweeps", "status", *knobs]]
    runs["sweeps"] = [tuple(names) for names in runs["sweeps"]]
    runs["hidden_layers"] = [len(text.split("-")) if text else 0 for text in runs["network.hidden"]]
    finished = table[table["status"] == "finished"]
    valid, test = (finished[finished["split"] == split].set_index("run_id") for split in ("valid", "test"))
    best_valid, best_test = valid[valid["best"]], test[test["best"]]
    runs["best_epoch"] = best_valid["epoch"]
    runs["valid_accuracy"] = best_valid["accuracy"]
    runs["valid_loss"] = best_valid["loss"]
    runs["test_accuracy"] = best_test["accuracy"]
    runs["spikes_total"] = best_test["spikes"].map(np.sum).astype(float)
    runs["test_accuracy_last"] = test.sort_values("epoch", kind="stable").groupby(level="run_id")["accuracy"].last()
    return runs.reset_index()


def of_sweep(runs: pd.DataFrame, *sweeps: str) -> pd.DataFrame:
    """Take the runs that any of these sweeps asks for."""
    return runs[in_sweep(runs, *sweeps)]


def in_sweep(runs: pd.DataFrame, *sweeps: str) -> np.ndarray:
    """Tell of which runs any of these sweeps asks for."""
    return np.array([not set(sweeps).isdisjoint(names) for names in runs["sweeps"]], dtype=bool)


def allowed(k: int | None, cells: int) -> int:
    """Compute how many of `cells` may count as the best if `k` are asked for (None: all that may)."""
    most = max(1, cells // LARGEST_SHARE)
    return most if k is None else min(k, most)


def best(runs: pd.DataFrame, k: int | None) -> pd.DataFrame:
    """Choose the `allowed` best of `runs` by validation accuracy, best first.

    Ties go to the lower validation loss (see `score`), then to the run id. Diverged and failed runs are cells that are
    never best.

    Args:
        runs: Rows of `outcomes`.
        k: How many are asked for; None for as many as may.
    """
    finished = runs[(runs["status"] == "finished") & runs["valid_accuracy"].notna()]
    accuracy, less_loss = score(finished["valid_accuracy"], finished["valid_loss"])
    ranked = finished.assign(_accuracy=accuracy, _less_loss=less_loss)
    order = ranked.sort_values(["_accuracy", "_less_loss", "run_id"], ascending=[False, False, True])
    return order.drop(columns=["_accuracy", "_less_loss"]).head(allowed(k, len(runs)))


def summary(values: Sequence[float]) -> Summary:
    """Compute number, mean, standard deviation and 95 % interval of the mean (Student's t) of some values.

    Missing ones are left out. One value has no spread: NaN.
    """
    x = np.asarray(values, dtype=float)
    x = x[~np.isnan(x)]
    n = len(x)
    if n < 2:
        return Summary(n, float(x.mean()) if n else np.nan, np.nan, np.nan, np.nan)
    from scipy.special import stdtrit

    mean, sd = float(x.mean()), float(x.std(ddof=1))
    half = float(stdtrit(n - 1, 0.5 + CONFIDENCE / 2)) * sd / np.sqrt(n)
    return Summary(n, mean, sd, mean - half, mean + half)


def middle(draws: np.ndarray, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Compute the bounds of the middle share of draws, each of them a draw; unbounded if a draw is missing."""
    tail = (1 - confidence) / 2
    ordered = np.sort(draws)  # infinite draws, of levels never reached, go to the end
    if np.isnan(ordered).any():
        return -np.inf, np.inf
    last = len(ordered) - 1
    return float(ordered[int(np.floor(tail * last))]), float(ordered[int(np.ceil((1 - tail) * last))])


def best_of_groups(runs: pd.DataFrame, by: Sequence[str], k: int | None) -> pd.DataFrame:
    """Choose the best networks of each group of runs, and summarise their test accuracy.

    Args:
        runs: Rows of `outcomes`.
        by: The columns that make a group. A group in which one is missing is a group too.
        k: How many of each group are asked for; None for as many as may.

    Returns:
        Rows of `kind` network (columns of `runs`, and `rank` from 1) and one of kind summary a group (`n`, `mean`,
        `sd`, `low`, `high`, of how many `cells`, of which `lost` diverged or failed). A group in which nothing finished
        has a summary with n = 0.
    """
    import pandas as pd

    parts = []
    for key, group in runs.groupby(list(by), sort=True, dropna=False):
        chosen = best(group, k)
        lost = int((group["status"] != "finished").sum())
        numbers = summary(chosen["test_accuracy"])._asdict()
        names = dict(zip(by, key, strict=True))
        parts.append(chosen.assign(kind="network", rank=np.arange(1, len(chosen) + 1)))
        parts.append(pd.DataFrame([{**names, "kind": "summary", **numbers, "cells": len(group), "lost": lost}]))
    columns = list(dict.fromkeys([*runs.columns, "kind", "rank", *Summary._fields, "cells", "lost"]))
    filled = [part for part in parts if len(part)]
    return pd.concat(filled, ignore_index=True).reindex(columns=columns) if filled else pd.DataFrame(columns=columns)
