"""Every command of README and documentation is run: here at scale smoke, by CI, or by a test that is named here.

`test_documented_commands.py` finds the commands. Here they run in a folder of their own, with a few networks in its
store. What cannot be run has its reason in `LEFT_OUT`; of Snakemake's commands at least the plan is made (a dry run).
"""

import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import ROOT, Project
from tests.test_documented_commands import ALL, BLOCK, NO_EXPERIMENT, of

pytestmark = [pytest.mark.long, pytest.mark.workflow, pytest.mark.commands]
CI = "\n".join((ROOT / name).read_text() for name in (".ci/run", ".github/workflows/pages.yml"))
IDS = ("0123", "0123456789abcdef", "RUN")  # of the reader
SMOKE = ["--config", "scale=smoke"]

# Targets of make that CI does not name, and what runs the same.
MADE_BY = {
    "explorer": ".ci/run: claims explorer provenance",
    "faults": "tests/faults/test_faults.py",
    "lock": ".ci/newest: make --no-print-directory lock",
    "pictures": "tests/test_documented_commands_run.py: website.picture",
    "setup": "Makefile: $(MAKE) --no-print-directory setup",
    "tutorial": "tests/test_environment.py: test_the_tutorial_runs",
    "words": "tests/test_words.py: stale(pages()",
}
# What no test can run, by how the command begins.
LEFT_OUT = {
    "sgpipe download": "needs the network; tests/data/test_sources.py downloads from a server of its own",
    "python benchmarks/": "measures for minutes to hours, beside libraries that are gigabytes to install",
    "python tests/engines/test_gpu_compile.py": "compiles kernels for a GPU; tests/engines/test_gpu_compile.py is a test",
    "python -m pytest": "is a part of make test",
    "python -m tests.faults": "is make faults",
    "pip install": "installs; CI does so by make setup and make setup-docs, and `gpu` and `bench` are gigabytes",
}
# Trained here. The other targets of Snakemake are those of .ci/run, or only planned: they take minutes at any scale, need
# a cluster or files of others, or belong to the folder of a study (tests/rules/test_study.py).
TRAINED = ("own_fig1", "mine_fig1", "slow_fig3")


class Reader(Project):
    """What a reader has: the repository, and the experiment files that the pages tell to write."""

    def __init__(self, folder: Path):
        super().__init__(folder)
        for name in ("docs", "examples", "website"):
            shutil.copytree(ROOT / name, folder / name)
        config = (folder / "config.yaml").read_text()
        self.write("config.yaml", re.sub(r"^scale: \w+", "scale: smoke", config, flags=re.MULTILINE))
        for page in (ROOT / "README.md", ROOT / "docs/experiments.md"):
            for block in BLOCK.finditer(page.read_text(encoding="utf-8")):
                if block["kind"] == "yaml" and (name := re.match(r"paper: (\w+)", block["body"])):
                    self.write(f"{name[1]}.yaml", block["body"])

    def failure(self, *words: str) -> str:
        """Run Python with these words; return what it said if it fails."""
        done = subprocess.run(
            [sys.executable, *words],
            cwd=self.folder,
            env={**self.environment, "MPLBACKEND": "agg"},
            capture_output=True,
            text=True,
        )
        return "" if done.returncode == 0 else f"{' '.join(words)}: {done.stdout[-500:]}{done.stderr[-2000:]}"


@pytest.fixture(scope="module")
def reader(tmp_path_factory) -> Reader:
    made = Reader(tmp_path_factory.mktemp("reader"))
    made.run("zenke2021_fig2", "--quiet", "all", *SMOKE)
    return made


def left_out(words: tuple[str, ...]) -> bool:
    return " ".join(words).startswith(tuple(LEFT_OUT))


def without_repetition(program: str) -> list[tuple[str, ...]]:
    return [words for words in dict.fromkeys(command.words for command in of(program)) if not left_out(words)]


def test_what_is_left_out_is_in_the_pages():
    for start in LEFT_OUT:
        assert any(" ".join(command.words).startswith(start) for command in ALL), start


def test_every_target_of_make_is_made_by_ci_or_by_a_test():
    for words in without_repetition("make"):
        for target in (word for word in words[1:] if "=" not in word):
            if not re.search(rf"\bmake {target}\b", CI):
                file, _, text = MADE_BY[target].partition(": ")
                assert text in (ROOT / file).read_text(encoding="utf-8"), target


def test_the_pictures_can_be_drawn_again(reader):
    assert not reader.failure("-m", "website.picture")


def test_every_command_of_sgpipe_runs(reader):
    run = pd.read_parquet(reader.folder / "results/smoke/zenke2021_fig2.parquet")["run_id"].iloc[0]
    wrong = []
    for words in without_repetition("sgpipe"):
        own = any(word.startswith("docs/results") for word in words)  # which are of the scale that the command names
        new = []
        for word in words[1:]:
            if word == "--watch":  # until everything is trained
                continue
            word = run if word in IDS else word.replace("/tmp/", "made/")
            new.append(word if own or words[1] == "plan" else word.replace("scale=paper", "scale=smoke"))
        if (words[1] == "explore" and not find_spec("altair")) or (words[1] == "nir" and not find_spec("nir")):
            continue
        wrong.append(reader.failure("-m", "sgpipe", *new))
    assert not list(filter(None, wrong))


def test_every_other_program_runs(reader):
    wrong = [reader.failure(*words[1:]) for words in without_repetition("python")]
    assert not list(filter(None, wrong))


def test_every_command_of_snakemake_runs_or_can_be_planned(reader):
    wrong, papers = [], ("zenke2021", "herranz2022")
    for words in without_repetition("snakemake"):
        if "--profile" in words and not find_spec("snakemake_executor_plugin_slurm"):
            continue
        new = ["2" if before == "--cores" else word for before, word in pairwise(words)]
        new = [word.replace("scale=paper", "scale=smoke") for word in new]
        targets = [word for word in new if word in NO_EXPERIMENT or re.fullmatch(rf"({'|'.join(papers)})_\w+", word)]
        by_ci = targets and all(
            target in CI or (target.startswith(papers) and not target.endswith("_readings")) for target in targets
        )
        if by_ci and not any(word.startswith(("--profile", "experiments=")) for word in new):
            continue  # .ci/run makes all figures and tables of both papers at scale smoke
        if not set(new) & set(TRAINED):
            new.append("--dry-run")
        if not any(word.startswith("--profile") for word in new) and "--cores" not in new:
            new += ["--cores", "2"]
        wrong.append(reader.failure("-m", "snakemake", *new, "--quiet", "all"))
    assert not list(filter(None, wrong))
