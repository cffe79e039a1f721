"""The verdict on a claim: replicated, not replicated, inconclusive, or not testable here."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from sgpipe.claims.declare import Claim
from sgpipe.claims.estimates import Estimate, Unmeasurable, contrast, differences, estimate, one_seed
from sgpipe.claims.rules import Comparison, comparisons
from sgpipe.claims.tables import ExperimentTable, chosen, missing_of, runs_of
from sgpipe.results.selection import CONFIDENCE

REPLICATED, NOT_REPLICATED, INCONCLUSIVE, NOT_TESTABLE = VERDICTS = (
    "replicated",
    "not replicated",
    "inconclusive",
    "not testable here",
)
DEPENDS = "depends on settings"  # of a claim over all readings: two that can tell disagree
WHOLE = (REPLICATED, NOT_REPLICATED, DEPENDS, INCONCLUSIVE, NOT_TESTABLE)
# Measures whose claims may hold of networks that learnt nothing, and what then tells whether they did.
LEARNT = 0.05  # accuracy above chance of networks that learnt something
OF_LEARNING = {
    "test_accuracy": "test_accuracy",
    "test_accuracy_last": "test_accuracy_last",
    "train_accuracy": "train_accuracy",
    "train_accuracy_last": "train_accuracy_last",
    "valid_accuracy": "valid_accuracy",
    "valid_loss": "valid_accuracy",
    "valid_loss_lowest": "valid_accuracy",
    "valid_loss_last": "valid_accuracy",
}
MISSING = 0.1  # a group that lacks more than this share of its runs is not what the claim is about
KINDS = {
    "original": "the published files",
    "part": "a part of the published files",
    "derived": "stand-in data made from other recordings",
    "embedded": "embedded stand-in data",
    "synthetic": "data generated from the paper's formula",
}


@dataclass(frozen=True)
class GroupResult:
    """The result of one group: its number with an interval, the runs that count and those they were chosen among."""

    name: str
    value: float
    low: float
    high: float
    sd: float  # of the runs that count
    n: int
    cells: int


@dataclass(frozen=True)
class Judgement:
    """A claim with its verdict, and why."""

    claim: Claim
    verdict: str
    reason: str
    comparisons: tuple[Comparison, ...] = ()
    groups: tuple[GroupResult, ...] = ()
    scales: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    data: tuple[str, ...] = ()  # their names, e.g. `our ear, 1,200 recordings`

    @property
    def deciding(self) -> Comparison | None:
        """The comparison that decides: the one that fails, else the one that is least clear."""
        return min(self.comparisons, key=_room, default=None)


def judge_all(
    claims: Iterable[Claim], tables: Mapping[str, ExperimentTable], declared: Collection[str]
) -> list[Judgement]:
    """Return the judgement of every claim; `declared` are the experiments that the workflow has."""
    return [judge(claim, tables, declared) for claim in claims]


def judge(claim: Claim, tables: Mapping[str, ExperimentTable], declared: Collection[str]) -> Judgement:
    """Return the judgement of a claim. What can be measured is reported even where no verdict may be given."""
    if claim.untestable:
        return Judgement(claim, NOT_TESTABLE, claim.untestable)
    for name in claim.experiments:
        if name not in tables:
            why = f"no table of {name} here" if name in declared else f"not built: no experiment {name} is declared"
            return Judgement(claim, NOT_TESTABLE, why)
    scales = tuple(dict.fromkeys(tables[name].scale for name in claim.experiments))
    selected = [runs_of(group, tables[group.experiment]) for group in claim.groups]
    kinds = tuple(sorted({kind for runs in selected for kind in runs["kind"]}))
    data = tuple(sorted({name for runs in selected for name in runs["data"]}))
    barred = _barred(claim, tables, selected, scales, kinds)
    try:
        counted = [
            chosen(group, tables[group.experiment], runs) for group, runs in zip(claim.groups, selected, strict=True)
        ]
        parts = [
            estimate(group, runs, f"claims/{claim.id}/{group.name}")
            for group, runs in zip(claim.groups, counted, strict=True)
        ]
        few = [f"{g.name} has {p.n}" for g, p in zip(claim.groups, parts, strict=True) if p.n < claim.least]
        if few:
            raise Unmeasurable(f"too few runs: {', '.join(few)}, {claim.least} needed")
        paired = differences(claim.groups, counted, claim.pair, f"claims/{claim.id}") if claim.pair else None
        if paired is not None and paired.n < claim.least:
            raise Unmeasurable(f"too few runs that agree in {', '.join(claim.pair)}: {paired.n}, {claim.least} needed")
        chance = float(selected[0]["chance"].iloc[0])
        found = comparisons(claim, parts, chance, paired)
        empty = _empty(claim, found, counted, chance)
    except Unmeasurable as problem:
        return Judgement(claim, NOT_TESTABLE, "; ".join([*barred, str(problem)]), scales=scales, kinds=kinds, data=data)
    groups = tuple(
        _result(group.name, part, len(runs)) for group, part, runs in zip(claim.groups, parts, selected, strict=True)
    )
    verdict = NOT_TESTABLE if barred else verdict_of(found)
    reason = "; ".join(barred) if barred else reason_of(found, verdict)
    if verdict == REPLICATED and empty:
        verdict, reason = INCONCLUSIVE, f"{reason}; but {empty}"
    return Judgement(claim, verdict, reason, tuple(found), groups, scales, kinds, data)


def _barred(claim: Claim, tables: Mapping[str, ExperimentTable], selected, scales, kinds) -> list[str]:
    """Return why no verdict may be given on these tables, whatever they say."""
    words = [f"scale {scale}, a verdict needs {_either(claim.scales)}" for scale in scales if scale not in claim.scales]
    words += [f"{KINDS[kind]}, a verdict needs {_needs(claim)}" for kind in kinds if kind not in claim.sources]
    for group, runs in zip(claim.groups, selected, strict=True):
        missing = missing_of(group, tables[group.experiment])
        if missing > MISSING * (missing + len(runs)):
            words.append(f"{group.name}: {missing} of {missing + len(runs)} runs are not yet trained")
    if (claim.pair or any(group.measure == "share" for group in claim.groups)) and all(map(one_seed, selected)):
        cells = max(map(len, selected))
        words.append(
            f"{cells} cells of one data set and initial weights are no {cells} draws, a verdict needs two seeds"
        )
    return words


def _empty(claim: Claim, found: Iterable[Comparison], counted: Iterable, chance: float) -> str:
    """Return why a claim holds trivially: it asks for no difference, and no group learnt; else an empty string.

    Networks that only guess are all alike, so a claim of equality would be true for them.
    """
    compared = len(claim.groups) > 1 or claim.groups[0].measure == "spread"
    of_learning = not claim.ratio and all(group.column in OF_LEARNING for group in claim.groups)
    if not (compared and of_learning and all(one.target.holds_at_0() for one in found)):
        return ""
    highest = -np.inf
    for group, runs in zip(claim.groups, counted, strict=True):
        measure = "plateau" if group.measure == "plateau" else "mean"
        accuracy = replace(group, column=OF_LEARNING[group.column], measure=measure)
        part = estimate(accuracy, runs, f"claims/{claim.id}/{group.name}/learnt")
        highest = max(highest, contrast([part], (1,)).low)
    if highest > chance + LEARNT:
        return ""
    return f"no group is clearly above chance ({number_words(chance)}): networks that only guess are all alike"


def _needs(claim: Claim) -> str:
    return _either([KINDS[kind] for kind in claim.sources if kind != "synthetic"] or [KINDS["synthetic"]])


def _either(words: Iterable[str]) -> str:
    return " or ".join(words)


def verdict_of(found: Iterable[Comparison]) -> str:
    """Return the verdict on comparisons.

    Replicated if every interval lies inside its target, not replicated if any lies outside, else inconclusive.
    """
    found = list(found)
    if any(one.target.fails(one.number) for one in found):
        return NOT_REPLICATED
    return REPLICATED if all(one.target.holds(one.number) for one in found) else INCONCLUSIVE


def _room(one: Comparison) -> float:
    """Return how far inside of its target an interval lies, in units of its half-width; below 0 it sticks out."""
    half = max((one.number.high - one.number.low) / 2, 1e-12)
    return min(one.number.low - one.target.low, one.target.high - one.number.high) / half


def reason_of(found: list[Comparison], verdict: str) -> str:
    """Return in words the comparison that decides, and where it lies."""
    one = min(found, key=_room)
    where = {REPLICATED: "inside", NOT_REPLICATED: "outside", INCONCLUSIVE: "across the edge of"}[verdict]
    more = f" (the least clear of {len(found)})" if len(found) > 1 else ""
    return f"{one.label} = {interval_words(one.number)}, {where} {target_words(one.target)}{more}"


def _result(name: str, part: Estimate, cells: int) -> GroupResult:
    number = contrast([part], (1,), CONFIDENCE)
    return GroupResult(name, number.value, number.low, number.high, part.sd, part.n, cells)


def number_words(value: float) -> str:
    """Return a number as text: three decimals below 10, three digits above."""
    if np.isnan(value):
        return "–"
    if np.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value == 0:
        return "0"
    if abs(value) < 0.0005:
        text = f"{value:.0e}".replace("e-0", "e-")  # what is next to nothing is not written as 0
    else:
        text = f"{value:.3f}" if abs(value) < 10 else f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
    return text.replace("-", "−")


def interval_words(number) -> str:
    """Return e.g. `0.31 [0.29, 0.33]`."""
    return f"{number_words(number.value)} [{number_words(number.low)}, {number_words(number.high)}]"


def target_words(target) -> str:
    """Return e.g. `> 0`, `< 10` or `[−0.02, 0.02]`."""
    if np.isinf(target.high):
        return f"> {number_words(target.low)}"
    if np.isinf(target.low):
        return f"< {number_words(target.high)}"
    if target.low == -target.high:
        return f"±{number_words(target.high)}"
    return f"{number_words(target.low)} to {number_words(target.high)}"
