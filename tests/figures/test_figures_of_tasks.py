"""Figs 6 and 9 of zenke2021: several data sets side by side, each under its own name. All results here are made up."""

import itertools
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from matplotlib.collections import LineCollection, PathCollection

from sgpipe.base.errors import SgpipeError
from sgpipe.claims.declare import Group
from sgpipe.claims.estimates import contrast, estimate
from sgpipe.figures import make, parts, tasks
from sgpipe.figures.zenke2021 import comparison, fig6, fig9
from sgpipe.results import selection, transition
from sgpipe.results.store import Result, Row
from sgpipe.results.tables import merge_packs, runs_table, write_table
from sgpipe.spec.experiments import load_experiments
from tests.figures.test_figures import drawn, texts

FILE = Path(__file__).parents[2] / "workflow/experiments/zenke2021.yaml"
TRANSITION = {(False, 1): 36.0, (False, 2): 76.0, (True, 1): 26.0, (True, 2): 50.0}


def table_of(folder, name, rows_of, scale="laptop", file=FILE):
    """Return frames and metadata of an experiment whose runs ended as `rows_of` says: (valid, test, spikes) of a run."""
    experiment = load_experiments([file], scale)[f"{file.stem.replace('_', '')}_{name}"]
    results = []
    for spec in experiment.runs.values():
        valid, test, spikes = rows_of(spec)
        rows = [
            Row(1, split, 1.0, 0.0, accuracy, spikes, True)
            for split, accuracy in (("train", valid), ("valid", valid), ("test", test))
        ]
        results.append(Result(spec, "finished", tuple(rows)))
    metadata = {"sgpipe.experiment": json.dumps(experiment.metadata(), sort_keys=True)}
    write_table(merge_packs([runs_table(results)], experiment.sweeps), folder / f"{name}.parquet", metadata)
    return make.read_tables({"runs": folder / f"{name}.parquet"})


BEST = np.array([0.005, 0.005 + 0.02])  # by how much their test accuracies are below the level of their kind


def by_kind(spec):
    """Recurrent networks are better, and validation accuracy has another order than test accuracy.

    Of the six of a bar the best two by validation have the learning rate and seeds of BEST.
    """
    level = 0.5 + 0.2 * spec.network.recurrent + 0.1 * (spec.objective.head == "max")
    test = level - spec.optimiser.lr - 0.02 * spec.init.seed
    return level + spec.optimiser.lr - 1e-4 * spec.init.seed, test, tuple(5.0 for _ in spec.network.hidden)


def on_a_sigmoid(spec):
    """Return what networks around a known sigmoid reach; by validation they would have a third of its transition."""
    spikes = 100 * spec.objective.upper_threshold if spec.objective.upper_strength else 1000.0
    chance, transition = 1 / spec.data.classes, TRANSITION[spec.network.recurrent, len(spec.network.hidden)]
    valid, test = (chance + (0.9 - chance) / (1 + (middle / spikes) ** 3) for middle in (transition / 3, transition))
    noise = 0.02 * np.random.default_rng(int(spec.id, 16)).normal()
    return valid, test + noise, tuple(spikes / len(spec.network.hidden) for _ in spec.network.hidden)


@pytest.fixture(scope="module")
def six(tmp_path_factory):
    return table_of(tmp_path_factory.mktemp("six"), "fig6", by_kind)


@pytest.fixture(scope="module")
def nine(tmp_path_factory):
    """Fig 9 at scale paper, with networks that lie about known sigmoids."""
    return table_of(tmp_path_factory.mktemp("nine"), "fig9", on_a_sigmoid, "paper")


@pytest.fixture(autouse=True, scope="module")
def few_resamples():
    """Resample less: made-up sigmoids are clear."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transition, "RESAMPLES", 200)
        yield


@pytest.fixture(scope="module")
def six_data(six):
    return fig6.select(*six)


@pytest.fixture(scope="module")
def nine_data(nine):
    return fig9.select(*nine)


@pytest.fixture(scope="module")
def nine_drawn(nine, nine_data):
    """The figure, which takes seconds to draw: for tests that only look."""
    return drawn(fig9, nine_data, nine[1])


@pytest.fixture(scope="module")
def manifolds(nine):
    """One data set of Fig 9, which is drawn in a fifth of the time: frames, metadata, numbers."""
    frames, experiment = nine
    runs = frames["runs"][frames["runs"]["data.task"] == "randman"]
    return {"runs": runs}, experiment, fig9.select({"runs": runs}, experiment)


def test_the_best_are_chosen_by_validation_accuracy(six_data):
    networks = six_data[six_data["kind"] == "network"]
    mnist = networks[(networks["panel"] == "b") & (networks["bar"] == "ff_max")]
    assert len(mnist) == 2 and set(mnist["eta"]) == {0.005}  # which the test accuracies would not have chosen
    summaries = six_data[six_data["kind"] == "summary"].set_index("panel")
    manifolds = summaries.index == "a"
    assert (summaries["cells"] == np.where(manifolds, 9, 6)).all() and (
        summaries["n"] == np.where(manifolds, 3, 2)
    ).all()


def test_the_conventional_network_stands_beside_the_digits_alone(six_data):
    bars = six_data.query("kind == 'summary'").groupby("panel")["bar"].agg(set)
    assert bars["b"] == set(fig6.BARS) and bars["a"] == bars["c"] == set(fig6.BARS) - {"conventional"}


def test_printed_values_stand_where_the_paper_has_them(six_data, six_drawn):
    printed = six_data[six_data["kind"] == "published"].set_index(["panel", "bar"])["mean"]
    assert printed[("d", "ff_max")] == printed[("d", "ff_sum")] == 0.85  # one sentence for both
    assert "a" not in printed.index.get_level_values("panel") and ("c", "ff_max") not in printed.index
    assert "paper, its own data" in texts(six_drawn)


def test_bars_whiskers_points_and_diamonds_are_drawn_at_their_numbers(six_drawn):
    figure = six_drawn
    axes = figure.axes[4]
    levels, places = np.array([0.6, 0.5, 0.8, 0.7]), np.array([0, 1, 2.5, 3.5])
    means, sd = levels - BEST.mean(), BEST.std(ddof=1)
    printed, printed_sd = np.array([0.7, 0.7, 0.853, 0.807]), np.array([0.02, 0.02, 0.003, 0.004])  # of RawSC, 2.5
    assert [bar.get_height() for bar in axes.patches] == pytest.approx(means)
    assert [bar.get_center()[0] for bar in axes.patches] == pytest.approx(places)

    errors = [
        bar for drawing in axes.collections if isinstance(drawing, LineCollection) for bar in drawing.get_segments()
    ]
    expected = [((x, y - e), (x, y + e)) for x, y, e in zip(places, printed, printed_sd, strict=True)]
    np.testing.assert_allclose(errors, expected)
    (diamonds,) = [line.get_xydata() for line in axes.lines if line.get_marker() == "D"]
    np.testing.assert_allclose(diamonds, np.stack([places, printed], axis=1))  # each in the middle of its bar

    whiskers = [line.get_ydata() for line in axes.lines if line.get_linewidth() == parts.WHISKER["lw"]]
    ends = np.array([[np.nanmin(y), np.nanmax(y)] for y in whiskers if len(y) > 2])
    np.testing.assert_allclose(ends, np.stack([means - sd, means + sd], axis=1))
    # Two networks are too few for an interval; of the manifolds there are three, of the largest learning rate.
    half = 4.3027 * 0.02 / np.sqrt(3)  # Student t, 2 degrees of freedom
    intervals = [line.get_ydata() for line in figure.axes[0].lines if line.get_linewidth() == 3]
    ends = np.stack([levels - 0.04 - half, levels - 0.04 + half], axis=1)
    np.testing.assert_allclose(intervals, ends, rtol=1e-4)
    (points,) = (drawing.get_offsets() for drawing in axes.collections if isinstance(drawing, PathCollection))
    spread = points[np.lexsort(points.T[::-1])][:, 1].reshape(4, 2)
    np.testing.assert_allclose(np.sort(spread), levels[:, None] - np.sort(BEST)[::-1])
    assert [text.get_text() for text in axes.texts].count("2/6") == 4


@pytest.fixture(scope="module")
def six_drawn(six, six_data):
    return drawn(fig6, six_data, six[1])


@pytest.mark.parametrize("figure", ["six_drawn", "nine_drawn"])
def test_stand_ins_do_not_have_the_name_of_a_data_set_alone(figure, request):
    words = texts(request.getfixturevalue(figure))
    assert "synthesised spikes\n(stand-in for SHD)" in words and "bundled digits\n(stand-in for MNIST)" in words
    assert not {"MNIST", "SHD", "RawHD", "RawSC"} & {word.strip() for word in words}


def test_names_follow_the_files():
    def title(**more):
        return tasks.title({"data.task": "shd", "data.source": "original", **more})

    assert title() == "a part of SHD" == title(**{"data.files": "2-0123456789abcdef"})
    assert title(**{"data.source": "derived"}) == "our ear's spikes\n(stand-in for SHD)"
    assert tasks.title({"data.task": "randman", "data.source": "synthetic"}) == "Randman"


def test_guessing_is_one_in_the_number_of_classes(six_data):
    chance = six_data.groupby("panel")["chance"].first()
    assert chance.to_dict() == pytest.approx({"a": 0.1, "b": 0.1, "c": 0.05, "d": 0.05, "e": 1 / 35})


def test_known_transitions_are_found_with_their_interval(nine_data):
    fits = nine_data[nine_data["kind"] == "fit"]
    truth = np.array([TRANSITION[fit.recurrent, fit.hidden_layers] for fit in fits.itertuples()])
    assert len(fits) == 20
    np.testing.assert_allclose(fits["transition"], truth, rtol=0.05)
    np.testing.assert_allclose(fits["steepness"], 3, rtol=0.15)
    np.testing.assert_allclose(fits["plateau"], 0.9, atol=0.02)
    assert ((fits["low"] < truth) & (truth < fits["high"])).mean() >= 0.9
    error = np.log(fits["transition"] / truth) / (np.log(fits["high"] / fits["low"]) / 2)
    assert 0.2 < error.abs().median() < 0.6  # 0.34: an interval of 95 % is 1.96 standard errors to a side


def test_the_claims_give_the_same_transition_and_interval(nine, nine_data):
    runs = selection.of_sweep(selection.outcomes(nine[0]["runs"]), "mnist")
    fits = nine_data[(nine_data["kind"] == "fit") & (nine_data["sweep"] == "mnist")]
    for fit in fits.itertuples():
        own = runs[(runs["network.recurrent"] == fit.recurrent) & (runs["hidden_layers"] == fit.hidden_layers)]
        group = Group("all", "zenke2021_fig9", (), {}, None, "test_accuracy", "transition", None, None)
        found = estimate(group, own.iloc[::-1].assign(chance=fit.chance), "stream")
        assert contrast([found], (1,)) == (fit.transition, fit.low, fit.high)


def test_curves_intervals_and_networks_are_drawn_at_their_numbers(nine, nine_data, nine_drawn):
    runs = selection.outcomes(nine[0]["runs"])
    tasks_of = zip(nine_drawn.axes, itertools.product((False, True), fig9.SWEEPS), strict=True)
    for axes, (recurrent, sweep) in tasks_of:
        own = selection.of_sweep(runs[runs["network.recurrent"] == recurrent], sweep)
        points = np.concatenate([drawing.get_offsets() for drawing in axes.collections])
        expected = own[["spikes_total", "test_accuracy"]].to_numpy()
        np.testing.assert_allclose(*(xy[np.lexsort(xy.T)] for xy in (points, expected)))

        fits = nine_data[(nine_data["kind"] == "fit") & (nine_data["sweep"] == sweep)]
        fits = fits[fits["recurrent"] == recurrent]
        middle = (fits["plateau"] + fits["chance"]) / 2
        intervals = [line.get_xdata() for line in axes.lines if line.get_linewidth() == 2.4]
        np.testing.assert_allclose(intervals, fits[["low", "high"]])
        ticks = [line.get_xydata()[0] for line in axes.lines if line.get_marker() == "|"]
        np.testing.assert_allclose(ticks, np.stack([fits["transition"], middle], axis=1))
        curves = [line.get_data() for line in axes.lines if len(line.get_xdata()) > 2]
        at = [np.interp(x, *curve) for x, curve in zip(fits["transition"], curves, strict=True)]
        np.testing.assert_allclose(at, middle, rtol=0.01)
        words = {f"{fit.transition:.0f} [{fit.low:.0f}, {fit.high:.0f}]" for fit in fits.itertuples()}
        assert words <= {text.get_text() for text in axes.texts}


def test_what_the_paper_prints_of_spikes_is_marked_where_it_prints_it(nine_drawn):
    figure = nine_drawn
    found = {
        place: [
            (line.get_marker(), *np.round(line.get_xydata()[0], 6))
            for line in axes.lines
            if line.get_marker() in [*"v<D"]
        ]
        for place, axes in zip(itertools.product(("ff", "rc"), fig9.SWEEPS), figure.axes, strict=True)
    }
    above = fig9.ABOVE
    assert {place: marks for place, marks in found.items() if marks} == {
        ("ff", "randman"): [("v", 36, above), ("v", 76, above)],
        ("rc", "randman"): [("v", 26, above)],
        ("ff", "mnist"): [("<", 10, above)],
        ("rc", "mnist"): [("<", 10, above)],
        ("ff", "rawsc"): [("D", 2000, 0.8)],
        ("rc", "rawsc"): [("D", 150, 0.8)],
    }
    bands = [[(band.get_x(), band.get_x() + band.get_width()) for band in axes.patches] for axes in figure.axes]
    assert bands == [[], [(10, 20)], [], [], []] * 2
    legend = figure.legends[0]
    words = [text.get_text() for text in legend.get_texts()]
    assert words[2:] == ["paper, its own data:", *(words for words, _ in fig9.MARKS.values())]
    assert 0 < legend.get_window_extent().x0 < legend.get_window_extent().x1 < figure.bbox.x1  # there is room for all


def test_a_rise_within_the_scatter_of_networks_is_a_question_mark(manifolds):
    frames, experiment, _ = manifolds
    runs = frames["runs"]
    test = runs["split"] == "test"
    step, draws = 0.1 + 0.1 * (runs["spikes"].map(sum) > 40), np.random.default_rng(0).normal(size=len(runs))

    def transitions(scatter):
        data = fig9.select(
            {"runs": runs.assign(accuracy=runs["accuracy"].where(~test, step + scatter * draws))}, experiment
        )
        return data.loc[data["kind"] == "fit", "transition"]

    assert transitions(0.01).between(20, 60).all()
    assert transitions(0.1).isna().all()


def test_every_network_is_shown_with_its_regulariser(nine, nine_data):
    networks = nine_data[nine_data["kind"] == "network"]
    assert networks["run_id"].nunique() == len(networks) == nine[0]["runs"]["run_id"].nunique()
    assert (networks.loc[networks["strength"] == 0, "spikes"] == 1000).all()
    assert set(networks["exponent"].dropna()) == {1, 2}


def test_a_transition_with_too_few_networks_on_a_side_is_a_question_mark(nine):
    frames, experiment = nine
    few = frames["runs"][frames["runs"]["objective.upper_threshold"].fillna(9) > 0.25]  # all above their transition
    data = fig9.select({"runs": few}, experiment)
    fits = data[(data["kind"] == "fit") & ~data["recurrent"].astype(bool) & (data["hidden_layers"] == 1)]
    assert len(fits) == 5 and fits["transition"].isna().all()
    assert any(text.startswith("? (n = ") for text in texts(drawn(fig9, data, experiment)))
    one = few[few["objective.upper_threshold"] == 0.5]
    data = fig9.select({"runs": one}, experiment)
    assert data.loc[data["kind"] == "fit", "transition"].isna().all() and drawn(fig9, data, experiment)


def test_silent_networks_stand_beyond_a_break_of_the_axis(manifolds, nine_drawn):
    _, experiment, data = manifolds
    assert "0" not in spike_ticks(nine_drawn.axes[5])
    silent = data["run_id"].isin(data["run_id"].head(2))
    data = data.assign(spikes=data["spikes"].where(~silent, 0.0))
    axes = drawn(fig9, data, experiment).axes[1]
    assert spike_ticks(axes)[0] == "0" and "//" in [text.get_text() for text in axes.texts]
    heard = data.loc[data["spikes"] > 0, "spikes"]
    assert axes.get_xticks()[0] < heard.min()


def spike_ticks(axes):
    return [text.get_text() for text in axes.get_xticklabels()]


def test_a_curve_that_is_not_determined_is_dashed(manifolds):
    _, experiment, data = manifolds

    def dashed(data):
        curves = [line for line in drawn(fig9, data, experiment).axes[0].lines if len(line.get_xdata()) > 2]
        return [line.is_dashed() for line in curves]

    fit = data["kind"] == "fit"
    assert dashed(data) == [False, False]
    assert dashed(data.assign(within=data["within"].where(~fit, 1))) == [True, True]
    assert dashed(data.assign(high=data["high"].where(~fit, 11 * data["low"]))) == [True, True]


def test_a_data_set_of_too_few_networks_for_a_curve_is_left_out_and_named(nine):
    frames, experiment = nine
    runs = frames["runs"]
    few = (runs["data.task"] == "rawhd") & (runs["objective.upper_strength"] > 0)
    data = fig9.select({"runs": runs[~few]}, experiment)
    figure = drawn(fig9, data, experiment)
    assert len(figure.axes) == 8 and "left out: synthesised digits (stand-in for RawHD), 8 networks" in " ".join(
        texts(figure)
    ).replace("\n", " ")


def test_a_figure_of_one_data_set_has_one_column(manifolds):
    _, experiment, data = manifolds
    assert set(data["panel"]) == {"a"} and len(drawn(fig9, data, experiment).axes) == 2
    printed = data[data["kind"] == "published"]
    assert printed["transition"].tolist() == [36, 76, 26]


def test_a_table_of_digits_alone_is_drawn(six):
    frames, experiment = six
    digits = frames["runs"][frames["runs"]["data.task"] == "mnist_latency"].dropna(axis=1, how="all")
    data = fig6.select({"runs": digits}, experiment)
    assert set(data["panel"]) == {"b"} and len(drawn(fig6, data, experiment).axes) == 1


def test_networks_of_any_depth_are_drawn(manifolds):
    frames, experiment, _ = manifolds
    deep = frames["runs"]
    deep = deep.assign(**{"network.hidden": deep["network.hidden"] + "-100"})
    data = fig9.select({"runs": deep}, experiment)
    assert set(data["hidden_layers"].dropna()) == {2, 3}
    figure = drawn(fig9, data, experiment)
    assert {"2 hidden layers", "3 hidden layers"} <= set(texts(figure))
    points = sum(len(drawing.get_offsets()) for axes in figure.axes for drawing in axes.collections)
    assert points == (data["kind"] == "network").sum()


@pytest.mark.parametrize("figure", [fig6, fig9])
def test_sweeps_of_other_names_are_one_clear_line(six, nine, figure):
    frames, experiment = six if figure is fig6 else nine
    mine = frames["runs"].assign(sweeps=[["mine"]] * len(frames["runs"]))
    with pytest.raises(SgpipeError, match="name that this figure knows"):
        figure.select({"runs": mine}, experiment)


def test_the_numbers_of_both_figures_can_be_read_back(six, six_data, manifolds, tmp_path):
    for figure, data, experiment in ((fig6, six_data, six[1]), (fig9, manifolds[2], manifolds[1])):
        write_table(pa.Table.from_pandas(data, preserve_index=False), tmp_path / "numbers.parquet")
        read = pd.read_parquet(tmp_path / "numbers.parquet")
        assert tuple(read.columns) == figure.COLUMNS and np.isfinite(read["chance"]).all()
        drawn(figure, read, experiment)


def test_a_row_of_settings_has_all_its_networks_and_none_of_another(tmp_path):
    def rows_of(spec):
        level = 0.9 + 0.02 * bool(spec.network.dropout) + 0.01 * spec.init.seed
        return 0.5, level, (80.0,) * spec.spikes

    tables, experiment = table_of(tmp_path, "mnist", rows_of, file=FILE.with_stem("zenke2021_real"))
    data = comparison.select(tables, experiment)
    rows = data[data["kind"] == "summary"].set_index("row")
    assert list(rows.index) == [name for name, _ in experiment["settings"]["rows"]] and (rows["n"] == 3).all()
    assert rows.loc["stated", "mean"] == pytest.approx(0.91) and rows.loc["dropout", "mean"] == pytest.approx(0.93)
    found = texts(drawn(comparison, data, experiment))
    assert {"paper", "Sum, n = 3", "20 % dropout, n = 3"} <= set(found)
    for most, scale in ((5, "linear"), (50, "log")):
        wider = data.assign(spikes_total=np.linspace(100, 100 * most, len(data)))
        assert drawn(comparison, wider, experiment).axes[1].get_xscale() == scale
    beside = {**experiment, "settings": {**experiment["settings"], "published_valid": [0.873, 0.014]}}
    found = texts(drawn(comparison, comparison.select(tables, beside), beside))
    assert found.count("paper") == 2 and "validation accuracy" in found
    alone = {**experiment, "settings": {"rows": experiment["settings"]["rows"]}}
    assert "paper" not in texts(drawn(comparison, comparison.select(tables, alone), alone))
    lost = {"runs": tables["runs"].assign(status="diverged", accuracy=np.nan, spikes=None)}
    for one in (experiment, beside, alone):
        assert drawn(comparison, comparison.select(lost, one), one)


@pytest.mark.long
def test_at_scale_laptop_every_data_set_has_networks_enough_for_a_curve(tmp_path):
    def ended(spec):
        silent = spec.objective.upper_strength and not spec.objective.upper_threshold
        return (0.1, 0.1, (0.0,) * len(spec.network.hidden)) if silent else on_a_sigmoid(spec)

    frames, experiment = table_of(tmp_path, "fig9", ended)
    words = texts(drawn(fig9, fig9.select(frames, experiment), experiment))
    assert "Randman\n" in words and not any("left out" in word for word in words)
