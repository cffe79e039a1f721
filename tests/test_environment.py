"""What must be in step: environment.yml, the container and the lock with pyproject.toml; the tutorial with the library."""

import json
import os
import re
import subprocess
import sys
import tomllib

import pytest
from ruamel.yaml import YAML

from tests.conftest import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_environment_yml_has_pythons_version_and_what_make_installs():
    environment = YAML(typ="safe").load(ROOT / "environment.yml")
    packages = [entry for entry in environment["dependencies"] if isinstance(entry, str)]
    (pip,) = (entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict))
    assert f"python{PROJECT['requires-python']}" in packages
    installed = next(line for line in pip if line.startswith("--editable")).partition("[")[2].rstrip("]").split(",")
    assert set(installed) == {"dev", "slurm"} <= set(PROJECT["optional-dependencies"])
    assert "--constraint constraints.txt" in pip and (ROOT / "constraints.txt").is_file()


def test_the_version_of_the_citation_is_that_of_the_package():
    citation = YAML(typ="safe").load(ROOT / "CITATION.cff")
    assert str(citation["version"]) == PROJECT["version"]


def test_the_lock_has_every_package_that_is_asked_for():
    locked = {
        line.partition("==")[0].lower() for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line
    }
    asked = [
        *PROJECT["dependencies"],
        *(name for extra in ("dev", "slurm", "docs") for name in PROJECT["optional-dependencies"][extra]),
    ]
    names = {entry.partition(">")[0].partition("[")[0].lower().replace(".", "-") for entry in asked}
    assert names <= locked, "run `make lock`"


def test_workflows_of_github_run_what_there_is():
    targets = re.search(r"^\.PHONY: (.+)", (ROOT / "Makefile").read_text().replace("\\\n", ""), re.MULTILINE)[1].split()
    paths = sorted((ROOT / ".github/workflows").glob("*.yml"))
    assert [path.stem for path in paths] == ["ci", "pages", "weekly", "wheels"]
    for path in paths:
        jobs = YAML(typ="safe").load(path)["jobs"]
        for step in (step for job in jobs.values() for step in job["steps"]):
            program, *words = step.get("run", "").split() or [""]
            assert program in ("make", ".ci/run", "pipx") if "run" in step else "@" in step["uses"]
            assert program != "make" or set(words) <= set(targets)
            assert program != ".ci/run" or os.access(ROOT / program, os.X_OK)


def tutorial() -> list[dict]:
    return json.loads((ROOT / "docs" / "tutorial.ipynb").read_text(encoding="utf-8"))["cells"]


def test_the_tutorial_is_kept_with_its_outputs():
    code = [cell for cell in tutorial() if cell["cell_type"] == "code"]
    assert all(cell["execution_count"] for cell in code), "run `make tutorial`"
    kinds = {kind for cell in code for output in cell["outputs"] for kind in output.get("data", ())}
    assert {"image/png", "text/html"} <= kinds and not any(
        output["output_type"] == "error" for cell in code for output in cell["outputs"]
    )


@pytest.mark.long
def test_the_tutorial_runs(tmp_path):
    code = "\n".join("".join(cell["source"]) for cell in tutorial() if cell["cell_type"] == "code")
    (tmp_path / "tutorial.py").write_text(code)
    done = subprocess.run(
        [sys.executable, "tutorial.py"],
        cwd=tmp_path,
        env={**os.environ, "MPLBACKEND": "agg"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
