"""The benchmark compares like with like: its own models are the engine's model."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sgpipe.engines.cpu._cpu", reason="the compiled CPU engine is not built")
BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture
def bench(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    return pytest.importorskip("peers"), pytest.importorskip("workloads")


@pytest.mark.parametrize(("name", "workload"), [("plain_loop", "W3"), ("unbound_loop", "W1"), ("jax_scan", "W3")])
def test_the_models_of_the_benchmark_have_the_loss_and_gradients_of_the_engine(bench, name, workload):
    peers, workloads = bench
    shape = replace(workloads.SHAPES[workload], batch=4, steps=20, inputs=12, hidden=(9,), classes=3, density=0.1)
    tiny = workloads.make(shape, "float64")
    try:
        theirs = peers.build(name, tiny).probe()
    except peers.Missing as missing:
        pytest.skip(str(missing))
    ours = peers.build(peers.OURS, tiny).probe()
    assert ours.spikes > 0
    assert theirs.loss == pytest.approx(ours.loss, rel=1e-12)
    assert theirs.spikes == pytest.approx(ours.spikes, rel=1e-12)
    for a, b in zip(theirs.gradients, ours.gradients, strict=True):
        assert np.abs(a - b).max() <= 1e-9 * np.abs(b).max()


def test_training_steps_of_the_benchmark_move_the_weights_alike(bench):
    peers, workloads = bench
    tiny = workloads.make(replace(workloads.SHAPES["W1"], batch=4, steps=20, inputs=12), "float64")
    ours, theirs = peers.build(peers.OURS, tiny), peers.build("unbound_loop", tiny)
    for _ in range(3):
        ours.step()
        theirs.step()
    assert theirs.probe().loss == pytest.approx(ours.probe().loss, rel=1e-9)
    assert theirs.probe().loss != pytest.approx(peers.build(peers.OURS, tiny).probe().loss, rel=1e-9)


@pytest.mark.parametrize("case", ["LIF-128", "ALIF-128"])
def test_the_loops_of_the_second_papers_networks_have_the_loss_and_gradients_of_the_engine(bench, case):
    delta = pytest.importorskip("delta")
    delta.check(*delta.problem(case))
