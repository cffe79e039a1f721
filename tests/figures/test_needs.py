"""An experiment that its figure cannot draw is refused before anything is trained."""

import ast
import os
import subprocess
import sys

import pytest

from sgpipe.base.errors import SgpipeError
from sgpipe.figures.needs import check_figures
from sgpipe.spec.experiments import load_experiments
from tests.conftest import ROOT, longer_after

FILES = sorted((ROOT / "workflow/experiments").glob("*.yaml"))
MODULES = sorted((ROOT / "src/sgpipe/figures").glob("*20*/[fst]*.py"))
SWEEP = "sweeps: {s: {}}"


def check(tmp_path, body: str, name="mine_fig1") -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(f"paper: mine\nexperiments:\n  {name}: {{title: T, {body}}}\n")
    check_figures(load_experiments([path], "smoke"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
@pytest.mark.parametrize("scale", longer_after(2, ["smoke", "laptop", "paper"]))
def test_the_workflows_own_experiments_give_what_their_figures_need(path, scale):
    check_figures(load_experiments([path], scale))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (f"draw: zenke2021.comparison, {SWEEP}", "settings: zenke2021.comparison needs `rows`"),
        (f"draw: zenke2021.fig2, {SWEEP}", "record: zenke2021.fig2 draws activity"),
        (
            "draw: zenke2021.fig8, sweeps: {regularised: {}}, record: {runs: {}, samples_per_class: 1}",
            "record: zenke2021.fig8 needs counts: true",
        ),
        (
            f"draw: zenke2021.fig9, {SWEEP}",
            "sweeps: zenke2021.fig9 knows none of them; name one of them randman or mnist",
        ),
        (f"draw: zenke2021.fig4, {SWEEP}", "draw: zenke2021.fig4 draws graph, and the experiment gives results"),
        (
            f"draw: zenke2021.fig3, trains: false, shows: knobs, {SWEEP}",
            "draws results, and the experiment gives knobs",
        ),
        ("draw: zenke2021.fig7, trains: false, samples: {digit: [1]}, sweeps: {digit: {}}", "needs one called spikes"),
        (
            "draw: zenke2021.fig1, trains: false, sweeps: {smoothness: {}, classes: {}, raster: {base: {data: {units: 2}}}}",
            "data.units: zenke2021.fig1 needs at least 3, not 2",
        ),
        ("draw: zenke2021.fig5, sweeps: {reset: {base: {data: {task: shd}}}}", "is about randman, not shd"),
        (f"draw: herranz2022.fig2, {SWEEP}", "draws runs with network.neuron: delta_lif, data.task: shd; or"),
        (f"draw: zenke2021.table1, {SWEEP}", "has no function `draw`, so it draws no figure"),
        ("draw: zenke2021.fig2_activity, " + SWEEP, None),
        (f"draw: zenke2021.fig33, {SWEEP}", "there is no .*fig33.py; write it, or name another"),
        ("draw: zenke2021.table1, trains: false, settings: {rows: []}", "lists what mine trains, and that is nothing"),
        (
            "draw: zenke2021.fig2, sweeps: {s: {}}, record: {runs: {surrogate.beta: 3}, samples_per_class: 1}",
            "record.runs: no run has",
        ),
    ],
)
def test_what_is_lacking_is_one_line_that_names_the_experiment(tmp_path, body, words):
    name = "mine_table1" if "lists what" in str(words) else "mine_fig1"
    if words is None:  # it says nothing of its needs, so nothing is asked
        return check(tmp_path, body)
    with pytest.raises(SgpipeError, match=words) as error:
        check(tmp_path, body, name)
    assert str(error.value).startswith(name) and "\n" not in str(error.value)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_every_figure_of_the_papers_says_which_table_it_draws(path):
    names = {node.id for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Name)}
    assert "NEEDS" in names or path.stem.startswith("fig2_")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param(*case, id=name, marks=[pytest.mark.long] if name != "figure" else [])
        for name, *case in (
            (
                "figure",
                "draw import draw; draw('zenke2021.none', {}, ['x.png'])",
                "there is no module sgpipe.figures.zenke2021.none",
            ),
            (
                "claims",
                "claims import judge_claims; judge_claims({}, 'none', 'none')",
                "none: no table of an experiment",
            ),
            (
                "scoreboard",
                "claims import write_scoreboard; write_scoreboard('none', 'none')",
                "none: no table of an experiment",
            ),
        )
    ],
)
def test_a_window_system_that_is_not_there_stops_no_picture(words, message):
    environment = {**os.environ, "MPLBACKEND": "nosuch", "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "-c", f"from sgpipe.rules.{words}"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert message in done.stderr and "nosuch" not in done.stderr  # matplotlib was loaded before that
