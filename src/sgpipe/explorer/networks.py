"""The networks of an experiment's table, as compact data for the explorer's page."""

import json
import math
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from sgpipe.base.parquet import read_whole
from sgpipe.results.selection import outcomes

POINTS = 40  # of a learning curve at most
SPLITS, MEASURES = ("train", "valid"), ("accuracy", "loss")
OUTCOMES = {
    "test_accuracy": "test accuracy",
    "valid_accuracy": "validation accuracy",
    "valid_loss": "validation loss",
    "spikes_total": "hidden spikes per input",
    "best_epoch": "best epoch",
}
# The knobs that figures are mostly about come first; the others follow as they stand in the table.
FIRST = ("data.task", "surrogate.shape", "surrogate.beta", "optimiser.lr", "network.hidden", "network.recurrent")
USUAL_FILES = ("workflow/experiments/zenke2021.yaml", "workflow/experiments/herranz2022.yaml")  # of config.yaml


def tables_in(folder: Path | str) -> list[Path]:
    """List the tables of trained networks in a folder and below it, by the year of their paper, those of none last."""
    found = [path for path in Path(folder).rglob("*.parquet") if "." not in path.stem and _of_runs(path)]
    return sorted(found, key=lambda path: (_year(path), path.stem, len(path.parts), path))


def _year(path: Path) -> int:
    found = re.match(r"\D*(\d{4})", path.stem)
    return int(found[1]) if found else 9999


def _of_runs(path: Path) -> bool:
    schema = pq.read_schema(path)
    return b"sgpipe.experiment" in (schema.metadata or {}) and {"run_id", "epoch", "split"} <= set(schema.names)


def networks(path: Path, place: str, files: Mapping[str, str]) -> dict[str, object]:
    """Return what the page needs of a table.

    Args:
        path: The table.
        place: Its folder, as the page names it; empty for the main folder of the page.
        files: The experiment file of each experiment, by the experiment's id.

    Returns:
        `differing`, the knobs that differ, `knobs`, those of them that no other one determines, and `same`, the others;
        `columns`, by field a value for each network; `curves`, for each network the epochs and then for each split and
        measure its values; and what the table is of.
    """
    table = read_whole(path)
    about = json.loads(table.schema.metadata[b"sgpipe.experiment"])
    rows = table.to_pandas(use_threads=False)
    runs = outcomes(rows)
    runs["sweep"] = [", ".join(names) for names in runs["sweeps"]]
    knobs = [name for name in runs.columns if "." in name and name != "data.files"]
    differing = [name for name in knobs if runs[name].nunique(dropna=False) > 1]
    kept = ["run_id", "sweep", "status", *differing, *OUTCOMES]
    return {
        "id": about["id"],
        "label": f"{about['id']}{f' · {place}' if place else ''}",
        "title": about["title"],
        "scale": about["scale"],
        "command": _command(about["id"], about["scale"], files),
        "knobs": independent(runs, differing),
        "differing": differing,
        "same": {
            name: plain(runs[name].iloc[0]) for name in knobs if name not in differing and pd.notna(runs[name].iloc[0])
        },
        "sources": sorted(set(runs["data.source"].dropna())),
        "columns": {field(name): [plain(value) for value in runs[name]] for name in kept},
        "curves": list(_curves(rows, runs["run_id"])),
    }


def field(knob: str) -> str:
    """Return the name of a column in the page: Vega takes a dot for a part of a part."""
    return knob.replace(".", "_")


def independent(runs: pd.DataFrame, knobs: Iterable[str]) -> list[str]:
    """Return the knobs worth choosing by: each leaves more than one value to some value of every one before it."""
    ordered = sorted(knobs, key=lambda name: FIRST.index(name) if name in FIRST else len(FIRST))
    found = ["sweep"] if runs["sweep"].nunique() > 1 else []
    for name in ordered:
        values = runs[name].astype(object).where(runs[name].notna(), None).map(str)
        if all((values.groupby(runs[other].map(str)).nunique() > 1).any() for other in found):
            found.append(name)
    return found


def plain(value: object) -> object:
    """Return a value as JSON has it, a number with six digits at most, None for what is missing."""
    if value is None or value is pd.NA or (isinstance(value, float | np.floating) and not math.isfinite(value)):
        return None
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, float | np.floating):
        short = float(f"{value:.6g}")
        return int(short) if short.is_integer() and abs(short) < 1e9 else short
    return int(value) if isinstance(value, np.integer) else str(value)


def _curves(rows: pd.DataFrame, ids: Sequence[str]) -> Iterator[list[list[object]]]:
    """Yield the learning curve of each network, at POINTS epochs or fewer, the last among them."""
    measured = rows[rows["split"].isin(SPLITS)].drop_duplicates(["run_id", "epoch", "split"], keep="last")
    wide = measured.pivot(index=["run_id", "epoch"], columns="split", values=list(MEASURES)).sort_index()
    series = [(measure, split) for measure in MEASURES for split in SPLITS]
    numbers = wide.reindex(columns=pd.MultiIndex.from_tuples(series)).to_numpy(float)
    epochs = wide.index.get_level_values("epoch").to_numpy()
    places = wide.groupby(level="run_id", sort=False).indices
    for run_id in ids:
        own = places.get(run_id, np.array([], dtype=int))
        every = max(1, math.ceil(len(own) / POINTS))
        own = own[(len(own) - 1) % every :: every]
        yield [epochs[own].tolist(), *([_short(value) for value in column] for column in numbers[own].T)]


def _short(value: float) -> float | None:
    return float(f"{value:.3g}") if math.isfinite(value) else None


def _command(name: str, scale: str, files: Mapping[str, str]) -> str:
    """Return the command that trains one network again; its id takes the place of RUN."""
    file = files.get(name, "")
    settings = [f"scale={scale}", "results=again"]
    if file and file not in USUAL_FILES:
        settings.append(f"experiments=[{file}]")
    return f"sgpipe train RUN --config {shlex.join(settings)}"
