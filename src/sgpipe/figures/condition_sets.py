"""The names of herranz2022's sets of conditions in figures, and their order."""

from collections.abc import Iterable

import pandas as pd

NAIVE, ALL, CALIBRATED = "naive", "all", "calibrated"
_FULL = "I+II+III+IV"


def sets(runs: pd.DataFrame) -> pd.Series:
    """Name the set of conditions of each run: `naive`, `I+II`, `all`; `calibrated`, with its conditions if not all."""
    none = pd.Series("none", index=runs.index)
    chosen = runs.get("init.conditions", none).fillna("none")
    method = runs.get("init.method", none).fillna("none")
    names = chosen.replace({"none": NAIVE, _FULL: ALL})
    calibrated = names.where(names == ALL, CALIBRATED + " " + names).replace({ALL: CALIBRATED})
    return names.where(method != "calibrated", calibrated)


def conditions(name: str) -> list[str]:
    """List the conditions of a set, e.g. `I`, `II` for `I+II`."""
    inner = name.removeprefix(CALIBRATED).strip() or _FULL
    return [] if inner == NAIVE else (_FULL if inner == ALL else inner).split("+")


def in_order(names: Iterable[str]) -> list[str]:
    """Sort sets without repeats: naive first, then by the number of conditions, calibrated ones last."""

    def place(name: str) -> tuple:
        parts = conditions(name)
        return name.startswith(CALIBRATED), len(parts), [_FULL.split("+").index(part) for part in parts]

    return sorted(set(names), key=place)


def unsolved(runs: pd.DataFrame) -> dict[str, str]:
    """Find the sets whose networks equal, number for number, those of a set with fewer conditions.

    Their additional conditions had no solution and were left out.

    Args:
        runs: Rows of `outcomes`, with columns set and seed.

    Returns:
        The conditions without a solution, e.g. `IV`, by set.
    """
    numbers = ["seed", "best_epoch", "valid_loss", "valid_accuracy", "test_accuracy"]
    of_set = {name: own.sort_values("seed")[numbers].to_numpy(float).tolist() for name, own in runs.groupby("set")}
    found = {}
    for name in of_set:
        asked = conditions(name)
        less = [conditions(other) for other in of_set if of_set[other] == of_set[name] and other != name]
        if less := [others for others in less if set(others) < set(asked)]:
            found[name] = " + ".join(condition for condition in asked if condition not in max(less, key=len))
    return found


def label(name: str) -> str:
    """Return a set's name as an axis label, broken into short lines."""
    if name == ALL:
        return "all four"
    if name == CALIBRATED:
        return "all four,\ncalibrated"
    if name.startswith(CALIBRATED):
        return f"{name.removeprefix(CALIBRATED).strip()},\ncalibrated"
    return name.replace("+", " + ")
