"""The example of a study of one's own runs from an empty folder beside an installed package, without the checkout.

The wheel has the C++ engine for this processor, as a package installed in place has it: of what was compiled for that one
nothing is compiled again, which would take minutes.
"""

import json
import os
import shutil
import subprocess
import sys
import venv
import zipfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from sgpipe.cli import main
from sgpipe.engines.cpu.engine import built
from tests.conftest import ROOT

STUDY = ROOT / "examples" / "study"
MODULES = ("neuron", "initialiser", "data_set", "figure")


@pytest.fixture(scope="module")
def python(tmp_path_factory) -> Path:
    """The Python of an environment in which the wheel is installed, and nothing else of this project."""
    pytest.importorskip("scikit_build_core")
    folder = tmp_path_factory.mktemp("installed")
    build = "import sys; from scikit_build_core.build import build_wheel; build_wheel(sys.argv[1])"
    environment = {**os.environ, "SGPIPE_ISAS": "host"}
    command = [sys.executable, "-c", build, folder]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    venv.create(folder / "venv", symlinks=True)
    (site,) = folder.glob("venv/lib/python*/site-packages")
    zipfile.ZipFile(next(folder.glob("*.whl"))).extractall(site)
    # Libraries are borrowed by path: that does not run the hook by which this project is installed in place.
    others = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
    (site / "libraries.pth").write_text("\n".join(others) + "\n")
    return folder / "venv" / "bin" / "python"


def runner(python: Path, folder: Path) -> Callable[..., str]:
    """Return what runs the installed Python in a folder, in an environment without traces of the checkout."""
    hidden = ("PYTHONPATH", "SGPIPE_DATA", "VIRTUAL_ENV", "PYTHONDONTWRITEBYTECODE")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}

    def run(*words: str) -> str:
        done = subprocess.run([python, *words], cwd=folder, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


@pytest.mark.workflow
@pytest.mark.long
def test_the_example_runs_beside_an_installed_package(python, tmp_path):
    shutil.copytree(STUDY, tmp_path / "study")
    run = runner(python, tmp_path / "study")
    place = Path(run("-c", "import sgpipe; print(sgpipe.__file__)").strip())
    assert place.is_relative_to(python.parents[1].resolve()) or place.is_relative_to(python.parents[1])
    run("-m", "snakemake", "--cores", "2", "--config", "scale=smoke")
    results = tmp_path / "study" / "results" / "smoke"
    runs = pd.read_parquet(results / "study_curves.parquet")
    assert set(runs["status"]) == {"finished"} and runs["run_id"].nunique() == 4
    assert set(runs["network.neuron"]) == {"delta_lif", "resonator"} and set(runs["data.task"]) == {"taps"}
    about = [pq.read_schema(file).metadata for file in (results.parent / "runs").rglob("*.parquet")]
    engines = [json.loads(one[b"sgpipe.provenance"])["engine"] for one in about]
    assert sorted(engines) == ["cpu" if built() else "reference"] * 2 + ["reference"] * 2
    own = runs[runs["network.neuron"] == "resonator"]
    assert set(own["resonator.period"]) == {12.0} and set(own["sparse.density"].dropna()) == {0.4}
    assert (results / "figures" / "study" / "curves.png").stat().st_size > 1000
    drawn = pd.read_parquet(results / "figures" / "study" / "curves.parquet")
    assert len(drawn) == 2 * 2 * 2 and drawn["accuracy"].between(0, 1).all()


@pytest.mark.workflow
@pytest.mark.long
def test_the_example_of_spikes_of_ones_own_runs_beside_an_installed_package(python, tmp_path):
    shutil.copytree(STUDY, tmp_path / "study")
    for name in ("own_spikes.py", "own_spikes.yaml"):
        shutil.copy(ROOT / "examples" / name, tmp_path / "study")
    run = runner(python, tmp_path / "study")
    run("own_spikes.py")
    run("-m", "snakemake", "--cores", "2", "own_fig2", "--config", "scale=smoke", "experiments=[own_spikes.yaml]")
    runs = pd.read_parquet(tmp_path / "study/results/smoke/own_fig2.parquet")
    assert set(runs["status"]) == {"finished"} and set(runs["data.set"]) == {"own"}


@pytest.mark.long
@pytest.mark.workflow
def test_a_new_study_runs_beside_an_installed_package_and_as_a_module_of_another_workflow(python, tmp_path):
    runner(python, tmp_path)("-m", "sgpipe", "new", "my-study")
    run = runner(python, tmp_path / "my-study")
    run("-m", "snakemake", "--cores", "2", "--config", "scale=smoke")
    picture = tmp_path / "my-study/results/smoke/figures/mystudy/fig1.png"
    assert picture.stat().st_size > 1000
    module = (ROOT / "docs" / "cluster.md").read_text().partition("```python\n")[2].partition("```")[0]
    mine = 'rule mine:\n    default_target: True\n    input: "results/smoke/figures/mystudy/fig1.png"\n'
    mine += '    output: "copy.png"\n    shell: "cp {input} {output}"\n'
    (tmp_path / "my-study" / "Snakefile").write_text(f"{module}\n\n{mine}")
    picture.unlink()
    run("-m", "snakemake", "--cores", "2", "--config", "scale=smoke")
    assert (tmp_path / "my-study" / "copy.png").read_bytes() == picture.read_bytes()


def test_a_new_study_is_made_in_an_empty_place_alone(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["new", "my-study"]) == 0
    assert main(["check", "--config", "my-study/config.yaml", "--set", "experiments=[my-study/study.yaml]"]) == 0
    assert "ok: 1 experiment" in capsys.readouterr().out
    assert main(["new", "my-study"]) == 1 and "is there already" in capsys.readouterr().err
    assert main(["new", "7"]) == 1 and "begins with a letter" in capsys.readouterr().err


def test_each_module_of_the_example_is_short_and_what_stands_twice_is_equal():
    documented = (ROOT / "docs" / "extensions.md").read_text()
    assert (STUDY / "neuron.py").read_text() in documented and (STUDY / "Snakefile").read_text() in documented
    for name in MODULES:
        assert len((STUDY / f"{name}.py").read_text().splitlines()) < 40
    profile = Path("profiles/default/config.yaml")
    for study in (STUDY, ROOT / "src/sgpipe/rules/new_study"):
        assert (study / profile).read_text() == (ROOT / profile).read_text()
        assert (study / "Snakefile").read_text() == (STUDY / "Snakefile").read_text()
