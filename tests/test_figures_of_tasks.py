"""Figs 6 and 9 of zenke2021: several data sets side by side, each under its own name. All results here are made up."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from sgpipe.errors import SgpipeError
from sgpipe.experiments import load_experiments
from sgpipe.figures import make, tasks
from sgpipe.figures.zenke2021 import fig6, fig9, settings
from sgpipe.results import Result, Row, merge_packs, runs_table, write_table
from tests.test_figures import drawn, texts

FILE = Path(__file__).parents[1] / "workflow/experiments/zenke2021.yaml"
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
    write_table(runs_table(results), folder / "pack.parquet")
    metadata = {"sgpipe.experiment": json.dumps(experiment.metadata(), sort_keys=True)}
    write_table(merge_packs([folder / "pack.parquet"], experiment.sweeps), folder / f"{name}.parquet", metadata)
    return make.read_tables({"runs": folder / f"{name}.parquet"})


def by_kind(spec):
    """Recurrent networks are better, and validation accuracy has another order than test accuracy."""
    level = 0.5 + 0.2 * spec.network.recurrent + 0.1 * (spec.objective.head == "max")
    return level + spec.optimiser.lr, level - spec.optimiser.lr, tuple(5.0 for _ in spec.network.hidden)


def on_a_sigmoid(spec):
    spikes = 100 * spec.objective.upper_threshold if spec.objective.upper_strength else 1000.0
    chance, transition = 1 / spec.data.classes, TRANSITION[spec.network.recurrent, len(spec.network.hidden)]
    accuracy = chance + (0.95 - chance) / (1 + (transition / spikes) ** 3)
    share = spikes / len(spec.network.hidden)
    return accuracy, accuracy, tuple(share for _ in spec.network.hidden)


@pytest.fixture(scope="module")
def six(tmp_path_factory):
    return table_of(tmp_path_factory.mktemp("six"), "fig6", by_kind)


@pytest.fixture(scope="module")
def nine(tmp_path_factory):
    """Fig 9 at scale paper, with networks that lie on known sigmoids."""
    return table_of(tmp_path_factory.mktemp("nine"), "fig9", on_a_sigmoid, "paper")


def test_the_best_are_chosen_by_validation_accuracy(six):
    data = fig6.select(*six)
    networks = data[data["kind"] == "network"]
    mnist = networks[(networks["panel"] == "b") & (networks["bar"] == "ff_max")]
    assert len(mnist) == 3 and set(mnist["eta"]) == {0.005}  # which the test accuracies would not have chosen
    summaries = data[data["kind"] == "summary"].set_index(["panel", "bar"])
    assert (summaries["cells"] == 9).all() and (summaries["n"] == 3).all()
    assert summaries.loc[("d", "rc_max"), "mean"] == pytest.approx(0.8 - 0.005)


def test_the_conventional_network_stands_beside_the_digits_alone(six):
    bars = fig6.select(*six).query("kind == 'summary'").groupby("panel")["bar"].agg(set)
    assert bars["b"] == set(fig6.BARS) and bars["a"] == bars["c"] == set(fig6.BARS) - {"conventional"}


def test_printed_values_are_drawn_where_the_paper_has_them(six):
    data = fig6.select(*six)
    printed = data[data["kind"] == "published"].set_index(["panel", "bar"])["mean"]
    assert printed[("e", "rc_max")] == 0.853 and printed[("e", "rc_sum")] == 0.807  # each head its own
    assert printed[("d", "ff_max")] == printed[("d", "ff_sum")] == 0.85  # one sentence for both
    assert "a" not in printed.index.get_level_values("panel") and ("c", "ff_max") not in printed.index
    assert "paper, its own data" in texts(drawn(fig6, data, six[1]))


@pytest.mark.parametrize("figure, tables", [(fig6, "six"), (fig9, "nine")])
def test_stand_ins_do_not_have_the_name_of_a_data_set_alone(figure, tables, request):
    frames, experiment = request.getfixturevalue(tables)
    words = texts(drawn(figure, figure.select(frames, experiment), experiment))
    assert "synthesised spikes\n(stand-in for SHD)" in words and "bundled digits\n(stand-in for MNIST)" in words
    assert not {"MNIST", "SHD", "RawHD", "RawSC"} & {word.strip() for word in words}


def test_names_follow_the_files():
    def title(**more):
        return tasks.title({"data.task": "shd", "data.source": "original", **more})

    assert title() == "a part of SHD" == title(**{"data.files": "2-0123456789abcdef"})
    assert title(**{"data.source": "derived"}) == "our ear's spikes\n(stand-in for SHD)"
    assert tasks.title({"data.task": "randman", "data.source": "synthetic"}) == "Randman"


def test_guessing_is_one_in_the_number_of_classes(six):
    chance = fig6.select(*six).groupby("panel")["chance"].first()
    assert chance.to_dict() == pytest.approx({"a": 0.1, "b": 0.1, "c": 0.05, "d": 0.05, "e": 1 / 35})


def test_known_transitions_are_found_with_their_interval(nine):
    fits = fig9.select(*nine).query("kind == 'fit'")
    assert len(fits) == 20
    for fit in fits.itertuples():
        truth = TRANSITION[fit.recurrent, fit.hidden_layers]
        assert fit.transition == pytest.approx(truth, rel=0.03) and fit.steepness == pytest.approx(3, rel=0.1)
        assert fit.low * 0.97 <= truth <= fit.high * 1.03 and fit.plateau == pytest.approx(0.95, abs=0.02)


def test_every_network_is_shown_with_its_regulariser(nine):
    data = fig9.select(*nine)
    networks = data[data["kind"] == "network"]
    assert networks["run_id"].nunique() == len(networks) == nine[0]["runs"]["run_id"].nunique()
    assert (networks.loc[networks["strength"] == 0, "spikes"] == 1000).all()
    assert set(networks["exponent"].dropna()) == {1, 2}


def test_a_transition_with_too_few_networks_on_a_side_is_a_question_mark(nine):
    frames, experiment = nine
    few = frames["runs"][frames["runs"]["objective.upper_threshold"].fillna(9) > 0.25]  # all above their transition
    data = fig9.select({"runs": few}, experiment)
    fits = data[(data["kind"] == "fit") & ~data["recurrent"].astype(bool) & (data["hidden_layers"] == 1)]
    assert len(fits) == 5 and fits["transition"].isna().all() and "?" in texts(drawn(fig9, data, experiment))
    one = few[few["objective.upper_threshold"] == 0.5]
    data = fig9.select({"runs": one}, experiment)
    assert data.loc[data["kind"] == "fit", "transition"].isna().all() and "?" in texts(drawn(fig9, data, experiment))


def test_a_figure_of_one_data_set_has_one_column(nine):
    frames, experiment = nine
    one = frames["runs"][frames["runs"]["data.task"] == "randman"]
    data = fig9.select({"runs": one}, experiment)
    assert set(data["panel"]) == {"a"} and len(drawn(fig9, data, experiment).axes) == 2
    printed = data[data["kind"] == "published"]
    assert printed["transition"].tolist() == [36, 76, 26]


def test_a_table_of_digits_alone_is_drawn(six):
    frames, experiment = six
    digits = frames["runs"][frames["runs"]["data.task"] == "mnist_latency"].dropna(axis=1, how="all")
    data = fig6.select({"runs": digits}, experiment)
    assert set(data["panel"]) == {"b"} and len(drawn(fig6, data, experiment).axes) == 1


def test_networks_of_any_depth_are_drawn(nine):
    frames, experiment = nine
    deep = frames["runs"].assign(**{"network.hidden": frames["runs"]["network.hidden"] + "-100"})
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


def test_the_numbers_of_both_figures_can_be_read_back(six, nine, tmp_path):
    for figure, (frames, experiment) in ((fig6, six), (fig9, nine)):
        data = figure.select(frames, experiment)
        write_table(pa.Table.from_pandas(data, preserve_index=False), tmp_path / "numbers.parquet")
        read = pd.read_parquet(tmp_path / "numbers.parquet")
        assert tuple(read.columns) == figure.COLUMNS and np.isfinite(read["chance"]).all()
        drawn(figure, read, experiment)


def test_a_row_of_settings_has_all_its_networks_and_none_of_another(tmp_path):
    def rows_of(spec):
        level = 0.9 + 0.02 * bool(spec.network.dropout) + 0.01 * spec.init.seed
        return 0.5, level, (80.0,) * spec.spikes

    tables, experiment = table_of(tmp_path, "mnist", rows_of, file=FILE.with_stem("zenke2021_real"))
    data = settings.select(tables, experiment)
    rows = data[data["kind"] == "summary"].set_index("row")
    assert list(rows.index) == [name for name, _ in experiment["settings"]["rows"]] and (rows["n"] == 3).all()
    assert rows.loc["stated", "mean"] == pytest.approx(0.91) and rows.loc["dropout", "mean"] == pytest.approx(0.93)
    found = texts(drawn(settings, data, experiment))
    assert {"paper", "Sum", "20 % dropout"} <= set(found)
    lost = {"runs": tables["runs"].assign(status="diverged", accuracy=np.nan, spikes=None)}
    assert drawn(settings, settings.select(lost, experiment), experiment)
