"""Cheap figures come first, long packs before short ones, and a plan says how far it is."""

import pytest

from sgpipe.plan.cost import run_seconds
from sgpipe.plan.order import AT_ONCE, Order, progress_words, seconds_of
from sgpipe.plan.table import Speed, stored_runs_of
from sgpipe.results.store import Result
from tests.plan.test_plan import plan


def test_the_packs_of_a_cheaper_figure_come_before_those_of_a_dearer_one():
    made = plan()
    order = Order(made)
    spent = {name: sum(seconds_of(made.packs[pack]) for pack in packs) for name, packs in made.packs_of.items()}
    ranked = sorted(spent, key=spent.get)
    assert sorted(spent, key=order.ranks.get, reverse=True) == ranked
    seen = set()
    for name in ranked:
        own = set(made.packs_of[name]) - seen
        assert not own or not seen or max(map(order.pack, own)) < min(map(order.pack, seen))
        seen |= own


def test_the_longest_pack_of_a_figure_comes_first_and_its_data_before_it():
    made = plan()
    order = Order(made)
    for packs in made.packs_of.values():
        own = [pack for pack in packs if sum(pack in others for others in made.packs_of.values()) == 1]
        assert sorted(own, key=order.pack) == sorted(own, key=lambda pack: seconds_of(made.packs[pack]))
        for pack in packs:
            assert order.pack(pack) < order.task(made.packs[pack].runs[0].data_id) < AT_ONCE


def test_how_far_a_plan_is_counts_what_the_store_has(tmp_path):
    made = plan("smoke", results=str(tmp_path))
    runs = [run for pack in made.packs.values() for run in pack.runs]
    assert progress_words(made, 2).startswith(f"0 of {len(runs)} networks, 0 % of the work; about ")
    for run in runs:
        made.store.put(Result(run, "failed", (), "made up"))
    assert progress_words(made, 2) == f"{len(runs)} of {len(runs)} networks, 100 % of the work"


def test_the_time_left_is_measured_task_by_task(tmp_path):
    made = plan("smoke", results=str(tmp_path))
    runs = [run for pack in made.packs.values() for run in pack.runs]
    digits = [run for run in runs if run.data.task == "mnist_latency"]
    manifolds = [run for run in runs if run.data.task == "randman"]
    for run, factor in ((digits[0], 3.0), (manifolds[0], 0.5)):
        made.store.put(Result(run, "failed", (), "made up", {"seconds": factor * run_seconds(run)}))
    speed = Speed(made, stored_runs_of(made))
    alike = [run for run in digits if (run.network.neuron, run.network.recurrent) == _kind(digits[0])]
    assert speed.seconds(alike[-1]) == pytest.approx(3 * run_seconds(alike[-1]), rel=1e-6)
    assert 0.5 < speed.of_all < 3
    other = next(run for run in runs if run.data.task == "shd")
    assert speed.seconds(other) == pytest.approx(speed.of_all * run_seconds(other))


def _kind(run):
    return run.network.neuron, run.network.recurrent
