"""The common style of all figures: sizes, fonts, colours, and the small parts that every figure has.

Sizes are those of the printed page: a figure is one column (85 mm) or two (180 mm) wide, no text below 6 pt.
"""

import textwrap
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from functools import wraps
from zlib import crc32

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure, SubFigure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

MM = 1 / 25.4
SINGLE, DOUBLE = 85.0, 180.0  # column widths, mm
SMALL, NORMAL, LETTER = 6.0, 7.0, 9.0  # font sizes, pt
LINE, CHARACTER = 3.0, 1.2  # height of a small line and width of a small letter, mm
TITLE = 1.75  # width of a bold letter of normal size
LINES = 2  # most lines of a note
LETTER_LABEL = "panel letter"
NEAR = 8.0  # mm: panels whose corners are no further apart share a row or column

RC = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same on every machine
    "font.size": NORMAL,
    "axes.titlesize": NORMAL,
    "axes.labelsize": NORMAL,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "legend.fontsize": SMALL,
    "legend.title_fontsize": SMALL,
    "legend.frameon": False,
    "legend.handlelength": 1.4,
    "legend.handletextpad": 0.5,
    "legend.labelspacing": 0.25,
    "legend.borderaxespad": 0.2,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "axes.labelpad": 2.0,
    "axes.titlepad": 4.0,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.major.pad": 2.0,
    "ytick.major.pad": 2.0,
    "lines.linewidth": 1.0,
    "grid.linewidth": 0.4,
    "grid.color": "#DDDDDD",
    "hatch.linewidth": 0.5,
    "figure.constrained_layout.w_pad": 0.03,
    "figure.constrained_layout.h_pad": 0.03,
    "pdf.fonttype": 42,
    "svg.fonttype": "path",
    "svg.hashsalt": "sgpipe",  # ids inside the SVG would otherwise be random
    "savefig.dpi": 300,
}


class Looks(dict[str, str]):
    """The look of each surrogate shape, by name; a formula always gets the same one of a few reserved looks."""

    def __init__(self, named: dict[str, str], others: tuple[str, ...]):
        super().__init__(named)
        self.others = others

    def __missing__(self, name: str) -> str:
        return self.others[crc32(name.encode()) % len(self.others)]

    def get(self, name, default=None):
        """Look up a shape; anything that is not a name, such as a missing value, gets the default."""
        return self[name] if isinstance(name, str) else default


# Colour-blind-safe (Paul Tol's muted and vibrant sets); one meaning, one colour, in every figure.
FORMULA_COLOURS = ("#0077BB", "#CC3311", "#117733", "#EE7733", "#AA4466", "#225588")
SURROGATE_COLOURS = Looks(
    {
        "superspike": "#882255",
        "sigmoid": "#44AA99",
        "esser": "#999933",
        "asymptotic_superspike": "#CC6677",
        "constant": "#999999",
        "true_derivative": "#777777",
        # Table S1 of herranz2022; shapes that are also in zenke2021 share its colours.
        "triangular": "#999933",
        "exponential": "#332288",
        "gaussian": "#55AADD",
        "dsigmoid": "#44AA99",
        "dfast_sigmoid": "#882255",
        "rectangular": "#EEAA33",
        "q_pseudospike": "#AA4499",
    },
    FORMULA_COLOURS,
)
SURROGATE_MARKERS = Looks(
    {
        "triangular": "^",
        "exponential": "o",
        "gaussian": "D",
        "dsigmoid": "v",
        "dfast_sigmoid": "P",
        "rectangular": "s",
        "q_pseudospike": "X",
    },
    ("h", "p", "d", "<", ">"),
)
NO_HIDDEN_COLOUR = "#000000"
# Which shape (s, a) with which gradient: controls are greys, a gradient through the recurrence is orange.
CONDITION_COLOURS = {
    "sCtl": "#BBBBBB",
    "aCtl": "#777777",
    "sDR": "#F9C59F",
    "aDR": "#EE7733",
    "sProp": "#F9C59F",
    "aProp": "#EE7733",
}
CLASS_COLOURS = ("#EE7733", "#0077BB", "#009988", "#EE3377")
COORDINATE_MAP = "viridis"
ACCURACY_MAP = "viridis"
INK, FAINT = "#222222", "#666666"
DASHES = (0, (4, 2))  # for what is not measured: chance, limits, a theory's target
WARNING_COLOUR = "#CC3311"
WARNING = "smoke test: not a result"
LEGEND = 6.0  # mm taken by a legend above all panels


def look() -> AbstractContextManager[None]:
    """Make the context in which figures are drawn and saved."""
    return matplotlib.rc_context(RC)


def styled(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    """Make a drawing function use the common style wherever it is called from."""

    @wraps(draw)
    def drawn(*args, **kwargs) -> Figure:
        with look():
            return draw(*args, **kwargs)

    return drawn


def new_figure(width: float, height: float, note: str, key: str = "") -> Figure:
    """Make an empty figure whose panels keep clear of its notes, and of the warning at the top in a smoke test.

    Args:
        width: In mm.
        height: In mm, without a heading.
        note: The corner note, at the foot. All lines but its last form a heading, whose first line is the title.
        key: A line above the note on how to read the figure.
    """
    *heading, note = note.split("\n")
    titles = textwrap.wrap(heading[0], int(width / TITLE)) if heading else []
    heading = [*titles, *heading[1:]]
    head = 1.5 + LINE * len(heading) if heading else 0.0
    height += head
    figure = Figure(figsize=(width * MM, height * MM), layout="constrained")
    FigureCanvasAgg(figure)  # keeps its renderer; otherwise each measured text makes a new one
    for number, line in enumerate(heading):
        title = number < len(titles)
        look = {"size": NORMAL, "weight": "bold"} if title else {"size": SMALL}
        figure.text(1.0 / width, 1 - (1.0 + LINE * number + 0.4 * (not title)) / height, line, va="top", **look)
    if note.startswith(WARNING):
        figure.text(0.5, 1 - (0.8 + head) / height, WARNING, ha="center", va="top", color=WARNING_COLOUR, weight="bold")
        head += 4.5
        note = note.removeprefix(WARNING).lstrip(" ·")
    foot = 1.0
    for words, colour in ((note, FAINT), (key, INK)):
        lines = fitted(words, width)
        look = {"ha": "right", "va": "bottom", "size": SMALL, "color": colour}
        figure.text(1 - 1.0 / width, foot / height, "\n".join(lines), **look)
        foot += LINE * len(lines)
    foot += 0.5
    figure.get_layout_engine().set(rect=(0, foot / height, 1 - 0.8 / width, 1 - (foot + head) / height))
    return figure


def legend_above(figure: Figure, handles: list, side: str = "center", **more) -> None:
    """Draw a legend in one row above all panels, below the warning of a smoke test.

    Args:
        figure: The figure.
        handles: The entries.
        side: Where in the row it stands.
        **more: Passed on to matplotlib.
    """
    engine = figure.get_layout_engine()
    left, low, width, height = engine.get()["rect"]
    box = (0, 0, 1, low + height)
    figure.legend(handles=handles, loc=f"upper {side}", bbox_to_anchor=box, ncols=len(handles), **more)
    engine.set(rect=(left, low, width, height - LEGEND / (figure.get_figheight() / MM)))


def fitted(note: str, width: float) -> list[str]:
    """Break a note into lines that fit a figure `width` mm wide, two at most.

    Text that does not fit is cut off. The file of numbers beside the picture has the whole note.
    """
    return textwrap.wrap(note, int(width / CHARACTER), max_lines=LINES, placeholder=" …")


def lay_out(figure: Figure) -> None:
    """Give every panel and its letter their final places, once for all formats.

    The layout's solver leaves differences of 1e-15 from call to call, which would change the bytes of the files.
    """
    figure.get_layout_engine().execute(figure)  # a second time would move nothing by a tenth of a millimetre
    figure.set_layout_engine(None)  # not "none", which would draw every file twice
    for part in figure.findobj(SubFigure):
        part.bbox_relative.set_points(part.bbox_relative.get_points().round(6))
    for axes in figure.axes:
        axes.set_position(Bbox(axes.get_position(original=True).get_points().round(6)))
    letters = [text for text in figure.findobj(Text) if text.get_label() == LETTER_LABEL]
    places = np.array([[text.axes.bbox.x0, text.axes.bbox.y1] for text in letters])
    corners = np.array([[box.x0, box.y1] for box in (text.axes.get_tightbbox() for text in letters)])
    for text, place in zip(letters, places, strict=True):
        column, row = (np.abs(places - place) < NEAR * MM * figure.dpi).T
        corner = corners[column, 0].min(), corners[row, 1].max()
        text.set_position(figure.transFigure.inverted().transform(corner).round(6))


def panel_letter(axes: Axes, letter: str) -> None:
    """Give a panel its bold letter; `lay_out` aligns it with the other letters in its row and column."""
    look = {"size": LETTER, "weight": "bold", "va": "top", "label": LETTER_LABEL, "in_layout": False}
    axes.text(0, 1, letter, transform=axes.figure.figure.transFigure, **look)


def tint(colour: str, share: float) -> tuple[float, float, float]:
    """Mix a colour with white; `share` is the colour's share."""
    return tuple(share * part + (1 - share) for part in to_rgb(colour))


def depth_tint(colour: str, layers: int) -> tuple[float, float, float]:
    """Lighten a colour by the number of hidden layers: lighter for fewer."""
    return tint(colour, {0: 1.0, 1: 0.6, 2: 1.0}.get(layers, 1.0))


def ordered_colours(values: Iterable[float]) -> dict[float, tuple]:
    """Assign a colour to each value of a swept number, evenly spaced by rank: dark is small."""
    ordered = sorted(set(values))
    colours = matplotlib.colormaps["viridis"](np.linspace(0.0, 0.92, max(len(ordered), 2)))
    return {value: tuple(colour) for value, colour in zip(ordered, colours, strict=False)}


def number(value: float) -> str:
    """Format a swept value: `0.1`, `20`, `1e-05`."""
    return f"{value:g}"
