"""Claims by readings as a picture, one cell a verdict: the specification curve of Simonsohn et al. (2020)."""

import textwrap
from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from sgpipe.claims.judge import INCONCLUSIVE, NOT_REPLICATED, REPLICATED
from sgpipe.claims.words import COLOURS, SYMBOLS
from sgpipe.figures import style
from sgpipe.spec.readings import Reading

ROW, CELL, WORDS, MARGIN = 3.4, 9.0, 128.0, 4.0  # mm: a claim, a reading, a claim's words, and what surrounds all
GAP = 2.0  # mm between settings and claims
NAME = 9  # letters of a value in its cell
LETTERS = 114  # of a claim's words in its row


@style.styled
def draw_specification(readings: pd.DataFrame, words: Mapping[str, str]) -> Figure:
    """Draw the verdict on every claim in every reading, below the values of the settings in which readings differ.

    Args:
        readings: A row per claim and reading, with columns `claim`, `reading` and `verdict`. Claims with one reading
            have no row in the picture, and neither have those of which no reading has a number.
        words: Of the claims, by id.
    """
    verdicts = readings.pivot(index="claim", columns="reading", values="verdict")
    told = verdicts.isin([REPLICATED, NOT_REPLICATED, INCONCLUSIVE])
    verdicts = verdicts.loc[(verdicts.notna().sum(axis=1) > 1) & told.any(axis=1)]
    verdicts = verdicts.loc[:, told.loc[verdicts.index].any(axis=0)]
    claims, default = _sorted(verdicts.T), Reading().name
    columns = sorted(_sorted(verdicts), key=lambda name: name != default)  # it comes first
    changes = {name: _changes(name) for name in columns}
    settings = sorted({setting for changed in changes.values() for setting in changed})
    width = 2 * MARGIN + WORDS + CELL * len(columns)
    height = 2 * MARGIN + ROW * (1 + len(settings) + len(claims)) + GAP
    figure = Figure(figsize=(width * style.MM, height * style.MM))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.axis("off")
    look = {"size": style.SMALL, "va": "center"}
    if default in columns:
        axes.text(MARGIN + WORDS + CELL / 2, MARGIN + ROW / 2, "default", ha="center", weight="bold", **look)
    for row, setting in enumerate(settings, start=1):
        y = MARGIN + ROW * row
        axes.text(MARGIN + WORDS - 2, y + ROW / 2, setting, ha="right", color=style.FAINT, **look)
        axes.plot([MARGIN + WORDS, width - MARGIN], [y + ROW, y + ROW], color=style.FAINT, lw=0.2)
        for place, name in enumerate(columns):
            value = textwrap.shorten(changes[name].get(setting, "").replace("_", " "), NAME, placeholder="…")
            axes.text(MARGIN + WORDS + CELL * (place + 0.5), y + ROW / 2, value, ha="center", **look)
    top = MARGIN + ROW * (1 + len(settings)) + GAP
    for row, claim in enumerate(claims):
        y = top + ROW * row
        text = textwrap.shorten(words[claim], LETTERS, placeholder=" …")
        axes.text(MARGIN, y + ROW / 2, text, size=style.SMALL, va="center")
        for place, name in enumerate(columns):
            verdict = verdicts.loc[claim, name]
            if isinstance(verdict, str):
                _cell(axes, MARGIN + WORDS + CELL * place, y, verdict)
    return figure


def _changes(reading: str) -> dict[str, str]:
    """Return the settings in which a reading differs from the default, by its name, with their values."""
    return {} if reading == Reading().name else dict(change.split("-") for change in reading.split("+"))


def _sorted(verdicts: pd.DataFrame) -> list[str]:
    """Sort the columns by the share of verdicts that say `replicated`, of those that can tell."""
    yes, no = (verdicts == REPLICATED).sum(), (verdicts == NOT_REPLICATED).sum()
    share = (yes + 0.5) / (yes + no + 1)
    return sorted(verdicts.columns, key=lambda name: (-share[name], -yes[name], name))


def _cell(axes, x: float, y: float, verdict: str) -> None:
    colour = COLOURS[verdict]
    axes.add_patch(Rectangle((x + 0.2, y + 0.2), CELL - 0.4, ROW - 0.4, color=colour, alpha=0.25, lw=0))
    axes.text(x + CELL / 2, y + ROW / 2, SYMBOLS[verdict], color=colour, weight="bold", ha="center", va="center")
