"""How figures call a set of herranz2022's conditions, and in what order they stand."""

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


def in_order(names: Iterable[str]) -> list[str]:
    """Sort sets, each once: naive first, then by the number of conditions, calibrated ones last."""

    def place(name: str) -> tuple:
        late, inner = name.startswith(CALIBRATED), name.removeprefix(CALIBRATED).strip() or _FULL
        parts = [] if inner == NAIVE else (_FULL if inner == ALL else inner).split("+")
        return late, len(parts), [_FULL.split("+").index(part) for part in parts]

    return sorted(set(names), key=place)


def label(name: str) -> str:
    """Label an axis with the name of a set, on lines that are short enough."""
    if name == ALL:
        return "all four"
    if name == CALIBRATED:
        return "all four,\ncalibrated"
    if name.startswith(CALIBRATED):
        return f"{name.removeprefix(CALIBRATED).strip()},\ncalibrated"
    return name.replace("+", " + ")


def asks(name: str, condition: str) -> bool:
    """Tell whether a set includes a condition, e.g. `I+II` includes `II`."""
    inner = name.removeprefix(CALIBRATED).strip() or _FULL
    return condition in ([] if inner == NAIVE else (_FULL if inner == ALL else inner).split("+"))
