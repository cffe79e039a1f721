"""What is larger than people mean is said in a line; what no machine could do is refused."""

import pytest

from sgpipe.base.errors import SgpipeError
from sgpipe.plan.notices import notices
from sgpipe.plan.plan import make_plan
from sgpipe.results.store import Result
from sgpipe.spec.config import read_config


def plan(tmp_path, knobs: str):
    body = f"title: T, draw: zenke2021.fig3, sweeps: {{shapes: {{base: {{{knobs}}}}}}}"
    (tmp_path / "mine.yaml").write_text(f"paper: mine\nexperiments: {{mine_fig1: {{{body}}}}}\n")
    settings = {"scale": "smoke", "results": str(tmp_path / "results"), "experiments": [str(tmp_path / "mine.yaml")]}
    return make_plan(read_config(settings))


def test_of_an_ordinary_plan_nothing_is_said(tmp_path):
    assert not list(notices(plan(tmp_path, "training.epochs: 5")))


def test_thousands_of_hours_are_said_until_the_runs_are_in_the_store(tmp_path):
    long = plan(tmp_path, "training.epochs: 1000000, network.hidden: [20000]")
    (said,) = notices(long)
    assert "hours of one core, one run of mine_fig1 alone" in said and "\n" not in said
    for spec in long.experiments["mine_fig1"].runs.values():
        long.store.put(Result(spec, "failed", (), "ValueError: no"))
    assert not list(notices(long))


def test_a_network_that_fits_no_memory_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr("sgpipe.plan.notices.memory_here", lambda: 8 * 2.0**30)
    wide = plan(tmp_path, "training.epochs: 1, network.hidden: [60000], network.recurrent: true")
    assert any("GiB of memory, and this machine has 8" in line for line in notices(wide))


@pytest.mark.parametrize(
    ("knobs", "words"),
    [
        (
            "training.epochs: 1000000, network.hidden: [100000, 100000], network.recurrent: true",
            "no machine lives that",
        ),
        ("training.batch_size: 1000000, data.steps: 1000000, network.hidden: [100000]", "GiB of memory; give smaller"),
    ],
)
def test_what_no_machine_could_do_is_refused(tmp_path, knobs, words):
    with pytest.raises(SgpipeError, match=words):
        list(notices(plan(tmp_path, knobs)))
