"""Every command of README and documentation names what there is: options, targets, files, extras.

`test_documented_commands_run.py` runs them.
"""

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from website.words import pages

from sgpipe.cli import _parser, _settings_apart
from sgpipe.spec.config import load_config
from sgpipe.spec.experiments import Experiment, load_experiments
from tests.conftest import ROOT

PROGRAMS = ("sgpipe", "snakemake", "make", "python", "pip")
BLOCK = re.compile(r"^(?P<indent> *)```(?P<kind>\w*)\n(?P<body>.*?)^ *```", re.DOTALL | re.MULTILINE)
INLINE = re.compile(rf"`((?:{'|'.join(PROGRAMS)})\s[^`]+)`")
NO_EXPERIMENT = ("all_figures", "all_tables", "claims", "download", "explorer", "plan", "provenance")
# What a reader has, and the repository has not; and a run's id, which stands for any.
OF_THE_READER = ("tables", "runs.tar", "pictures", "verdicts", "/tmp/", "DATA/", "my-study", "net.nir", "page.html")


class Command(NamedTuple):
    """A command, and the page that it stands on."""

    page: Path
    words: tuple[str, ...]


def commands() -> Iterator[Command]:
    """Yield the commands in code blocks, fenced and indented, without what stands behind `#`, and those in sentences.

    In a sentence a program and one word, such as `sgpipe nir`, may be a name alone; only with make it is all of it.
    """
    for page in pages():
        text = page.read_text(encoding="utf-8")
        lines = [line for block in BLOCK.finditer(text) if block["kind"] in ("sh", "bash", "") for line in block["body"].splitlines()]  # fmt: skip
        lines += [line for line in BLOCK.sub("", text).splitlines() if re.match(r" {4}[a-z]+ ", line)]
        for line in lines:
            if line.strip().split(" ")[0] in PROGRAMS:
                for part in re.split(r"&&", line):
                    yield Command(page, tuple(shlex.split(part, comments=True)))
        for inline in INLINE.finditer(BLOCK.sub("", text)):
            words = tuple(shlex.split(inline[1]))
            if len(words) > 2 or words[0] == "make":
                yield Command(page, words)


ALL = list(commands())


def of(program: str) -> list[Command]:
    return [command for command in ALL if command.words and command.words[0] == program]


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    """A folder with the experiment files that pages tell their readers to write, by the paper that they name."""
    folder = tmp_path_factory.mktemp("written")
    for page in (ROOT / "README.md", ROOT / "docs/experiments.md"):
        for block in BLOCK.finditer(page.read_text(encoding="utf-8")):
            if block["kind"] == "yaml" and (name := re.match(r"paper: (\w+)", block["body"])):
                text = block["body"].replace("workflow/experiments/", f"{ROOT}/workflow/experiments/")
                (folder / f"{name[1]}.yaml").write_text(text)
    return folder


def test_there_are_commands_of_every_program():
    assert {program: len(of(program)) > 0 for program in PROGRAMS} == dict.fromkeys(PROGRAMS, True)
    assert len(ALL) > 50


@pytest.mark.parametrize("command", of("sgpipe"), ids=lambda one: " ".join(one.words))
def test_sgpipe_knows_the_command(command):
    options = _parser().parse_args(_settings_apart(list(command.words[1:])))
    assert callable(options.command)


def test_make_knows_the_targets():
    known = re.search(r"^\.PHONY: (.+)", (ROOT / "Makefile").read_text().replace("\\\n", ""), re.MULTILINE)[1].split()
    asked = {
        word for command in of("make") for word in command.words[1:] if "=" not in word and not word.startswith("-")
    }
    assert asked and asked <= set(known)


def test_snakemake_knows_options_and_targets(written, monkeypatch):
    from snakemake.cli import get_argument_parser

    monkeypatch.chdir(ROOT)
    parser, found, unknown = get_argument_parser(profiles=[]), {}, []
    for command in of("snakemake"):
        options, others = parser.parse_known_args(list(command.words[1:]))
        unknown += [(command, word) for word in others if word.startswith("-") and not word.startswith("--slurm")]
        changes = dict(setting.split("=", 1) for setting in options.config or ())
        files = changes.get("experiments", "").strip("[]")
        if files not in found:
            found[files] = _experiments(files, written)
        unknown += [(command, target) for target in options.targets if not _known(target, found[files])]
    assert unknown == []


def _experiments(files: str, written: Path) -> dict[str, Experiment]:
    """Return the experiments of a command's files; those that readers are told to write are taken from the pages."""
    paths = [str(written / name) if (written / name).exists() else name for name in files.split(",") if name]
    return load_experiments(paths or load_config(ROOT / "config.yaml").experiments, "smoke")


def _known(target: str, experiments: dict[str, Experiment]) -> bool:
    papers = {experiment.paper for experiment in experiments.values()}
    readings = {f"{name}_readings" for name, experiment in experiments.items() if experiment.readings}
    return target in {*NO_EXPERIMENT, *papers, *experiments, *readings}


@pytest.mark.parametrize("command", of("python"), ids=lambda one: " ".join(one.words))
def test_python_programs_and_their_options_are_there(command):
    words = list(command.words[1:])
    if words[:2] == ["-m", "pytest"]:
        source, words = "", [word for word in words if "/" in word]
    elif words[0] == "-c":
        return
    elif words[0] == "-m":
        folder = ROOT / words[1].replace(".", "/")
        source = (folder / "__main__.py" if folder.is_dir() else folder.with_suffix(".py")).read_text()
    else:
        source = (ROOT / words[0]).read_text()
    for word in words:
        if word.startswith("--") and source:
            assert f'"{word.partition("=")[0]}"' in source, word
        elif "/" in word and not word.startswith(OF_THE_READER):
            assert (ROOT / word).exists(), word


def test_extras_and_files_are_there():
    extras = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"])
    for command in of("pip"):
        for word in command.words:
            if named := re.match(r"\.\[(.+)\]", word):
                assert set(named[1].split(",")) <= extras, command
    folders = {word for command in of("sgpipe") for word in command.words if word.startswith("docs/results")}
    assert folders and all((ROOT / folder).is_dir() for folder in folders)
