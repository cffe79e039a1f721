"""The format of a claim file, and its claims, one for each entry of a `for_each`."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from sgpipe.base.document import Document, Line, checked, named
from sgpipe.base.errors import SgpipeError
from sgpipe.base.yamlfile import read_yaml
from sgpipe.spec.experiment_file import ExperimentName, PaperName

MOST_CHARACTERS = 10_000  # of a text with values in the place of <names>
Positive = Annotated[float, Field(gt=0)]


def _text(value: Any) -> Any:
    """Take a section number such as 2.4 as text."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _one_or_more(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _best(value: Any) -> Any:
    whole = isinstance(value, int) and not isinstance(value, bool) and value >= 1
    if value is not None and not whole and value != "experiment":
        raise ValueError("is not a whole number of at least 1 or the word experiment")
    return value


class Allow(Document):
    """Where a verdict may be given."""

    scales: list[Literal["smoke", "laptop", "paper"]] | None = Field(
        None, min_length=1, description="scales of the experiments"
    )
    sources: list[Literal["original", "part", "derived", "embedded", "synthetic"]] | None = Field(
        None,
        min_length=1,
        description="data: the complete published files, a part of them, made from other original recordings, "
        "stand-ins, generated from the paper's formula",
    )


class DeclaredGroup(Document):
    """Runs, and the number computed from them."""

    experiment: ExperimentName | None = Field(None, description="e.g. zenke2021_fig3")
    sweep: Annotated[list[str], BeforeValidator(_one_or_more)] = Field(
        [], description="its sweep or sweeps; without it all"
    )
    where: dict[str, Any] = Field(
        {},
        description="knobs of the runs: a value, a list of values, null for knobs that do not apply, or a range such "
        "as {at_least: 1, below: 20}",
    )
    best: Annotated[Any, BeforeValidator(_best)] = Field(
        None,
        description="how many of the best by validation accuracy count; `experiment`: as in its figure; without it all",
    )
    column: str = Field(
        "test_accuracy",
        description="what is measured of a run: test_accuracy (default), valid_accuracy, spikes_total, ... "
        "(docs/claims.md)",
    )
    measure: Literal[
        "mean", "sd", "share", "spread", "peak", "transition", "width", "saturation", "crossing", "plateau"
    ] = Field("mean", description="the number made of the runs (docs/claims.md); default mean")
    level: float | None = Field(None, description="share: runs at this value or above; crossing: at which accuracy")
    over: str | None = Field(None, description="spread, peak: over the values of this knob")
    form: Literal["free", "capped", "linear"] = Field(
        "free",
        description="of a fitted sigmoid: over log spikes with a free plateau (free, the default) or one of at most 1 "
        "(capped), or over the spikes themselves (linear)",
    )


class Published(Document):
    """The printed number, in the units of the measure."""

    value: float | None = None
    spread: Positive | None = Field(None, description="standard deviation")
    printed: str = Field("", description="as it is printed, where that differs")


class Rule(Document):
    """Where the number has to lie: one of these."""

    larger_than: float | None = None
    smaller_than: float | None = None
    within: list[float] | None = Field(None, min_length=2, max_length=2, description="lowest and highest")
    within_spread: Positive | None = Field(
        None, description="so many published standard deviations about the published value"
    )
    within_factor: Annotated[float, Field(gt=1)] | None = Field(
        None, description="the published value within this factor"
    )
    at_chance: Positive | None = Field(None, description="so close to guessing")
    same: Positive | None = Field(None, description="all differences this small")
    ordering: float | None = Field(None, description="each group above the next by more than this")
    highest_of: float | None = Field(None, description="the first group above each other by more than this")
    lowest_of: float | None = Field(None, description="the first group below each other by more than this")

    @model_validator(mode="after")
    def _one(self):
        if len(self.given) != 1:
            raise ValueError(f"has {' and '.join(self.given) or 'nothing'}; give it one rule")
        return self

    @property
    def given(self) -> list[str]:
        """The rules that are given, by name."""
        return [name for name in type(self).model_fields if getattr(self, name) is not None]


class DeclaredClaim(Document):
    """One claim of a paper."""

    id: named("[a-z0-9_]+", "made of small letters, digits and _") = Field(
        description="short name; the paper's is put before it"
    )
    at: Annotated[Line, BeforeValidator(_text)] = Field(description="where it stands, e.g. 2.4, Fig 6b")
    claim: str = Field(description="the claim in our words")
    shared: DeclaredGroup = Field(DeclaredGroup(), description="what all its groups have in common")
    groups: dict[str, DeclaredGroup | None] = Field(
        {}, min_length=1, description="runs, by the name that the report gives them"
    )
    compare: Literal["difference", "ratio"] = Field(
        "difference",
        description="what a rule about one number makes of two groups: first less second (default), or first by second",
    )
    pair: list[str] = Field(
        [],
        min_length=1,
        description="knobs by which the runs of two groups are matched, such as the cells of a grid that both went "
        "over",
    )
    contrast: list[float] | None = Field(None, min_length=2, description="one factor a group: the number is their sum")
    published: Published = Field(Published(), description="the printed number, in the units of the measure")
    rule: Rule | None = Field(None, description="where the number has to lie")
    allow: Allow = Field(Allow(), description="where a verdict may be given")
    least: int = Field(3, ge=2, le=1_000_000, description="runs that each group needs (3)")
    untestable: str = Field("", description="why no experiment table can test it")
    note: str = Field("", description="what a reader should know about our reading of it")
    exploratory: bool = Field(
        False, description="its rule was made once its numbers were known: shown, and left out of all counts"
    )
    headline: bool = Field(False, description="it stands in the paper's abstract")


class ClaimFile(Document):
    """A file of claims; each is checked once its `for_each` has been written out."""

    paper: PaperName = Field(description="short name of the study, e.g. zenke2021")
    lists: Any = Field(None, description="a place for YAML anchors; not read")
    allow: Allow = Field(Allow(), description="where a verdict may be given")
    claims: list[dict[str, Any]] = Field(
        min_length=1, description="a list of claims, each with id, at, claim, groups and rule"
    )


class ForEach(Document):
    """The values for which a claim is repeated."""

    for_each: list[Annotated[dict[str, Any], Field(min_length=1)]] = Field(
        [{"": ""}],
        min_length=1,
        description="a list of entries such as {task: mnist, words: MNIST}: the claim once for each, its values in the "
        "place of <their names>",
    )


def read_claims(path: Path | str) -> Iterator[tuple[str, DeclaredClaim, ClaimFile]]:
    """Yield the claims of a file with where they stand, and the file; raises SgpipeError on what does not fit."""
    document = checked(ClaimFile, read_yaml(path), str(path))
    for place, body in enumerate(document.claims):
        here = f"{path}: claims.{place}"
        checked(ForEach, {key: value for key, value in body.items() if key == "for_each"}, here)
        for one in expanded(body, here):
            where = f"{path}: {one['id']}" if isinstance(one.get("id"), str) and one["id"].isprintable() else here
            yield where, checked(DeclaredClaim, one, where), document


def expanded(body: Mapping[str, Any], where: str = "for_each") -> list[dict[str, Any]]:
    """Return a claim once for each entry of its `for_each`, with the entry's values in the place of <their names>."""
    plain = {key: value for key, value in body.items() if key != "for_each"}
    return [_filled(plain, entry, where) for entry in body["for_each"]] if "for_each" in body else [plain]


def _filled(part: Any, values: Mapping[str, Any], where: str) -> Any:
    if isinstance(part, dict):
        return {_filled(key, values, where): _filled(value, values, where) for key, value in part.items()}
    if isinstance(part, list):
        return [_filled(value, values, where) for value in part]
    if not isinstance(part, str):
        return part
    for name, value in values.items():
        if part == f"<{name}>":
            return value  # keeps its type
        text = str(value)
        if len(part) + part.count(f"<{name}>") * len(text) > MOST_CHARACTERS:
            raise SgpipeError(f"{where}: for_each: <{name}> makes a text of more than {MOST_CHARACTERS:,} characters")
        part = part.replace(f"<{name}>", text)
    return part
