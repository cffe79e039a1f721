"""All claims on one page: published against ours, with intervals and verdicts."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from sgpipe.claims.judge import NOT_TESTABLE, VERDICTS, Judgement, interval_words
from sgpipe.claims.report import COLOURS, SYMBOLS, counts, figure_of, summary_words
from sgpipe.claims.strip import Strip, strip_of
from sgpipe.figures import style
from sgpipe.figures.make import METADATA
from sgpipe.files import atomic

ROW, HEAD = 2.9, 4.2  # mm
COLUMN, WORDS, STRIP, NUMBERS = 169.0, 98.0, 32.0, 31.0  # mm: of a paper, its words, strips and numbers
STRIP_AT = 5.0 + WORDS + 1.0
NUMBERS_AT = STRIP_AT + STRIP + 2.0
FIT = 0.9  # letters a mm at the small size
TITLES = {"zenke2021": "Zenke & Vogels 2021", "herranz2022": "Herranz-Celotti & Rouat 2022"}


@style.styled
def draw(judgements: Sequence[Judgement]) -> Figure:
    """Return the picture, a column a paper."""
    papers = {name: [j for j in judgements if j.claim.paper == name] for name in _papers(judgements)}
    height = 20.0 + max(_height(own) for own in papers.values())
    width = COLUMN * len(papers) + 4.0
    figure = Figure(figsize=(width * style.MM, height * style.MM))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.axis("off")
    axes.text(3, 4, summary_words(judgements), size=style.LETTER, weight="bold", va="center")
    _key(axes, width)
    for place, (name, own) in enumerate(papers.items()):
        _paper(axes, 3.0 + place * COLUMN, 14.0, TITLES.get(name, name), own)
    return figure


def save(figure: Figure, stem: Path) -> list[Path]:
    """Write the picture as PNG, PDF and SVG; return the files."""
    files = []
    with style.look():
        for suffix, metadata in METADATA.items():
            path = Path(f"{stem}.{suffix}")
            with atomic(path) as temporary:
                figure.savefig(temporary, format=suffix, metadata=metadata)
            files.append(path)
    return files


def _papers(judgements: Sequence[Judgement]) -> list[str]:
    return list(dict.fromkeys(judgement.claim.paper for judgement in judgements))


def _sections(own: Sequence[Judgement]) -> dict[str, list[Judgement]]:
    return {at: [j for j in own if figure_of(j) == at] for at in dict.fromkeys(map(figure_of, own))}


def _height(own: Sequence[Judgement]) -> float:
    return HEAD * (1 + len(_sections(own))) + ROW * len(own)


def _key(axes: Axes, width: float) -> None:
    x = 3.0
    for verdict in VERDICTS:
        axes.text(x, 9, f"{SYMBOLS[verdict]} {verdict}", color=COLOURS[verdict], weight="bold", va="center")
        x += 6.0 + 1.6 * len(verdict)
    words = (
        "shaded: where the claim holds · dot and line: ours, 95 % interval · diamond: published, with its spread · "
        "every strip has its own scale"
    )
    axes.text(x + 2, 9, words, size=style.SMALL, color=style.FAINT, va="center")


def _paper(axes: Axes, x: float, y: float, title: str, own: Sequence[Judgement]) -> None:
    tally = "   ".join(f"{SYMBOLS[verdict]} {n}" for verdict, n in counts(own).items())
    axes.text(x, y, f"{title}   {tally}", weight="bold", va="center", size=style.NORMAL + 1)
    y += HEAD
    for at, rows in _sections(own).items():
        axes.plot([x, x + COLUMN - 4], [y - HEAD / 2 + 0.9] * 2, color="#CCCCCC", lw=0.5)
        axes.text(x, y + 0.4, at, weight="bold", va="center", size=style.SMALL, color=style.FAINT)
        y += HEAD - 0.6
        for judgement in rows:
            _row(axes, x, y, judgement)
            y += ROW
        y += 0.6


def _row(axes: Axes, x: float, y: float, judgement: Judgement) -> None:
    colour = COLOURS[judgement.verdict]
    dim = judgement.verdict == NOT_TESTABLE
    axes.text(x + 1.2, y, SYMBOLS[judgement.verdict], color=colour, weight="bold", ha="center", va="center")
    ink = style.FAINT if dim else style.INK
    axes.text(x + 4, y, shortened(judgement.claim.words, WORDS), size=style.SMALL, color=ink, va="center")
    strip = strip_of(judgement)
    if strip is None:
        reason = shortened(judgement.reason, STRIP + NUMBERS)
        axes.text(x + STRIP_AT, y, reason, size=style.SMALL, color=style.FAINT, va="center", style="italic")
        return
    _strip(axes, x + STRIP_AT, y, strip, colour)
    number = interval_words(judgement.deciding.number)
    axes.text(x + NUMBERS_AT, y, number, size=style.SMALL, color=ink, va="center")


def _strip(axes: Axes, x: float, y: float, strip: Strip, colour: str) -> None:
    half = STRIP / 2

    def at(place: float) -> float:
        return x + half * (1 + place)

    left, right = map(at, strip.zone)
    zone = Rectangle((left, y - ROW / 2 + 0.15), right - left, ROW - 0.3, color=COLOURS["replicated"], alpha=0.13, lw=0)
    axes.add_patch(zone)
    axes.plot([x, x + STRIP], [y, y], color="#DDDDDD", lw=0.4, zorder=1)
    axes.plot([at(place) for place in strip.interval], [y + 0.3] * 2, color=colour, lw=1.5, solid_capstyle="butt")
    axes.plot(at(strip.value), y + 0.3, "o", ms=2.6, color=colour)
    if not np.isnan(strip.published):
        axes.plot([at(place) for place in strip.published_interval], [y - 0.7] * 2, color=style.INK, lw=0.6)
        axes.plot(at(strip.published), y - 0.7, "D", ms=2.4, mfc="white", mec=style.INK, mew=0.6)


def shortened(words: str, width: float) -> str:
    """Return words that fit a width in mm, the end of longer ones left out."""
    most = int(width * FIT)
    return words if len(words) <= most else words[: most - 1].rstrip() + "…"
