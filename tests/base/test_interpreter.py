"""A clone in a folder whose name a shell would act on is refused with one line, before anything is set up."""

import shutil
import subprocess
from pathlib import Path

import pytest

from sgpipe.base.interpreter import unusable

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "name", ["a b", "a\tb", "a'b", 'a"b', "a$b", "a(b)", "a&b", "a;b", "a|b", "a\\b", "a:b", "a`b"]
)
def test_a_path_that_a_shell_acts_on_is_refused_with_what_to_do(name):
    reason = unusable(f"/home/me/{name}/.venv/bin/python")
    assert name in reason and "export VENV=" in reason


@pytest.mark.parametrize("name", ["plain-1.0_b", "Müller", "a#b", "a%b", "a{b}c", "a@b+c,d=e~f"])
def test_other_paths_are_taken(name):
    assert unusable(f"/home/me/{name}/.venv/bin/python") is None


@pytest.mark.skipif(not shutil.which("make"), reason="there is no make")
def test_make_says_so_before_it_sets_anything_up(tmp_path):
    clone = tmp_path / "a b"
    (clone / "src/sgpipe/base").mkdir(parents=True)
    for file in ["Makefile", "pyproject.toml", "constraints.in", "constraints.txt", "CMakeLists.txt"]:
        shutil.copy(ROOT / file, clone)
    shutil.copy(ROOT / "src/sgpipe/base/interpreter.py", clone / "src/sgpipe/base")
    said = subprocess.run(
        ["make", "VENV=.venv", "ISA=", "setup"], cwd=clone, capture_output=True, text=True, timeout=60
    )
    assert said.returncode and "export VENV=" in said.stderr
    assert not (clone / ".venv").exists()
