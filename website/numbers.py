"""The numbers that pages may name: of claims, of tables, of the plan, of the race."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import pandas as pd

from sgpipe.base.parquet import read_whole
from sgpipe.claims.judge import WHOLE, number_words
from sgpipe.claims.picture import TITLES
from sgpipe.claims.words import SYMBOLS
from sgpipe.figures.herranz2022 import calibration
from sgpipe.figures.zenke2021 import comparison
from sgpipe.plan.cost import run_seconds
from sgpipe.plan.plan import make_plan
from sgpipe.results import selection
from sgpipe.spec.config import load_config
from sgpipe.spec.experiments import load_experiments

PUBLISHED = ("published_valid", "published")  # accuracies of validation and test in an experiment's settings
SHORT = {
    "replicated": "replicated",
    "not replicated": "not_replicated",
    "depends on settings": "depends",
    "inconclusive": "open",
    "not testable here": "untested",
}


def names(root: Path) -> dict[str, object]:
    """Return what expressions may name, by name; nothing is read before it is asked for.

    Args:
        root: The folder of the README.
    """
    scoreboard = cache(lambda: pd.read_parquet(root / "docs/claims/scoreboard.parquet"))
    return {
        "claims": lambda paper, headline=False: tally(scoreboard(), paper, headline),
        "claim": lambda name: claim(scoreboard(), name),
        "scoreboard": lambda: scoreboard_table(scoreboard()),
        "best": cache(lambda table, sweep, k, **knobs: best(root / "docs/results" / table, sweep, k, knobs)),
        "fig6": cache(lambda *where: fig6(root / "docs/results", *where)),
        "plan": cache(lambda scale="laptop", *files: plan(root, scale, files)),
        "times": lambda row, column: times(root / "docs/performance.md", row, column),
        "runs": cache(lambda table: runs(root / "docs/results" / table)),
        "settings": lambda file, table: settings_table(
            root / "workflow/experiments" / file, root / "docs/results" / table
        ),
        "grid": lambda table, sweep, row, column: grid_table(root / "docs/results" / table, sweep, row, column),
        "calibration": lambda table: calibration_table(root, root / "docs/results" / table),
    }


def tally(scoreboard: pd.DataFrame, paper: str, headline: bool = False) -> SimpleNamespace:
    """Count the claims of a paper by verdict; exploratory ones apart."""
    own = scoreboard[scoreboard["paper"] == paper]
    if own.empty:
        raise KeyError(f"no claims of {paper}")
    own = own[own["headline"]] if headline else own
    plain = own[~own["exploratory"]]
    found = {short: int((plain["verdict"] == verdict).sum()) for verdict, short in SHORT.items()}
    judged = len(plain) - found["untested"]
    return SimpleNamespace(total=len(plain), judged=judged, exploratory=int(own["exploratory"].sum()), **found)


def claim(scoreboard: pd.DataFrame, name: str) -> SimpleNamespace:
    """Return a claim: verdict, symbol, estimate and interval, how many networks and at which scale."""
    own = scoreboard[scoreboard["claim"] == name]
    if len(own) != 1:
        raise KeyError(f"no claim {name}")
    row = own.iloc[0].to_dict()
    interval = f"{number_words(row['low'])} to {number_words(row['high'])}"
    words = {
        "symbol": SYMBOLS[row["verdict"]],
        "value": number_words(row["estimate"]),
        "interval": interval,
        "ours": f"{number_words(row['estimate'])} ({interval})",
    }
    return SimpleNamespace(**{key: value for key, value in row.items() if key.isidentifier()} | words)


def scoreboard_table(scoreboard: pd.DataFrame) -> str:
    """Return the counts of both papers as a Markdown table."""
    lines = ["| claims | all | " + " | ".join(f"{SYMBOLS[name]} {name}" for name in WHOLE) + " |"]
    lines += ["| --- |" + " ---: |" * (1 + len(WHOLE))]
    for paper in dict.fromkeys(scoreboard["paper"]):
        for headline, name in ((False, TITLES.get(paper, paper)), (True, "… in its abstract")):
            found = tally(scoreboard, paper, headline)
            counts = [found.total, *(getattr(found, SHORT[verdict]) for verdict in WHOLE)]
            lines.append(f"| {name} | " + " | ".join(map(str, counts)) + " |")
    return "\n".join(lines)


def best(table: Path, sweep: str, k: int, knobs: Mapping[str, object]) -> str:
    """Return the mean test accuracy of the best networks of a group, with its 95 % interval.

    Args:
        table: An experiment's table.
        sweep: The sweep that they are of.
        k: How many count, by validation accuracy.
        knobs: Which they are of the sweep, `__` standing for the dot: `network__recurrent=False`.
    """
    own = selection.of_sweep(_outcomes(table), sweep)
    for knob, value in knobs.items():
        own = own[own[knob.replace("__", ".")] == value]
    if own.empty:
        raise KeyError(f"{table.name}: no run of {sweep} with {dict(knobs)}")
    found = selection.summary(selection.best(own, k)["test_accuracy"])
    digits = 2 if found.high - found.low > 0.02 else 3
    return f"{found.mean:.{digits}f} ({found.low:.{digits}f}-{found.high:.{digits}f})"


def fig6(results: Path, folder: str, sweep: str, k: int, head: str, recurrent: bool = False) -> str:
    """Return the same for a bar of Fig 6 of zenke2021: a data set, a readout, with or without recurrence.

    Args:
        results: The folder of all tables.
        folder: That of the table.
        sweep: The data set.
        k: How many networks count.
        head: `max` or `sum`; `relu` for the conventional network.
        recurrent: Whether the network is.
    """
    knobs = {} if head == "relu" else {"objective__head": head, "network__recurrent": recurrent}
    return best(results / folder / "zenke2021real_fig6.parquet", sweep, k, knobs)


@cache
def _outcomes(table: Path) -> pd.DataFrame:
    return selection.outcomes(read_whole(table).to_pandas(use_threads=False))


def runs(table: Path) -> int:
    """Return how many networks a table has."""
    return int(pd.read_parquet(table, columns=["run_id"])["run_id"].nunique())


def settings_table(file: Path, table: Path) -> str:
    """Return accuracies and spikes of each row of a comparison of settings, and what is published, as a Markdown table.

    Args:
        file: The experiment file.
        table: The experiment's table, `<experiment>.parquet`.
    """
    settings = load_experiments([file], "laptop")[table.stem].settings
    runs = read_whole(table).to_pandas(use_threads=False)
    data = comparison.select({"runs": runs}, {"settings": settings})
    networks = data[data["kind"] == "network"].groupby("row")
    lines = ["| settings | networks | validation | test | hidden spikes |", "| --- | ---: | ---: | ---: | ---: |"]
    for row, words in settings["rows"]:
        if row in networks.groups:
            own = networks.get_group(row)
            cells = [_scatter(own[f"{split}_accuracy"]) for split in ("valid", "test")]
            count = f"{own['test_accuracy'].notna().sum()} of {len(own)}"
            spikes = f"{own['spikes_total'].mean():,.0f}" if own["spikes_total"].any() else ""
            lines.append("| " + " | ".join([words, count, *cells, spikes]) + " |")
    printed = ["*{:.3f} ± {:.3f}*".format(*settings[key]) if key in settings else "" for key in PUBLISHED]
    if any(printed):
        lines.append(f"| *printed* | | {' | '.join(printed)} | |")
    return "\n".join(lines)


def _scatter(values: pd.Series) -> str:
    known = values.dropna()
    if known.empty:
        return "-"
    return f"{known.mean():.3f}" + (f" ± {known.std():.3f}" if len(known) > 1 else "")


def grid_table(table: Path, sweep: str, row: str, column: str) -> str:
    """Return the best validation accuracy of a grid's cells, the mean over its networks, as a Markdown table.

    Args:
        table: An experiment's table.
        sweep: The sweep that they are of.
        row: The knob that a row has one value of.
        column: The same of a column.
    """
    own = selection.of_sweep(_outcomes(table), sweep)
    cells, trained = (own.pivot_table("valid_accuracy", row, column, how, dropna=False) for how in ("mean", "size"))
    lines = [f"| {row.split('.')[-1]} | " + " | ".join(f"{value:g}" for value in cells.columns) + " |"]
    lines += ["| --- |" + " ---: |" * len(cells.columns)]
    for name, values in cells.iterrows():
        known = values.map("{:.3f}".format).where(values.notna(), "diverged")
        words = known.where(trained.loc[name] > 0, "-")
        lines.append(f"| {name} | " + " | ".join(words) + " |")
    return "\n".join(lines)


def calibration_table(root: Path, table: Path) -> str:
    """Return what calibrating brings, by network and conditions, as a Markdown table."""
    experiment = load_experiments([root / "workflow/experiments/calibration.yaml"], "laptop")["calibration_gain"]
    runs = read_whole(table).to_pandas(use_threads=False)
    data = calibration.select({"runs": runs}, {"settings": experiment.settings})
    lines = ["| network | conditions | pairs | accuracy, naive | gain | epochs, naive / calibrated |"]
    lines += ["| --- | --- | ---: | ---: | ---: | ---: |"]
    for _, row in data[data["kind"] == "summary"].iterrows():
        cells = [*calibration.names(row), f"{row['n']:.0f} of {row['cells']:.0f}"]
        if row["n"]:
            cells.append(f"{row['naive_mean']:.3f}")
            cells.append(f"{row['mean']:+.3f} ({row['low']:+.3f} to {row['high']:+.3f})")
            cells.append(f"{row['speed_mean']:.2f} ({row['speed_low']:.2f} to {row['speed_high']:.2f})")
        else:
            cells += ["-"] * 3
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def plan(root: Path, scale: str, files: Sequence[str]) -> SimpleNamespace:
    """Return what a scale trains on stand-ins: networks, packs, estimated core-seconds; also by experiment."""
    changes: dict[str, str | list[str]] = {"scale": scale, "data": "embedded"}
    if files:
        changes["experiments"] = list(files)
    made = make_plan(load_config(root / "config.yaml", changes))
    unique = {run.id: run for pack in made.packs.values() for run in pack.runs}

    def part(names: Sequence[str]) -> SimpleNamespace:
        own = {run_id: run for name in names for run_id, run in made.experiments[name].runs.items()}
        return SimpleNamespace(networks=len(own), seconds=round(sum(map(run_seconds, own.values()))))

    trained = [name for name, experiment in made.experiments.items() if experiment.trains]
    whole = part(trained)
    return SimpleNamespace(
        networks=len(unique), packs=len(made.packs), seconds=whole.seconds, figure=lambda name: part([name])
    )


def page_table(page: Path, head: str) -> pd.DataFrame:
    """Return a table of a page as text, by the words of its first cell; asterisks are left out."""
    lines = page.read_text(encoding="utf-8").splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(f"| {head} |"))
    rows = []
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip(" *") for cell in line.strip("|").split("|")])
    return pd.DataFrame([row[1:] for row in rows[2:]], index=[row[0] for row in rows[2:]], columns=rows[0][1:])


def times(page: Path, row: str, column: str) -> str:
    """Return how many times as long another implementation takes, from the page of performance, e.g. `37`."""
    return f"{float(page_table(page, 'times ours').loc[row, column].split()[0]):.2g}"
