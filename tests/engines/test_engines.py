"""Every engine agrees with the reference, and the right one is chosen."""

import itertools
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from sgpipe.base.errors import SgpipeError
from sgpipe.data import prepare
from sgpipe.engines import choose as engines
from sgpipe.engines.cpu import engine as cpu
from sgpipe.engines.cpu.engine import CpuEngine, built
from sgpipe.engines.reference import ReferenceEngine
from sgpipe.results.store import Store
from sgpipe.spec.run import RunSpec
from sgpipe.spec.surrogates import FAMILIES, FORMULA, SURROGATES, Surrogate
from sgpipe.training.pack import Workshop, train_pack
from sgpipe.training.trainer import train_run
from sgpipe.weights.schemes import initial_weights
from tests.engines.agreement import assert_whole_trainings_agree

needs_extension = pytest.mark.skipif(not built(), reason="the C++ engine is not built")

LAYERS = {
    "no hidden layer": {"network.hidden": []},
    "one layer": {"network.hidden": [13]},
    "two layers": {"network.hidden": [13, 6]},
    "recurrent": {"network.hidden": [13], "network.recurrent": True},
    "recurrent, detached": {
        "network.hidden": [9, 5],
        "network.recurrent": True,
        "network.recurrent_gradient": "detached",
    },
}
OBJECTIVES = {
    "max": {},
    "sum, both regularisers": {
        "objective.head": "sum",
        "objective.lower_threshold": 2.0,
        "objective.lower_strength": 0.3,
        "objective.upper_strength": 0.02,
        "objective.upper_threshold": 1.0,
        "objective.upper_exponent": 2,
        "network.readout_start": -1e-3,
    },
}


@needs_extension
@pytest.mark.parametrize(("layers", "objective"), [*itertools.product(LAYERS, OBJECTIVES)])
def test_loss_and_gradients_agree_to_1e_9(tiny, layers, objective):
    for shape, reset in itertools.product(SURROGATES, ("detached", "attached")):
        knobs = {**LAYERS[layers], **OBJECTIVES[objective], "training.precision": "float64", "surrogate.shape": shape}
        spec = tiny({**knobs, "network.reset_gradient": reset})
        task, indices = prepare(spec), np.arange(20)[::-1].copy()
        found = []
        for engine in (ReferenceEngine(), CpuEngine()):
            session = engine.open([spec], task, [initial_weights(spec, task.units, task.classes)])
            found.append(session.batch(task.train, indices, True))
        (sums, gradients), (fast_sums, fast_gradients) = found
        assert fast_sums.correct == sums.correct and fast_sums.samples == sums.samples
        np.testing.assert_allclose(fast_sums.spikes, sums.spikes)
        np.testing.assert_allclose([fast_sums.loss, fast_sums.penalty], [sums.loss, sums.penalty], rtol=1e-9)
        for name, gradient in gradients.items():
            scale = np.abs(gradient).max()
            np.testing.assert_allclose(fast_gradients[name], gradient, rtol=1e-9, atol=1e-9 * scale, err_msg=name)


@needs_extension
@pytest.mark.parametrize("steps", [1, 2, 3])
def test_trials_too_short_for_anything_to_arrive_agree(tiny, steps):
    spec = tiny({"data.steps": steps, "data.tau": float(steps), "training.precision": "float64"})
    task, found = prepare(spec), []
    for engine in (ReferenceEngine(), CpuEngine()):
        session = engine.open([spec], task, [initial_weights(spec, task.units, task.classes)])
        found.append(session.batch(task.train, np.arange(5), True))
    assert found[1][0].loss == pytest.approx(found[0][0].loss)
    for name, gradient in found[0][1].items():
        np.testing.assert_allclose(found[1][1][name], gradient, rtol=1e-9, atol=1e-15)


@needs_extension
def test_a_whole_training_agrees(tiny):
    spec = tiny({"training.epochs": 3, "training.precision": "float64", "network.recurrent": True})
    task = prepare(spec)
    assert_whole_trainings_agree(spec, task)


@needs_extension
def test_auto_takes_the_extension_and_reference_can_be_insisted_on(tiny):
    assert engines.chooser("auto", "cpu")(tiny()).name == "cpu"
    assert engines.chooser("reference", "cpu")(tiny()).name == "reference"


@pytest.mark.long
def test_the_gpu_engine_is_taken_only_when_asked_for_and_trains_packs(tiny, tmp_path):
    """Here on the CPU, by its plain torch kernels: the path that a pack takes through it."""
    specs = [tiny({"surrogate.beta": beta}) for beta in (1, 5)]
    choose, task = engines.chooser("gpu", "cpu"), prepare(specs[0])
    assert choose(specs[0]).name == "gpu" and choose(specs[0]).takes_packs
    ended = train_pack(specs, task, Workshop(Store(tmp_path), choose))
    assert [result.status for result in ended] == ["finished", "finished"]
    alone = train_run(specs[0], task, ReferenceEngine())
    assert ended[0].rows[0].loss == pytest.approx(alone.rows[0].loss, rel=1e-3)


ONLY_ON_THE_CPU = [
    ({"network.neuron": "delta_lif"}, "delta_lif neurons"),
    ({"network.neuron": "alif", "objective.head": "steps"}, "alif neurons"),
    ({"network.neuron": "slstm"}, "slstm neurons"),
    ({"network.dropout": 0.1}, "dropout"),
    ({"objective.label_smoothing": 0.1}, "label smoothing"),
]
ELSEWHERE = [
    ({"network.neuron": "relu"}, "relu neurons"),
    ({"objective.head": "steps"}, "steps head"),
]


@pytest.mark.parametrize(("knobs", "reason"), [*ONLY_ON_THE_CPU, *ELSEWHERE])
def test_fast_engines_refuse_what_they_do_not_know(tiny, knobs, reason):
    from sgpipe.engines.gpu import GpuEngine

    fast, gpu = CpuEngine().refuses(tiny(knobs)), GpuEngine("cpu").refuses(tiny(knobs))
    assert reason in gpu
    assert fast is None if (knobs, reason) in ONLY_ON_THE_CPU else reason in fast
    for engine in (CpuEngine(), GpuEngine("cpu")):
        assert engine.refuses(tiny()) is None and "words" in engine.refuses(RunSpec.make({"data.task": "ptb"}))
    assert ReferenceEngine().refuses(tiny(knobs)) is None


def test_engines_know_every_family_of_surrogates():
    from sgpipe.engines.gpu.knobs import FAMILIES as KNOWN

    extension = pytest.importorskip("sgpipe.engines.cpu._cpu", reason="the C++ engine is not built")
    assert set(extension.families()) == set(KNOWN) == {*FAMILIES, FORMULA}
    assert {shape.family for shape in SURROGATES.values()} == FAMILIES.keys()


@needs_extension
def test_fast_engines_leave_a_surrogate_that_they_do_not_know_to_the_reference(tiny, monkeypatch):
    from sgpipe.engines.gpu import GpuEngine

    monkeypatch.setitem(SURROGATES, "cauchy", Surrogate("cauchy", "Cauchy", "", "cauchy"))
    spec = replace(tiny(), surrogate=replace(tiny().surrogate, shape="cauchy"))
    for engine in (CpuEngine(), GpuEngine("cpu")):
        assert "it has no surrogate cauchy" in engine.refuses(spec)
    assert ReferenceEngine().refuses(spec) is None


UPDATES = {"optimiser.name": "adabelief", "optimiser.weight_decay": 0.1, "optimiser.clip": 0.1}


@needs_extension
def test_optimisers_and_averages_are_the_same_for_both_cpu_engines(tiny):
    knobs = {**UPDATES, "optimiser.average": "swa", "optimiser.average_period": 2, "training.precision": "float64"}
    spec = tiny(knobs)
    found = [train_run(spec, prepare(spec), engine) for engine in (ReferenceEngine(), CpuEngine())]
    for one, other in zip(found[0].rows, found[1].rows, strict=True):
        assert one.loss == pytest.approx(other.loss, rel=1e-7)
    for name, array in found[0].weights.items():
        np.testing.assert_allclose(found[1].weights[name], array, rtol=1e-5, atol=1e-8)


def test_the_gpu_engine_refuses_other_updates_than_adams(tiny):
    from sgpipe.engines.gpu import GpuEngine

    for name, value in {**UPDATES, "optimiser.average": "swa"}.items():
        assert GpuEngine("cpu").refuses(tiny({name: value}))


def test_without_the_extension_the_reference_trains_with_one_notice(tiny, monkeypatch, capsys):
    monkeypatch.setattr(cpu, "_cpu", None)
    choose = engines.chooser("auto", "cpu")
    assert {choose(tiny()).name, choose(tiny({"surrogate.beta": 3})).name} == {"reference"}
    notice = capsys.readouterr().err
    assert notice.count("\n") == 1 and "C++ compiler" in notice
    with pytest.raises(SgpipeError, match="engine: cpu cannot train this run"):
        engines.chooser("cpu", "cpu")(tiny())


def test_an_extension_built_for_another_processor_alone_says_how_to_build_it_for_all(tiny, monkeypatch):
    monkeypatch.setattr(cpu, "_cpu", SimpleNamespace(isas=list, built_isas=lambda: ["avx512"]))
    with pytest.raises(SgpipeError, match="built for avx512 alone, .* make setup ISA=all"):
        engines.chooser("cpu", "cpu")(tiny())


@needs_extension
def test_the_instruction_sets_that_are_built_are_told_and_the_best_of_them_is_used(capsys):
    from sgpipe.cli import main

    with pytest.raises(SystemExit):
        main(["--version"])
    told = capsys.readouterr().out
    assert all(name in told for name in cpu._cpu.built_isas())
    assert cpu._cpu.isas() == [name for name in cpu._cpu.built_isas() if name in cpu._cpu.isas()]
