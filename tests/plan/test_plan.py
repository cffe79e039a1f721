"""Packs schedule runs: they follow from the YAML alone, and adding a value leaves the others alone."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sgpipe.base.errors import SgpipeError
from sgpipe.plan import cost
from sgpipe.plan.plan import cut, make_plan
from sgpipe.plan.table import overview
from sgpipe.results.store import Result
from sgpipe.spec.config import load_config, read_config
from sgpipe.spec.run import RunSpec
from tests.conftest import ROOT


def plan(scale="laptop", **changes):
    experiments = [str(ROOT / "workflow/experiments/zenke2021.yaml")]
    return make_plan(read_config({"scale": scale, "experiments": experiments, **changes}))


def runs(count, start=0, **knobs):
    return [RunSpec.make({"surrogate.beta": float(beta), **knobs}) for beta in range(start + 1, start + count + 1)]


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 60), st.floats(1.0, 200.0))
def test_packs_hold_every_run_once_and_keep_to_their_time(count, seconds):
    specs = runs(count)
    packs = list(cut(specs, seconds))
    assert sorted(spec.id for pack in packs for spec in pack.runs) == sorted(spec.id for spec in specs)
    for pack in packs:
        assert len(pack.runs) == 1 or sum(map(cost.run_seconds, pack.runs)) <= seconds


def test_one_more_run_changes_only_the_pack_it_falls_into():
    before = {pack.id: pack for pack in cut(runs(80), 30)}
    after = {pack.id for pack in cut(runs(81), 30)}
    assert len(before) > 8 and len(set(before) - after) <= 1


def test_packs_do_not_depend_on_the_order_of_the_runs():
    specs = runs(50)
    assert {pack.id for pack in cut(specs, 30)} == {pack.id for pack in cut(specs[::-1], 30)}


def test_seeds_and_learning_rates_of_a_point_stay_together():
    point = [RunSpec.make({"surrogate.beta": 3.0, "init.seed": seed}) for seed in range(4)]
    packs = list(cut(point + runs(40, start=10), 60))
    assert sum(bool(set(point) & set(pack.runs)) for pack in packs) == 1


def test_a_figure_needs_only_its_own_runs():
    everything = plan()
    wanted = {spec.id for pack in everything.packs_of["zenke2021_fig3"] for spec in everything.packs[pack].runs}
    assert wanted == set(everything.experiments["zenke2021_fig3"].runs)


def test_runs_shared_by_figures_are_trained_once():
    everything = plan()
    trained = [spec.id for pack in everything.packs.values() for spec in pack.runs]
    assert len(trained) == len(set(trained))
    shared = set(everything.experiments["zenke2021_fig3"].runs) & set(everything.experiments["zenke2021_fig5"].runs)
    assert len(shared) >= 12


def test_a_pack_is_one_task_and_keeps_a_shape_together():
    packs = plan().packs.values()
    assert all(len({spec.data_id for spec in pack.runs}) == 1 for pack in packs)
    shapes = [runs(20, **{"network.hidden": shape}) for shape in ([50], [100], [50, 50])]
    most = max(sum(map(cost.run_seconds, specs)) for specs in shapes)
    cuts = list(cut([spec for specs in shapes for spec in specs], most))
    assert len(cuts) > 1
    assert all(sum(bool(set(specs) & set(pack.runs)) for pack in cuts) == 1 for specs in shapes)


def test_the_whole_graph_stays_small_enough_for_snakemake():
    assert len(plan("paper").packs) < 1500


def test_the_overview_counts_runs_and_what_the_store_has(tmp_path):
    everything = plan("smoke", results=str(tmp_path))
    some = next(iter(everything.experiments["zenke2021_fig2"].runs.values()))
    everything.store.put(Result(some, "finished", (), provenance={"seconds": 3.0}))
    line = next(line for line in overview(everything).splitlines() if line.startswith("zenke2021_fig2"))
    assert line.split()[1:4] == ["4", "1", "3"]


def test_settings_are_checked_and_text_from_the_command_line_is_typed(tmp_path):
    config = load_config(ROOT / "config.yaml", {"scale": "smoke", "threads": "3", "pack_minutes": "1e-1"})
    assert (config.scale, config.threads, config.pack_seconds) == ("smoke", 3, 6.0)
    for key, value, message in [
        ("scale", "papre", "did you mean 'paper'"),
        ("scal", "paper", "unknown key: 'scal' .* did you mean 'scale'"),
        ("threads", "0", "threads: 0 must be at least 1"),
        ("threads", "two", "threads: 'two' is not a whole number"),
    ]:
        with pytest.raises(SgpipeError, match=message):
            load_config(ROOT / "config.yaml", {key: value})


def test_unknown_experiments_and_packs_say_what_there_is():
    with pytest.raises(SgpipeError, match="did you mean 'zenke2021_fig3'"):
        plan().experiment("zenke2021_fig33")
    with pytest.raises(SgpipeError, match="no experiment makes it at scale laptop"):
        plan().pack("0" * 16)


@pytest.mark.long
def test_a_cluster_is_asked_for_hours_that_the_engine_needs():
    fast, reference = plan("paper"), plan("paper", engine="reference")
    pack = fast.packs_of["zenke2021_fig3"][0]
    estimate = sum(cost.run_seconds(spec) for spec in fast.pack(pack).runs) / 60
    assert 2 * estimate < fast.minutes(pack) < 20 + 8 * estimate < reference.minutes(pack)
    assert fast.minutes(pack, attempt=2) == reference.minutes(pack) == plan("paper", device="cuda").minutes(pack)
    only_reference = RunSpec.make({"network.neuron": "relu", "training.epochs": 20_000})
    assert cost.pack_minutes([only_reference], True) < 1.2 * cost.pack_minutes([only_reference], False)


def test_a_text_costs_what_its_words_do_and_an_lstm_four_times_its_units():
    knobs = {"data.task": "ptb", "network.neuron": "delta_lif", "network.hidden": [512], "network.embedding": 512}
    few, many = (RunSpec.make({**knobs, "data.source": source}) for source in ("embedded", "original"))
    per_word = [cost.run_seconds(spec) / spec.data.train_samples for spec in (few, many)]
    assert 4 * per_word[0] < per_word[1] < 10 * per_word[0]  # a thousand words against ten
    lif, lstm = (RunSpec.make({"data.task": "shd", "network.neuron": neuron}) for neuron in ("delta_lif", "slstm"))
    assert 3 < cost.run_seconds(lstm) / cost.run_seconds(lif) < 6


def test_the_numerics_of_a_pack_follow_its_runs(monkeypatch):
    from sgpipe.spec import numerics

    (pack,) = cut(runs(2), 1e9)
    before = pack.numerics
    monkeypatch.setitem(numerics.VERSIONS, "surrogate.sigmoid", 99)
    assert replace(pack).numerics == before
    monkeypatch.setitem(numerics.VERSIONS, "surrogate.superspike", 99)
    assert replace(pack).numerics != before


def test_only_targets_written_like_an_experiment_are_checked_for_one():
    found = plan()
    for target in ("zenke2021_fig33", "zenke2021_table9"):
        with pytest.raises(SgpipeError, match="did you mean"):
            found.check_target(target)
    with pytest.raises(SgpipeError, match="'fig3' lacks its paper; did you mean 'zenke2021_fig3'"):
        found.check_target("fig3")
    for target in (
        "all_figures",
        "all_tables",
        "plan",
        "zenke2021",
        "zenke2021_fig3",
        "results/laptop/mine_fig1.parquet",
    ):
        found.check_target(target)
