"""All verdicts as one HTML page that needs nothing from elsewhere: no script, style sheet, font or picture."""

from collections.abc import Mapping, Sequence

import numpy as np
from markupsafe import Markup

from sgpipe.base.templates import templates_of
from sgpipe.claims import words
from sgpipe.claims.elsewhere import Elsewhere
from sgpipe.claims.judge import NOT_TESTABLE, Judgement, interval_words, target_words
from sgpipe.claims.strip import strip_of


def html(judgements: Sequence[Judgement], larger: Mapping[str, Elsewhere] | None = None, docs: str = "") -> str:
    """Return all claims as one HTML page without script, style sheet, font or picture from elsewhere.

    Links lead to the figures beside it; in a workflow report, which holds the page as data, they are plain words.
    Filters are check boxes that style sheets know of.

    Args:
        judgements: One a claim.
        larger: Verdicts of other scales and data, by claim.
        docs: The folder of the documentation as seen from the page; without it there are no links there.
    """
    environment = templates_of("sgpipe.claims")
    environment.globals |= {
        "symbols": words.SYMBOLS,
        "colours": words.COLOURS,
        "number_of": {verdict: number for number, verdict in enumerate(words.SYMBOLS)},
        "untestable": NOT_TESTABLE,
        "papers": list(dict.fromkeys(judgement.claim.paper for judgement in judgements)),
        "larger": larger or {},
        "docs": docs,
        "by_figure": _by_figure,
        "figures": _figures,
        "details": _details,
        "facts": _facts,
        "strip": _svg,
    }
    environment.globals |= {name: value for name, value in vars(words).items() if callable(value)}
    return environment.get_template("page.html.j2").render(judgements=judgements)


def _by_figure(own: Sequence[Judgement]) -> list[Judgement]:
    """Return claims by figure, figures in the order in which they first stand."""
    order = list(dict.fromkeys(map(words.figure_of, own)))
    return sorted(own, key=lambda judgement: order.index(words.figure_of(judgement)))


def _figures(judgement: Judgement) -> list[tuple[str, str]]:
    """Return the experiments that a claim is about, each with its picture as seen from the page."""
    names = [name.partition("_") for name in judgement.claim.experiments]
    return [(f"{paper}_{figure}", f"figures/{paper}/{figure}.png") for paper, _, figure in names]


def _facts(judgement: Judgement) -> str:
    """Return what the deciding number is held against, from how many networks, and its effect."""
    one = judgement.deciding
    facts = [f"holds if {target_words(one.target)}", f"n = {one.n}", words.effect_words(judgement)]
    return ", ".join(filter(None, facts))


def _details(judgement: Judgement) -> list[str]:
    """Return the numbers behind a verdict, a line each."""
    lines = [f"{group.name}: {words.group_words(group)}" for group in judgement.groups]
    if len(judgement.comparisons) > 1:
        lines += [
            f"{c.label} = {interval_words(c.number)}, to be {target_words(c.target)}" for c in judgement.comparisons
        ]
    lines.append(f"{judgement.claim.id}; scale {', '.join(judgement.scales)}; data {'; '.join(judgement.data)}")
    return lines


def _svg(judgement: Judgement) -> str:
    """Return the strip of the number that decides as SVG; empty if there is none."""
    strip = strip_of(judgement)
    if strip is None:
        return ""
    colour = words.COLOURS[judgement.verdict]

    def x(place: float) -> str:
        return f"{100 + 96 * place:.1f}"

    left, right = float(x(strip.zone[0])), float(x(strip.zone[1]))
    parts = [
        '<line x1="4" x2="196" y1="14" y2="14" stroke="#ddd"/>',
        f'<rect x="{left}" y="4" width="{right - left:.1f}" height="20" fill="#0077BB" opacity="0.12"/>',
    ]
    if not np.isnan(strip.published):
        low, high = (x(place) for place in strip.published_interval)
        at = float(x(strip.published))
        parts.append(f'<line x1="{low}" x2="{high}" y1="8" y2="8" stroke="#222" stroke-width="1"/>')
        parts.append(f'<path d="M{at - 4} 8 l4 -4 l4 4 l-4 4 z" fill="white" stroke="#222"/>')
    low, high = (x(place) for place in strip.interval)
    parts.append(f'<line x1="{low}" x2="{high}" y1="16" y2="16" stroke="{colour}" stroke-width="3"/>')
    parts.append(f'<circle cx="{x(strip.value)}" cy="16" r="4" fill="{colour}"/>')
    picture = f'<svg width="200" height="28" role="img" aria-label="{judgement.verdict}">{"".join(parts)}</svg>'
    return Markup(picture)  # numbers and our own words alone
