"""Table 1: the hyperparameters that the runs actually use, and where each comes from."""

from collections import Counter
from collections.abc import Mapping, Sequence

import pandas as pd

from sgpipe.figures.tasks import NAMES
from sgpipe.results.tables import data_of_row

NEEDS = {"table": "paper", "settings": ["rows"]}  # see needs.py
TASKS = ("randman", "mnist_latency", "shd", "rawhd", "rawsc")
PROPERTIES = ("units", "classes", "steps")  # of a data set, if they are not knobs
MARKS = {"code": "†", "ours": "‡"}
LEGEND = {
    "code": "† not stated in the text at hand: from public code that reproduces the paper",
    "ours": "‡ not stated in the paper, or departing from it: chosen here",
}
PAPER = {
    "[": "[ ] the paper's value, where its text states one",
    "§": "§ of its Table 1, as public code that reproduces the paper quotes it",
}
LISTED = 4  # more swept values than these are printed as a range
Value = bool | int | float | str


def select(tables: Mapping[str, pd.DataFrame], experiment: Mapping) -> pd.DataFrame:
    """Make a row per hyperparameter in print order: `knob`, the value and its mark for each task, and the `source`.

    A value used in one figure only is followed by that figure. A `source` holds for all tasks, or is a mapping with a
    source per task and one for `others`. The paper's value is beside ours, if it is known.
    """
    knobs = tables["runs"].copy()
    for name in PROPERTIES:
        knobs[f"data.{name}"] = [getattr(data_of_row(row), name) for row in knobs.to_dict("records")]
    rows = []
    for row in experiment["settings"]["rows"]:
        sources = row["source"] if isinstance(row["source"], Mapping) else {"others": row["source"]}
        cells = {}
        for task in (task for task in TASKS if task in set(knobs["data.task"])):
            value = _in_use(knobs[knobs["data.task"] == task], row["knob"]) if row["knob"] in knobs else "-"
            source = "" if value == "-" else sources.get(task, sources.get("others", ""))
            of_paper = row.get("printed", {})
            paper = "" if value == "-" else str(of_paper.get(task, of_paper.get("others", "")))
            cells |= {NAMES[task]: value, f"{NAMES[task]} mark": _mark(source), f"{NAMES[task]} paper": paper}
        named = {NAMES.get(task, task): sources[task] for task in (*TASKS, "others") if task in sources}
        where = "; ".join(f"{name}: {text}" for name, text in named.items()) if len(named) > 1 else sources["others"]
        rows.append({"hyperparameter": row["row"], "knob": row["knob"], **cells, "source": where})
    return pd.DataFrame(rows)


def _mark(source: str) -> str:
    words = source.replace(";", " ").replace(",", " ").split()
    return "".join(sign for word, sign in MARKS.items() if word in words)


def _in_use(runs: pd.DataFrame, knob: str) -> str:
    """Return some runs' values of a knob as text; `-` if it applies to none of them."""
    by_figure: dict[str, tuple[Value, ...]] = {}
    for name, group in runs.groupby("experiment", sort=False):
        if values := _values(group[knob], knob):
            by_figure[name] = values
    if not by_figure:
        return "-"
    common = Counter(by_figure.values()).most_common(1)[0][0]
    parts = [_words(common)]
    others: dict[tuple[Value, ...], list[str]] = {}
    for name, values in by_figure.items():
        if values != common:
            others.setdefault(values, []).append(_figure(name))
    parts += [f"{_words(values)} ({', '.join(names)})" for values, names in others.items()]
    text = "; ".join(parts)
    return f"{text} ({_depths(runs[knob])})" if knob == "network.hidden" else text


def _values(column: pd.Series, knob: str) -> tuple[Value, ...]:
    """Return the different values of a knob in order; for layers such as `100-100`, the number of units."""
    found = set(column.dropna())
    if knob == "network.hidden":
        found = {int(units) for text in found for units in text.split("-") if units}
    return tuple(sorted(found))


def _depths(column: pd.Series) -> str:
    depths = sorted({len(text.split("-")) if text else 0 for text in column})
    span = str(depths[0]) if len(depths) == 1 else f"{depths[0]} to {depths[-1]}"
    return f"{span} hidden layer{'s' if depths[-1] != 1 else ''}"


def _words(values: Sequence[Value]) -> str:
    texts = [
        f"{value:g}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value)
        for value in values
    ]
    if len(texts) > LISTED:
        return f"{texts[0]} to {texts[-1]} ({len(texts)} values)"
    return ", ".join(texts)


def _figure(name: str) -> str:
    """Return `Fig 3` for `zenke2021_fig3`."""
    part = name.split("_", 1)[-1]
    return f"Fig {part.removeprefix('fig')}" if part.startswith("fig") else part


def printed(data: pd.DataFrame) -> pd.DataFrame:
    """Format the table as text, with marks and the paper's values after ours."""
    columns = {"Hyperparameter": data["hyperparameter"]}
    for task in (NAMES[task] for task in TASKS if NAMES[task] in data.columns):
        marked = (data[task] + " " + data[f"{task} mark"].fillna("")).str.strip()
        paper = data[f"{task} paper"].fillna("")
        columns[task] = marked.where(paper == "", marked + " [" + paper + "]")
    return pd.DataFrame({**columns, "Where it comes from": data["source"]})


def legend(data: pd.DataFrame, experiment: Mapping) -> list[str]:
    """Explain the marks and the brackets."""
    text = "".join(printed(data).drop(columns="Where it comes from").to_numpy().ravel())
    return [LEGEND[word] for word, sign in MARKS.items() if sign in text] + [
        PAPER[sign] for sign in PAPER if sign in text
    ]
