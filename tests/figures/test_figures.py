"""Figures: drawn from their numbers alone, the same bytes every time, and honest about runs without a result.

The tables here are made up: learning curves that rise, no network is trained.
"""

import json
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text

from sgpipe.base.errors import SgpipeError
from sgpipe.data import Analog, Events, Task, save_task
from sgpipe.figures import make, parts, style
from sgpipe.figures.zenke2021 import fig2, fig3, fig5, fig7, fig8, table1
from sgpipe.plan.plan import make_plan
from sgpipe.results.store import Result, Row
from sgpipe.results.tables import merge_packs, runs_table, write_table
from sgpipe.rules.describe import describe
from sgpipe.spec.config import load_config
from sgpipe.spec.experiments import load_experiments
from tests.conftest import longer_after

ROOT = Path(__file__).parents[2]
FILE = ROOT / "workflow/experiments/zenke2021.yaml"
TRAINED = ("fig2", "fig3", "fig5", "fig6", "fig8", "fig9")
RECORDED = ("fig2", "fig8")
LOST = {
    "none": lambda i: "finished",
    "some": lambda i: ("finished", "diverged", "failed")[i % 3],
    "all": lambda i: "failed",
}
# Of every figure: with some runs lost always, and with none or all of them in the long tests.
CASES = longer_after(1, ["some", "none", "all"])


def rows_of(spec, i, status, epochs=3):
    """Return the rows of a made-up run; a diverged one breaks off."""
    rows = []
    for epoch in range(1, epochs + 1 if status == "finished" else 2 if status == "diverged" else 1):
        accuracy = min(0.1 + 0.1 * epoch + 0.013 * i, 1.0)
        spikes = tuple(10.0 for _ in spec.network.hidden)
        best = epoch == epochs
        rows += [Row(epoch, "train", 1 - accuracy, 0.0, accuracy, spikes, best)]
        rows += [Row(epoch, "valid", 1 - accuracy, 0.0, accuracy, spikes, best)]
        rows += [Row(epoch, "test", 1 - accuracy, 0.0, accuracy, spikes, best)] if best else []
    if status == "diverged":
        rows.append(Row(2, "train", np.nan, np.nan, 0.1, tuple(0.0 for _ in spec.network.hidden)))
    return tuple(rows)


def activity_of(run_id, spikes_before=True):
    """Return made-up activity of 60 hidden neurons on four samples; before training the readouts never move."""
    rows = []
    for moment, sample in ((moment, sample) for moment in ("before", "after") for sample in range(4)):
        start = (run_id, moment, sample, sample // 2)
        for unit in range(20):
            rows.append((*start, "input", "spike", unit, (7 * unit + sample) % 50, 1.0))
        for unit in range(60):
            if unit % 3 == 0 and (moment == "after" or spikes_before):
                rows.append((*start, "hidden1", "spike", unit, (unit + 11 * sample) % 60, 1.0))
            rows += [(*start, "hidden1", "membrane", unit, step, np.sin(step / 9 + unit)) for step in range(0, 100, 3)]
        for unit in range(2):
            height = 0.0 if moment == "before" else 1.0 + (unit == sample // 2)
            rows += [
                (*start, "readout", "membrane", unit, step, height * np.sin(step / 30)) for step in range(0, 100, 3)
            ]
    names = ["run_id", "moment", "sample", "label", "layer", "kind", "unit", "step", "value"]
    return pd.DataFrame(rows, columns=names)


def counted(results, right=True):
    """Return made-up activity of the runs that finished: one trial, and how often 16 hidden units fire how often."""
    parts = []
    for place, result in enumerate(result for result in results if result.status == "finished"):
        start = {"run_id": result.spec.id, "moment": "after", "sample": 3, "label": 5}
        rows = [
            {**start, "layer": layer, "kind": "spike", "unit": unit, "step": 2 * unit + 1, "value": 1.0}
            for layer, units in (("input", 20), ("hidden1", 16))
            for unit in range(units)
        ]
        for unit in range(20):
            height = 1.0 if (unit == 5) == right else 0.5
            rows += [
                {**start, "layer": "readout", "kind": "membrane", "unit": unit, "step": step, "value": height * step}
                for step in range(50)
            ]
        unit, spikes = np.divmod(np.arange(16 * 5), 5)
        parts += [pd.DataFrame(rows), pd.DataFrame({"unit": unit, "spikes": 5 * spikes + place, "value": 8.0})]
        known = {"run_id": result.spec.id, "moment": "after", "layer": "hidden1", "kind": "count"}
        parts[-1] = parts[-1].assign(**known)
    columns = ["run_id", "moment", "sample", "label", "layer", "kind", "unit", "step", "value", "spikes"]
    return pd.concat(parts) if parts else pd.DataFrame(columns=columns)


def inputs_of(spec):
    """Return a made-up task of the right format, with the labels that Fig 7 shows."""
    draws, labels = np.random.default_rng(0), np.array([17 if spec.data.task == "rawhd" else 7, 3, 7])
    if spec.data.task == "rawhd":
        frames = draws.normal(size=(3, spec.data.frames, spec.data.units)).astype(np.float32)
        split = Analog(frames, labels, spec.data.hold)
    else:
        count = 40 if spec.data.task == "shd" else 25
        sample, unit = np.repeat([0, 1, 2], count), draws.permuted(np.tile(np.arange(count), (3, 1)), axis=1).ravel()
        split = Events.from_spikes(sample, draws.integers(11, spec.data.steps, 3 * count), unit, labels)
    return Task(spec.data.units, spec.data.classes, spec.data.steps, split, split, split)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with every table, in one subfolder for each way of losing runs."""
    folder = tmp_path_factory.mktemp("tables")
    experiments = load_experiments([FILE], "smoke")
    plan = make_plan(load_config(ROOT / "config.yaml", {"scale": "smoke", "experiments": [str(FILE)]}))
    for name in ("fig1", "table1"):
        describe(plan, f"zenke2021_{name}", folder / f"{name}.parquet")
    shown = {folder / f"{spec.data.task}.arrow": spec for spec in plan.shown(plan.experiment("zenke2021_fig7"))}
    for path, spec in shown.items():
        save_task(inputs_of(spec), path)
    describe(plan, "zenke2021_fig7", folder / "fig7.parquet", shown)
    for case, status_of in LOST.items():
        for name in TRAINED:
            experiment = experiments[f"zenke2021_{name}"]
            results = [
                Result(spec, status_of(i), rows_of(spec, i, status_of(i)))
                for i, (_, spec) in enumerate(sorted(experiment.runs.items()))
            ]
            metadata = {"sgpipe.experiment": json.dumps(experiment.metadata(), sort_keys=True)}
            write_table(
                merge_packs([runs_table(results)], experiment.sweeps), folder / case / f"{name}.parquet", metadata
            )
            if name == "fig8":
                write_table(pa.Table.from_pandas(counted(results)), folder / case / "fig8.activity.parquet")
        recorded = experiments["zenke2021_fig2"].recorded()[0].id
        write_table(pa.Table.from_pandas(activity_of(recorded)), folder / case / "fig2.activity.parquet")
    return folder


def tables_of(folder, name, case="none"):
    if name not in TRAINED:
        return {"runs": folder / f"{name}.parquet"}
    tables = {"runs": folder / case / f"{name}.parquet"}
    return tables | ({"activity": folder / case / f"{name}.activity.parquet"} if name in RECORDED else {})


def drawn(module, data, experiment, note="note"):
    """Return the figure, laid out and rendered, any warning being an error."""
    with warnings.catch_warnings(), matplotlib.rc_context({"figure.dpi": 40}):
        warnings.simplefilter("error")
        figure = module.draw(data, experiment, note)
        figure.draw_without_rendering()
    return figure


def texts(figure):
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", longer_after(4, sorted(TRAINED, reverse=True)))
def test_a_figure_of_networks_can_be_drawn_from_its_own_numbers_whatever_became_of_them(folder, tmp_path, name, case):
    check_numbers(folder, tmp_path, name, case)


@pytest.mark.parametrize("name", ["fig1", "fig7"])
def test_a_figure_without_networks_can_be_drawn_from_its_own_numbers(folder, tmp_path, name):
    check_numbers(folder, tmp_path, name, "none")


def check_numbers(folder, tmp_path, name, case):
    frames, experiment = make.read_tables(tables_of(folder, name, case))
    module = make.find(f"zenke2021.{name}", "draw")
    drawn_from_file(module, module.select(frames, experiment), experiment, tmp_path)


def drawn_from_file(module, data, experiment, tmp_path, note="note"):
    """Check that a figure's numbers survive being written and that no text of it is too small; return the figure."""
    assert tuple(data.columns) == module.COLUMNS and data.columns[0] == "panel"
    write_table(pa.Table.from_pandas(data, preserve_index=False), tmp_path / "numbers.parquet")
    read = pd.read_parquet(tmp_path / "numbers.parquet")
    pd.testing.assert_frame_equal(read, data, check_dtype=False)
    figure = drawn(module, read, experiment, note)
    assert min(text.get_size() for text in figure.findobj(Text) if text.get_text()) >= style.SMALL
    return figure


# Heat maps, bars, boxes; lines and points; histograms.
@pytest.mark.parametrize("name", longer_after(1, ["fig8", "fig3", "fig5"]))
def test_the_files_of_a_figure_are_the_same_bytes_every_time(folder, tmp_path, name):
    for attempt in ("one", "two"):
        make.make_figure(f"zenke2021.{name}", tables_of(folder, name, "some"), tmp_path / attempt)
    for suffix in ("svg", "pdf", "png", "parquet"):
        assert (tmp_path / f"one.{suffix}").read_bytes() == (tmp_path / f"two.{suffix}").read_bytes(), suffix
    assert len(list(tmp_path.iterdir())) == 8  # nothing temporary is left
    metadata = pq.read_schema(tmp_path / "one.parquet").metadata
    assert json.loads(metadata[b"sgpipe.experiment"])["id"] == f"zenke2021_{name}"
    assert b"diverged" in metadata[b"sgpipe.note"]


def test_the_note_counts_diverged_and_failed_runs(folder):
    frames, experiment = make.read_tables(tables_of(folder, "fig3", "some"))
    status = frames["runs"].drop_duplicates("run_id")["status"].value_counts()
    note = make.corner_note(experiment, frames["runs"])
    assert f"{status.sum()} runs · {status['diverged']} diverged · {status['failed']} failed" in note
    assert "synthetic: generated from the paper's formula" in note


def test_the_note_says_nothing_of_losses_when_there_are_none(folder):
    frames, experiment = make.read_tables(tables_of(folder, "fig3"))
    note = make.corner_note({**experiment, "scale": "laptop"}, frames["runs"])
    assert "diverged" not in note and "failed" not in note and "smoke" not in note


def test_stand_in_data_are_named_as_such():
    runs = pd.DataFrame({"data.source": ["derived", "embedded"]})
    assert all("stand-in" in words for words in make.source_words(runs))


def test_a_smoke_test_cannot_be_taken_for_a_result(folder):
    frames, experiment = make.read_tables(tables_of(folder, "fig5"))
    note = make.corner_note(experiment, frames["runs"])
    figure = drawn(fig5, fig5.select(frames, experiment), experiment, note)
    warning = [text for text in figure.texts if text.get_text() == style.WARNING]
    assert len(warning) == 1 and warning[0].get_color() == style.WARNING_COLOUR


def test_cells_that_were_not_run_stay_missing(folder):
    frames, experiment = make.read_tables(tables_of(folder, "fig3"))
    runs = frames["runs"]
    esser = (runs["surrogate.shape"] == "esser") & (runs["surrogate.beta"] == 10.0)
    data = fig3.select({"runs": runs[~esser]}, experiment)
    cells = data[data["panel"] == "b"]
    assert not len(cells[(cells["shape"] == "esser") & (cells["beta"] == 10.0)])
    figure = drawn(fig3, data, experiment)
    maps = [axes for child in figure.subfigs for axes in child.axes if axes.get_xlabel() == "β"]
    assert len(maps) == 3
    for axes in maps:  # the axes are those of all shapes together
        assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "10"]
    values = maps[2].collections[0].get_array().reshape(1, 2)
    assert values.mask.tolist() == [[False, True]]
    assert maps[2].patches[0].get_hatch() and "not run" in texts(figure)


def test_diverged_cells_are_marked_and_have_no_accuracy(folder):
    frames, experiment = make.read_tables(tables_of(folder, "fig3", "some"))
    data = fig3.select(frames, experiment)
    cells = data[data["panel"] == "b"]
    lost = cells["status"] != "finished"
    assert (
        lost.any() and cells.loc[lost, "test_accuracy"].isna().all() and cells.loc[~lost, "test_accuracy"].notna().all()
    )


def test_bars_show_how_many_of_how_many_cells(folder):
    frames, experiment = make.read_tables(tables_of(folder, "fig3"))
    data = fig3.select(frames, experiment)
    bars = data[(data["panel"] == "c") & (data["kind"] == "summary")]
    assert (bars["n"] * 3 <= bars["cells"]).all() or (bars["n"] == 1).all()
    assert texts(drawn(fig3, data, experiment)).count("1/2") == len(bars)


def test_conditions_are_named_by_shape_and_gradient(folder):
    frames, experiment = make.read_tables(tables_of(folder, "fig5"))
    data = fig5.select(frames, experiment)
    knobs = frames["runs"].drop_duplicates("run_id").set_index("run_id")
    for panel, gradient, flowing in (
        ("c", "network.reset_gradient", "attached"),
        ("e", "network.recurrent_gradient", "propagated"),
    ):
        networks = data[(data["panel"] == panel) & (data["kind"] == "network")]
        assert networks["condition"].nunique() == 4
        for network in networks.itertuples():
            run = knobs.loc[network.run_id]
            assert network.condition[0] == run["surrogate.shape"][0]  # s or a
            assert (network.condition[1:] != "Ctl") == (run[gradient] == flowing)


def test_the_learning_curves_are_those_of_the_bars(folder):
    frames, experiment = make.read_tables(tables_of(folder, "fig5"))
    data = fig5.select(frames, experiment)
    bars = data[(data["panel"] == "c") & (data["kind"] == "network") & data["condition"].isin(fig5.CURVES)]
    curves = data[data["panel"] == "b"]
    assert set(curves["run_id"]) == set(bars["run_id"]) and set(curves["condition"]) == set(fig5.CURVES)


def test_a_silent_network_is_shown_with_a_word(folder):
    frames, experiment = make.read_tables(tables_of(folder, "fig2"))
    activity = activity_of(frames["activity"]["run_id"].iloc[0], spikes_before=False)
    data = fig2.select({**frames, "activity": activity}, experiment)
    assert "no hidden spikes" in texts(drawn(fig2, data, experiment))


def test_the_membranes_are_those_of_neurons_that_spike(folder):
    frames, experiment = make.read_tables(tables_of(folder, "fig2"))
    membranes = fig2.select(frames, experiment).query("panel == 'e'")
    assert membranes["unit"].nunique() == experiment["settings"]["membranes"]
    assert set(membranes["unit"]) == set(membranes.loc[membranes["kind"] == "spike", "unit"])


def test_a_tie_of_the_readouts_is_no_prediction(folder):
    frames, experiment = make.read_tables(tables_of(folder, "fig2"))
    decisions = fig2.select(frames, experiment).query("kind == 'decision'").groupby("panel")["predicted"]
    assert decisions.count().to_dict() == {"c": 0, "d": 4}


def decided(*rows):
    names = ["sweep", "run_id", "sample", "label", "predicted", "distance"]
    return pd.DataFrame(rows, columns=names)


def test_the_networks_shown_are_the_nearest_to_the_median_that_get_one_sample_right():
    found = fig8._chosen(
        decided(
            ("unregularised", "loud", 3, 5, 5, 1.0),
            ("unregularised", "median", 3, 5, 5, 0.0),
            ("regularised", "median_too", 3, 5, 8, 0.0),  # wrong
            ("regularised", "sparse", 3, 5, 5, 1.0),
        )
    )
    assert dict(zip(found["sweep"], found["run_id"], strict=True)) == {
        "unregularised": "median",
        "regularised": "sparse",
    }


def test_a_sample_that_both_networks_get_right_is_preferred():
    found = fig8._chosen(
        decided(
            ("unregularised", "one", 3, 5, 5, 0.0),
            ("regularised", "two", 3, 5, 8, 0.0),
            ("unregularised", "one", 4, 5, 5, 0.0),
            ("regularised", "two", 4, 5, 5, 0.0),
        )
    )
    assert set(found["sample"]) == {4}


def test_the_activity_is_that_of_the_networks_shown(folder):
    frames, experiment = make.read_tables(tables_of(folder, "fig8"))
    data = fig8.select(frames, experiment)
    for sweep in fig8.PANELS:
        shown = data[(data["sweep"] == sweep) & (data["kind"] == "network") & (data["shown"] == 1)]
        drawn_runs = data[(data["sweep"] == sweep) & data["kind"].isin(["spike", "membrane", "decision"])]
        assert len(shown) == 1 and set(drawn_runs["run_id"]) == set(shown["run_id"])


def test_all_rasters_have_the_same_dots(folder):
    frames, experiment = make.read_tables(tables_of(folder, "fig8"))
    figure = drawn(fig8, fig8.select(frames, experiment), experiment)
    rasters = [drawing for drawing in figure.findobj(PathCollection) if drawing.get_rasterized()]
    assert len(rasters) == 4 and {size for raster in rasters for size in raster.get_sizes()} == {fig8.DOT}


def test_shares_of_spike_counts_add_up_to_one_and_end_below_the_largest_possible(folder):
    frames, experiment = make.read_tables(tables_of(folder, "fig8"))
    counts = fig8.select(frames, experiment).query("kind == 'count'")
    assert counts["run_id"].nunique() == 4
    np.testing.assert_allclose(counts.groupby("run_id")["share"].sum(), 1)
    assert (counts["most"] == 25).all() and (counts["spikes"] <= counts["most"]).all()  # of 50 steps


@pytest.mark.parametrize("right", [True, False])
def test_the_readout_of_the_right_class_is_marked_whether_it_wins_or_not(folder, right):
    frames, experiment = make.read_tables(tables_of(folder, "fig8"))
    specs = load_experiments([FILE], "smoke")["zenke2021_fig8"].runs.values()
    activity = counted([Result(spec, "finished", ()) for spec in specs], right)
    figure = drawn(fig8, fig8.select({**frames, "activity": activity}, experiment), experiment)
    assert texts(figure).count("✓" if right else "✗") == 2
    brown = [line for line in figure.findobj(Line2D) if line.get_color() == fig8.RIGHT]
    assert len(brown) == 2


def test_the_curves_are_those_of_the_surrogates():
    curves = parts.shape_curves(["superspike", "sigmoid", "esser"], [1, 10])
    one = curves[(curves["shape"] == "esser") & (curves["beta"] == 10)]
    np.testing.assert_allclose(one["h"], np.clip(1 - 10 * np.abs(one["x"]), 0, None))


def test_the_table_lists_what_the_runs_use(folder, tmp_path):
    make.make_table("zenke2021.table1", tables_of(folder, "table1"), tmp_path / "table1")
    table = pd.read_csv(tmp_path / "table1.csv").set_index("knob")
    assert table.loc["data.classes", "Randman"] == "10; 2 (Fig 2)"
    assert table.loc["surrogate.beta", "Randman"] == "10; 1, 10 (Fig 3, Fig 5)"
    assert table.loc["network.hidden", "Randman"] == "100 (0 to 2 hidden layers)"
    assert "†" in table.loc["network.readout_start", "Randman mark"]
    assert table.loc["data.units", ["MNIST", "SHD", "RawHD"]].tolist() == ["784", "700", "40"]
    assert table.loc["data.theta", ["Randman", "MNIST"]].tolist() == ["-", "0.2"]
    assert table.loc["training.batch_size", "Randman paper"] == "128, 250 §"
    assert "[128, 250 §]" in (tmp_path / "table1.md").read_text()
    assert table["Randman mark"]["data.theta"] != table["MNIST mark"]["training.batch_size"]
    assert (tmp_path / "table1.md").read_text().count("\n|") == len(table) + 2
    latex = (tmp_path / "table1.tex").read_text()
    assert r"$^\ddagger$" in latex and "‡" not in latex


def test_many_swept_values_are_printed_as_a_range():
    runs = pd.DataFrame({"experiment": "zenke2021_fig3", "surrogate.beta": [0.1, 1, 2, 5, 10, 1000]})
    assert table1._in_use(runs, "surrogate.beta") == "0.1 to 1000 (6 values)"


def test_an_unknown_module_is_one_clear_line():
    with pytest.raises(SgpipeError, match="there is no module"):
        make.find("zenke2021.fig77", "draw")
    with pytest.raises(SgpipeError, match="lacks"):
        make.find("style", "draw")


def test_an_experiment_without_repeated_networks_has_no_empty_panel(folder):
    tables, experiment = make.read_tables(tables_of(folder, "fig3"))
    runs = tables["runs"]
    few = runs[["shapes" in names for names in runs["sweeps"]]].copy()
    few["sweeps"] = [["shapes"]] * len(few)
    figure = fig3.draw(fig3.select({"runs": few}, experiment), experiment, "note")
    assert "c" in texts(figure) and "d" not in texts(figure)


def test_a_digit_is_drawn_from_what_its_spikes_say(folder):
    frames, experiment = make.read_tables(tables_of(folder, "fig7"))
    digit = fig7.select(frames, experiment).query("panel == 'a'")
    assert [text for text in texts(drawn(fig7, fig7.select(frames, experiment), experiment)) if text in "abcd"] == [
        *"abcd"
    ]
    assert len(digit) == 25 and set(digit["label"]) == {3}
    time = 50 * np.log(digit["intensity"] / (digit["intensity"] - 0.2))  # section 4.1.2
    np.testing.assert_allclose(time, digit["time_ms"], rtol=1e-9)


def test_a_label_that_no_sample_has_is_one_line(folder, tmp_path):
    plan = make_plan(load_config(ROOT / "config.yaml", {"scale": "smoke", "experiments": [str(FILE)]}))
    specs = plan.shown(plan.experiment("zenke2021_fig7"))
    paths = [tmp_path / f"{spec.data.task}.arrow" for spec in specs]
    for spec, path in zip(specs, paths, strict=True):
        task = inputs_of(spec)
        one = task.test.take(np.array([0]))
        save_task(replace(task, train=one, valid=one, test=one), path)
    with pytest.raises(SgpipeError, match="zenke2021_fig7: samples.digit: no sample has label 3"):
        describe(plan, "zenke2021_fig7", tmp_path / "fig7.parquet", paths)


def test_a_long_note_takes_two_lines_at_most():
    lines = style.fitted(
        " · ".join(f"part {number} of a long note about the data" for number in range(9)), style.DOUBLE
    )
    assert len(lines) == 2 and lines[1].endswith("…") and max(map(len, lines)) <= style.DOUBLE / style.CHARACTER
    assert style.fitted("scale laptop · 3 runs", style.DOUBLE) == ["scale laptop · 3 runs"] and not style.fitted("", 80)


def test_intervals_and_spreads_of_accuracies_stay_within_what_is_possible():
    nearly_all = [1.0, 0.99, 0.9]
    assert parts.interval(nearly_all)[1] == parts.spread(nearly_all)[1] == 1
    assert parts.interval([0.0, 0.1, 0.01])[0] == 0
    assert parts.interval([0.5, 0.6, 0.7])[0] == pytest.approx(
        0.6 - 4.303 * 0.1 / 3**0.5, abs=1e-4
    )  # Student t, 2 degrees
    assert np.isnan(parts.interval([0.5, 0.6])).all()  # of two it would reach nine standard deviations


def test_bars_keep_their_width_where_their_neighbours_have_none():
    axes, bars = Figure().subplots(), pd.DataFrame({"at": [0.0, 1.0, 2.5], "n": [2, 0, 2], "cells": 4})
    networks = pd.DataFrame({"at": [0.0, 0.0, 2.5, 2.5], "test_accuracy": [0.2, 0.4, 0.6, 0.8]})
    parts.bars(axes, bars, networks, dict.fromkeys(bars["at"], "red"))
    assert [bar.get_width() for bar in axes.patches] == pytest.approx([0.8, 0.8])
    words = [text.get_text() for text in axes.texts]
    assert words.count("2/4") == 2 and "none of 4 finished" in words


def test_a_key_says_what_is_drawn():
    several, single = pd.DataFrame({"n": [1, 4]}), pd.DataFrame({"n": [1, 0]})
    assert "whiskers" in parts.bars_key(several) and "whiskers" not in parts.bars_key(single)
    assert parts.bars_key(single).startswith("bars: single networks")


def test_what_a_figure_draws_with_is_not_loaded_by_a_job_that_trains():
    code = "import sys, sgpipe.cli, sgpipe.rules.train_pack, sgpipe.claims.page; sys.exit('seaborn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_letters_of_a_row_and_of_a_column_are_in_line(folder):
    frames, experiment = make.read_tables(tables_of(folder, "fig5"))
    with style.look():
        figure = fig5.draw(fig5.select(frames, experiment), experiment, "note")
        style.lay_out(figure)
    places = [text.get_position() for text in figure.findobj(Text) if text.get_label() == style.LETTER_LABEL]
    assert len({x for x, _ in places}) == 3 and len({y for _, y in places}) == 2


def test_the_maxima_that_decide_are_written_beside_the_readouts(folder):
    frames, experiment = make.read_tables(tables_of(folder, "fig2"))
    data = fig2.select(frames, experiment)
    after = data[(data["panel"] == "d") & (data["layer"] == "readout") & (data["kind"] == "membrane")]
    highest = after.groupby(["place", "unit"])["value"].max()
    words = texts(drawn(fig2, data, experiment))
    assert all(f"{float(f'{value:.2g}'):g}" in words for value in highest)
