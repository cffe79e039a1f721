"""The heading of a figure that is not in the paper: its title, the module that draws it, and the changed knobs."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sgpipe.figures import style
from sgpipe.figures.matching import MatchedSweep
from sgpipe.spec.run import knobs
from sgpipe.spec.tasks import TASKS

LISTED = 4  # more values of a knob than these are given as a range
MOST = 3  # lines below the title


def own_heading(experiment: Mapping[str, Any], module: str) -> list[str]:
    """Return the lines above a figure drawn by another experiment's module; none for a figure of the paper.

    Args:
        experiment: The experiment's metadata.
        module: The module that draws it, e.g. `zenke2021.fig3`.
    """
    if experiment["id"].replace("_", ".", 1) == module:
        return []
    values = experiment.get("set_here", {})
    words = [
        f"{experiment['id']}, drawn as {module}",
        *(f"{key} {_listed([value])}{'' if value is None else _unit(key)}" for key, value in values.items()),
    ]
    return heading_lines(experiment["title"], words)


def heading_lines(title: str, words: Sequence[str]) -> list[str]:
    """Return a title and some words as lines that fit above a two-column figure; words left out are counted."""
    lines = _broken(words, int(style.DOUBLE / style.CHARACTER))
    if len(lines) > MOST:
        more = sum(line.count(" · ") + 1 for line in lines[MOST:])
        lines = [*lines[: MOST - 1], f"{lines[MOST - 1]} · and {more} more"]
    return [title, *lines]


def _broken(words: Sequence[str], most: int) -> list[str]:
    """Join words with dots into lines of at most `most` characters."""
    lines = [""]
    for word in words:
        joined = f"{lines[-1]} · {word}" if lines[-1] else word
        if len(joined) <= most or not lines[-1]:
            lines[-1] = joined
        else:
            lines.append(word)
    return lines


def change_words(sweeps: Iterable[MatchedSweep]) -> list[str]:
    """Say which knobs a variant changes, e.g. `network.tau_membrane 10 → 20 ms`, with the sweeps unless it is all."""
    sweeps = list(sweeps)
    found: dict[str, list[str]] = {}
    for sweep in sweeps:
        for key, (before, after) in sweep.changed.items():
            if {*before, *after} != {None}:
                found.setdefault(f"{key} {_listed(before)} → {_listed(after)}{_unit(key)}", []).append(sweep.name)
    return [words if len(names) == len(sweeps) else f"{words} ({', '.join(names)})" for words, names in found.items()]


def _listed(values: Sequence[Any]) -> str:
    texts = [_text(value) for value in values]
    return f"{texts[0]} to {texts[-1]}" if len(texts) > LISTED else ", ".join(texts)


def _text(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool | str):
        return str(value).lower() if isinstance(value, bool) else value or "none"
    return "-".join(map(str, value)) if isinstance(value, list | tuple) else style.number(value)


def _unit(key: str) -> str:
    for task in TASKS:
        if key in knobs(task):
            return f" {knobs(task)[key].metadata['unit']}".rstrip()
    return ""
