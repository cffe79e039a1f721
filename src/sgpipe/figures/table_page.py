"""A table as a self-contained HTML page. Its formulas are pictures within the page."""

import io
from base64 import b64encode
from collections.abc import Sequence
from html import escape

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.mathtext import MathTextParser

from sgpipe.figures import style

SIZE = 10.5  # of formulas, pt: as 14 px of text
STYLE = """
body { font: 14px/1.4 system-ui, "DejaVu Sans", sans-serif; color: #222; background: white; margin: 16px }
h1 { font-size: 20px }
div { overflow-x: auto }
table { border-collapse: collapse }
th { text-align: left; border-bottom: 2px solid #999 }
td { border-top: 1px solid #e5e5e5 }
th, td { padding: 5px 10px; vertical-align: top }
p { color: #555; margin: 6px 0; font-size: 13px }
"""


def html(printed: pd.DataFrame, title: str, below: Sequence[str]) -> str:
    """Format a frame of text as an HTML page.

    Args:
        printed: The frame; text between two dollar signs is a formula.
        title: The heading above it.
        below: Lines below it.
    """
    head = "".join(f"<th>{_cell(name)}</th>" for name in printed.columns)
    rows = "\n".join(
        f"<tr>{''.join(f'<td>{_cell(cell)}</td>' for cell in row)}</tr>" for row in printed.itertuples(index=False)
    )
    notes = "\n".join(f"<p>{_cell(line)}</p>" for line in below)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>\n<body><h1>{escape(title)}</h1>\n"
        f"<div><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody></table></div>\n{notes}\n</body></html>\n"
    )


def _cell(text: str) -> str:
    pieces = text.split("$")
    if len(pieces) % 2 == 0:  # a lone dollar sign
        return escape(text)
    return "".join(_formula(piece) if place % 2 else escape(piece) for place, piece in enumerate(pieces))


def _formula(tex: str) -> str:
    """Return a formula as a picture that sits on the text's baseline."""
    with style.look():
        font = FontProperties(family="DejaVu Sans", size=SIZE)
        width, height, depth, _, _ = MathTextParser("path").parse(f"${tex}$", dpi=72, prop=font)
        figure = Figure(figsize=(width / 72, height / 72))
        figure.text(0, depth / height, f"${tex}$", fontproperties=font)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    data = b64encode(buffer.getvalue()).decode()
    place = f"width:{width:.1f}pt;height:{height:.1f}pt;vertical-align:{-depth:.1f}pt"
    return f'<img style="{place}" alt="{escape(tex)}" src="data:image/svg+xml;base64,{data}">'
