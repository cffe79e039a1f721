"""All verdicts as one HTML page that needs nothing from elsewhere: no script, style sheet, font or picture."""

from collections.abc import Sequence
from html import escape

import numpy as np

from sgpipe.claims.judge import VERDICTS, Judgement, interval_words, target_words
from sgpipe.claims.strip import strip_of
from sgpipe.claims.words import (
    COLOURS,
    SYMBOLS,
    counts,
    effect_words,
    figure_of,
    group_words,
    ours_words,
    published_words,
    summary_words,
    why_words,
)

STYLE = """
body { font: 14px/1.4 system-ui, "DejaVu Sans", sans-serif; color: #222; max-width: 1180px; margin: 24px auto }
body { padding: 0 16px }
h1 { font-size: 24px; margin-bottom: 4px }
h2 { font-size: 19px; margin: 32px 0 4px }
h3 { font-size: 15px; margin: 20px 0 4px; color: #555 }
.bar { display: flex; height: 22px; border-radius: 4px; overflow: hidden; margin: 8px 0 }
.bar { color: white; font-size: 12px; line-height: 22px; text-align: center }
.bar div { min-width: 34px }
.key span { margin-right: 18px; white-space: nowrap }
.key b, .verdict { font-weight: 600 }
table { border-collapse: collapse; width: 100%; table-layout: fixed }
td { border-top: 1px solid #e5e5e5; padding: 6px 8px; vertical-align: top; overflow-wrap: anywhere }
td.mark { width: 142px; white-space: nowrap }
td.strip { width: 210px }
td.numbers { width: 300px; font-size: 13px }
small, .faint { color: #777; font-size: 12px }
details { font-size: 12px; color: #444 }
summary { cursor: pointer; color: #777 }
"""


def html(judgements: Sequence[Judgement]) -> str:
    """Return all claims as one HTML page without script, style sheet, font or picture from elsewhere."""
    body = [
        "<h1>What replicated</h1>",
        f"<p>{escape(summary_words(judgements))}. ",
        "Intervals are of 95 %; docs/claims.md says what the verdicts mean.</p>",
        _bar(judgements),
        _key(),
    ]
    for paper in dict.fromkeys(judgement.claim.paper for judgement in judgements):
        own = [judgement for judgement in judgements if judgement.claim.paper == paper]
        body += [f"<h2>{escape(paper)}</h2>", f"<p class=faint>{escape(summary_words(own))}</p>"]
        for at in dict.fromkeys(figure_of(judgement) for judgement in own):
            rows = "".join(_html_row(judgement) for judgement in own if figure_of(judgement) == at)
            body += [f"<h3>{escape(at)}</h3>", f"<table>{rows}</table>"]
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Claims</title>'
    head += f"<style>{STYLE}</style>"
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>{"".join(body)}</body></html>\n'


def _bar(judgements: Sequence[Judgement]) -> str:
    parts = [
        f'<div style="flex:{n};background:{COLOURS[verdict]}" title="{verdict}">{SYMBOLS[verdict]} {n}</div>'
        for verdict, n in counts(judgements).items()
        if n
    ]
    return f'<div class="bar">{"".join(parts)}</div>'


def _key() -> str:
    words = "".join(f'<span><b style="color:{COLOURS[v]}">{SYMBOLS[v]}</b> {v}</span>' for v in VERDICTS)
    drawn = (
        "Strips: shaded where the claim holds, dot and line our number and its interval, "
        "open diamond the published number with its spread; each strip has its own scale."
    )
    return f'<p class="key">{words}</p><p class="faint">{drawn}</p>'


def _html_row(judgement: Judgement) -> str:
    claim, one, verdict = judgement.claim, judgement.deciding, judgement.verdict
    colour = COLOURS[verdict]
    mark = f'<td class="mark verdict" style="color:{colour}">{SYMBOLS[verdict]} {verdict}</td>'
    note = f"<br><small>{escape(claim.note)}</small>" if claim.note else ""
    words = f"<td>{escape(claim.words)} <small>({escape(claim.at)})</small>{note}{_details(judgement)}</td>"
    printed = published_words(judgement)
    lines = [escape(ours_words(judgement))] if one else []
    if one:
        facts = [f"holds if {target_words(one.target)}", f"n = {one.n}", effect_words(judgement)]
        lines.append(f'<span class="faint">{escape(", ".join(filter(None, facts)))}</span>')
    lines += [f'<span class="faint">published: {escape(printed)}</span>'] if printed else []
    why = why_words(judgement)
    lines += [f'<span class="faint">{escape(why)}</span>'] if why else []
    numbers = f'<td class="numbers">{"<br>".join(lines)}</td>'
    return f'<tr id="{claim.id}">{mark}{words}<td class="strip">{_svg(judgement)}</td>{numbers}</tr>\n'


def _details(judgement: Judgement) -> str:
    if not judgement.groups:
        return ""
    lines = [f"{group.name}: {group_words(group)}" for group in judgement.groups]
    if len(judgement.comparisons) > 1:
        lines += [
            f"{c.label} = {interval_words(c.number)}, to be {target_words(c.target)}" for c in judgement.comparisons
        ]
    lines.append(f"{judgement.claim.id}; scale {', '.join(judgement.scales)}; data {', '.join(judgement.kinds)}")
    return f"<details><summary>numbers</summary>{'<br>'.join(map(escape, lines))}</details>"


def _svg(judgement: Judgement) -> str:
    strip = strip_of(judgement)
    if strip is None:
        return ""
    colour = COLOURS[judgement.verdict]

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
    return f'<svg width="200" height="28" role="img" aria-label="{escape(judgement.verdict)}">{"".join(parts)}</svg>'
