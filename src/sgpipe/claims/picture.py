"""All claims on one page: published against ours, with intervals and verdicts.

Rows flow through as many columns as give the page about the proportions of A4 and A3.
"""

import textwrap
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from sgpipe.base.files import atomic
from sgpipe.claims.judge import NOT_TESTABLE, VERDICTS, WHOLE, Judgement, interval_words, number_words
from sgpipe.claims.strip import Strip, strip_of
from sgpipe.claims.words import COLOURS, SYMBOLS, counts, figure_of, summary_words
from sgpipe.figures import style
from sgpipe.figures.make import METADATA

LINE, BETWEEN, HEAD = 2.5, 0.6, 4.2  # mm: a line of words, what keeps rows apart, and a heading
WORDS, STRIP, NUMBERS = 72.0, 28.0, 31.0  # mm: of a row's words, strip and numbers
STRIP_AT = 4.0 + WORDS + 1.0
NUMBERS_AT = STRIP_AT + STRIP + 2.0
COLUMN, GAP, MARGIN = NUMBERS_AT + NUMBERS, 5.0, 4.0
TOP, FOOT = 12.0, 3.0  # of the first line of the key, below the last row
TITLE = 2.2  # mm: of a letter of the title in one line
FIT = 0.87  # letters a mm at the small size
TITLES = {"zenke2021": "Zenke & Vogels 2021", "herranz2022": "Herranz-Celotti & Rouat 2022"}
KEY = (
    "shaded: where the claim holds · dot and line: ours, with its 95 % interval · "
    "diamond and line: published, with its spread · every strip has its own scale"
)


class Place(NamedTuple):
    """Where something is drawn, and what: the title of a paper, a heading or the judgement of a claim."""

    column: int
    y: float
    what: str | Judgement
    title: bool = False


class Page(NamedTuple):
    """Size of the page in mm, the lines of its key, and what is drawn where."""

    width: float
    height: float
    key: list[str]
    places: list[Place]

    @property
    def misfit(self) -> float:
        """How far its proportions are from those of paper, whichever way round."""
        return abs(np.log(max(self.width, self.height) / min(self.width, self.height) / np.sqrt(2)))


@style.styled
def draw(judgements: Sequence[Judgement], shown: Collection[str] = VERDICTS) -> Figure:
    """Return the picture, in as many columns as give it about the proportions of paper.

    Claims of verdicts that are not `shown` are counted and have no row.
    """
    pages = (_page(judgements, shown, n) for n in range(1, 6))
    width, height, key, places = min(pages, key=lambda page: page.misfit)
    figure = Figure(figsize=(width * style.MM, height * style.MM))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.axis("off")
    _title(axes, summary_words(judgements, _told(judgements)), width - 2 * MARGIN)
    _key(axes, key, _told(judgements))
    for place in places:
        x = MARGIN + place.column * (COLUMN + GAP)
        if isinstance(place.what, Judgement):
            _row(axes, x, place.y, place.what)
        else:
            _heading(axes, x, place.y, place.what, place.title)
    return figure


def _title(axes: Axes, words: str, width: float) -> None:
    """Write the title in one line, or smaller in two where it is wider than the page."""
    size, y, lines = style.LETTER, 5.0, [words]
    if len(words) > width / TITLE:
        size, y = style.NORMAL, 3.2
        lines = textwrap.wrap(words, int(width / style.TITLE))
    for number, line in enumerate(lines):
        axes.text(MARGIN, y + 3.4 * number, line, size=size, weight="bold", va="center")


def _told(judgements: Sequence[Judgement]) -> tuple[str, ...]:
    """The verdicts that a picture has words for: those over readings only where there are some."""
    over = any(judgement.verdict not in VERDICTS for judgement in judgements)
    return WHOLE if over else VERDICTS


def _page(judgements: Sequence[Judgement], shown: Collection[str], columns: int) -> Page:
    width = 2 * MARGIN + columns * COLUMN + (columns - 1) * GAP
    words = KEY if NOT_TESTABLE in shown else f"{KEY} · claims that are not testable are counted and have no row"
    key = textwrap.wrap(words, int((width - 2 * MARGIN) * FIT))
    places, height = _flow(list(_parts(judgements, shown)), columns, TOP + style.LINE * len(key) + 4.0)
    return Page(width, height, key, places)


def _flow(parts: Sequence[tuple[str | Judgement, bool]], columns: int, top: float) -> tuple[list[Place], float]:
    """Return places in columns that are as even as whole rows allow, and the height of the page."""
    heights = [_height(what, title) for what, title in parts]
    deep = sum(heights) / columns
    while True:
        places, bottom, column, y = [], top, 0, top
        paper = heading = ""
        for number, (what, title) in enumerate(parts):
            # Titles and headings stay with the first row below them; one is repeated where a column begins amid rows.
            rows = (place for place in range(number, len(parts)) if isinstance(parts[place][0], Judgement))
            needed = sum(heights[number : next(rows, number) + 1])
            if y > top and y + needed > top + deep:
                column, y = column + 1, top
                if isinstance(what, Judgement):
                    places.append(Place(column, y, f"{paper}, {heading}, continued"))
                    y += HEAD
            if title:
                paper = what.partition("  ")[0]
            elif not isinstance(what, Judgement):
                heading = what
            places.append(Place(column, y, what, title))
            y += heights[number]
            bottom = max(bottom, y)
        if column < columns:
            return places, bottom + FOOT
        deep += HEAD


def _parts(judgements: Sequence[Judgement], shown: Collection[str]) -> Iterator[tuple[str | Judgement, bool]]:
    """Yield all that is drawn, in order: the title of a paper (True), the figures' headings, and their claims."""
    for paper in dict.fromkeys(judgement.claim.paper for judgement in judgements):
        own = [judgement for judgement in judgements if judgement.claim.paper == paper]
        tally = "   ".join(f"{SYMBOLS[verdict]} {n}" for verdict, n in counts(own, _told(own)).items())
        yield f"{TITLES.get(paper, paper)}   {tally}", True
        rows = [judgement for judgement in own if judgement.verdict in shown]
        for at in dict.fromkeys(map(figure_of, rows)):
            yield at, False
            for judgement in rows:
                if figure_of(judgement) == at:
                    yield judgement, False


def save(figure: Figure, stem: Path, formats: Sequence[str] = tuple(METADATA)) -> list[Path]:
    """Write the picture as PNG, PDF and SVG, or in some of these formats; return the files."""
    files = []
    with style.look():
        for suffix in formats:
            path = Path(f"{stem}.{suffix}")
            with atomic(path) as temporary:
                figure.savefig(temporary, format=suffix, metadata=METADATA[suffix])
                if suffix == "png":
                    _few_colours(temporary)
            files.append(path)
    return files


def _few_colours(path: Path) -> None:
    """Save a picture of few colours with a palette, in about a third of the space."""
    with Image.open(path) as picture:
        small = picture.convert("RGB").quantize(256, dither=Image.Dither.NONE)
    small.save(path, format="png", optimize=True, dpi=(style.RC["savefig.dpi"],) * 2)


def _height(what: str | Judgement, title: bool) -> float:
    if isinstance(what, Judgement):
        return LINE * len(words_of(what)) + BETWEEN
    return 1.5 * HEAD if title else HEAD


def words_of(judgement: Judgement) -> list[str]:
    """Return a claim's words in lines that fit; all of them, for what tells two claims apart is often at the end."""
    words = f"exploratory: {judgement.claim.words}" if judgement.claim.exploratory else judgement.claim.words
    return textwrap.wrap(words, int(WORDS * FIT), break_on_hyphens=False)


def _key(axes: Axes, words: Sequence[str], verdicts: Sequence[str]) -> None:
    x = MARGIN
    for verdict in verdicts:
        axes.text(x, TOP - 2, f"{SYMBOLS[verdict]} {verdict}", color=COLOURS[verdict], weight="bold", va="center")
        x += 6.0 + 1.6 * len(verdict)
    for number, line in enumerate(words):
        y = TOP + 2 + style.LINE * number
        axes.text(MARGIN, y, line, size=style.SMALL, color=style.FAINT, va="center")


def _heading(axes: Axes, x: float, y: float, words: str, title: bool) -> None:
    if title:
        axes.text(x, y + HEAD, words, weight="bold", va="center", size=style.NORMAL + 1)
        return
    axes.plot([x, x + COLUMN], [y + 0.6] * 2, color="#CCCCCC", lw=0.5)
    axes.text(x, y + HEAD / 2 + 0.4, words, weight="bold", va="center", size=style.SMALL, color=style.FAINT)


def _row(axes: Axes, x: float, y: float, judgement: Judgement) -> None:
    colour = COLOURS[judgement.verdict]
    dim = judgement.verdict == NOT_TESTABLE
    ink = style.FAINT if dim else style.INK
    lines = words_of(judgement)
    middle = y + LINE * len(lines) / 2
    for number, line in enumerate(lines):
        axes.text(x + 4, y + LINE * (number + 0.5), line, size=style.SMALL, color=ink, va="center")
    first = y + LINE / 2
    axes.text(x + 1.2, first, SYMBOLS[judgement.verdict], color=colour, weight="bold", ha="center", va="center")
    strip = strip_of(judgement)
    if strip is None:
        reason = textwrap.wrap(judgement.reason, int((STRIP + NUMBERS) * FIT))
        if len(reason) > len(lines):
            reason = [*reason[: len(lines) - 1], shortened(" ".join(reason[len(lines) - 1 :]), STRIP + NUMBERS)]
        for number, line in enumerate(reason):
            at = y + LINE * (number + 0.5)
            axes.text(x + STRIP_AT, at, line, size=style.SMALL, color=style.FAINT, va="center", style="italic")
        return
    _strip(axes, x + STRIP_AT, middle, strip, colour)
    number = judgement.deciding.number
    exact = number.low == number.value == number.high  # one number, not thrice, which would leave the page
    words = number_words(number.value) if exact else interval_words(number)
    axes.text(x + NUMBERS_AT, middle, words, size=style.SMALL, color=ink, va="center")


def _strip(axes: Axes, x: float, y: float, strip: Strip, colour: str) -> None:
    half = STRIP / 2

    def at(place: float) -> float:
        return x + half * (1 + place)

    left, right = map(at, strip.zone)
    zone = Rectangle(
        (left, y - LINE / 2 + 0.1), right - left, LINE - 0.2, color=COLOURS["replicated"], alpha=0.13, lw=0
    )
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
