"""Rule `provenance`: a page that says how the networks of each experiment ended, and what trained them."""

from collections.abc import Iterable
from pathlib import Path

from sgpipe.base.files import atomic
from sgpipe.plan.plan import Plan
from sgpipe.plan.table import time_words
from sgpipe.results.store import Result
from sgpipe.rules.pictures import without_a_screen

BELOW = (
    "Time is that of one core. Networks that several experiments share are trained once and counted in each of them.",
    "`sgpipe show RUN` prints all of this, and every knob, for one network.",
)


def provenance(plan: Plan, output: Path | str) -> None:
    """Write the page.

    Args:
        plan: The plan, whose store has the networks.
        output: The HTML file.
    """
    without_a_screen()
    import pandas as pd

    from sgpipe.figures.table_page import html

    rows = []
    for name, experiment in plan.experiments.items():
        if experiment.trains:
            found = [result for spec in experiment.runs.values() if (result := plan.store.get(spec)) is not None]
            rows.append({"experiment": name, "networks": str(len(experiment.runs)), **_row(found)})
    title = f"What trained the networks, scale {plan.config.scale}"
    with atomic(output) as temporary:
        temporary.write_text(html(pd.DataFrame(rows), title, BELOW), encoding="utf-8")


def _row(results: list[Result]) -> dict[str, str]:
    """Return the cells of an experiment."""
    count = {
        status: sum(result.status == status for result in results) for status in ("finished", "diverged", "failed")
    }
    seconds = sum(float(result.provenance.get("seconds", 0)) for result in results)
    named = {
        "time": [time_words(seconds)],
        "engine": (f"{_of(one, 'engine')} on {_of(one, 'device')}" for one in results),
        "machine": (_of(one, "machine") for one in results),
        "program": (f"sgpipe {_of(one, 'sgpipe')}, git {_of(one, 'git')[:12]}" for one in results),
        "Python": (_of(one, "python") for one in results),
        "data": (one.spec.data.source for one in results),
    }
    return {**{status: str(n) for status, n in count.items()}, **{key: _once(words) for key, words in named.items()}}


def _of(result: Result, key: str) -> str:
    return str(result.provenance.get(key, "unknown"))


def _once(words: Iterable[str]) -> str:
    return "; ".join(sorted(set(words)))
