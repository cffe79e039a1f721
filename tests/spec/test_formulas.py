"""A formula is read without being run, has one spelling, and is refused with the reason if it can be no surrogate."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from sgpipe.base.errors import SgpipeError
from sgpipe.spec.formulas.evaluate import FUNCTIONS
from sgpipe.spec.formulas.formula import Formula, formula
from sgpipe.spec.formulas.parse import parse
from sgpipe.spec.formulas.text import canonical, tex
from sgpipe.spec.numerics import versions
from sgpipe.spec.run import RunSpec, from_canonical
from sgpipe.spec.surrogates import SURROGATES, lower, moment

QUICK = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.filter_too_much])
FEW = settings(QUICK, max_examples=10)
# Formulas of built-in shapes with slope 1: what a user writes who does not know that they are there.
TWINS = {
    "superspike": "1/(1 + abs(v))**2",
    "sigmoid": "exp(-abs(v))/(1 + exp(-abs(v)))**2",
    "esser": "max(0, 1 - abs(v))",
    "triangular": "max(1 - abs(v), 0)",
    "exponential": "exp(-2*abs(v))",
    "gaussian": "exp(-pi*v**2)",
    "dsigmoid": "4*exp(-4*abs(v))/(1 + exp(-4*abs(v)))**2",
    "dfast_sigmoid": "1/(1 + 2*abs(v))**2",
    "rectangular": "where(abs(v) < 1/2, 1, 0)",
    "q_pseudospike": "(1 + 2/(2.5 - 1)*abs(v))**-2.5",
}
TAIL = {"tail": 2.5}

numbers = st.sampled_from(["0.5", "2", "3.0", "1e-3", "pi", "7"])
formulas = st.recursive(
    numbers | st.just("v"),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from("+-*/"), inner).map(lambda part: f"({part[0]} {part[1]} {part[2]})"),
        inner.map(lambda one: f"-({one})"),
        st.tuples(inner, st.sampled_from(["2", "-1", "0.5", "3"])).map(lambda part: f"({part[0]})**{part[1]}"),
        st.tuples(st.sampled_from(FUNCTIONS), inner).map(lambda part: f"{part[0]}({part[1]})"),
        st.tuples(st.sampled_from(["min", "max"]), inner, inner).map(lambda part: f"{part[0]}({part[1]}, {part[2]})"),
        st.tuples(st.sampled_from(["<", "<=", ">", ">="]), inner, inner).map(
            lambda part: f"where(v {part[0]} {part[1]}, {part[2]}, v)"
        ),
    ),
    max_leaves=8,
)


def parsed(text):
    try:
        return parse(text)
    except SgpipeError:
        assume(False)


# ---- Reading ----


@QUICK
@given(st.text(max_size=60) | st.text("v()+-*/.,<>= 019_eabsxpq[]{}:;'@!\\\n", max_size=40))
def test_any_text_is_a_formula_or_is_refused_in_one_line(text):
    try:
        made = formula(text)
    except SgpipeError as error:
        assert "\n" not in str(error) and str(error)
    else:
        assert np.all(made(np.linspace(-3, 3, 13)) >= -1e-9)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is empty"),
        ("1/(1 + abs(v)", "cannot be read ('(' was never closed)"),
        ("1 +", "cannot be read"),
        ("v^2", "has '^', which means nothing in a formula; powers are written **"),
        ("1/(1 + abs(x))", "has 'x', which is not v"),
        ("__import__", "has '__import__', which is not v"),
        ("__import__(v)", "has the function '__import__'; there are abs, exp, log, max, min, sqrt, tanh, where alone"),
        ("v.real", "has 'v.real', which means nothing in a formula"),
        ("v.__class__(v)", "has 'v.__class__(v)', which means nothing"),
        ("(lambda v)(v)", "cannot be read"),
        ("exp(v)(v)", "has 'exp(v)(v)', which means nothing"),
        ("exp(*v)", "means nothing"),
        ("max(v, v, key=abs)", "means nothing"),
        ("v if v < 1 else 0", "has `if`, which means nothing in a formula; write where(v > 0, this, that)"),
        ("1/(1 + |v|)", "has '|', which means nothing in a formula; write abs(v)"),
        ("e**(-v*v)", "has 'e', which is not v; write exp(...)"),
        ("v < 1", "has 'v < 1', which means nothing"),
        ("v // 2", "has 'v // 2', which means nothing"),
        ("1j*v", "has 1j, which is not a number"),
        ("True*v", "has True, which is not a number"),
        ("1e999*v", "has inf, which is too large a number"),
        ("v + 1" * 100, "has 500 characters, more than 300"),
        ("-" * 200 + "v", "is nested more than 25 deep"),
        ("abs(" * 40 + "v" + ")" * 40, "is nested more than 25 deep"),
        ("9**9**9*v", "has an exponent beyond 64"),
        ("v**1000", "has an exponent beyond 64"),
        ("v**v", "has v in an exponent whose base is not a number"),
        ("abs", "has abs without its arguments; write abs(...)"),
        ("exp(v, v)", "gives exp 2 arguments, which takes 1"),
        ("max(v)", "gives max 1 arguments, which takes 2 to 8"),
        ("where(v, 1, 0)", "has where without a comparison"),
        ("where(v == 1, 1, 0)", "has where without a comparison"),
        ("where(1 < 2, v, 0)", "has the comparison '1 < 2', which does not depend on v"),
        ("1 + 2", "does not depend on v"),
    ],
)
def test_what_is_no_formula_is_refused_with_the_reason(text, reason):
    with pytest.raises(SgpipeError) as caught:
        parse(text)
    assert reason in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1/abs(v)", "is infinite at v = 0"),
        ("-log(abs(v))", "is infinite at v = 0"),
        ("1/(v - 1)**2", "is infinite at v = 1"),
        ("1/(v**2 - 2)**2", "is infinite at v = 1.41421"),
        ("1/abs(abs(v) - 0.7)", "is infinite at v = 0.7"),
        ("v", "is negative at v = -"),
        ("1 - v**2", "is negative at v = "),
        ("exp(-abs(v)) - 0.1", "is negative at v = "),
        ("sqrt(v)", "is not a number at v = -"),
        ("tanh(v)/v", "is not a number at v = 0"),
        ("exp(v)", "is infinite at v = "),
        ("exp(v)/(1 + exp(v))**2", "is not a number at v = "),
        ("exp(abs(v)/4)/(1 + exp(abs(v)/2))", "; write exp with what is never positive"),
        ("v**2", "grows without bound"),
        ("log(1 + abs(v))", "grows without bound"),
        ("max(0, -abs(v))", "is 0 everywhere"),
        ("1e39*exp(-abs(v))", "overflows in single precision at v = 0"),
    ],
)
def test_a_formula_that_can_be_no_surrogate_is_refused_with_the_reason(text, reason):
    with pytest.raises(SgpipeError) as caught:
        formula(text)
    assert reason in str(caught.value) and "\n" not in str(caught.value)


# ---- One spelling ----


@QUICK
@given(formulas)
def test_the_canonical_text_is_read_as_the_same_formula(text):
    node = parsed(text)
    assert parse(canonical(node)) == node
    assert canonical(parse(canonical(node))) == canonical(node)


@QUICK
@given(formulas, st.randoms(use_true_random=False))
def test_spaces_and_parentheses_make_no_difference(text, random):
    node = parsed(text)
    spread = "".join(f"({one})" if one == "v" and random.random() < 0.5 else one for one in canonical(node))
    for sign in "+-/,<":
        spread = spread.replace(f" {sign} ", sign if random.random() < 0.5 else f"   {sign}\t")
    assert canonical(parse(f"(({spread}))")) == canonical(node)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1/(1+abs(v))**3", "( 1.0 ) / ( (1 + (abs( v ))) ** 3e0 )"),
        ("exp(-2*abs(v))", "exp(-(2*abs(v)))"),
        ("1/(1 + (v**2 + abs(v)))", "1/((1 + v**2) + abs(v))"),
        ("max(0, 1 - (abs(v) - 1))", "max(0, 1 - abs(v) + 1)"),
        ("2*(3*exp(-abs(v)))", "(2*3)*exp(-abs(v))"),
        ("1/(1 + abs(v))/(1 + v**2)", "1/((1 + abs(v))*(1 + v**2))"),
    ],
)
def test_equal_formulas_have_one_id(one, other):
    made = [RunSpec.make({"surrogate.shape": "formula", "surrogate.formula": text}) for text in (one, other)]
    assert made[0].id == made[1].id and made[0] == made[1]
    assert from_canonical(made[0].canonical()) == made[0]


@pytest.mark.parametrize(
    ("one", "other"),
    [("1/(1 + abs(v))**2", "1/(1 + abs(v)**2)"), ("exp(-v**2)", "exp(-abs(v))"), ("2**-v**2", "exp(-v**2)")],
)
def test_other_formulas_have_other_ids(one, other):
    made = [RunSpec.make({"surrogate.shape": "formula", "surrogate.formula": text}) for text in (one, other)]
    assert made[0].id != made[1].id


@FEW
@given(formulas)
def test_a_formula_is_printed_as_mathematics_that_matplotlib_can_set(text):
    from matplotlib.mathtext import MathTextParser

    MathTextParser("path").parse(f"${tex(parsed(text))}$")


# ---- Values ----


def python(text: str, v: float) -> float:
    """The formula by Python itself, one number at a time."""
    names = {name: getattr(math, name) for name in ("exp", "log", "sqrt", "tanh", "pi")}
    return eval(text, {"__builtins__": {}}, {**names, "abs": abs, "min": min, "max": max, "where": _where, "v": v})


def _where(condition, yes, no):
    return yes if condition else no


@QUICK
@given(formulas, st.floats(-5, 5))
def test_a_formula_has_the_value_that_python_gives_it(text, v):
    node = parsed(text)
    try:
        expected = python(text, v)
    except (ValueError, ZeroDivisionError, OverflowError):
        assume(False)
    assume(not isinstance(expected, complex) and abs(expected) < 1e6)
    with np.errstate(all="ignore"):
        found = Formula(canonical(node), node)(np.array([v]))[0]
    # Sums and products are taken in another order, which cancellation may show.
    assume(np.isfinite(found))
    assert found == pytest.approx(expected, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(
    "text", [*TWINS.values(), "where(0 < v <= 1, 0.3, 2**-abs(v))", "tanh(abs(v))*exp(-sqrt(abs(v)))"]
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_numpy_and_torch_agree_on_a_formula_and_keep_the_precision(text, dtype):
    f, v = formula(text), np.linspace(-4, 4, 401, dtype=dtype)
    found = f(torch.from_numpy(v), torch)
    assert found.numpy().dtype == f(v).dtype == dtype
    np.testing.assert_allclose(found.numpy(), f(v), rtol=30 * np.finfo(dtype).eps, atol=1e-37)


@pytest.mark.parametrize(("shape", "text"), TWINS.items())
def test_a_formula_is_its_built_in_twin(shape, text):
    x = np.linspace(-3, 3, 601)
    for slope, dampening in itertools.product((0.5, 1.0, 7.0), (0.3, 2.0)):
        knobs = {"beta": slope, "sharpness": slope, "dampening": dampening}
        found = lower(text, **knobs)(x)
        np.testing.assert_allclose(found, SURROGATES[shape](x, **knobs, **TAIL), rtol=1e-12, atol=1e-300)


@pytest.mark.parametrize(("shape", "text"), TWINS.items())
@pytest.mark.parametrize("power", [1, 2])
def test_moments_by_quadrature_are_the_closed_forms_of_the_twin(shape, text, power):
    sides = [*np.geomspace(1e-13, 1e17, 31), np.inf]
    low, high = np.array([(-a, b) for a in sides for b in sides]).T
    found = moment(text, power, low, high)
    np.testing.assert_allclose(found, moment(shape, power, low, high, TAIL["tail"]), rtol=1e-9)
    assert SURROGATES[text].peak == pytest.approx(SURROGATES[shape].peak, rel=1e-12)


@pytest.mark.parametrize(
    ("text", "edges"),
    [
        ("where(-0.2 < v < 0.7, 1 + v, 0)", (-0.2, 0.7)),
        ("exp(-100*(v - 1)**2) + 0.1*exp(-abs(v))", (0, 0.8, 1, 1.2)),
        ("min(1, 0.1/(0.01 + abs(v)))", (-0.09, 0, 0.09)),
        ("sqrt(abs(v))*exp(-abs(v))", (0,)),
    ],
)
def test_moments_of_other_formulas_are_those_of_another_quadrature(text, edges):
    f = formula(text)
    for low, high in ((-3.0, 2.0), (0.1, 0.9), (-0.5, -0.1)):
        ends = [low, *(edge for edge in edges if low < edge < high), high]
        for power in (1, 2):
            expected = sum(
                quad(lambda v, power=power: float(f(np.array([v]))[0]) ** power, a, b, epsabs=1e-13, limit=500)[0]
                for a, b in itertools.pairwise(ends)
            )
            assert moment(text, power, low, high) == pytest.approx(expected, rel=1e-8)


def test_a_peak_may_lie_beside_the_threshold():
    assert formula("exp(-(v - 0.3)**2)").peak == pytest.approx(1, abs=1e-9)
    assert formula("where(v > 1, 3, 1)").peak == 3
    assert formula("abs(v)*exp(-abs(v))").peak == pytest.approx(math.exp(-1), rel=1e-9)


def test_kinks_and_jumps_are_found_where_the_precision_has_them():
    from sgpipe.spec.formulas.places import breaks

    inner, _, outer = formula("max(0, 1 - abs(v))").breaks
    assert (inner, outer) == (np.nextafter(-1.0, 0.0), 1.0)  # each the first number of its right side
    for dtype in (np.float32, np.float64):
        for sign, first in (("<", np.nextafter(dtype(-0.7), dtype(0))), ("<=", dtype(-0.7))):
            edges = breaks(parse(f"where(abs(v) {sign} 0.7, 1, 0)"), dtype)
            outside = dtype(0.7) if sign == "<" else np.nextafter(dtype(0.7), dtype(1))
            assert edges == (float(first), 0.0, float(outside))


# ---- Knobs ----


def test_only_a_formula_keeps_its_knobs_and_no_other_run_has_them():
    text = TWINS["superspike"]
    plain = RunSpec.make({})
    assert "surrogate.formula" not in plain.flat() and "formula" not in plain.canonical()
    assert RunSpec.make({"surrogate.shape": "esser", "surrogate.formula": text}) == RunSpec.make(
        {"surrogate.shape": "esser"}
    )
    for slope, other in (("sharpness", "beta"), ("beta", "sharpness")):
        spec = RunSpec.make({"surrogate.shape": "formula", "surrogate.formula": text, "surrogate.slope": slope})
        assert getattr(spec.surrogate, other) is None and spec.surrogate.tail is None
        assert getattr(spec.surrogate, slope) is not None and spec.surrogate.dampening == 1.0
        assert "surrogate.formula=1" in versions(spec)
    assert RunSpec.make(
        {"network.hidden": [], "surrogate.shape": "formula", "surrogate.formula": text}
    ) == RunSpec.make({"network.hidden": []})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"surrogate.shape": "formula"}, "spec: surrogate.shape: formula needs surrogate.formula, e.g. "),
        ({"surrogate.formula": "exp(-abs(v))"}, "spec: surrogate.formula: needs surrogate.shape: formula beside it"),
        (
            {"surrogate.shape": "formula", "surrogate.formula": "1/abs(v)"},
            "spec: surrogate.formula: '1/abs(v)' is infinite at v = 0",
        ),
        ({"surrogate.shape": "formula", "surrogate.formula": 3}, "spec: surrogate.formula: 3 is not a word"),
        (
            {
                **{"surrogate.shape": "formula", "surrogate.formula": "exp(-abs(v))", "surrogate.slope": "beta"},
                **{"network.neuron": "delta_lif", "network.recurrent": True, "init.conditions": "IV"},
            },
            "spec: init.conditions: IV needs a formula with a sharpness; set surrogate.slope: sharpness",
        ),
    ],
)
def test_wrong_knobs_are_refused_in_one_line(values, message):
    with pytest.raises(SgpipeError) as caught:
        RunSpec.make(values)
    assert str(caught.value).startswith(message)
