"""The figures of herranz2022: what they show is what the tables, the definitions and the simulations say.

The tables of runs are made up, as in test_figures.py; no network is trained. The networks of `conditions` are simulated.
"""

import itertools
import json
import re

import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text
from scipy.integrate import quad

from sgpipe.base.errors import SgpipeError
from sgpipe.data import Events, Task, save_task
from sgpipe.figures import condition_sets, make, seeds
from sgpipe.figures.herranz2022 import fig2, fig3, fig4, fig5, tableS1
from sgpipe.initial_state import observe
from sgpipe.initial_state.calibration.window import busy
from sgpipe.plan.plan import make_plan
from sgpipe.results.store import Result
from sgpipe.results.tables import merge_packs, runs_table, spec_of_row, write_table
from sgpipe.rules.describe import describe
from sgpipe.rules.initial_state import initial_state
from sgpipe.rules.simulate import simulate
from sgpipe.spec.config import load_config
from sgpipe.spec.experiments import load_experiments
from sgpipe.spec.layer_settings import LayerSettings
from sgpipe.spec.run import RunSpec
from sgpipe.spec.surrogates import SURROGATES
from sgpipe.weights.schemes import initial_weights, parameter_count
from tests.conftest import longer_after
from tests.figures.test_figures import CASES, LOST, ROOT, drawn, drawn_from_file, rows_of, texts

FILES = [ROOT / f"workflow/experiments/{name}.yaml" for name in ("herranz2022", "herranz2022_authors")]
TRAINED = ("fig2", "fig3", "fig4", "fig5")
CHECKED = """
paper: mine
like: {file}
experiments:
  mine_conditions: {{sweeps: {{calibrated: null}}, base: {{network: {{hidden: [14, 10]}}}}}}
"""


def inputs_of(spec, samples=6):
    """Return a made-up task of the right size: random spikes."""
    draws = np.random.default_rng(1)
    count = samples * spec.data.steps * 40
    places = [draws.integers(0, high, count) for high in (samples, spec.data.steps, spec.data.units)]
    split = Events.from_spikes(*places, draws.integers(0, spec.data.classes, samples))
    return Task(spec.data.units, spec.data.classes, spec.data.steps, split, split, split)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with every table at scale smoke, in one subfolder for each way of losing runs."""
    folder = tmp_path_factory.mktemp("tables")
    experiments = load_experiments(FILES, "smoke")
    plan = make_plan(load_config(ROOT / "config.yaml", {"scale": "smoke", "experiments": [str(FILES[0])]}))
    for name in ("fig1", "tableS1"):
        describe(plan, f"herranz2022_{name}", folder / f"{name}.parquet")
    mine = folder / "mine.yaml"
    mine.write_text(CHECKED.format(file=FILES[0]))
    plan = make_plan(load_config(ROOT / "config.yaml", {"scale": "smoke", "experiments": [str(mine)]}))
    experiment = plan.experiment("mine_conditions")
    states = {}
    for spec in plan.shown(experiment):
        save_task(inputs_of(spec), folder / f"{spec.data_id}.arrow")
    for spec in experiment.runs.values():
        if spec.conditions:
            states[spec.init_id] = folder / f"{spec.init_id}.parquet"
            initial_state(plan, spec.init_id, folder / f"{spec.data_id}.arrow", states[spec.init_id])
    tasks = {spec.data_id: folder / f"{spec.data_id}.arrow" for spec in experiment.runs.values()}
    simulate(plan, "mine_conditions", tasks, states, folder / "conditions.parquet")
    for (case, status_of), name in itertools.product(LOST.items(), [*TRAINED, "authors_fig3"]):
        experiment = experiments[f"herranz2022_{name}".replace("_authors", "authors")]
        results = [
            Result(spec, status_of(i), rows_of(spec, i, status_of(i)))
            for i, (_, spec) in enumerate(sorted(experiment.runs.items()))
        ]
        metadata = {"sgpipe.experiment": json.dumps(experiment.metadata(), sort_keys=True)}
        table = merge_packs([runs_table(results)], experiment.sweeps)
        write_table(table, folder / case / f"{name}.parquet", metadata)
    return folder


def tables_of(folder, name, case="none"):
    plain = folder / f"{name}.parquet"
    return {"runs": plain if plain.exists() else folder / case / f"{name}.parquet"}


def selected(folder, name, case="none"):
    frames, experiment = make.read_tables(tables_of(folder, name, case))
    module = make.find(f"herranz2022.{name.removeprefix('authors_')}", "draw")
    return module.select(frames, experiment), frames["runs"], experiment


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", longer_after(3, ["authors_fig3", *TRAINED[::-1]]))
def test_a_figure_of_networks_can_be_drawn_from_its_own_numbers_whatever_became_of_them(folder, tmp_path, name, case):
    check_numbers(folder, tmp_path, name, case)


@pytest.mark.parametrize("name", ["fig1", "conditions"])
def test_a_figure_without_networks_can_be_drawn_from_its_own_numbers(folder, tmp_path, name):
    check_numbers(folder, tmp_path, name, "none")


def check_numbers(folder, tmp_path, name, case):
    data, runs, experiment = selected(folder, name, case)
    module = make.find(f"herranz2022.{name.removeprefix('authors_')}", "draw")
    figure = drawn_from_file(module, data, experiment, tmp_path, make.corner_note(experiment, runs))
    if name in TRAINED and case != "none":
        counts = [text.split("/") for text in texts(figure) if re.fullmatch(r"\d+/\d+", text)]
        assert any("lost" in text or text in ("×", "–") for text in texts(figure)) or any(n < of for n, of in counts)


# ---- From the definitions: Fig 1 and Table S1 ----


def test_fig_1_draws_the_shapes_the_tails_and_the_weights_that_networks_have(folder):
    data, *_ = selected(folder, "fig1")
    gaussian = data[data["shape"] == "gaussian"]
    np.testing.assert_allclose(gaussian["f"], np.exp(-np.pi * gaussian["v"] ** 2))
    tails = data[data["panel"] == "d"]
    assert sorted(tails["tail"].unique()) == pytest.approx(1 + 10 ** np.linspace(-2, 1.2, 7), rel=1e-3)
    np.testing.assert_allclose(tails["f"], (1 + 2 / (tails["tail"] - 1) * tails["v"]) ** -tails["tail"])
    for scheme, curve in data[data["panel"] == "c"].groupby("scheme"):
        wanted = 2 / 200 if scheme.startswith("he") else 2 / 500
        area, variance = (
            np.trapezoid(curve["density"] * curve["weight"] ** power, curve["weight"]) for power in (0, 2)
        )
        assert area == pytest.approx(1, abs=0.02) and variance == pytest.approx(wanted, rel=0.15), scheme


def test_table_s1_is_peak_one_area_one_and_the_integral_of_the_square(folder, tmp_path):
    make.make_table("herranz2022.tableS1", tables_of(folder, "tableS1"), tmp_path / "s1")
    table = pd.read_csv(tmp_path / "s1.csv")
    assert set(table["shape"]) == set(tableS1.CLOSED) and (table["peak"] == 1).all()
    for row in table.itertuples():
        q = None if np.isnan(row.q) else row.q

        def square(v, name=row.shape, q=q):
            return float(SURROGATES[name](np.array([v]), tail=q)[0]) ** 2

        by_quadrature = 2 * sum(
            quad(square, *ends, limit=200)[0] for ends in ((0, 0.01), (0.01, 0.5), (0.5, 1), (1, np.inf))
        )
        assert row.square == pytest.approx(by_quadrature, rel=1e-6) and row.area == pytest.approx(1)
        value = eval(row.square_closed.replace("√2", "2**0.5").replace("2q", "2*q"), {"q": q})
        assert row.square == pytest.approx(value)
    latex = (tmp_path / "s1.tex").read_text()
    assert r"$e^{-2\vert v\vert}$" in latex and latex.count("$") % 2 == 0
    assert "|v|" not in (tmp_path / "s1.md").read_text()


# ---- From runs ----


def test_a_row_of_a_table_tells_its_run():
    for experiment in load_experiments(FILES, "paper").values():
        specs = list(experiment.runs.values())[::7]
        if experiment.trains:
            table = runs_table([Result(spec, "finished", ()) for spec in specs]).to_pandas()
            found = {row["run_id"]: spec_of_row(row).id for _, row in table.iterrows()}
            assert all(key == value for key, value in found.items())


def test_fig_2_shows_mean_losses_sizes_and_the_spread_over_shapes(folder):
    data, runs, experiment = selected(folder, "fig2")
    assert set(data["panel"]) == set("abcdef")
    valid = runs[(runs["split"] == "valid") & (runs["data.task"] == "mnist_latency")]
    curves = data[(data["panel"] == "e") & (data["kind"] == "curve")]
    assert len(curves) == len(valid) > 0
    for row in curves.itertuples():
        own = valid[(valid["surrogate.shape"] == row.shape) & (valid["epoch"] == row.epoch)]
        assert own.loc[own["init.seed"] == row.seed, "loss"].tolist() == [row.loss]
    lowest = valid.groupby(["surrogate.shape", "run_id"])["loss"].min().groupby(level=0).mean()
    panel = data[(data["panel"] == "e") & (data["kind"] == "panel")].iloc[0]
    assert panel["best_spread"] == pytest.approx(lowest.max() - lowest.min())
    figure = drawn(fig2, data, experiment)
    assert any(f"{int(panel['weights']):,} weights (paper: 150K)" in text for text in texts(figure))


def test_what_has_learnt_nothing_is_not_compared_and_says_so(folder):
    data, runs, experiment = selected(folder, "fig2")
    chance = data[data["kind"] == "panel"].set_index("panel")["chance"]
    assert chance["a"] == pytest.approx(np.log(20)) and chance["e"] == pytest.approx(np.log(10))
    assert "nothing learnt" not in texts(drawn(fig2, data, experiment))
    lost = runs.assign(loss=runs["loss"].where(runs["network.neuron"] != "slstm", 2.97))
    data = fig2.select({"runs": lost}, experiment)
    figure = drawn(fig2, data, experiment)
    assert "nothing learnt" in texts(figure)
    dots = [drawing for drawing in figure.axes[-1].collections if len(drawing.get_offsets())]
    assert len(dots) == 4  # of five networks and tasks


def test_what_stands_in_for_a_data_set_is_not_called_by_its_name(folder):
    data, runs, experiment = selected(folder, "fig2")
    words = texts(drawn(fig2, data, experiment))
    assert sum("stand-in for" in text for text in words) == 6
    assert not any(name in text for name in ("on SHD", "on MNIST", "on PTB") for text in words)
    runs = runs.assign(**{"data.source": "original"})
    words = " ".join(texts(drawn(fig2, fig2.select({"runs": runs}, experiment), experiment)))
    assert "stand-in" not in words and all(f"LIF on a part of {name}" in words for name in ("SHD", "MNIST", "PTB"))


def test_the_weights_of_the_stated_widths_are_those_of_the_facts():
    specs = load_experiments(FILES[:1], "paper")["herranz2022_fig2"].runs.values()
    counts = {(s.network.neuron, s.data.task): parameter_count(s, s.data.units, s.data.classes) for s in specs}
    assert counts["delta_lif", "shd"] == 380_948 and counts["slstm", "shd"] == 230_164
    assert counts["delta_lif", "mnist_latency"] == 150_794


def test_fig_3_shows_the_mean_over_seeds_and_what_the_theory_asks_for(folder):
    data, runs, experiment = selected(folder, "fig3")
    best = runs[(runs["split"] == "valid") & runs["best"]]
    points = data[(data["panel"] == "b") & (data["kind"] == "point")]
    assert len(points) == 4
    for row in points.itertuples():
        own = best[
            (best["surrogate.shape"] == row.shape)
            & (best["surrogate.sharpness"] == row.x)
            & (best["surrogate.dampening"] == 1)
        ]
        assert row.mean == pytest.approx(own["accuracy"].mean())
    # Condition III, corrected: n_rec - 1 weights of at most sqrt(3 Var[w]) each, beside alpha = 0.9.
    marks = data[(data["panel"] == "a") & (data["kind"] == "mark")]
    n = int(runs["network.hidden"].iloc[0].split("-")[0])
    np.testing.assert_allclose(marks["x"], (1 - 0.9) / ((n - 1) * np.sqrt(3 / n)))
    assert data.loc[(data["kind"] == "mark") & data["x"].isna(), "message"].str.contains("condition IV").all()
    assert "◂ III: 0.018" in texts(drawn(fig3, data, experiment))


def test_shapes_that_ignored_the_dampening_are_flat(folder):
    data, _, experiment = selected(folder, "authors_fig3")
    flat = data[(data["panel"] == "a") & (data["shape"] == "rectangular") & (data["kind"] == "point")]
    assert len(flat) == 2 and flat["mean"].nunique() == 1 and flat["x"].nunique() == 2
    assert "dampening ignored: rectangular" in texts(drawn(fig3, data, experiment))


def test_fig_4_ranks_the_shapes_of_each_scheme(folder):
    data, *_ = selected(folder, "fig4")
    groups = data[data["kind"] == "summary"]
    for _, group in groups.groupby("scheme"):
        assert list(group.sort_values("mean", ascending=False)["rank"]) == list(range(1, len(group) + 1))
    means = data[data["kind"] == "shape"].set_index("shape")["rank"]
    assert means["exponential"] == groups.loc[groups["shape"] == "exponential", "rank"].mean()


def test_fig4_begins_at_0_unless_every_network_is_far_better_than_guessing(folder):
    data, _, experiment = selected(folder, "fig4")
    above = data["valid_accuracy"] - data["valid_accuracy"].min()
    for worst, foot in ((0.1, 0.0), (0.7, 0.65)):
        figure = drawn(fig4, data.assign(valid_accuracy=above + worst), experiment)
        assert figure.axes[0].get_ylim()[0] == pytest.approx(foot)


def test_one_seed_has_no_mean_and_no_bold_rank(folder):
    data, _, experiment = selected(folder, "fig4")
    figure = drawn(fig4, data, experiment)
    assert any("one seed each" in text for text in texts(figure))
    ranks = [text for text in figure.findobj(Text) if text.get_text() == "1"]
    assert ranks and {text.get_weight() for text in ranks} == {"normal"}


def test_a_condition_without_a_solution_has_no_bar(folder):
    data, runs, experiment = selected(folder, "fig5")
    assert data["unsolved"].isna().all()
    attached = runs["network.reset_gradient"] == "attached"
    naive = runs[attached & (runs["init.conditions"] == "none")]
    alone = naive.assign(**{"init.conditions": "IV", "init.method": "theory", "run_id": naive["run_id"] + "0"})
    data = fig5.select({"runs": pd.concat([runs, alone])}, experiment)
    bars = data[(data["kind"] == "summary") & (data["panel"] == "a")].set_index("set")
    assert set(bars["unsolved"].dropna().items()) == {("IV", "IV")}
    figure = drawn(fig5, data, experiment)
    assert "IV: no solution" in texts(figure)
    assert len(figure.axes[0].patches) == 2 * (bars.index.nunique() - 1)


def test_sets_stand_in_the_order_of_test_accuracy_ours_last():
    rows = [("I", 0.5), ("naive", 0.6), ("II", np.nan), ("all", 0.7), ("calibrated", 0.1)]
    data = pd.DataFrame(rows, columns=["set", "mean"]).assign(kind="summary", split="test", unsolved=None)
    assert fig5._order(data) == ["I", "naive", "all", "II", "calibrated"]


def test_fig_5_has_a_bar_for_each_set_and_the_printed_accuracies(folder):
    data, runs, experiment = selected(folder, "fig5")
    for panel, sets in {
        "a": ["naive", "I+II", "calibrated III", "calibrated"],
        "b": ["naive", "calibrated III"],
    }.items():
        assert condition_sets.in_order(data.loc[data["panel"] == panel, "set"])[: len(sets)] == sets
    data = data[data["panel"] == "a"]
    test = runs[(runs["split"] == "test") & runs["best"]].set_index("run_id")["accuracy"]
    asked = {"init.method": "calibrated", "init.conditions": "I+II+III+IV", "network.reset_gradient": "attached"}
    calibrated = runs[np.logical_and.reduce([runs[key] == value for key, value in asked.items()])]["run_id"].iloc[0]
    bar = data[(data["kind"] == "summary") & (data["set"] == "calibrated") & (data["split"] == "test")].iloc[0]
    assert bar["mean"] == pytest.approx(test[calibrated])
    published = data[data["kind"] == "published"].set_index(["set", "split"])["mean"]
    assert published.to_dict() == {("naive", "valid"): 0.873, ("naive", "test"): 0.584}
    assert "all four,\ncalibrated" in texts(drawn(fig5, data, experiment))


def test_sets_of_conditions_stand_from_few_to_many():
    names = ["calibrated", "all", "II", "I+II+III", "naive", "I", "calibrated I", "I+II"]
    ordered = ["naive", "I", "II", "I+II", "I+II+III", "all", "calibrated I", "calibrated"]
    assert condition_sets.in_order(names) == ordered
    assert condition_sets.conditions("all") == condition_sets.conditions("calibrated") == ["I", "II", "III", "IV"]
    assert condition_sets.conditions("calibrated I") == ["I"] and not condition_sets.conditions("naive")


def test_the_corner_says_what_the_text_leaves_open(folder):
    for name, words in (
        ("fig3", ["α 0.9", "threshold 1", "no dropout", "bins shown once", "accuracy by summed logits"]),
        ("authors_fig3", ["α 4.53999e-05", "threshold 0.01", "both trained per neuron", "dropout 0.1"]),
    ):
        _, runs, experiment = selected(folder, name)
        assert set(words) <= set(make.corner_note(experiment, runs).split(" · ")), name


def test_the_corner_is_silent_about_what_does_not_matter(folder):
    _, runs, experiment = selected(folder, "fig1")
    note = make.corner_note(experiment, runs, "knobs")
    assert note.endswith("scale smoke · no network trained")
    _, runs, experiment = selected(folder, "conditions")
    note = make.corner_note(experiment, runs, "simulation")
    assert "α 0.9" in note and "dropout" not in note and "accuracy" not in note


def test_a_spread_needs_two_shapes():
    assert np.isnan(seeds.spread(pd.DataFrame({"mean": [1.0, np.nan]})))
    assert seeds.spread(pd.DataFrame({"mean": [1.0, 0.25, 0.5]})) == 0.75


# ---- Simulated: do the conditions hold? ----

KNOBS = {
    "data.task": "shd",
    "data.steps": 12,
    "network.neuron": "delta_lif",
    "network.hidden": [9, 7],
    "network.recurrent": True,
    "network.reset_gradient": "attached",
    "surrogate.shape": "exponential",
    "init.scheme": "glorot_uniform",
    "objective.head": "steps",
    "training.precision": "float64",
}


def test_what_is_simulated_is_the_network_that_is_trained():
    torch = pytest.importorskip("torch")
    from sgpipe.model.network import as_tensors, forward

    spec = RunSpec.make(KNOBS)
    task, state = (
        inputs_of(spec),
        [LayerSettings(recurrent_mean=0.2, recurrent_variance=0.3, input_gain=4.0), LayerSettings()],
    )
    courses, means = observe.measured(spec, task, state, samples=6, steps=12)
    weights = initial_weights(spec, task.units, task.classes, state)
    raster = torch.from_numpy(task.train.dense(12, task.units).astype(np.float64))
    activity = forward(spec, as_tensors(weights, "cpu", trained=False), raster, state)
    for layer in (1, 2):
        rate = [float(step.mean()) for step in activity.spikes[layer - 1]]
        assert max(rate) > 0
        np.testing.assert_allclose([row["rate"] for row in courses if row["layer"] == layer], rate)
        begin, end = (means[layer - 1][name] for name in ("begin", "end"))
        assert 0 < end - begin < 12 and means[layer - 1]["rate"] == pytest.approx(np.mean(rate[begin:end]))


def test_the_perturbation_grows_as_the_jacobian_of_the_network_says():
    torch = pytest.importorskip("torch")
    spec = RunSpec.make({**KNOBS, "network.hidden": [9], "data.steps": 5})
    task = inputs_of(spec, samples=1)
    courses, _ = observe.measured(spec, task, None, samples=1, steps=5)
    weights = initial_weights(spec, task.units, task.classes)
    w, v = torch.from_numpy(weights["W1"]), torch.from_numpy(weights["V1"])
    drives = torch.from_numpy(task.train.dense(5, task.units).astype(np.float64))[:, 0] @ w.T
    from sgpipe.base.rng import stream

    tangent = torch.from_numpy(np.sign(stream(0, "conditions/tangent").random((1, 9)) - 0.5)[0])
    y = torch.zeros(9, dtype=torch.float64)
    for step in range(5):
        slope = torch.exp(-2 * (y - 1).abs())
        x = (y > 1).double()
        jacobian = 0.9 * torch.eye(9) + (v - torch.eye(9)) * slope
        y, tangent = 0.9 * y + v @ x + drives[step] - x, jacobian @ tangent
        assert courses[step]["grad_max"] == pytest.approx(float(tangent.abs().max()))


def test_the_theory_is_told_what_the_layer_really_has():
    spec = RunSpec.make(KNOBS)
    state = [LayerSettings(0.1, 0.5, np.full(9, 0.25), 2.0, input_gain=4.0), LayerSettings(dampening=0.5)]
    (one, _), (two, _) = observe.theory_of(spec, inputs_of(spec), state)
    assert (one.w_rec.mean, one.w_rec.variance, one.dampening, one.sharpness) == (0.1, 0.5, 0.25, 2.0)
    assert one.w_in.variance == pytest.approx(4 * 2 / 709) and one.xi == 0
    assert two.w_rec.variance == pytest.approx(1 / 7) and two.dampening == 0.5 and two.sharpness == 1
    assert two.xi == 1 and two.gamma_in == 0.25 and (two.n_in, two.n_rec) == (9, 7)


def test_growth_is_a_mean_factor_as_far_as_there_are_numbers():
    assert observe.growth(2.0 ** np.arange(10)) == pytest.approx(2)
    assert observe.growth(np.array([1, 0.5, 0.25, 0, 0])) == pytest.approx(0.5)
    assert observe.growth(np.array([1, 3, np.inf, np.nan])) == pytest.approx(3)
    assert np.isnan(observe.growth(np.zeros(4)))


def test_the_data_speak_while_most_of_the_input_arrives():
    arriving = np.zeros(30)
    arriving[10:20] = 6
    assert busy(arriving) == slice(10, 19) and busy(np.zeros(5)) == slice(0, 5)


def test_only_what_the_simulator_knows_is_simulated():
    for change, words in (
        ({"network.neuron": "alif"}, "alif is not delta_lif"),
        ({"network.trained_neurons": True}, "trained_neurons"),
        ({"network.recurrent": False}, "recurrent: false"),
    ):
        spec = RunSpec.make({**KNOBS, **change})
        with pytest.raises(SgpipeError, match=words):
            observe.measured(spec, inputs_of(spec), None, 2, 4)


def test_the_conditions_figure_compares_each_set_with_theory_and_target(folder):
    data, runs, _ = selected(folder, "conditions")
    compared = data[data["panel"] == "a"].set_index(["set", "layer", "quantity"])
    means = runs[runs["kind"] == "mean"]
    naive = means[(means["init.conditions"] == "none") & (means["layer"] == 1)]
    row = compared.loc[("naive", 1, "variance_ratio")]
    assert row["mean"] == pytest.approx(naive["variance_ratio"].mean()) and np.isnan(row["target"])
    assert row["theory"] == pytest.approx(naive["theory_variance_ratio"].mean())
    assert compared.loc[("I+II", 2, "rate"), "target"] == 0.5 and np.isnan(compared.loc[("naive", 1, "rate"), "theory"])
    assert compared.loc[("I+II", 1, "variance_ratio"), "theory"] == pytest.approx(1)
    phase = data[data["kind"] == "phase"]
    assert len(phase) == 4 and phase["rate"].between(0, 1).all()
    limit = data[data["kind"] == "moment"].sort_values("sharpness")
    np.testing.assert_allclose(limit["wide"] * limit["sharpness"], limit["wide"].iloc[0] * limit["sharpness"].iloc[0])
