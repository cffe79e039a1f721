"""The compiled CPU engine computes what autograd computes on the paper's equations.

The reference below is section 4.2 of zenke2021 written as a plain torch time loop in
float64; the engine must give its loss, logits, spike counts and weight gradients.
"""

import itertools
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import torch

from sgpipe.data import prepare
from sgpipe.data.samples import Analog, Events, Task
from sgpipe.engines.cpu.engine import CpuEngine
from sgpipe.engines.reference import ReferenceEngine
from sgpipe.model.objectives import ahead, right
from sgpipe.results.store import Store
from sgpipe.spec.run import RunSpec
from sgpipe.spec.surrogates import SURROGATES, Lowered, lower
from sgpipe.training.pack import Workshop, train_pack
from tests.conftest import assert_no_spike_hangs_on_rounding, longer_after

_cpu = pytest.importorskip("sgpipe.engines.cpu._cpu", reason="the compiled CPU engine is not built")

SHAPES = tuple(SURROGATES)
KNOBS = {"beta": 5.0, "sharpness": 1.3, "dampening": 0.7, "tail": 3.5}


def lowered(shape, **knobs):
    """Return what the engine is told of a shape."""
    return {name: value for name, value in lower(shape, **KNOBS | knobs)._asdict().items() if value is not None}


BASE = {
    "steps": 23, "inputs": 9, "classes": 4, "hidden": [21], "recurrent": False,
    "reset": "attached", "recurrent_gradient": "propagated", "head": "max",
    "b_syn": 0.8, "b_mem": 0.9, "b_out": 0.85,
    "readout_start": 0.0, "lambda_lower": 0.0, "nu_lower": 0.0, "lambda_upper": 0.0,
    "nu_upper": 0.0, "upper_power": 1, **lowered("superspike"),
}  # fmt: skip
REGULARISED = {"lambda_lower": 0.3, "nu_lower": 2.5, "lambda_upper": 0.7, "nu_upper": 1.2}


def flags(c):
    r = c["recurrent"]
    return [r] * len(c["hidden"]) if isinstance(r, bool) else r


class Spike(torch.autograd.Function):
    @staticmethod
    def forward(ctx, centred, surrogate):
        ctx.save_for_backward(centred)
        ctx.surrogate = surrogate
        return (centred > 0).to(centred.dtype)

    @staticmethod
    def backward(ctx, gradient):
        return gradient * ctx.surrogate(*ctx.saved_tensors, torch), None


def reference(c, weights, x, labels):
    """Loss parts, logits, spike counts and gradients; x is (batch, steps, inputs)."""
    w = [torch.tensor(a, dtype=torch.float64, requires_grad=True) for a in weights]
    rest, layers = iter(w), []
    for r in flags(c):
        layers.append((next(rest), next(rest) if r else None))
    w_out = next(rest)
    batch = x.shape[0]
    zeros = [x.new_zeros(batch, n) for n in c["hidden"]]
    u, i = list(zeros), list(zeros)
    u_out, i_out = x.new_full((batch, c["classes"]), c["readout_start"]), x.new_zeros(batch, c["classes"])
    spikes, trace = [[] for _ in layers], []
    surrogate = Lowered(c["family"], c["slope"], c["height"], c.get("tail"))
    for now in x.unbind(1):
        for k, (forward, recurrent) in enumerate(layers):
            s = Spike.apply(u[k] - 1, surrogate)
            spikes[k].append(s)
            drive = now @ forward.T
            if recurrent is not None:
                detach = c["recurrent_gradient"] == "detached"
                drive = drive + (s.detach() if detach else s) @ recurrent.T
            keep = 1 - (s.detach() if c["reset"] == "detached" else s)
            u[k] = (c["b_mem"] * u[k] + (1 - c["b_mem"]) * i[k]) * keep
            i[k] = c["b_syn"] * i[k] + drive
            now = s
        trace.append(u_out)
        u_out = c["b_out"] * u_out + (1 - c["b_out"]) * i_out
        i_out = c["b_syn"] * i_out + now @ w_out.T
    trace = torch.stack(trace, 1)
    if c["head"] == "sum":
        logits = trace.sum(1)
    else:
        first = trace.detach().numpy().argmax(1)
        logits = trace.gather(1, torch.tensor(first)[:, None])[:, 0]
    loss = torch.nn.functional.cross_entropy(logits, labels, reduction="sum")
    reg = x.new_zeros(())
    for layer in spikes:
        zeta = torch.stack(layer, 1).sum(1)
        reg = reg + c["lambda_lower"] * (c["nu_lower"] - zeta).clamp(min=0).square().mean(1).sum()
        over = (zeta.mean(1) - c["nu_upper"]).clamp(min=0)
        reg = reg + c["lambda_upper"] * (over ** c["upper_power"]).sum()
    grads = [torch.zeros_like(p) for p in w]
    total = (loss + reg) / batch
    if total.requires_grad:
        given = torch.autograd.grad(total, w, allow_unused=True)
        grads = [z if g is None else g for g, z in zip(given, grads, strict=True)]
    counts = [int(torch.stack(layer).sum()) for layer in spikes]
    return float(loss.detach()), float(reg.detach()), logits.detach().numpy(), counts, [g.numpy() for g in grads]


def problem(c, samples=8, seed=0, gain=1.0, rate=0.15, dtype=np.float64):
    """Weights that make a sensible share of the neurons spike, events and their raster."""
    rng = np.random.default_rng(seed)
    sizes, weights = [c["inputs"], *c["hidden"]], []
    for (pre, post), r in zip(itertools.pairwise(sizes), flags(c), strict=True):
        weights.append(rng.normal(1.2, 4.0, (post, pre)) * gain / np.sqrt(pre * rate * 2))
        if r:
            weights.append(rng.normal(0, 1.5, (post, post)) * gain / np.sqrt(post))
    weights.append(rng.normal(0, 2.0, (c["classes"], sizes[-1])) / np.sqrt(sizes[-1]))
    counts = rng.poisson(rate, (samples, c["steps"], c["inputs"]))
    counts[samples // 2] = 0
    ptr, step, unit = events(counts)
    labels = rng.integers(0, c["classes"], samples)
    weights = [w.astype(dtype) for w in weights]
    return weights, ptr, step, unit, labels, torch.tensor(counts, dtype=torch.float64)


def events(counts):
    ptr, step, unit = [0], [], []
    for sample in counts:
        n, j = np.nonzero(sample)
        times = sample[n, j]
        step += np.repeat(n, times).tolist()
        unit += np.repeat(j, times).tolist()
        ptr.append(len(step))
    return np.array(ptr, np.int64), np.array(step, np.int32), np.array(unit, np.int32)


def engine(c, weights, ptr, step, unit, labels, indices, threads=1, train=True):
    grads = [np.full_like(w, np.nan) for w in weights] if train else None
    logits = np.empty((len(indices), c["classes"]), weights[0].dtype)
    stats = _cpu.batch(c, weights, ptr, step, unit, labels, indices, grads, threads, logits)
    return stats, logits, grads


def assert_agrees(c, weights, ptr, step, unit, labels, x, indices=None, rel=1e-9, values=None):
    indices = np.arange(len(labels)) if indices is None else np.asarray(indices)
    if values is None:
        stats, logits, grads = engine(c, weights, ptr, step, unit, labels, indices)
    else:
        stats, logits, grads = values
    loss, reg, expected, counts, expected_grads = reference(c, weights, x[indices], torch.tensor(labels[indices]))
    assert stats["spikes"] == counts
    assert stats["loss"] == pytest.approx(loss, rel=rel, abs=rel)
    assert stats["regulariser"] == pytest.approx(reg, rel=rel, abs=rel)
    assert stats["correct"] == right(ahead(torch.tensor(logits), torch.tensor(labels[indices]))).sum().item()
    np.testing.assert_allclose(logits, expected, rtol=0, atol=rel * max(1, np.abs(expected).max()))
    for got, want in zip(grads, expected_grads, strict=True):
        np.testing.assert_allclose(got, want, rtol=0, atol=rel * max(np.abs(want).max(), 1e-12))
    return counts


@pytest.mark.parametrize("isa", _cpu.isas())
@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_reset_recurrence_and_head_matches_autograd(shape, isa):
    for reset, recurrence, head in itertools.product(
        ["attached", "detached"], ["none", "propagated", "detached"], ["max", "sum"]
    ):
        c = BASE | {
            **lowered(shape), "reset": reset, "head": head, "isa": isa, "recurrent": recurrence != "none",
            "recurrent_gradient": "propagated" if recurrence == "none" else recurrence,
        }  # fmt: skip
        assert_agrees(c, *problem(c))


@pytest.mark.parametrize("hidden", [[], [17], [16, 33], [5, 70, 12]])
@pytest.mark.parametrize("recurrent", [False, True])
def test_zero_to_three_layers_match_autograd(hidden, recurrent):
    for isa, head, power, reg in itertools.product(_cpu.isas(), ["max", "sum"], [1, 2], [{}, REGULARISED]):
        c = BASE | {"hidden": hidden, "recurrent": recurrent, "head": head, "isa": isa, "upper_power": power}
        counts = assert_agrees(c | reg, *problem(c, seed=3))
        assert all(counts)


@pytest.mark.parametrize("reg", [{"lambda_lower": 0.4, "nu_lower": 9.0}, {"lambda_upper": 0.2}, REGULARISED])
def test_mixed_recurrence_and_each_regulariser_match_autograd(reg):
    for recurrent in itertools.product([False, True], repeat=3):
        c = BASE | reg | {"hidden": [12, 19, 8], "recurrent": list(recurrent)}
        assert_agrees(c, *problem(c, seed=5))


@pytest.mark.parametrize("width", [1, 2, 7, 15, 31, 64, 65, 100, 129, 200])
@pytest.mark.parametrize("recurrent", [False, True])
def test_any_width_matches_autograd(width, recurrent):
    for isa in _cpu.isas():
        c = BASE | {"hidden": [width, 3], "recurrent": recurrent, "classes": 1 + width % 23, "isa": isa}
        assert_agrees(c, *problem(c, samples=7, seed=width))


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 40])
@pytest.mark.parametrize("samples", [1, 5, 13])
def test_any_duration_and_batch_matches_autograd(steps, samples):
    for recurrent, start, reg in itertools.product([False, True], [0.0, 0.3], [{}, REGULARISED]):
        c = BASE | {"steps": steps, "hidden": [11, 6], "recurrent": recurrent, "readout_start": start} | reg
        assert_agrees(c, *problem(c, samples=samples, seed=steps, gain=3.0))


@pytest.mark.parametrize("gain", [0.0, 0.3, 8.0, 60.0])
def test_silent_to_saturated_networks_match_autograd(gain):
    for recurrent in (False, True):
        c = BASE | {"recurrent": recurrent, "hidden": [40, 20], "steps": 60}
        assert_agrees(c, *problem(c, gain=gain, rate=0.4))


@pytest.mark.parametrize("recurrent", longer_after(1, [True, False]))
def test_wide_layers_match_autograd_however_many_events_a_unit_has(recurrent):
    """Weight gradients larger than the nearest cache, from few events to more in one step than are sorted at once."""
    for isa, rate, gain in [(_cpu.isas()[0], 0.15, 2.0), (_cpu.isas()[-1], 0.15, 20.0), (_cpu.isas()[0], 400.0, 1.0)]:
        c = BASE | {"inputs": 100, "hidden": [280], "recurrent": recurrent, "steps": 40, "isa": isa}
        assert_agrees(c, *problem(c, samples=8, gain=gain, rate=rate))


@pytest.mark.parametrize("decay", [0.0, 1.0])
def test_decays_at_their_ends_match_autograd(decay):
    for key, recurrent in itertools.product(["b_syn", "b_mem", "b_out"], [False, True]):
        c = BASE | {key: decay, "recurrent": recurrent} | REGULARISED
        assert_agrees(c, *problem(c))


@pytest.mark.parametrize("isa", _cpu.isas())
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_shape_has_all_its_digits_near_and_far(shape, isa, dtype):
    x = np.concatenate([[0.0], np.geomspace(1e-9, 40, 3000)])
    x = np.concatenate([-x, x, np.nextafter([0.5, -0.5], 0), [0.5, -0.5]]).astype(dtype)
    for slope, dampening, tail in itertools.product([0.05, 1.0, 9.0], [0.3, 1.0, 2.5], [1.001, 1.5, 2.0, 40.0]):
        knobs = {"beta": slope, "sharpness": slope, "dampening": dampening, "tail": tail}
        found = np.empty_like(x)
        _cpu.surrogate({"isa": isa, **lowered(shape, **knobs)}, x, found)
        exact = SURROGATES[shape](x.astype(np.float64), **knobs)
        eps, tiny = np.finfo(dtype).eps, np.finfo(dtype).tiny
        normal = exact > 10 * tiny
        # An exponential turns the rounding of its argument, |log h|, into a relative error; a triangle's side is a
        # difference.
        allowed = exact * eps * (6 + 4 * np.abs(np.log(np.where(normal, exact, 1))))
        if shape in ("esser", "triangular"):
            allowed += 2 * eps * dampening
        assert np.all(np.abs(found - exact)[normal] <= allowed[normal]), (slope, dampening, tail)
        assert np.all((found[~normal] >= 0) & (found[~normal] <= np.maximum(20 * tiny, allowed)[~normal]))


@pytest.mark.parametrize("isa", _cpu.isas())
@pytest.mark.parametrize("shape", SHAPES)
def test_each_knob_of_a_shape_changes_the_gradients_and_no_other_does(shape, isa):
    c = BASE | {"isa": isa}
    given = problem(c)[:-1]
    *_, before = engine(c | lowered(shape), *given, np.arange(8))
    for knob, value in {"beta": 3.0, "sharpness": 2.1, "dampening": 0.4, "tail": 1.7}.items():
        *_, after = engine(c | lowered(shape, **{knob: value}), *given, np.arange(8))
        assert np.array_equal(before[-1], after[-1])
        assert (not np.array_equal(before[0], after[0])) == (knob in SURROGATES[shape].knobs), knob


BOTH_REGULARISERS = {
    "objective.lower_strength": 0.3, "objective.lower_threshold": 3.5, "objective.upper_strength": 0.02,
    "objective.upper_threshold": 1.0, "objective.upper_exponent": 2,
}  # fmt: skip
LAYERS = {
    "feed-forward": {},
    "propagated": {"network.recurrent": True},
    "detached": {"network.recurrent": True, "network.recurrent_gradient": "detached"},
}


@pytest.mark.parametrize("shape", longer_after(5, SHAPES))
@pytest.mark.parametrize("layers", LAYERS)
def test_the_session_computes_what_the_reference_does(shape, layers):
    """Through the specification: every knob arrives under its right name."""
    slopes = {"surrogate.beta": 7.0, "surrogate.sharpness": 1.4, "surrogate.dampening": 0.6, "surrogate.tail": 2.7}
    rng = np.random.default_rng(4)
    counts = rng.poisson(0.15, (12, 30, 9))
    split = Events(*events(counts), rng.integers(0, 4, 12))
    task = Task(9, 4, 30, split, split, split)
    for reset, head, penalties in itertools.product(["attached", "detached"], ["max", "sum"], [{}, BOTH_REGULARISERS]):
        spec = RunSpec.make({
            "data.steps": 30, "data.tau": 20.0, "network.hidden": [19, 11], "network.reset_gradient": reset,
            "objective.head": head, "training.precision": "float64", "surrogate.shape": shape,
            **slopes, **LAYERS[layers], **penalties,
        })  # fmt: skip
        recurrent = spec.network.recurrent
        weights = {"W1": rng.normal(1.2, 4.0, (19, 9)), "V1": rng.normal(0, 0.3, (19, 19)),
                   "W2": rng.normal(0.5, 1.5, (11, 19)), "V2": rng.normal(0, 0.4, (11, 11)),
                   "W_out": rng.normal(0, 0.6, (4, 11))}  # fmt: skip
        weights = {name: w for name, w in weights.items() if recurrent or name[0] != "V"}
        found = []
        for kind in (ReferenceEngine(), CpuEngine()):
            session = kind.open([spec], task, [{name: w.copy() for name, w in weights.items()}])
            found.append(session.batch(split, np.arange(12), True))
        (sums, wanted), (got_sums, got) = found
        assert got_sums.correct == sums.correct and got_sums.spikes.tolist() == sums.spikes.tolist()
        assert all(sums.spikes > 20)
        assert got_sums.loss == pytest.approx(sums.loss, rel=1e-9)
        assert got_sums.penalty == pytest.approx(sums.penalty, rel=1e-9)
        for name, gradient in wanted.items():
            scale = np.abs(gradient).max()
            assert scale > 0 or shape == "true_derivative"
            np.testing.assert_allclose(got[name], gradient, rtol=0, atol=1e-9 * scale, err_msg=name)


def test_single_precision_agrees_where_no_spike_flips():
    c = BASE | {"recurrent": True, "hidden": [30, 20]} | REGULARISED
    weights, *rest, x = problem(c, dtype=np.float32)
    for isa in _cpu.isas():
        values = engine(c | {"isa": isa}, weights, *rest, np.arange(8))
        assert_agrees(c, weights, *rest, x, rel=2e-4, values=values)


@pytest.mark.parametrize("recurrent", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bits_depend_neither_on_threads_nor_on_repetition_nor_on_place(recurrent, dtype):
    # Large enough that the extension starts the threads it is allowed.
    c = BASE | {"recurrent": recurrent, "hidden": [90, 60], "steps": 50} | REGULARISED
    weights, ptr, step, unit, labels, _ = problem(c, samples=275, dtype=dtype)
    indices = np.random.default_rng(1).permutation(275)[:259]
    first = engine(c, weights, ptr, step, unit, labels, indices)
    for threads in (1, 2, 3, 8, 50):
        again = engine(c, weights, ptr, step, unit, labels, indices, threads)
        assert again[0] == first[0]
        for a, b in zip([again[1], *again[2]], [first[1], *first[2]], strict=True):
            assert a.tobytes() == b.tobytes()
    # The same samples, stored elsewhere in another order.
    place = np.argsort(indices)
    pieces = [slice(ptr[i], ptr[i + 1]) for i in np.sort(indices)]
    moved = np.concatenate([[0], np.cumsum([s.stop - s.start for s in pieces])])
    again = engine(
        c, weights, moved, np.concatenate([step[s] for s in pieces]), np.concatenate([unit[s] for s in pieces]),
        labels[np.sort(indices)], np.argsort(place),
    )  # fmt: skip
    assert again[0] == first[0]
    assert all(a.tobytes() == b.tobytes() for a, b in zip(again[2], first[2], strict=True))


def test_evaluation_alone_gives_the_same_numbers():
    c = BASE | {"recurrent": True} | REGULARISED
    given = problem(c)[:-1]
    with_grads, logits, _ = engine(c, *given, np.arange(8))
    without, same, _ = engine(c, *given, np.arange(8), train=False)
    assert without == with_grads
    assert same.tobytes() == logits.tobytes()


def test_a_batch_may_repeat_samples_in_any_order():
    c = BASE | {"recurrent": True}
    assert_agrees(c, *problem(c), indices=[3, 3, 0, 7, 3, 1, 4, 4, 2])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("which", range(4))
def test_weights_that_are_not_finite_give_a_loss_that_is_not(which, bad):
    for recurrent, head in itertools.product([False, True], ["max", "sum"]):
        c = BASE | {"recurrent": [recurrent, True], "hidden": [20, 10], "head": head}
        weights, *rest, _ = problem(c, dtype=np.float32)
        weights[which][0, 0] = bad
        assert not np.isfinite(engine(c, weights, *rest, np.arange(8))[0]["loss"])


def test_currents_that_overflow_give_a_loss_that_is_not_finite():
    c = BASE | {"hidden": [20], "b_mem": 0.1}
    weights, *rest, _ = problem(c, dtype=np.float32)
    weights[0][:] = 3e38
    assert not np.isfinite(engine(c, weights, *rest, np.arange(8))[0]["loss"])


def test_wrong_arguments_get_one_clear_line():
    c = BASE | {}
    weights, ptr, step, unit, labels, _ = problem(c)
    good = dict(config=c, weights=weights, ptr=ptr, step=step, unit=unit, labels=labels, indices=np.arange(8))

    def refused(match, **change):
        with pytest.raises(ValueError, match=match) as caught:
            _cpu.batch(**(good | change))
        assert "\n" not in str(caught.value)

    def put(a, k, value):
        a = a.copy()
        a[k] = value
        return a

    k = int(ptr[2])
    refused(f"sample 2, event {k}: unit 9 outside 0..8", unit=put(unit, k, 9))
    refused("unit -1 outside", unit=put(unit, k, -1))
    refused("step 23 outside 0..22", step=put(step, int(ptr[3]) - 1, 23))
    refused("not sorted", step=put(step, k, 22))
    refused("does not lie within the events", ptr=put(ptr, 8, 10**6))
    refused("labels: sample 5 has 4, outside 0..3", labels=put(labels, 5, 4))
    refused("indices: 8 outside 0..7", indices=np.array([0, 8]))
    refused("empty batch", indices=np.array([], np.int64))
    refused("indices: expected int64", indices=np.arange(3, dtype=np.int32))
    refused("unit: shape", unit=unit[:-1])
    refused("weights: 1 arrays, expected 2", weights=weights[:1])
    refused(r"weights W1: shape \(21, 8\), expected \(21, 9\)", weights=[weights[0][:, :8].copy(), weights[1]])
    refused("weights W_out: expected float64", weights=[weights[0], weights[1].astype(np.float32)])
    refused("weights W1: not a C-contiguous", weights=[np.asfortranarray(weights[0]), weights[1]])
    refused("grads W1: not a C-contiguous writable", grads=[np.asfortranarray(w) for w in weights])
    refused("logits: shape", logits=np.empty((8, 3)))
    refused("threads: must be at least 1", threads=0)
    refused("config: 'betta' is not a known key", config=c | {"betta": 1.0})
    refused("config: 'steps' is missing", config={k: v for k, v in c.items() if k != "steps"})
    refused("config: family 'arctan' is not one of inverse_square", config=c | {"family": "arctan"})
    refused("config: tail must be above 1", config=c | {"tail": 1.0})
    for key in ("slope", "height"):
        refused("config: slope and height must not be negative", config=c | {key: -1.0})
        refused("config: slope and height must not be negative", config=c | {key: float("nan")})
        refused("config: slope and height must not be negative", config=c | {"layers": [{key: -0.5}]})
    refused("config: 'sharpness' is not a known key", config=c | {"sharpness": 1.0})
    refused("config: layers needs one entry for each hidden layer", config=c | {"layers": [{}, {}]})
    refused("slope needs one value, or one for each of the 21 units", config=c | {"layers": [{"slope": [1.0, 2.0]}]})
    refused("neurons of a layer share their surrogate", config=c | {"layers": [{"slope": [1.0] * 21}]})
    with pytest.raises(ValueError, match="7 frames do not divide 23 steps"):
        _cpu.batch_dense(c, weights, np.zeros((8, 7, 9)), labels, np.arange(8))
    refused("b_syn, b_mem and b_out must lie", config=c | {"b_mem": 1.5})
    refused("isa: 'sse9' is not one of auto", config=c | {"isa": "sse9"})


@pytest.mark.parametrize("recurrent", [False, True])
@pytest.mark.parametrize("hidden", [[], [18], [18, 9]])
def test_analog_input_matches_autograd(hidden, recurrent):
    for isa, inputs in itertools.product(_cpu.isas(), [1, 9, 24]):
        c = BASE | {"hidden": hidden, "recurrent": recurrent, "inputs": inputs, "isa": isa}
        weights, *_, labels, _ = problem(c, samples=9)
        x = np.random.default_rng(2).exponential(0.2, (9, c["steps"], inputs))
        grads, logits = [np.empty_like(w) for w in weights], np.empty((9, c["classes"]))
        stats = _cpu.batch_dense(c, weights, x, labels, np.arange(9), grads, logits=logits)
        assert_agrees(c, weights, *[None] * 3, labels, torch.tensor(x), values=(stats, logits, grads))


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_held_frames_train_as_the_reference_does(precision):
    rng = np.random.default_rng(3)
    split = Analog(rng.exponential(0.3, (11, 6, 9)).astype(np.float32), rng.integers(0, 4, 11), hold=5)
    task, knobs = Task(9, 4, 30, split, split, split), {"data.steps": 30, "data.tau": 20.0, "network.hidden": [19]}
    spec = RunSpec.make({**knobs, "training.precision": precision})
    weights = {"W1": rng.normal(1.0, 2.0, (19, 9)), "W_out": rng.normal(0, 0.6, (4, 19))}
    indices = np.array([3, 0, 10, 3])
    slow, fast = (
        kind.open([spec], task, [{name: w.astype(precision) for name, w in weights.items()}])
        for kind in (ReferenceEngine(), CpuEngine())
    )
    assert_no_spike_hangs_on_rounding(slow, split, indices)
    (sums, wanted), (got_sums, got) = (session.batch(split, indices, True) for session in (slow, fast))
    assert sums.spikes > 0 and got_sums.spikes.tolist() == sums.spikes.tolist()
    rel = 1e-9 if precision == "float64" else 1e-4
    for name, gradient in wanted.items():
        np.testing.assert_allclose(got[name], gradient, rtol=0, atol=rel * np.abs(gradient).max(), err_msg=name)


@pytest.mark.parametrize("shape", ["esser", "triangular", "rectangular"])
@pytest.mark.parametrize("slope", [0.3, 1.0, 10.0, 60.0])
def test_compact_shapes_are_exact_however_many_neurons_are_near_threshold(shape, slope):
    for isa, recurrent, reg in itertools.product(_cpu.isas(), [False, True], [{}, REGULARISED]):
        c = (
            BASE
            | lowered(shape, beta=slope, sharpness=slope)
            | {"hidden": [70, 41], "recurrent": recurrent, "isa": isa}
        )
        assert_agrees(c | reg, *problem(c, seed=7))


class Recorder(CpuEngine):
    """The engine, noting how many threads each batch is allowed.

    The longest run waits for the others to end, they for it to begin.
    """

    def __init__(self, all_threads):
        super().__init__()
        self.all_threads, self.seen, self.begun = all_threads, {}, threading.Event()

    def open(self, specs, task, weights, theory=None, threads=None):
        session, (spec,) = super().open(specs, task, weights, theory, threads), specs
        batch = session.batch

        def noted(*given):
            deadline = time.monotonic() + 30
            seen.append(threads())
            if spec.training.epochs == 1:
                self.begun.wait(30)
            else:
                self.begun.set()
                while threads() < self.all_threads and time.monotonic() < deadline:
                    time.sleep(0.01)
                seen.append(threads())
            return batch(*given)

        seen = self.seen.setdefault(spec, [])
        session.batch = noted
        return session


def test_the_last_runs_of_a_pack_share_all_threads_and_keep_their_bits(tiny, tmp_path):
    specs = [tiny({"training.epochs": epochs, "init.seed": seed}) for seed, epochs in enumerate((2, 1, 1))]
    task, results = prepare(specs[0]), []
    for threads in (1, 4):
        recorder = Recorder(threads)
        store = Store(tmp_path / str(threads))
        results.append(train_pack(specs, task, Workshop(store, lambda spec, engine=recorder: engine, threads)))
        seen = [recorder.seen[spec] for spec in specs]
        assert all(sorted(one) == one and one[-1] <= threads for one in seen)
    assert seen[0][0] == 1 and seen[0][-1] == 4  # at first three runs for four threads, at last one
    for one, other in zip(*results, strict=True):
        assert one.rows == other.rows
        for name, weight in one.weights.items():
            assert weight.tobytes() == other.weights[name].tobytes()


MEMORY = """
import resource
from pathlib import Path
import numpy as np
from sgpipe.data.samples import Events, Task
from sgpipe.engines.cpu.engine import CpuEngine
from sgpipe.spec.run import RunSpec

def peak():
    # What the system reports elsewhere begins at the peak of the process that started this one.
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    own = [line.split()[1] for line in lines if line.startswith("VmHWM")]
    return int(own[0] if own else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) / 1024

rng = np.random.default_rng(0)
steps, units = 500, 700
at = rng.integers(0, 64 * steps * units, 64 * steps * units // 100)  # at 1 % of all places
split = Events.from_spikes(at // (steps * units), at // units % steps, at % units, rng.integers(0, 20, 64))
spec = RunSpec.make({"data.steps": steps, "data.tau": 400.0, "network.hidden": [256], "network.recurrent": True})
weights = {"W1": (256, 700), "V1": (256, 256), "W_out": (20, 256)}
weights = {name: rng.normal(0, 0.15, shape).astype(np.float32) for name, shape in weights.items()}
session = CpuEngine().open([spec], Task(units, 20, steps, split, split, split), [weights])
for samples in (64, 256, 1024):
    sums, gradients = session.batch(split, np.arange(samples) % 64, True)
    assert sums.spikes > 1000
    session.optimiser.step(gradients)
    print(peak())
"""


@pytest.mark.long
def test_memory_stays_far_below_600_mb_and_does_not_grow_with_the_batch():
    done = subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True)
    small, _, large = map(float, done.stdout.split())
    assert large < 600
    assert large - small < 4  # MB: a sample more costs its index alone
