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

ROW, CELL, WORDS, MARGIN = 3.4, 5.0, 95.0, 4.0  # mm: a claim, a reading, a claim's words, and what surrounds all
LETTERS = 84  # of a claim's words in its row


@style.styled
def draw_specification(readings: pd.DataFrame, words: Mapping[str, str]) -> Figure:
    """Draw the verdict on every claim in every reading.

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
    long = max(map(len, columns), default=0) * 1.3
    head = 0.87 * long + 4
    width = 2 * MARGIN + WORDS + CELL * len(columns) + 0.5 * long
    height = 2 * MARGIN + head + ROW * len(claims)
    figure = Figure(figsize=(width * style.MM, height * style.MM))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.axis("off")
    top = MARGIN + head
    for place, name in enumerate(columns):
        x = MARGIN + WORDS + CELL * (place + 0.5)
        axes.text(x, top - 1, name, size=style.SMALL, rotation=60, ha="left", va="bottom", rotation_mode="anchor")
    for row, claim in enumerate(claims):
        y = top + ROW * row
        text = textwrap.shorten(words[claim], LETTERS, placeholder=" …")
        axes.text(MARGIN, y + ROW / 2, text, size=style.SMALL, va="center")
        for place, name in enumerate(columns):
            verdict = verdicts.loc[claim, name]
            if isinstance(verdict, str):
                _cell(axes, MARGIN + WORDS + CELL * place, y, verdict)
    return figure


def _sorted(verdicts: pd.DataFrame) -> list[str]:
    """Sort the columns by the share of verdicts that say `replicated`, of those that can tell."""
    yes, no = (verdicts == REPLICATED).sum(), (verdicts == NOT_REPLICATED).sum()
    share = (yes + 0.5) / (yes + no + 1)
    return sorted(verdicts.columns, key=lambda name: (-share[name], -yes[name], name))


def _cell(axes, x: float, y: float, verdict: str) -> None:
    colour = COLOURS[verdict]
    axes.add_patch(Rectangle((x + 0.2, y + 0.2), CELL - 0.4, ROW - 0.4, color=colour, alpha=0.25, lw=0))
    axes.text(x + CELL / 2, y + ROW / 2, SYMBOLS[verdict], color=colour, weight="bold", ha="center", va="center")
