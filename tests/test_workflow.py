"""Snakemake for real, on tiny experiments: what is trained, what is reused, and what survives a kill."""

import os
import re
import signal
import time

import pytest

from tests.conftest import Project

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
TABLE = "results/smoke/mine_fig1.parquet"
# One run a pack, so that there is much to kill; the reference engine, so that it takes long enough to be killed.
SETTINGS = ["--config", "scale=smoke", "experiments=[mine.yaml]"]


def write(project: Project, betas="[1, 10]", epochs=2):
    project.write("mine.yaml", EXPERIMENT.format(betas=betas, epochs=epochs))


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


@pytest.mark.parametrize("children", ["die too", "live on"])
def test_after_kill_9_the_same_command_ends_with_the_same_bytes(project, tmp_path_factory, children):
    undisturbed = Project(tmp_path_factory.mktemp("undisturbed"))
    settings = [*SETTINGS, "engine=reference", "pack_minutes=1e-6"]
    for place in (undisturbed, project):
        write(place, "[1, 3, 10, 30]", epochs=20)
    undisturbed.run(TABLE, *settings)

    killed = project.start(TABLE, *settings)
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
    assert 0 < len(early) < 8 and not (project.folder / TABLE).exists()
    project.run(TABLE, *settings)  # no --unlock, no --rerun-incomplete
    late = project.stored()
    assert len(late) == 8 and all(late[name] == stamp for name, stamp in early.items())
    assert (project.folder / TABLE).read_bytes() == (undisturbed.folder / TABLE).read_bytes()


def test_packs_cores_and_threads_do_not_change_a_byte(project, tmp_path_factory):
    other = Project(tmp_path_factory.mktemp("other"))
    for place in (project, other):
        write(place, "[1, 10, 100]")
    project.run(TABLE, *SETTINGS)
    other.run(TABLE, *SETTINGS, "pack_minutes=1e-6", "threads=2", "--cores", "1")
    assert len(list(other.folder.glob("results/packs/*"))) > len(list(project.folder.glob("results/packs/*")))
    assert (project.folder / TABLE).read_bytes() == (other.folder / TABLE).read_bytes()


def test_a_damaged_store_file_is_redone_with_a_notice(project):
    write(project)
    project.run(TABLE, *SETTINGS)
    table = (project.folder / TABLE).read_bytes()
    victim = next(project.folder.glob("results/runs/??/*.parquet"))
    victim.write_bytes(victim.read_bytes()[:100])
    for path in project.folder.glob("results/packs/*.parquet"):
        path.unlink()
    project.run(TABLE, *SETTINGS)
    assert (project.folder / TABLE).read_bytes() == table
    assert any("set aside" in log.read_text() for log in project.folder.glob("results/logs/train/*.log"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            ("scale=papre",),
            "sgpipe: config.yaml: scale: 'papre' is not one of smoke, laptop, paper; did you mean 'paper'?",
        ),
        (("enginee=cpu",), "sgpipe: config.yaml: unknown key: 'enginee' is not one of"),
        (("experiments=[none.yaml]",), "sgpipe: none.yaml: no such file"),
    ],
)
def test_bad_settings_are_one_line_and_a_failure(project, change, message):
    write(project)
    done = project.run(TABLE, *SETTINGS, *change, check=False)
    assert done.returncode != 0
    lines = [line for line in done.stderr.splitlines() if line.strip() and "profile" not in line]
    assert len(lines) == 1 and lines[0].startswith(message)


def test_an_unknown_figure_says_what_to_type(project):
    write(project)
    done = project.run("mine_fig9", *SETTINGS, check=False)
    assert done.returncode != 0
    assert re.search(r"mine_fig9.*did you mean.*mine_fig1", done.stderr + done.stdout)
