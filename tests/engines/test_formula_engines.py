"""The fast engines compute a formula as closely as their precision allows, and train with it as the reference does."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sgpipe.data import prepare
from sgpipe.engines.cpu.engine import CpuEngine, lowered
from sgpipe.engines.fraction import fraction_of
from sgpipe.engines.reference import ReferenceEngine
from sgpipe.engines.table import table_of
from sgpipe.spec.formulas.formula import formula
from sgpipe.spec.surrogates import SURROGATES, lower
from sgpipe.weights.schemes import initial_weights
from tests.engines.agreement import assert_whole_trainings_agree
from tests.spec.test_formulas import TAIL, TWINS

_cpu = pytest.importorskip("sgpipe.engines.cpu._cpu", reason="the compiled CPU engine is not built")

QUICK = settings(max_examples=25, deadline=None, derandomize=True)
# Those that are a table: smooth, with kinks and jumps between any cells, uneven, steep at 0, with a long tail.
TABLES = (
    "exp(-2*abs(v))",
    "exp(-pi*v**2)",
    "4*exp(-4*abs(v))/(1 + exp(-4*abs(v)))**2",
    "(1 + 2/1.5*abs(v))**-2.5",
    "1/(1 + exp(10*v))",
    "exp(-(v - 0.3)**2)",
    "exp(-(100*v)**2)",
    "1/(1 + sqrt(abs(v)))",
    "tanh(abs(v))*exp(-sqrt(abs(v)))",
    "where(-0.2 < v <= 0.7, 1 + v, 0)",
    "max(0, 1 - 3*abs(abs(v) - 1/3))",
    "min(1, 0.1/(0.01 + abs(v)))",
    "where(v < 0.7, exp(v - 0.7), exp(-2*(v - 0.7)))",
)
# And those that are a polynomial of |v| up to an end, or one over it.
FRACTIONS = (
    "1/(1 + abs(v))**2",
    "1/(1 + abs(v))**3",
    "3/(1 + v**2)",
    "1/(2 + v*v)**2",
    "max(0, 1 - abs(v))",
    "max(0, 1 - v**2)/2",
    "where(abs(v) < 0.7, 1, 0)",
    "where(abs(v) <= 0.7, 1, 0)",
    "where(v**2 < 2, 0.5, 0)",
)
# In its precision: of the peak, what a polynomial may miss; of the value, what rounds.
BOUNDS = {"float32": (1e-7, 3e-7), "float64": (1e-10, 1e-14)}
STACK = {"network.recurrent": True, "objective.head": "steps", "network.reset_gradient": "attached"}
NETWORKS = {
    "lif": {"network.hidden": [9, 7]},
    "lif, recurrent": {"network.recurrent": True, "network.reset_gradient": "attached"},
    "delta_lif": {"network.neuron": "delta_lif", "network.hidden": [9, 7], **STACK},
    "alif": {"network.neuron": "alif", "network.reset": "refractory", "network.trained_neurons": True, **STACK},
    "slstm": {"network.neuron": "slstm", "network.recurrent": True, "objective.head": "steps"},
}


def close(found, v, f, precision):
    """Return whether values are those of a formula, computed in float64 for the same v."""
    exact, (of_peak, of_value) = f(v.astype(np.float64)), BOUNDS[precision]
    return np.abs(found - exact) <= of_peak * f.peak + of_value * exact


def places(f, precision, seed=0):
    """Return v near and far, but for those on whose side of a jump float32 and float64 do not agree."""
    random = np.random.default_rng(seed)
    v = np.concatenate([random.normal(0, size, 500) for size in (0.01, 0.3, 3, 30)]).astype(precision)
    for edge in f.breaks:
        v = v[np.abs(v - edge) > 1e-6 * abs(edge)]
    return v


@pytest.mark.parametrize("precision", BOUNDS)
@pytest.mark.parametrize("text", TABLES)
def test_a_table_is_its_formula(text, precision):
    f, table = formula(text), table_of(text, precision)
    assert fraction_of(text, precision) is None
    v = places(f, precision)
    found = table(v)
    assert found.dtype == precision and np.all(close(found, v, f, precision))
    # In the tail, where silent neurons are, a value that is small against the peak is right too.
    tail = (np.abs(v) > 1) & (f(v.astype(float)) > 1e-11 * f.peak)
    np.testing.assert_allclose(found[tail], f(v[tail].astype(float)), rtol=2e-3)


@pytest.mark.parametrize("precision", BOUNDS)
@pytest.mark.parametrize("text", FRACTIONS)
def test_a_fraction_is_its_formula(text, precision):
    f, v = formula(text), places(formula(text), precision)
    np.testing.assert_allclose(fraction_of(text, precision)(v), f(v.astype(float)), rtol=20 * np.finfo(precision).eps)


@pytest.mark.parametrize("precision", BOUNDS)
@pytest.mark.parametrize("text", [*TABLES, *FRACTIONS])
@QUICK
@given(slope=st.floats(0.01, 100), dampening=st.floats(0.01, 10), seed=st.integers(0, 9))
def test_the_extension_computes_a_formula(text, precision, slope, dampening, seed):
    slope, f = float(np.float32(slope)), formula(text)
    known = lowered(lower(text, sharpness=slope, dampening=dampening), precision)
    x = (places(f, precision, seed) / np.dtype(precision).type(slope)).astype(precision)
    v = x * np.dtype(precision).type(slope)
    for edge in f.breaks:  # from which rounding may have taken x
        x, v = (one[np.abs(v - edge) > 1e-6 * abs(edge)] for one in (x, v))
    found = np.empty_like(x)
    _cpu.surrogate(known, x, found)
    assert np.all(close(found / dampening, v, f, precision))


@pytest.mark.parametrize("precision", BOUNDS)
@pytest.mark.parametrize("text", [*TABLES, *FRACTIONS])
def test_the_extension_is_finite_far_away_and_keeps_what_is_not_a_number(text, precision):
    x = np.array([0.0, -0.0, 1e-30, 1e6, -1e6, 1e15, -1e15, np.nan], precision)
    found = np.empty_like(x)
    _cpu.surrogate(lowered(lower(text, sharpness=3.0), precision), x, found)
    assert np.all(np.isfinite(found[:-1])) and np.all(found[:-1] >= 0)
    if text in TABLES:
        assert np.isnan(found[-1])


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize(
    "text", ["1/(1 + abs(v))**3", "max(0, 1 - abs(v))", "exp(-pi*(v + 0.1)**2)", "where(-2.2 < v <= 0.7, 1 + v/3, 0)"]
)
def test_gradients_are_those_of_autograd(tiny, network, text):
    spec = tiny(
        {
            **{"surrogate.shape": "formula", "surrogate.formula": text, "surrogate.sharpness": 1.3},
            **{"surrogate.dampening": 0.7, "training.precision": "float64", **NETWORKS[network]},
        }
    )
    task, indices = prepare(spec), np.arange(12)
    weights = initial_weights(spec, task.units, task.classes)
    assert CpuEngine().refuses(spec) is None
    sums, gradients = [], []
    for engine in (ReferenceEngine(), CpuEngine()):
        session = engine.open([spec], task, [{name: array.copy() for name, array in weights.items()}])
        total, gradient = session.batch(task.train, indices, True)
        sums.append(total)
        gradients.append({name: np.array(array) for name, array in gradient.items()})
    assert sums[0].spikes.sum() > 0 and sums[0].spikes.tolist() == sums[1].spikes.tolist()
    for name, wanted in gradients[0].items():
        np.testing.assert_allclose(
            gradients[1][name], wanted, rtol=1e-8, atol=1e-9 * np.abs(wanted).max(), err_msg=name
        )


@pytest.mark.parametrize("knobs", [{"surrogate.slope": "beta", "surrogate.beta": 4.0}, {"surrogate.sharpness": 0.5}])
def test_a_whole_training_agrees(tiny, knobs):
    text = {"surrogate.shape": "formula", "surrogate.formula": "2*exp(-abs(v))/(1 + abs(v))"}
    spec = tiny({"training.precision": "float64", **text, **knobs})
    assert_whole_trainings_agree(spec, prepare(spec))


@pytest.mark.parametrize(("shape", "text"), TWINS.items())
@pytest.mark.parametrize("precision", BOUNDS)
def test_a_formula_and_its_built_in_twin_are_one_to_the_extension(shape, text, precision):
    x = np.linspace(-2, 2, 999).astype(precision)
    knobs = {"beta": 3.0, "sharpness": 3.0, "dampening": 0.4}
    found, wanted = np.empty_like(x), np.empty_like(x)
    _cpu.surrogate(lowered(lower(text, **knobs), precision), x, found)
    _cpu.surrogate(lowered(lower(shape, **knobs, **TAIL), precision), x, wanted)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=(5e-7 if precision == "float32" else 2e-10) * wanted.max())


def test_a_formula_that_has_no_table_is_left_to_the_reference(tiny):
    text = " + ".join(f"exp(-1e6*(v - {place})**2)" for place in (1.1, 2.3, 3.7))
    spec = tiny({"surrogate.shape": "formula", "surrogate.formula": text})
    assert "too steep, for a table" in CpuEngine().refuses(spec)
    assert ReferenceEngine().refuses(spec) is None
    assert SURROGATES[text].peak > 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"table": None}, "a formula needs a fraction or a table"),
        ({"rows": np.zeros((1, 5, 6))}, "table"),
        ({"rows": np.zeros((2, 5, 4), np.float32)}, "table: edges: shape"),
        ({"shift": 40}, "one, top or shift is out of range"),
        ({"one": 0.0}, "one, top or shift is out of range"),
    ],
)
def test_the_extension_refuses_a_table_that_is_none(change, message):
    known = lowered(lower("exp(-abs(v))"), "float32")
    if "table" in change:
        del known["table"]
    else:
        known["table"] = known["table"] | change
    with pytest.raises(ValueError, match=message):
        _cpu.surrogate(known, np.zeros(3, np.float32), np.zeros(3, np.float32))
