"""Mixed precision: single precision, but products back through weights take numbers rounded to bfloat16."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from sgpipe.base.errors import SgpipeError
from sgpipe.data.samples import Task
from sgpipe.engines.cpu.engine import CpuEngine, _cpu, built
from sgpipe.engines.gpu import GpuEngine
from sgpipe.engines.reference import ReferenceEngine
from sgpipe.model.products import plain, rounded_back, to_bfloat16
from sgpipe.spec.run import RunSpec
from tests.engines import test_delta_engine as layers
from tests.engines import test_text_engine as texts

needs_extension = pytest.mark.skipif(not built(), reason="the compiled CPU engine is not built")
NEURONS = ("delta_lif", "alif", "slstm")
SHAPES = {
    "smooth": {"surrogate.shape": "exponential"},
    "compact, wide": {"surrogate.shape": "triangular"},
    "compact, few near": {"surrogate.shape": "triangular", "surrogate.sharpness": 12.0},
}


def gradients(engine, spec, weights, task: Task, **settings):
    """Return the gradients of the first batch."""
    own = {name: array.astype(spec.training.dtype) for name, array in weights.items()}
    session = engine.open([spec], task, [own])
    if settings:
        session.settings.update(settings)
    if spec.words:
        words, targets = next(iter(task.train.batches(spec.training.batch_size, task.steps)))
        return session.read(words, targets, np.arange(words.shape[1]), True, None)[1]
    return session.batch(task.train, np.arange(len(task.train)), True)[1]


def apart(one, other):
    """Return the largest difference of two gradients, beside the largest entry."""
    return np.abs(np.asarray(one, float) - other).max() / np.abs(other).max()


def in_precision(spec, precision):
    return replace(spec, training=replace(spec.training, precision=precision))


def test_numbers_are_rounded_to_the_nearest_of_eight_bits_and_ties_to_even():
    step = 2.0**-7
    given = torch.tensor([1 + 0.4 * step, 1 + 0.6 * step, 1 + 0.5 * step, 1 + 1.5 * step, -3.0, float("inf")])
    assert to_bfloat16(given).tolist() == [1, 1 + step, 1, 1 + 2 * step, -3.0, float("inf")]
    assert to_bfloat16(torch.tensor([float("nan")])).isnan().all()


def test_only_the_product_back_is_rounded():
    random = torch.Generator().manual_seed(0)
    inputs, weights, adjoint = (
        torch.randn(size, generator=random, dtype=torch.float64) for size in ((5, 3, 7), (4, 7), (5, 3, 4))
    )
    found = []
    for product in (plain, rounded_back):
        given = inputs.clone().requires_grad_(), weights.clone().requires_grad_()
        out = product(*given)
        out.backward(adjoint)
        found.append((out.detach(), given[0].grad, given[1].grad))
    (out, back, of_weights), (same_out, rounded, same_of_weights) = found
    assert torch.equal(out, same_out)
    torch.testing.assert_close(of_weights, same_of_weights, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(rounded, to_bfloat16(adjoint) @ to_bfloat16(weights), rtol=1e-12, atol=1e-12)
    assert 1e-4 < apart(rounded, back.numpy()) < 1e-2


@needs_extension
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("neuron", NEURONS)
def test_the_engine_rounds_what_the_reference_rounds(neuron, shape):
    knobs = {"network.recurrent": True, "network.reset_gradient": "attached", **SHAPES[shape]}
    spec = layers.network(neuron, (40, 30), **knobs)
    check(spec, *layers.problem(spec, 1, samples=16))


@needs_extension
@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("neuron", NEURONS)
def test_in_a_text_too(neuron, tied):
    spec = texts.reader(neuron, (18, 24), tied, strands=4)
    check(spec, *texts.problem(spec))


@needs_extension
def test_of_more_words_gates_and_steps_than_a_product_takes_at_once():
    spec = texts.reader("slstm", (24, 270), tied=True, steps=128, strands=2)
    check(spec, *texts.problem(spec, vocabulary=1100, batches=1), ties=0.5)


def check(spec, weights, task, ties=0.1):
    """Compare gradients of a batch of a power of two: one engine divides by its size before it rounds, one after.

    A number beside a tie may be rounded to either side; `ties` is what they may change of what all rounding changes.
    """
    single, mixed = (in_precision(spec, precision) for precision in ("float32", "mixed"))
    whole = gradients(ReferenceEngine(), single, weights, task)
    wanted = gradients(ReferenceEngine(), mixed, weights, task)
    changed = {name for name in whole if apart(wanted[name], whole[name]) > 1e-4}
    assert {name for name in whole if name.startswith(("W1", "V"))} <= changed  # behind a product
    assert not {"W_out", "b_out"} & changed
    for products in _cpu.products():  # in single precision, and by whatever instructions this processor has
        found = gradients(CpuEngine(), mixed, weights, task, products=products)
        for name in whole:
            assert apart(found[name], wanted[name]) < 1e-5 + ties * apart(wanted[name], whole[name]), (products, name)


@needs_extension
def test_on_every_instruction_set_and_for_any_number_of_threads():
    spec = in_precision(layers.network("alif", (40, 30), **{"network.recurrent": True}), "mixed")
    weights, task = layers.problem(spec, 2, samples=16)
    found = []
    for isa in _cpu.isas():
        for threads in (1, 2):
            own = {name: array.copy() for name, array in weights.items()}
            session = CpuEngine().open([spec], task, [own], threads=lambda threads=threads: threads)
            session.settings["isa"] = isa
            found.append(session.batch(task.train, np.arange(len(task.train)), True)[1])
        assert all(np.array_equal(found[-1][name], found[-2][name]) for name in weights)
    for other in found[1:]:
        for name, gradient in found[0].items():
            assert apart(other[name], gradient) < 2e-3


def test_it_is_another_run_of_its_own_numerics_and_for_linear_readouts_alone():
    from sgpipe.spec.numerics import versions

    spec = RunSpec.make({"network.neuron": "alif", "training.precision": "mixed", "objective.head": "steps"})
    assert spec.id != in_precision(spec, "float32").id and "precision.mixed=1" in versions(spec)
    assert "precision" not in versions(in_precision(spec, "float32"))
    assert CpuEngine().refuses(spec) is None and GpuEngine("cpu").refuses(spec)
    with pytest.raises(SgpipeError, match="^x: training.precision: mixed is for neurons with a linear readout"):
        RunSpec.make({"training.precision": "mixed"}, "x")
