"""A variant beside its baseline: which runs are held against each other, by how much they differ, and that it is drawn."""

import json

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from matplotlib.text import Text
from scipy import stats

from sgpipe.base.errors import SgpipeError
from sgpipe.figures import compare, make
from sgpipe.figures.compare_numbers import ALL, match_tables, select
from sgpipe.figures.heading import own_heading
from sgpipe.figures.matching import Runs, matched
from sgpipe.figures.needs import check_figures
from sgpipe.results.difference import paired, welch
from sgpipe.results.store import Result, Row
from sgpipe.results.tables import merge_packs, runs_table, write_table
from sgpipe.spec.experiments import load_experiments
from tests.conftest import ROOT

FILES = {paper: ROOT / f"workflow/experiments/{paper}.yaml" for paper in ("zenke2021", "herranz2022")}
GAIN = 0.07  # how much better a made-up variant is, everywhere
MINE = """
paper: mine
experiments:
  mine_fig1:
    title: Is a slower membrane better?
    draw: zenke2021.fig3
    {compare}
    {base}
    sweeps: {sweeps}
"""
ALIKE = """
paper: slow
like: {like}
base: {{network: {{tau_readout: 30}}, training: {{batch_size: 10}}}}
"""


def runs_of(**sweeps) -> Runs:
    """Return runs whose ids are their places: `shapes=[{...}, ...]`."""
    knobs = {f"{name}{place}": run for name, runs in sweeps.items() for place, run in enumerate(runs)}
    return Runs(knobs, {run_id: (run_id.rstrip("0123456789"),) for run_id in knobs})


def test_points_are_runs_that_agree_in_all_knobs_but_those_without_a_common_value():
    baseline = runs_of(base=[{"beta": beta, "tau": 10, "eta": eta} for beta in (1, 10) for eta in (0.1, 0.2)])
    variant = runs_of(base=[{"beta": beta, "tau": 20, "eta": eta} for beta in (10, 100) for eta in (0.1, 0.4)])
    (sweep,), reasons = matched(variant, baseline)
    assert sweep.changed == {"tau": ((10,), (20,))} and not reasons
    assert [(point.knobs, point.baseline, point.variant) for point in sweep.points] == [
        ({"beta": 10, "eta": 0.1}, ("base2",), ("base0",))
    ]


def test_runs_that_a_variant_does_not_change_are_no_points():
    same = runs_of(base=[{"beta": 1}])
    assert matched(same, same) == ([], ["sweep base: the runs are the same in both"])


def test_intervals_are_those_of_students_and_welchs_tests():
    one, other = [0.9, 0.93, 0.95, 0.91], [0.85, 0.9, 0.8]
    expected = stats.ttest_ind(one, other, equal_var=False).confidence_interval()
    assert welch(one, other)[1:3] == pytest.approx(expected, rel=1e-9)
    expected = stats.ttest_1samp(one, 0).confidence_interval()
    assert paired([*one, np.nan])[1:] == pytest.approx((*expected, 4), rel=1e-9)
    assert np.isnan(welch([0.9], other)[1:3]).all() and np.isnan(paired([0.1]).low)


def accuracy_of(spec, gain):
    """Return a made-up accuracy that only knobs which no variant here changes have a say in."""
    flat = {key: spec.flat()[key] for key in ("surrogate.shape", "surrogate.beta", "optimiser.lr", "init.seed")}
    return 0.5 + gain + 0.3 * np.random.default_rng(sum(map(ord, repr(flat)))).random()


def table(path, experiment, gain=0.0, lost=()):
    results = []
    for place, (_, spec) in enumerate(sorted(experiment.runs.items())):
        status = "failed" if place in lost else "finished"
        rows = [
            Row(epoch, split, 1.0, 0.0, accuracy_of(spec, gain) * epoch / 2, (8.0 + 8.0 * bool(gain),) * 2, epoch == 2)
            for epoch in (1, 2)
            for split in ("train", "valid", "test")
        ]
        results.append(Result(spec, status, tuple(rows) if status == "finished" else (), ""))
    metadata = {"sgpipe.experiment": json.dumps(experiment.metadata(), sort_keys=True)}
    write_table(merge_packs([runs_table(results)], experiment.sweeps), path, metadata)
    return path


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """Return a maker of the tables of a paper's figure, as baseline, and of a variant that is better by GAIN."""
    folder = tmp_path_factory.mktemp("tables")

    def made(paper, name, lost=()):
        own = folder / f"{paper}.yaml"
        own.write_text(ALIKE.format(like=FILES[paper]))
        variant = load_experiments([own], "smoke")[f"slow_{name}"]
        baseline = load_experiments([FILES[paper]], "smoke")[f"{paper}_{name}"]
        return {
            "runs": table(folder / f"slow_{name}.parquet", variant, GAIN, lost),
            "baseline": table(folder / f"{paper}_{name}.parquet", baseline),
        }

    return made


def numbers(tables, best):
    variant, baseline = (pq.read_table(tables[name]).to_pandas() for name in ("runs", "baseline"))
    return select(variant, baseline, match_tables(variant, baseline), best)


def test_the_difference_is_how_much_the_variant_is_better(tables):
    data = numbers(tables("herranz2022", "fig3"), None)
    differences = data[data["kind"] == "difference"]
    assert differences["mean"].to_numpy() == pytest.approx(GAIN) and ALL in set(differences["group"])
    assert data.loc[data["kind"] == "ratio", "mean"].to_numpy() == pytest.approx(2)
    points = data[data["kind"] == "point"]
    assert (points["test_accuracy"] - points["baseline_accuracy"]).to_numpy() == pytest.approx(GAIN)
    last = data[(data["kind"] == "curve difference") & (data["epoch"] == 2)]
    assert last["mean"].to_numpy() == pytest.approx(GAIN)


def test_the_best_are_chosen_among_the_points_that_both_have(tables):
    data = numbers(tables("zenke2021", "fig3"), 1)
    means = data[data["kind"] == "mean"].groupby(["sweep", "group"])
    assert (means["n"].max() == 1).all() and (means["cells"].nunique() == 1).all()
    assert set(data["sweep"]) >= {"shapes", "deeper", "no_hidden", "beta_zero"}


def test_a_failed_network_is_counted_and_leaves_its_pair_out(tables):
    data = numbers(tables("herranz2022", "fig3", lost=(0, 3)), None)
    assert data[data["kind"] == "mean"]["lost"].sum() >= 2  # a run may be of two sweeps
    known = data[(data["kind"] == "difference") & data["mean"].notna()]
    assert known["mean"].to_numpy() == pytest.approx(GAIN)


@pytest.mark.long
@pytest.mark.parametrize(
    ("paper", "name"), [("zenke2021", "fig3"), ("zenke2021", "fig9"), ("herranz2022", "fig3"), ("herranz2022", "fig5")]
)
def test_a_comparison_is_drawn_with_title_and_changed_knobs(tables, tmp_path, monkeypatch, paper, name):
    drawn = []
    monkeypatch.setattr(compare, "save", lambda figure, *rest: drawn.append(figure))
    compare.make_comparison(tables(paper, name), tmp_path / "figure")
    texts = [text.get_text() for text in drawn[0].findobj(Text)]
    title = load_experiments([FILES[paper]], "smoke")[f"{paper}_{name}"].title
    assert title in texts and any(" → " in text for text in texts)
    drawn[0].draw_without_rendering()


@pytest.mark.long
def test_a_comparison_is_the_same_bytes_every_time(tables, tmp_path):
    for attempt in ("one", "two"):
        compare.make_comparison(tables("herranz2022", "fig5", lost=(1,)), tmp_path / attempt)
    for suffix in ("svg", "pdf", "png", "parquet"):
        assert (tmp_path / f"one.{suffix}").read_bytes() == (tmp_path / f"two.{suffix}").read_bytes(), suffix


SLOW, SHAPES = (
    "base: {network: {tau_membrane: 20}}",
    "{shapes: {grid: {surrogate.beta: [1, 10], optimiser.lr: [0.05]}}}",
)


@pytest.mark.parametrize(
    ("compared", "base", "sweeps", "words"),
    [
        ("zenke2021_fig3", SLOW, SHAPES, None),
        ("zenke2021_fig33", SLOW, SHAPES, "is in no experiment file; did you mean zenke2021_fig3?"),
        ("other_fig3", SLOW, SHAPES, "other_fig3 is in no experiment file; add its file to `experiments`"),
        ("mine_fig1", SLOW, SHAPES, "is the experiment itself"),
        ("zenke2021_fig1", SLOW, SHAPES, "zenke2021_fig1 trains no networks"),
        ("zenke2021_fig2", SLOW, SHAPES, "nothing in common with zenke2021_fig2: no sweep has the same name: one has shapes"),
        ("zenke2021_fig3", SLOW, SHAPES.replace("[1, 10]", "[1, 7]").replace("0.05", "0.05, 0.3").replace("[1, 7]", "[7]"), None),
        ("zenke2021_fig3", "base: {}", SHAPES, "nothing in common with zenke2021_fig3: sweep shapes: the runs are the same"),
        (
            "zenke2021_fig3",
            "base: {}",
            "{shapes: {list: [{surrogate.beta: 1, optimiser.lr: 0.3}, {surrogate.beta: 7, optimiser.lr: 0.05}]}}",
            "sweep shapes: no two runs agree in all knobs but none",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_compared_is_one_line(tmp_path, compared, base, sweeps, words):
    path = tmp_path / "mine.yaml"
    path.write_text(MINE.format(compare=f"compare: {compared}", base=base, sweeps=sweeps))
    same = {
        "data": {"samples_per_class": 40},
        "training": {"epochs": 2, "batch_size": 50},
        "network": {"readout_start": -1e-3},
    }
    path.write_text(path.read_text().replace("experiments:", f"base: {json.dumps(same)}\nexperiments:", 1))
    experiments = load_experiments([FILES["zenke2021"], path], "smoke")
    if words is None:
        return check_figures(experiments)
    with pytest.raises(SgpipeError, match=words) as error:
        check_figures(experiments)
    assert str(error.value).startswith("mine_fig1: compare: ") and "\n" not in str(error.value)


def test_a_table_and_a_figure_that_trains_nothing_are_not_compared(tmp_path):
    path = tmp_path / "slow.yaml"
    for name in ("fig1", "table1"):
        own = f"experiments: {{slow_{name}: {{compare: zenke2021_fig3}}}}"
        path.write_text(f"paper: slow\nlike: {FILES['zenke2021']}\n{own}\n")
        with pytest.raises(SgpipeError, match=f"slow_{name}: compare: .* shows no accuracies of trained networks"):
            check_figures(load_experiments([FILES["zenke2021"], path], "smoke"))


def test_a_figure_of_ones_own_has_its_title_and_the_knobs_that_its_file_sets(tmp_path, monkeypatch):
    path = tmp_path / "mine.yaml"
    path.write_text(MINE.format(compare="", base="base: {network: {tau_membrane: 20}}", sweeps=SHAPES))
    experiment = load_experiments([path], "smoke")["mine_fig1"]
    runs = table(tmp_path / "mine_fig1.parquet", experiment)
    drawn = []
    monkeypatch.setattr(make, "save", lambda figure, *rest: drawn.append(figure))
    make.make_figure("zenke2021.fig3", {"runs": runs}, tmp_path / "figure")
    make.make_figure("zenke2021.fig3", {"runs": table(tmp_path / "a.parquet", zenke("fig3"))}, tmp_path / "figure")
    mine, papers = ([text.get_text() for text in figure.findobj(Text)] for figure in drawn)
    assert "Is a slower membrane better?" in mine
    assert "mine_fig1, drawn as zenke2021.fig3 · network.tau_membrane 20 ms" in mine
    assert not any("drawn as" in text for text in papers) and zenke("fig3").title not in papers
    assert drawn[0].get_figheight() > drawn[1].get_figheight()  # the panels are no smaller for it


def test_a_knob_that_is_set_to_none_has_no_unit():
    experiment = {"id": "mine_fig2", "title": "Mine", "set_here": {"optimiser.average_period": None, "data.dt": 4}}
    words = "mine_fig2, drawn as herranz2022.fig2 · optimiser.average_period none · data.dt 4 ms"
    assert own_heading(experiment, "herranz2022.fig2") == ["Mine", words]


def zenke(name):
    return load_experiments([FILES["zenke2021"]], "smoke")[f"zenke2021_{name}"]


def test_readmes_table_example_takes_the_best_of_the_grid_alone(tmp_path, monkeypatch):
    experiment = zenke("fig3")
    (tmp_path / "results/laptop").mkdir(parents=True)
    table(tmp_path / "results/laptop/zenke2021_fig3.parquet", experiment)
    monkeypatch.chdir(tmp_path)
    code = (
        (ROOT / "docs" / "experiments.md")
        .read_text()
        .partition("```python\n")[2]
        .partition("```")[0]
        .strip()
        .splitlines()
    )
    names = {}
    exec("\n".join(code[:-1]), names)
    printed = eval(code[-1], names)
    cells = {
        (run.surrogate.shape, run.surrogate.beta) for run_id, run in experiment.runs.items() if "shapes" in experiment.sweeps[run_id]
    }  # fmt: skip
    assert set(printed.index) == cells and isinstance(printed, pd.Series) and len(printed) == len(cells)
