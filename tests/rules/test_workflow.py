"""Snakemake for real, on tiny experiments: what is trained, what is reused, and what survives a kill."""

import os
import re
import signal
import time

import pandas as pd
import pytest
import torch

from sgpipe.plan.plan import make_plan
from sgpipe.results.store import Result
from sgpipe.spec.config import load_config
from tests.conftest import ROOT, Project

pytestmark = pytest.mark.workflow

EXPERIMENT = """
paper: mine
base:
  data: {{classes: 3, samples_per_class: 40, units: 8, steps: 40, tau: 25, alpha: 2}}
  network: {{hidden: [16]}}
  training: {{epochs: {epochs}, batch_size: 24}}
experiments:
  mine_fig1:
    title: Two shapes
    draw: zenke2021.fig3
    sweeps:
      shapes:
        grid: {{surrogate.shape: [superspike, sigmoid], surrogate.beta: {betas}, optimiser.lr: [0.05]}}
"""
VARIANT = """
  mine_fig2:
    title: Is a slower membrane better?
    draw: zenke2021.fig3
    compare: mine_fig1
    base: {network: {tau_membrane: 20}}
    sweeps:
      shapes:
        grid: {surrogate.shape: [superspike, sigmoid], surrogate.beta: [10], optimiser.lr: [0.05]}
"""
TABLE = "results/smoke/mine_fig1.parquet"
SETTINGS = ["--config", "scale=smoke", "experiments=[mine.yaml]"]


def write(project: Project, betas="[1, 10]", epochs=2):
    project.write("mine.yaml", EXPERIMENT.format(betas=betas, epochs=epochs))


@pytest.mark.long
def test_adding_a_value_trains_only_the_new_runs(project):
    write(project, "[1, 10]")
    project.run(TABLE, *SETTINGS)
    before = project.stored()
    assert len(before) == 4
    write(project, "[1, 10, 100]")
    project.run(TABLE, *SETTINGS)
    after = project.stored()
    assert len(after) == 6 and all(after[name] == stamp for name, stamp in before.items())
    assert "Nothing to be done" in project.run(TABLE, *SETTINGS).stderr

    # A deleted pack table is rebuilt from the store, and the experiment's table comes out the same.
    table = (project.folder / TABLE).read_bytes()
    for path in project.folder.glob("results/packs/*.parquet"):
        path.unlink()
    (project.folder / TABLE).unlink()
    project.run(TABLE, *SETTINGS)
    assert project.stored() == after and (project.folder / TABLE).read_bytes() == table


# One run a pack, so that there is much to kill, on the slower engine, so that there is time to.
SLOWLY = [*SETTINGS, "engine=reference", "pack_minutes=1e-6"]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> bytes:
    """The table of a run that nobody killed."""
    project = Project(tmp_path_factory.mktemp("undisturbed"))
    write(project, epochs=20)
    project.run(TABLE, *SLOWLY)
    return (project.folder / TABLE).read_bytes()


@pytest.mark.long
@pytest.mark.parametrize("children", ["die too", "live on"])
def test_after_kill_9_the_same_command_ends_with_the_same_bytes(project, undisturbed, children):
    write(project, epochs=20)
    killed = project.start(TABLE, *SLOWLY)
    deadline = time.monotonic() + 120
    while not project.stored():
        assert killed.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    if children == "die too":
        os.killpg(killed.pid, signal.SIGKILL)
    else:
        os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    early = project.stored()
    assert 0 < len(early) < 4 and not (project.folder / TABLE).exists()
    project.run(TABLE, *SLOWLY)  # no --unlock, no --rerun-incomplete
    late = project.stored()
    assert len(late) == 4 and all(late[name] == stamp for name, stamp in early.items())
    assert (project.folder / TABLE).read_bytes() == undisturbed


@pytest.mark.long
def test_packs_cores_and_threads_do_not_change_a_byte(project, tmp_path_factory):
    other = Project(tmp_path_factory.mktemp("other"))
    for place in (project, other):
        write(place, "[1, 10, 100]")
    project.run(TABLE, *SETTINGS)
    other.run(TABLE, *SETTINGS, "pack_minutes=1e-6", "threads=2", "--cores", "1")
    assert len(list(other.folder.glob("results/packs/*"))) > len(list(project.folder.glob("results/packs/*")))
    assert (project.folder / TABLE).read_bytes() == (other.folder / TABLE).read_bytes()


@pytest.mark.long
def test_a_damaged_store_file_is_redone_with_a_notice(project):
    write(project)
    project.run(TABLE, *SETTINGS)
    table = (project.folder / TABLE).read_bytes()
    victim = next(project.folder.glob("results/runs/??/*.parquet"))
    victim.write_bytes(victim.read_bytes()[:100])
    for path in project.folder.glob("results/packs/*.parquet"):
        path.unlink()
    (project.folder / TABLE).unlink()
    project.run(TABLE, *SETTINGS)
    assert (project.folder / TABLE).read_bytes() == table
    assert any("set aside" in log.read_text() for log in project.folder.glob("results/logs/train/*.log"))


@pytest.mark.long
def test_what_failed_is_told_on_the_terminal_and_damaged_tables_are_made_again(project, monkeypatch):
    write(project)
    monkeypatch.chdir(project.folder)
    plan = make_plan(load_config(changes={"scale": "smoke", "experiments": ["mine.yaml"]}))
    (pack,) = plan.packs
    plan.store.put(Result(plan.packs[pack].runs[0], "failed", (), "ValueError: no"))
    told = [f"sgpipe: {what}: of 4 runs 1 failed; `sgpipe failed` lists them" for what in (f"pack {pack}", "mine_fig1")]
    told.insert(1, "sgpipe: mine_fig1: 4 of 4 networks, 100 % of the work")  # how far it is
    lines = project.run("mine_fig1", *SETTINGS).stderr.splitlines()
    assert [line for line in lines if line.startswith("sgpipe:")] == told

    kept, stored = (project.folder / TABLE).read_bytes(), project.stored()
    for path in (plan.pack_path(pack), project.folder / TABLE):
        path.write_bytes(path.read_bytes()[:-100])
        project.run("mine_fig1", *SETTINGS)
        assert path.with_name(f"{path.name}.damaged").exists()
        assert (project.folder / TABLE).read_bytes() == kept and project.stored() == stored


@pytest.mark.long
@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_device_that_is_not_there_files_nothing_and_the_right_one_trains(project):
    write(project)
    done = project.run(TABLE, *SETTINGS, "device=cuda", check=False)
    assert done.returncode != 0 and not project.stored() and not (project.folder / TABLE).exists()
    told = [
        line for line in done.stderr.splitlines() if "sgpipe: config.yaml: device: cuda: torch cannot compute" in line
    ]
    assert len(told) == 1 and "Traceback" not in done.stderr
    project.run(TABLE, *SETTINGS, "device=cpu")
    assert len(project.stored()) == 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            ("scale=papre",),
            "sgpipe: config.yaml: scale: 'papre' is not one of smoke, laptop, paper; did you mean 'paper'?",
        ),
        (("experiments=[none.yaml]",), "sgpipe: none.yaml: no such file"),
        *(
            pytest.param(*case, marks=pytest.mark.long)
            for case in (
                (("enginee=cpu",), "sgpipe: config.yaml: unknown key: 'enginee' is not one of"),
                (
                    ("results=2024_01",),
                    "sgpipe: config.yaml: results: 202401 was read as a number; put a folder before it",
                ),
            )
        ),
    ],
)
def test_bad_settings_are_one_line_and_a_failure(project, change, message):
    write(project)
    done = project.run(TABLE, *SETTINGS, *change, check=False)
    assert done.returncode != 0
    lines = [
        line for line in done.stderr.splitlines() if not re.match(r"(Using .* profile|Config file .* extended)", line)
    ]
    assert len(lines) == 1 and lines[0].startswith(message)


def test_an_unknown_figure_says_what_to_type(project):
    write(project)
    done = project.run("mine_fig9", *SETTINGS, check=False)
    assert done.returncode != 0
    assert re.search(r"mine_fig9.*did you mean.*mine_fig1", done.stderr + done.stdout)
    done = project.run("fig1", *SETTINGS, check=False)
    assert "sgpipe: experiment: 'fig1' lacks its paper; did you mean 'mine_fig1'?" in done.stderr


@pytest.mark.long
def test_one_figure_and_the_report_from_users_own_yaml(project):
    write(project)
    project.run("mine_fig1", *SETTINGS)
    for suffix in ("png", "pdf", "svg", "parquet"):
        assert (project.folder / f"results/smoke/figures/mine/fig1.{suffix}").stat().st_size > 1000
    before = project.stored()

    # A figure's look can be changed and redrawn without training.
    (project.folder / "results/smoke/figures/mine/fig1.png").unlink()
    project.run("mine_fig1", *SETTINGS)
    assert project.stored() == before and (project.folder / "results/smoke/figures/mine/fig1.png").exists()

    # A variant's picture comes with its baseline beside it.
    project.write("mine.yaml", EXPERIMENT.format(betas="[1, 10]", epochs=2) + VARIANT)
    project.run("mine_fig2", *SETTINGS)
    assert before.items() < project.stored().items() and len(project.stored()) == len(before) + 2
    for suffix in ("png", "pdf", "svg", "parquet"):
        assert (project.folder / f"results/smoke/figures/mine/fig2_compared.{suffix}").stat().st_size > 1000

    project.run("mine_fig1", "mine_fig2", *SETTINGS, "--report", "report.html")
    page = (project.folder / "report.html").read_text()
    assert "How to read it" in page  # the text that it opens on
    assert "Two shapes" in page and "robust to the shape" in page  # a title, and the caption of what draws it
    assert "fig1.png" in page and "fig1.svg" in page and "fig2_compared.png" in page
    assert not re.search(r"<(script|link|img)[^>]+(src|href)=[\"']https?://", page)


@pytest.mark.long
def test_the_example_of_a_surrogate_of_ones_own_is_trained_and_drawn(project):
    project.write("own.yaml", (ROOT / "examples" / "own_surrogate.yaml").read_text())
    project.run("own_fig1", "--config", "scale=smoke", "experiments=[own.yaml]")
    assert len(project.stored()) == 4
    runs = pd.read_parquet(project.folder / "results/smoke/own_fig1.parquet")
    formulas = runs[runs["surrogate.shape"] == "formula"]
    assert set(formulas["surrogate.formula"]) == {"1/(1 + abs(v))**3"} and set(formulas["surrogate.beta"]) == {1, 10}
    assert set(runs["status"]) == {"finished"}
    figures = project.folder / "results/smoke/figures/own"
    drawn = pd.read_parquet(figures / "fig1.parquet")
    assert {"superspike", "cubic fast sigmoid: 1/(1 + abs(v))**3"} == set(drawn["shape"].dropna())
    assert (figures / "fig1.png").stat().st_size > 0
