"""Verdicts in words, symbols and colours, for table, page and picture alike."""

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from sgpipe.claims.judge import (
    DEPENDS,
    INCONCLUSIVE,
    NOT_REPLICATED,
    NOT_TESTABLE,
    REPLICATED,
    VERDICTS,
    GroupResult,
    Judgement,
    interval_words,
    number_words,
    verdict_of,
)

SYMBOLS = {REPLICATED: "✓", NOT_REPLICATED: "✗", DEPENDS: "±", INCONCLUSIVE: "?", NOT_TESTABLE: "–"}
# Blue, red and ochre of different lightness (Tol's vibrant and bright sets); the symbols say the same without colour.
COLOURS = {
    REPLICATED: "#0077BB",
    NOT_REPLICATED: "#CC3311",
    DEPENDS: "#AA3377",
    INCONCLUSIVE: "#B8860B",
    NOT_TESTABLE: "#888888",
}


def counts(judgements: Iterable[Judgement], verdicts: Sequence[str] = VERDICTS) -> dict[str, int]:
    """Return how many claims have each verdict; exploratory ones are left out."""
    found = Counter(judgement.verdict for judgement in judgements if not judgement.claim.exploratory)
    return {verdict: found[verdict] for verdict in verdicts}


def summary_words(judgements: Sequence[Judgement], verdicts: Sequence[str] = VERDICTS) -> str:
    """Return e.g. `97 claims: 12 replicated, 2 not replicated, ...; 3 exploratory ones are not counted`."""
    found = counts(judgements, verdicts)
    total, explored = sum(found.values()), sum(judgement.claim.exploratory for judgement in judgements)
    words = f"{total} claims: " + ", ".join(f"{n} {verdict}" for verdict, n in found.items())
    return f"{words}; {explored} exploratory, not counted" if explored else words


def verdict_words(judgement: Judgement) -> str:
    """Return the verdict with its symbol; an exploratory claim is called so."""
    words = f"{SYMBOLS[judgement.verdict]} {judgement.verdict}"
    return f"{words} (exploratory)" if judgement.claim.exploratory else words


def published_words(judgement: Judgement) -> str:
    """Return the printed number as text, empty if there is none."""
    claim = judgement.claim
    if claim.printed or claim.published is None:
        return claim.printed
    spread = f" ± {number_words(claim.spread)}" if claim.spread else ""
    return f"{number_words(claim.published)}{spread}"


def ours_words(judgement: Judgement) -> str:
    """Return the comparison that decides, with its interval, as text."""
    one = judgement.deciding
    return f"{one.label} = {interval_words(one.number)}" if one else ""


def effect_words(judgement: Judgement) -> str:
    """Return the size of the effect that decides as text, e.g. `g = −1.2`; empty where it has none (docs/claims.md)."""
    claim, one = judgement.claim, judgement.deciding
    if one is None or np.isnan(one.standardised):
        return ""
    size = number_words(one.standardised)
    if len(claim.groups) == 1:
        return f"{size} published sd from the published"
    return f"{'d' if claim.pair else 'g'} = {size}"


def group_words(group: GroupResult) -> str:
    """Return one group as text, e.g. `0.994 [0.989, 0.998], sd 0.003, best 5 of 72`."""
    spread = "" if np.isnan(group.sd) else f", sd {number_words(group.sd)}"
    chosen = f"n = {group.n}" if group.n == group.cells else f"{group.n} of {group.cells} runs"
    return f"{interval_words(group)}{spread}, {chosen}"


def why_words(judgement: Judgement) -> str:
    """Return the reason of a verdict where the number beside its target does not tell it."""
    told = judgement.verdict != NOT_TESTABLE and verdict_of(judgement.comparisons) == judgement.verdict
    return "" if told else judgement.reason


def figure_of(judgement: Judgement) -> str:
    """Return the figure, or else the section, that a claim belongs to: `Fig 3`, `2.5`."""
    at = judgement.claim.at
    place = at.find("Fig")
    words = at[place:].split()[:2] if place >= 0 else [at]
    return " ".join(words).rstrip(",abcdefgh")
