"""Claims as they are declared in workflow/claims/*.yaml."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sgpipe.base.errors import SgpipeError
from sgpipe.base.schema import SOURCE_TREE, check
from sgpipe.base.yamlfile import read_yaml
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
SELECTION = ("hidden_layers", "spikes_total")  # columns besides knobs that may select runs: none is an accuracy


@dataclass(frozen=True)
class Group:
    """Some runs of an experiment, and the one number to make of them."""

    name: str
    experiment: str
    sweeps: tuple[str, ...]  # () for all
    where: Mapping[str, Any]
    best: int | str | None  # how many of the best by validation; `experiment`: as its figure; None: all
    column: str
    measure: str
    level: float | None
    over: str | None


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

    @property
    def experiments(self) -> tuple[str, ...]:
        """The experiments whose tables it needs."""
        return tuple(dict.fromkeys(group.experiment for group in self.groups))


def claim_files(folder: Path | str | None = None) -> list[Path]:
    """Return the claim files of a workflow by year: those of this folder, or else those beside the sources."""
    for root in [Path(folder)] if folder else [Path(), SOURCE_TREE]:
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

    Where experiments stand for those of another paper, as all of a file that is `like` another do, its claims are
    about them too: what is claimed of zenke2021_fig6, of zenke2021real_fig6. Left out are claims about any that nothing
    stands for, and those of papers of which nothing is declared.
    """
    papers: dict[str, dict[str, dict[str, str]]] = {}
    for experiment in experiments.values():
        alike = papers.setdefault(experiment.stands_for.partition("_")[0], {})
        alike.setdefault(experiment.paper, {})[experiment.stands_for] = experiment.id
    found = []
    for claim in claims:
        for paper, names in papers.get(claim.paper, {}).items():
            if paper == claim.paper:
                found.append(claim)
            elif claim.experiments and all(name in names for name in claim.experiments):
                found.append(_made_about(claim, paper, names))
    return found


def _made_about(claim: Claim, paper: str, names: Mapping[str, str]) -> Claim:
    groups = tuple(replace(group, experiment=names[group.experiment]) for group in claim.groups)
    return replace(claim, id=f"{paper}_{claim.id.removeprefix(claim.paper + '_')}", paper=paper, groups=groups)


def load_claims(paths: Iterable[Path | str]) -> list[Claim]:
    """Return the claims of some files, in order; raises SgpipeError on anything that does not fit."""
    claims: dict[str, Claim] = {}
    for path in paths:
        document = read_yaml(path)
        check(document, "claims", str(path))
        for place, body in enumerate(document["claims"]):
            check(body.get("for_each", [{"": ""}]), "claims", f"{path}: claims.{place}.for_each", "for_each")
            for one in expanded(body):
                where = f"{path}: {one.get('id', f'claims.{place}')}"
                check(one, "claims", where, "claim")
                claim = _claim(one, document, where)
                if claim.id in claims:
                    raise SgpipeError(f"{where}: this id is taken; give the claim another")
                claims[claim.id] = claim
    return list(claims.values())


def expanded(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a claim once for each entry of its `for_each`, with the entry's values in the place of <their names>."""
    plain = {key: value for key, value in body.items() if key != "for_each"}
    return [_filled(plain, entry) for entry in body["for_each"]] if "for_each" in body else [plain]


def _filled(part: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(part, dict):
        return {_filled(key, values): _filled(value, values) for key, value in part.items()}
    if isinstance(part, list):
        return [_filled(value, values) for value in part]
    if not isinstance(part, str):
        return part
    for name, value in values.items():
        if part == f"<{name}>":
            return value  # keeps its type
        part = part.replace(f"<{name}>", str(value))
    return part


def _claim(body: Mapping[str, Any], document: Mapping[str, Any], where: str) -> Claim:
    published = body.get("published", {})
    allowed = {**document.get("allow", {}), **body.get("allow", {})}
    groups = tuple(_group(name, group, body, where) for name, group in body.get("groups", {}).items())
    (rule, value) = next(iter(body["rule"].items())) if "rule" in body else ("", None)
    claim = Claim(
        id=f"{document['paper']}_{body['id']}",
        paper=document["paper"],
        at=str(body["at"]),
        words=body["claim"],
        groups=groups,
        rule=rule,
        value=value,
        contrast=tuple(body["contrast"]) if "contrast" in body else None,
        ratio=body.get("compare") == "ratio",
        pair=tuple(body.get("pair", ())),
        published=published.get("value"),
        spread=published.get("spread"),
        printed=published.get("printed", ""),
        scales=tuple(allowed.get("scales", ("paper",))),
        sources=tuple(allowed.get("sources", ("original", "synthetic"))),
        least=body.get("least", 3),
        untestable=body.get("untestable", ""),
        note=body.get("note", ""),
    )
    _check(claim, where)
    return claim


def _group(name: str, group: Mapping[str, Any], body: Mapping[str, Any], where: str) -> Group:
    full = {**body.get("shared", {}), **(group or {})}
    if "experiment" not in full:
        raise SgpipeError(f"{where}: groups.{name}: name the experiment, here or in `shared`, e.g. zenke2021_fig3")
    knobs = {**body.get("shared", {}).get("where", {}), **(group or {}).get("where", {})}
    for key in knobs:
        if "." not in key and key not in SELECTION:
            raise SgpipeError(
                f"{where}: groups.{name}.where: {key!r}: runs are selected by knobs, {' or '.join(SELECTION)}; "
                "never by how well they did (that is `best`, by validation)"
            )
    sweeps = full.get("sweep", [])
    measure = full.get("measure", "mean")
    for key in NEEDS.get(measure, ()):
        if key not in full:
            raise SgpipeError(f"{where}: groups.{name}: measure {measure} needs `{key}`")
    return Group(
        name,
        full["experiment"],
        (sweeps,) if isinstance(sweeps, str) else tuple(sweeps),
        knobs,
        full.get("best"),
        full.get("column", "test_accuracy"),
        measure,
        full.get("level"),
        full.get("over"),
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
