"""What jobs ask Slurm for: never more than a partition allows, and in an array all alike."""

import math

import pytest

from sgpipe.base.errors import SgpipeError
from sgpipe.plan.cluster import Cluster
from sgpipe.plan.partitions import Asked, Partitions, minutes_of
from sgpipe.plan.plan import make_plan
from sgpipe.spec.config import read_config


@pytest.mark.parametrize(
    ("limit", "minutes"),
    [
        ("UNLIMITED", math.inf),
        ("1-12:30:00", 2190),
        ("01:00:30", 60.5),
        ("30:00", 30),
        ("2-00", 2880),
        (90, 90),
        ("90", 90),
        ("4h", 240),
        (None, math.inf),
    ],
)
def test_limits_are_read_as_slurm_and_the_plugin_write_them(limit, minutes):
    assert minutes_of(limit) == minutes


def test_a_job_that_would_wait_for_ever_is_named_with_what_is_allowed():
    known = Partitions({"short": 60, "long": 600})
    known.check([Asked("a", 60, "short"), Asked("b", 600), Asked("c", 9999, "unknown")])
    with pytest.raises(SgpipeError, match="partition short allows 60 minutes, and b asks for 70, and 1 more ask"):
        known.check([Asked("a", 61, "short"), Asked("b", 70, "short")])
    with pytest.raises(SgpipeError, match="the longest partition allows 600 minutes, and c asks for 601;"):
        known.check([Asked("c", 601)])


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    sizes = "grid: {network.hidden: [[10], [2000]], training.epochs: [100000]}"
    body = f"title: T, draw: zenke2021.fig3, sweeps: {{shapes: {{{sizes}}}}}"
    (tmp_path / "mine.yaml").write_text(f"paper: mine\nexperiments: {{mine_fig1: {{{body}}}}}\n")
    monkeypatch.setattr("sgpipe.plan.partitions._asked", lambda: {"main": 50_000.0})
    settings = {"scale": "smoke", "results": str(tmp_path / "results"), "experiments": [str(tmp_path / "mine.yaml")]}
    return Cluster(make_plan(read_config(settings)))


def test_a_further_attempt_asks_for_no_more_than_is_allowed(cluster):
    large = max(cluster.plan.packs, key=cluster.plan.minutes)
    assert cluster.minutes(large, 2) > 50_000 > cluster.minutes(large, 1)
    cluster.begin([Asked("train", cluster.minutes(large, 1), "main")])
    assert cluster.minutes(large, 2) == 50_000


def test_in_an_array_all_ask_for_what_the_largest_needs(cluster):
    small, large = sorted(cluster.plan.packs, key=cluster.plan.minutes)
    asked = cluster.minutes(large, 1), cluster.memory_mb(large, 1)
    assert cluster.minutes(small, 1) < asked[0] and cluster.memory_mb(small, 1) < asked[1]
    cluster.begin([], together=[small, large])
    assert (cluster.minutes(small, 1), cluster.memory_mb(small, 1)) == asked
