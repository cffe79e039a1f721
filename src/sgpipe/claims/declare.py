"""The claims that are declared in workflow/claims/*.yaml."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sgpipe.base.errors import SgpipeError
from sgpipe.base.workflow import home
from sgpipe.claims.claim_file import ClaimFile, DeclaredClaim, DeclaredGroup, read_claims
from sgpipe.results.transition import FREE
from sgpipe.spec.experiments import Experiment

# How many groups of runs a rule compares; with a contrast, several groups give one number.
GROUPS_OF = {
    "larger_than": (1, 2),
    "smaller_than": (1, 2),
    "within": (1, 2),
    "within_spread": (1, 2),
    "within_factor": (1, 2),
    "at_chance": (1, 1),
    "same": (2, None),
    "ordering": (2, None),
    "highest_of": (2, None),
    "lowest_of": (2, None),
}
NEEDS = {"share": ("level",), "crossing": ("level",), "spread": ("over",), "peak": ("over",)}
FITTED = ("transition", "width", "saturation", "crossing", "plateau")  # measures of a fitted sigmoid
SELECTION = ("hidden_layers", "spikes_total")  # columns besides knobs that may select runs: none is an accuracy


@dataclass(frozen=True)
class Group:
    """Some runs of an experiment, and the number to compute from them."""

    name: str
    experiment: str
    sweeps: tuple[str, ...]  # () for all
    where: Mapping[str, Any]
    best: int | str | None  # how many of the best by validation; `experiment`: as its figure; None: all
    column: str
    measure: str
    level: float | None
    over: str | None
    form: str = FREE  # of a fitted sigmoid

    @property
    def fitted(self) -> bool:
        """Whether its number is one of a fitted sigmoid."""
        return self.measure in FITTED


@dataclass(frozen=True)
class Claim:
    """One sentence of a paper that a number can confirm or refute."""

    id: str
    paper: str
    at: str
    words: str
    groups: tuple[Group, ...]
    rule: str
    value: Any  # the rule's parameter
    contrast: tuple[float, ...] | None
    ratio: bool
    pair: tuple[str, ...]  # knobs by which the runs of two groups are matched; () for independent groups
    published: float | None
    spread: float | None
    printed: str
    scales: tuple[str, ...]
    sources: tuple[str, ...]
    least: int  # runs that each group must have
    untestable: str
    note: str
    exploratory: bool = False  # its rule was made once its numbers were known: out of all counts
    headline: bool = False  # it stands in the abstract

    @property
    def experiments(self) -> tuple[str, ...]:
        """The experiments whose tables it needs."""
        return tuple(dict.fromkeys(group.experiment for group in self.groups))


def claim_files(folder: Path | str | None = None) -> list[Path]:
    """Return the claim files of a workflow by year: those of this folder, or else those of the package."""
    for root in [Path(folder)] if folder else [Path(), home()]:
        found = (root / "workflow" / "claims").glob("*.yaml")
        if ordered := sorted(found, key=lambda path: (re.sub(r"\D", "", path.stem), path.stem)):
            return ordered
    raise SgpipeError("workflow/claims/: no claims there; run from the folder of the Snakefile")


def claimed(experiments: Mapping[str, Experiment]) -> list[str]:
    """Return those of some experiments that a claim is about."""
    named = {name for claim in about(load_claims(claim_files()), experiments) for name in claim.experiments}
    return [name for name in experiments if name in named]


def about(claims: Iterable[Claim], experiments: Mapping[str, Experiment]) -> list[Claim]:
    """Return the claims as they are made about some experiments.

    Experiments may stand for those of another paper, as all experiments of a file that is `like` another do. The claims
    then apply to them as well: a claim about zenke2021_fig6 is also tested on zenke2021real_fig6. Claims about
    experiments that are not declared, and that none stands for, are left out.

    Raises:
        SgpipeError: Two experiments of a file stand for the same one.
    """
    papers: dict[str, dict[str, dict[str, str]]] = {}
    for experiment in experiments.values():
        alike = papers.setdefault(experiment.stands_for.partition("_")[0], {})
        other = alike.setdefault(experiment.paper, {}).setdefault(experiment.stands_for, experiment.id)
        if other != experiment.id:
            raise SgpipeError(
                f"{experiment.id}: stands_for: {other} stands for {experiment.stands_for} too, and claims are about "
                "one experiment of a file; declare this one in another"
            )
    found = []
    for claim in claims:
        for paper, names in papers.get(claim.paper, {}).items():
            if paper == claim.paper:
                found.append(claim)
            elif claim.experiments and all(name in names for name in claim.experiments):
                found.append(_made_about(claim, paper, names))
    return found


def own_id(claim: Claim, paper: str) -> str:
    """Name a claim as another paper's: that of the paper itself, or of experiments that stand for it."""
    return f"{paper}_{claim.id.removeprefix(f'{claim.paper}_')}"


def _made_about(claim: Claim, paper: str, names: Mapping[str, str]) -> Claim:
    groups = tuple(replace(group, experiment=names[group.experiment]) for group in claim.groups)
    return replace(claim, id=own_id(claim, paper), paper=paper, groups=groups)


def load_claims(paths: Iterable[Path | str]) -> list[Claim]:
    """Return the claims of some files, in order; raises SgpipeError on anything that does not fit."""
    claims: dict[str, Claim] = {}
    for path in paths:
        for where, body, document in read_claims(path):
            claim = _claim(body, document, where)
            if claim.id in claims:
                raise SgpipeError(f"{where}: this id is taken; give the claim another")
            claims[claim.id] = claim
    return list(claims.values())


def _claim(body: DeclaredClaim, document: ClaimFile, where: str) -> Claim:
    rule = body.rule.given[0] if body.rule else ""
    claim = Claim(
        id=f"{document.paper}_{body.id}",
        paper=document.paper,
        at=body.at,
        words=body.claim,
        groups=tuple(_group(name, group, body, where) for name, group in body.groups.items()),
        rule=rule,
        value=getattr(body.rule, rule) if rule else None,
        contrast=tuple(body.contrast) if body.contrast else None,
        ratio=body.compare == "ratio",
        pair=tuple(body.pair),
        published=body.published.value,
        spread=body.published.spread,
        printed=body.published.printed,
        scales=tuple(body.allow.scales or document.allow.scales or ("paper",)),
        sources=tuple(body.allow.sources or document.allow.sources or ("original", "synthetic")),
        least=body.least,
        untestable=body.untestable,
        note=body.note,
        exploratory=body.exploratory,
        headline=body.headline,
    )
    _check(claim, where)
    return claim


def _group(name: str, own: DeclaredGroup | None, body: DeclaredClaim, where: str) -> Group:
    """Return a group, with what all groups share where it says nothing itself."""
    own = own or DeclaredGroup()
    knobs = {**body.shared.where, **own.where}
    full = body.shared.model_copy(update={key: getattr(own, key) for key in own.model_fields_set} | {"where": knobs})
    if full.experiment is None:
        raise SgpipeError(f"{where}: groups.{name}: name the experiment, here or in `shared`, e.g. zenke2021_fig3")
    for key in knobs:
        if "." not in key and key not in SELECTION:
            raise SgpipeError(
                f"{where}: groups.{name}.where: {key!r}: runs are selected by knobs, {' or '.join(SELECTION)}; "
                "never by how well they did (that is `best`, by validation)"
            )
    for key in NEEDS.get(full.measure, ()):
        if getattr(full, key) is None:
            raise SgpipeError(f"{where}: groups.{name}: measure {full.measure} needs `{key}`")
    return Group(
        name,
        full.experiment,
        tuple(full.sweep),
        full.where,
        full.best,
        full.column,
        full.measure,
        full.level,
        full.over,
        full.form,
    )


def _check(claim: Claim, where: str) -> None:
    """Raise SgpipeError if the parts of a claim do not fit together."""
    if claim.untestable:
        return
    if not claim.rule or not claim.groups:
        raise SgpipeError(f"{where}: give it groups and a rule, or say why it is `untestable`")
    least, most = GROUPS_OF[claim.rule]
    count = len(claim.groups)
    if claim.contrast is not None:
        if len(claim.contrast) != count or abs(sum(claim.contrast)) > 1e-12 or most is None:
            raise SgpipeError(f"{where}: contrast: one number a group, their sum 0, for a rule about one number")
    elif count < least or (most is not None and count > most):
        wanted = f"at least {least}" if most is None else f"{least} to {most}" if least < most else f"{least}"
        raise SgpipeError(f"{where}: rule {claim.rule} compares {wanted} groups, not {count}; or give a `contrast`")
    if claim.ratio and (count != 2 or claim.contrast is not None or most is None):
        raise SgpipeError(f"{where}: compare: a ratio is of two groups, for a rule about one number")
    matched = all(group.measure in ("mean", "share") and group.best is None for group in claim.groups)
    if claim.pair and (count != 2 or claim.ratio or claim.contrast is not None or most is None or not matched):
        raise SgpipeError(f"{where}: pair: for the difference of two groups' means or shares, of all their runs")
    for key, missing in (("value", claim.published is None), ("spread", claim.spread is None)):
        if missing and (claim.rule == "within_spread" or (claim.rule == "within_factor" and key == "value")):
            raise SgpipeError(f"{where}: rule {claim.rule} needs published.{key}")
