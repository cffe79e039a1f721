"""The gallery: every figure and table of both papers, with caption, verdicts, YAML and command. MkDocs runs this.

Pictures are drawn from the tables in docs/results. Those of scale laptop are taken from results/laptop, if
`make figures` has been run. What needs no training is the same at scale smoke, and is taken from there otherwise.
Nothing is trained.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import jinja2
import mkdocs_gen_files
import pandas as pd

from sgpipe.base.errors import SgpipeError
from sgpipe.claims.picture import TITLES
from sgpipe.claims.words import SYMBOLS
from sgpipe.figures.make import make_figure
from sgpipe.plan.outputs import caption_of, kind_of, tables_of
from sgpipe.spec.experiments import Experiment, load_experiments
from website.links import enlarged

ROOT = Path(__file__).resolve().parents[1]
RESULTS, DRAWN = ROOT / "docs/results", ROOT / "build/gallery"
FILES = {
    "zenke2021": ("zenke2021.yaml", "zenke2021_real.yaml"),
    "herranz2022": ("herranz2022.yaml", "herranz2022_mnist.yaml", "herranz2022_real.yaml"),
}


class Shown(NamedTuple):
    """A picture of a figure, and what is written below it."""

    path: Path
    words: str


def pictures(experiments: list[Experiment]) -> Iterator[Shown]:
    """Yield the pictures of a figure: of committed tables, and of scale laptop if it has been made here."""
    for experiment in experiments:
        # The papers' own settings come before what else their text allows.
        tables = RESULTS.rglob(f"{experiment.id}.parquet")
        for table in sorted(tables, key=lambda path: ("readings" in path.parts, path)):
            if picture := _drawn(experiment, table):
                yield Shown(
                    picture, f"drawn from [{table.relative_to(RESULTS.parent)}](../{table.relative_to(RESULTS.parent)})"
                )
    if made := _made_here(experiments[0], "png"):
        words = "scale laptop, on stand-ins where there are no files, by `make figures`"
        yield Shown(made, words if experiments[0].trains else "drawn without training")


def _made_here(experiment: Experiment, suffix: str) -> Path | None:
    """Return the file of a figure or table that was made in this folder, if there is one."""
    for scale in ("laptop",) if experiment.trains else ("laptop", "smoke"):
        folder = ROOT / "results" / scale / kind_of(experiment) / experiment.paper
        path = folder / f"{experiment.id.partition('_')[2]}.{suffix}"
        if path.is_file():
            return path
    return None


def _drawn(experiment: Experiment, table: Path) -> Path | None:
    """Draw a figure from a committed table, if that is not done yet; None if the table lacks what the figure needs."""
    stem = DRAWN / table.relative_to(RESULTS).with_suffix("")
    picture = stem.with_name(f"{stem.name}.png")
    if picture.is_file() and picture.stat().st_mtime > table.stat().st_mtime:
        return picture
    tables = {name: path for name, path in tables_of(experiment, table.parent).items() if name != "baseline"}
    if not all(path.is_file() for path in tables.values()):
        return None
    stem.parent.mkdir(parents=True, exist_ok=True)
    try:
        make_figure(experiment.draw, tables, stem)
    except SgpipeError:
        return None
    return picture


def caption(experiment: Experiment) -> str:
    """Return a figure's caption of the report, without the words that depend on the scale."""
    text = (ROOT / "workflow/report" / caption_of(experiment)).read_text(encoding="utf-8")
    words = jinja2.Template(re.sub(r" ?Scale:\s*\{\{.*?\}\}\.", "", text)).render(snakemake=_Any())
    return re.sub(r"``(.+?)``", r"`\1`", words)


class _Any:
    """Whatever a caption asks of Snakemake."""

    def __getattr__(self, name: str) -> "_Any":
        return self

    def __getitem__(self, name: str) -> "_Any":
        return self

    def __str__(self) -> str:
        return "the scale of config.yaml"


def yaml_of(name: str, file: Path) -> str:
    """Return the lines of an experiment in its file."""
    lines = file.read_text(encoding="utf-8").splitlines()
    start = next((number for number, line in enumerate(lines) if line.startswith(f"  {name}:")), None)
    if start is None:
        return ""
    end = next((n for n in range(start + 1, len(lines)) if re.match(r" {0,2}\S", lines[n])), len(lines))
    return "\n".join(line[2:] for line in lines[start:end]).rstrip()


def verdicts(name: str, scoreboard: pd.DataFrame) -> str:
    """Return the claims about a figure as a Markdown list."""
    own = scoreboard[[name in re.split(", ", found) or found == name for found in scoreboard["experiments"]]]
    if own.empty:
        return "No claim that a number can test is about it."
    counts = own[~own["exploratory"]]["verdict"].value_counts()
    head = " · ".join(f"{SYMBOLS[verdict]} {count} {verdict}" for verdict, count in counts.items())
    lines = []
    for row in own.itertuples():
        words = f"- {SYMBOLS[row.verdict]} {row.words}"
        if row.verdict != "not testable here":
            interval = f"{row.estimate:.3g} [{row.low:.3g}, {row.high:.3g}]"
            words += f" — {row.comparison} = {interval}, n = {row.n}, scale {row.scale}"
        lines.append(words)
    return f'??? note "Claims: {head}"\n\n' + "\n".join(f"    {line}" for line in lines)


def section(experiments: list[Experiment], file: Path, scoreboard: pd.DataFrame) -> str:
    """Return the part of the page on one figure or table."""
    first = experiments[0]
    name = first.id.partition("_")[2]
    heading = re.sub(r"^(fig|table)", lambda word: f"{word[0].capitalize()} ", name)
    heading = heading if heading != name else f"{name.capitalize()} (ours)"
    lines = [f"## {heading}: {first.title} {{ #{name} }}", ""]
    if kind_of(first) == "tables":
        lines += [_table(first), ""]
    else:
        found = list(pictures(experiments))
        for number, one in enumerate(found):
            stem = f"{name}-{number}.png"
            with mkdocs_gen_files.open(f"gallery/{first.paper}/{stem}", "wb") as target:
                target.write(one.path.read_bytes())
            lines += [
                enlarged(f"![{heading}: {first.title}]({first.paper}/{stem})"),
                "",
                f"*{one.words[0].upper()}{one.words[1:]}.*",
                "",
            ]
        if not found:
            lines += ["*Drawn by `make figures`, which has not been run where this site was built.*", ""]
    lines += [verdicts(first.id, scoreboard), ""]
    lines += ['??? note "Caption"', "", *(f"    {line}" for line in caption(first).splitlines()), ""]
    block = ["```yaml", *yaml_of(first.id, file).splitlines(), "```"]
    lines += [f'??? note "YAML: {file.relative_to(ROOT)}"', "", *(f"    {line}" for line in block), ""]
    lines += ["```sh", f"snakemake --cores 8 {first.id}", "```", ""]
    return "\n".join(lines)


def _table(experiment: Experiment) -> str:
    """Return a table as Markdown, without its title."""
    path = _made_here(experiment, "md")
    if path is None:
        return "*Written by `make figures`, which has not been run where this site was built.*"
    return path.read_text(encoding="utf-8").partition("\n")[2].strip()


def page(paper: str, scoreboard: pd.DataFrame) -> str:
    """Return a paper's page."""
    files = [ROOT / "workflow/experiments" / name for name in FILES[paper]]
    of_file = {file: load_experiments([file], "laptop") for file in files}
    first = files[0]
    lines = [f"# {TITLES[paper]}", ""]
    for experiment in of_file[first].values():
        alike = [one for file in files[1:] for one in of_file[file].values() if one.stands_for == experiment.id]
        lines.append(section([experiment, *alike], first, scoreboard))
    return "\n".join(lines)


def main() -> None:
    """Write the gallery's pages."""
    scoreboard = pd.read_parquet(ROOT / "docs/claims/scoreboard.parquet")
    for paper in FILES:
        with mkdocs_gen_files.open(f"gallery/{paper}.md", "w") as target:
            target.write(page(paper, scoreboard))


main()
