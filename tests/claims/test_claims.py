"""Every claim can hold and can fail; verdicts follow the definitions of docs/claims.md; no verdict is given unearned."""

import itertools
import json
import math
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from scipy import stats

from sgpipe.base.errors import SgpipeError
from sgpipe.claims import estimates, judge, picture, report, rules, tables
from sgpipe.claims import words as verdict_words
from sgpipe.claims.declare import GROUPS_OF, about, claim_files, claimed, load_claims
from sgpipe.claims.elsewhere import elsewhere
from sgpipe.claims.estimates import Estimate, Interval
from sgpipe.claims.page import html
from sgpipe.claims.rules import PAIRS, TARGETS, Comparison, Target
from sgpipe.claims.strip import REACH, TARGET, strip_of
from sgpipe.claims.tables import ExperimentTable
from sgpipe.cli import main
from sgpipe.figures import style
from sgpipe.results import transition
from sgpipe.results.store import Result, Row
from sgpipe.results.tables import experiment_table, runs_table, write_table
from sgpipe.results.transition import Rise, fit_rise, rise
from sgpipe.spec.experiments import load_experiments
from tests.conftest import ROOT, longer_after

CLAIMS = {claim.id: claim for claim in load_claims(claim_files(ROOT))}
TESTABLE = [name for name, claim in CLAIMS.items() if not claim.untestable]
CHANCE, PLATEAU = 0.1, 0.9
BASE = {"sd": 0.05, "transition": 50.0, "saturation": 50.0, "crossing": 50.0, "width": 0.5, "plateau": PLATEAU}
NOISE = np.array([-1.0, 1.0, -0.5, 0.5, -0.2, 0.2, 0.0, 0.7, -0.7, 0.1, -0.1, 0.0])


# ---- made-up worlds in which a claim holds or fails ----


def wanted(claim, holds):
    """Return the number that each group must have for the claim to hold, or clearly not to."""
    count, kind, measures = len(claim.groups), claim.groups[0].measure, [group.measure for group in claim.groups]
    base = [BASE.get(group.measure, 0.5) for group in claim.groups]
    if claim.rule in PAIRS:
        if claim.rule == "same":
            return [base[0] + (0 if holds else 4 * claim.value * place) for place in range(count)]
        step = 0.1 + abs(claim.value)
        rises = (claim.rule == "lowest_of") == holds
        return [0.5 + step * place * (1 if rises else -1) for place in range(count)]
    target = TARGETS[claim.rule](claim)
    finite = [abs(bound) for bound in target if math.isfinite(bound)]
    room = 0.3 * max(finite) + (0.0 if claim.ratio else {"mean": 0.1, "share": 0.3, "spread": 0.1}.get(kind, 0.0))
    room = 0.02 * 0.3 if kind == "spread" and count == 1 else 0.4 if count == 2 and "plateau" in measures else room
    if kind == "sd":  # what few runs say of a scatter is little
        return [(4 if holds else 0.25) * base[1], base[1]]
    if math.isinf(target.high):
        number = target.low + room if holds else target.low - room
    elif math.isinf(target.low):
        number = target.high - room if holds else target.high + room
    else:
        middle, half = sum(target) / 2, (target.high - target.low) / 2
        number = math.sqrt(target.low * target.high) if claim.ratio else middle
        number = number if holds else target.high + (half if half > 0.001 else room)
    if claim.rule == "at_chance":
        return [number + CHANCE]
    if claim.ratio:
        return [number * base[1], base[1]]
    factors = claim.contrast or ((1, -1) if count == 2 else (1,))
    rest = sum(factor * value for factor, value in zip(factors[1:], base[1:], strict=True))
    return [(number - rest) / factors[0], *base[1:]]


def rows_of(group, value, best):
    """Return made-up runs that a group selects and whose number is `value`."""
    knobs = {key: _one(what) for key, what in group.where.items()}
    known = {
        "data.task": "randman",
        "chance": CHANCE,
        "kind": "synthetic",
        "data": "synthetic",
        "status": "finished",
        **knobs,
    }
    filled = {"test_accuracy": PLATEAU, "valid_accuracy": 0.5, "valid_loss": 1.0, "spikes_total": 500.0, **known}
    if group.measure in ("transition", "saturation", "crossing", "width", "plateau"):
        runs = _on_a_rise(group, value)
    elif group.measure == "share":
        reached = np.arange(200) < round(200 * value)
        runs = pd.DataFrame({group.column: np.where(reached, group.level + 0.05, group.level - 0.05)})
        runs["surrogate.beta"], runs["optimiser.lr"] = np.arange(200.0), 0.1  # cells of a grid
        runs["init.seed"] = np.arange(200) % 4
    elif group.measure == "sd":
        runs = pd.DataFrame({group.column: 0.8 + NOISE / NOISE.std(ddof=1) * value})
    elif group.measure in ("peak", "spread"):
        runs = _over(group, value)
    else:
        size = 1e-3 * max(abs(value), 0.1)
        runs = pd.DataFrame({group.column: value + size * NOISE})
        if group.best is not None:  # worse by validation, and far off on test: they must not count
            k = best if group.best == "experiment" else group.best
            runs = runs.head(k).assign(valid_accuracy=0.9)
            rest = pd.DataFrame({group.column: [-5.0] * (2 * k + 3)}).assign(valid_accuracy=0.2)
            runs = pd.concat([runs, rest], ignore_index=True)
    lacking = {key: [what] * len(runs) for key, what in filled.items() if key not in runs}
    return runs.assign(**lacking, sweeps=[group.sweeps or ("any",)] * len(runs))


def _one(what):
    if isinstance(what, dict):
        low, high = what.get("at_least", what.get("above")), what.get("at_most", what.get("below"))
        return (low + high) / 2 if low is not None and high is not None else low + 0.25 if high is None else high / 2
    return what[0] if isinstance(what, list) else what


def _on_a_rise(group, value):
    steepness = math.log10(81) / value if group.measure == "width" else 4.0
    crossing = ((group.level or 0) - CHANCE) / (PLATEAU - CHANCE)
    share = {"saturation": group.level or 0.95, "crossing": crossing}.get(group.measure, 0.5)
    transition = {"width": 40.0, "plateau": 3.0}.get(group.measure, value) / (share / (1 - share)) ** (1 / steepness)
    plateau = value if group.measure == "plateau" else PLATEAU
    spikes = transition * np.geomspace(0.02, 50, 40)
    accuracy = CHANCE + (plateau - CHANCE) / (1 + (transition / spikes) ** steepness)
    return pd.DataFrame({"spikes_total": spikes, group.column: accuracy + 1e-3 * np.resize(NOISE, 40)})


def _over(group, value):
    places = [value, value / 2, value * 2, value * 3, value * 4] if group.measure == "peak" else list("abcde")
    shifts = [0.2, 0, 0, 0, 0] if group.measure == "peak" else value * stats.zscore(np.arange(5), ddof=1)
    parts = [
        pd.DataFrame({group.over: place, group.column: 1.0 + shift + 1e-3 * NOISE[:6]})
        for place, shift in zip(places, shifts, strict=True)
    ]
    return pd.concat(parts, ignore_index=True)


def world(claim, numbers, best=5, scale=None):
    """Return tables in which the groups of a claim have the given numbers."""
    parts = {}
    for group, value in zip(claim.groups, numbers, strict=True):
        parts.setdefault(group.experiment, []).append(rows_of(group, value, best))
    found = {}
    for name, runs in parts.items():
        together = pd.concat(runs, ignore_index=True)
        together["run_id"] = [f"{place:016x}" for place in range(len(together))]
        together["kind"] = claim.sources[0]
        for key in claim.pair:
            if key not in together:  # matched in the order of the rows
                together[key] = together.groupby("hidden_layers").cumcount()
        found[name] = ExperimentTable(name, scale or claim.scales[-1], best, together.head(0), together)
    return found


@pytest.fixture(autouse=True, scope="module")
def few_resamples():
    """Resample less: made-up sigmoids are clear."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transition, "RESAMPLES", 40)
        yield


@pytest.mark.parametrize("name", TESTABLE)
def test_made_up_data_can_make_a_claim_hold_and_fail(name):
    claim = CLAIMS[name]
    verdicts = []
    for holds in (True, False):
        judged = judge.judge(claim, world(claim, wanted(claim, holds)), claim.experiments)
        verdicts.append((judged.verdict, judged.reason))
        assert all(group.n >= claim.least for group in judged.groups)
        assert all(math.isfinite(one.number.low) or one.number.low < 0 for one in judged.comparisons)
    assert [verdict for verdict, _ in verdicts] == [judge.REPLICATED, judge.NOT_REPLICATED], verdicts


EQUAL = [
    name
    for name in TESTABLE
    if CLAIMS[name].rule != "at_chance"  # that is about guessing
    and (len(CLAIMS[name].groups) > 1 or CLAIMS[name].groups[0].measure == "spread")
    and all(group.column.endswith(("accuracy", "accuracy_last", "loss_lowest")) for group in CLAIMS[name].groups)
]


@pytest.mark.parametrize("name", EQUAL)
def test_no_comparison_is_replicated_by_networks_that_only_guess(name):
    claim = CLAIMS[name]
    tables_of = world(claim, wanted(claim, True))
    for experiment, table in tables_of.items():
        runs = table.runs.copy()
        for column in ("test_accuracy", "train_accuracy_last", "valid_accuracy"):
            runs[column] = CHANCE + 1e-3 * np.resize(NOISE, len(runs))
        runs["valid_loss_lowest"] = 2.3 + 1e-3 * np.resize(NOISE, len(runs))
        tables_of[experiment] = replace(table, runs=runs)
    judged = judge.judge(claim, tables_of, claim.experiments)
    assert judged.verdict != judge.REPLICATED, judged.reason
    if judged.verdict == judge.INCONCLUSIVE and all(one.target.holds(one.number) for one in judged.comparisons):
        assert "inside" in judged.reason and judged.reason.endswith(": networks that only guess are all alike")


def test_equal_networks_are_replicated_if_one_of_them_learnt_something():
    claim = CLAIMS["zenke2021_fig6_mnist_recurrent_like_ff_max"]
    for both, verdict in ((0.1, judge.INCONCLUSIVE), (0.14, judge.INCONCLUSIVE), (0.17, judge.REPLICATED)):
        assert judge.judge(claim, world(claim, [both, both]), claim.experiments).verdict == verdict
    kept = CLAIMS["zenke2021_fig8_accuracy_kept"]
    assert judge.judge(kept, world(kept, [0.1, 0.1]), kept.experiments).verdict == judge.INCONCLUSIVE
    assert judge.judge(kept, world(kept, [0.1, 0.9]), kept.experiments).verdict == judge.NOT_REPLICATED


@pytest.mark.parametrize(
    "name, numbers, verdict",
    [
        ("zenke2021_fig3_second_layer_marginal", [0.91, 0.90], judge.REPLICATED),
        ("zenke2021_fig3_second_layer_marginal", [0.30, 0.99], judge.NOT_REPLICATED),  # worse is no improvement
        ("zenke2021_fig3_second_layer_marginal", [0.93, 0.90], judge.NOT_REPLICATED),
        ("zenke2021_fig5_recurrent_little_lower", [0.95, 0.92], judge.REPLICATED),
        ("zenke2021_fig5_recurrent_little_lower", [0.50, 0.99], judge.NOT_REPLICATED),  # better is not a little lower
        ("zenke2021_fig3_beta_zero_like_no_hidden", [0.6, 0.63], judge.NOT_REPLICATED),  # "comparable": 0.02
        ("zenke2021_fig9_rawsc_80_ff", [0.0, 0.0], judge.INCONCLUSIVE),  # no network gets there at all
        ("zenke2021_fig9_rawsc_80_ff", [0.2, 0.0], judge.REPLICATED),
        ("zenke2021_fig8_pathological_counts", [0.002], judge.NOT_REPLICATED),
        ("zenke2021_fig8_regulariser_cuts_high_counts", [0.0, 0.2], judge.REPLICATED),
        ("herranz2022_parameters_shd_lif", [380_948], judge.NOT_REPLICATED),
        ("herranz2022_parameters_mnist", [150_794], judge.REPLICATED),
    ],
)
def test_a_claim_asks_what_its_sentence_says(name, numbers, verdict):
    claim = CLAIMS[name]
    judged = judge.judge(claim, world(claim, numbers), claim.experiments)
    assert judged.verdict == verdict, judged.reason


@pytest.mark.parametrize("name", ["pathological_counts", "regulariser_cuts_counts", "regulariser_makes_sparse"])
def test_longer_steps_than_1_ms_cut_the_counts_of_fig_8_and_give_no_verdict(name):
    claim = CLAIMS[f"zenke2021_fig8_{name}"]
    fine = world(claim, [0.002, 0.2][: len(claim.groups)])
    coarse = {key: replace(one, runs=one.runs.assign(**{"data.dt": 4.0})) for key, one in fine.items()}
    assert judge.judge(claim, fine, claim.experiments).verdict != judge.NOT_TESTABLE
    assert judge.judge(claim, coarse, claim.experiments).verdict == judge.NOT_TESTABLE


def test_one_word_has_one_reading():
    comparable = [
        CLAIMS[f"zenke2021_{name}"] for name in ("fig3_beta_zero_like_no_hidden", "fig6_mnist_like_conventional")
    ]
    assert {claim.value for claim in comparable} == {0.02}


def test_every_sigmoid_is_of_networks_of_one_depth_and_one_connectivity():
    """But for accuracy and activity over both, which the claims compare."""
    for name in TESTABLE:
        for group in CLAIMS[name].groups:
            if group.measure in ("transition", "width", "saturation", "crossing", "plateau"):
                assert {"network.recurrent", "hidden_layers"} <= set(group.where), name


def test_readouts_are_compared_one_by_one():
    for name in TESTABLE:
        if "_recurrent_better_" in name or "_recurrent_like_ff_" in name:
            heads = {group.where["objective.head"] for group in CLAIMS[name].groups}
            assert heads == {name.rpartition("_")[2]}


def test_there_are_claims_of_both_papers_about_every_trained_figure():
    assert len(CLAIMS) > 80
    named = {name for claim in CLAIMS.values() for name in claim.experiments}
    for paper, figures in (("zenke2021", [2, 3, 5, 6, 8, 9]), ("herranz2022", [2, 3, 4, 5])):
        assert {f"{paper}_fig{figure}" for figure in figures} <= named


def test_claims_are_also_about_the_experiments_of_a_file_that_is_like_another(monkeypatch):
    monkeypatch.chdir(ROOT)
    mine = load_experiments([ROOT / "workflow/experiments/zenke2021_real.yaml"], "smoke")
    judged = about(CLAIMS.values(), mine)
    [moved] = [claim for claim in judged if claim.id == "zenke2021real_fig6_mnist_accuracy"]
    assert moved.paper == "zenke2021real" and moved.experiments == ("zenke2021real_fig6",)
    assert moved.value == CLAIMS["zenke2021_fig6_mnist_accuracy"].value
    assert {f"zenke2021real_fig{figure}" for figure in (6, 8, 9)} == set(claimed(mine))
    assert {claim.paper for claim in judged} == {"zenke2021real"}
    both = mine | load_experiments([ROOT / "workflow/experiments/zenke2021.yaml"], "smoke")
    papers = [claim.paper for claim in about(CLAIMS.values(), both)]
    assert papers.count("zenke2021") > papers.count("zenke2021real") > 60
    # What is left out of the file has no claims, and neither has another figure that happens to have a claimed name.
    named = {name for claim in judged for name in claim.experiments}
    assert {name for name in named if name.startswith("zenke2021real")} == set(claimed(mine))
    slow = replace(mine["zenke2021real_fig6"], id="mine_fig3", paper="mine")
    assert claimed({"mine_fig3": slow}) == ["mine_fig3"]
    assert claimed({"mine_fig3": replace(slow, stands_for="mine_fig3")}) == []
    twice = {name: replace(slow, id=name) for name in ("mine_fig3", "mine_fig4")}
    with pytest.raises(SgpipeError, match="mine_fig4: stands_for: mine_fig3 stands for zenke2021_fig6 too"):
        claimed(twice)


def test_every_claim_says_where_it_stands_and_every_verdict_needs_the_paper_scale_at_least():
    for claim in CLAIMS.values():
        assert claim.at and claim.words
        assert "paper" in claim.scales and "smoke" not in claim.scales and "embedded" not in claim.sources
        if claim.rule == "within_spread":  # a printed number: nothing but the paper's own data and scale
            assert claim.scales == ("paper",) and set(claim.sources) <= {"original", "synthetic"}


# ---- intervals ----


def mean_of(values, name="mean"):
    values = np.asarray(values, float)
    return Estimate(values.mean(), len(values), values.mean(), values.std(ddof=1), None, name)


def test_the_interval_of_a_difference_is_welchs():
    a, b = [0.91, 0.95, 0.97, 0.90], [0.71, 0.85, 0.80]
    found = estimates.contrast([mean_of(a), mean_of(b)], (1, -1))
    expected = stats.ttest_ind(a, b, equal_var=False).confidence_interval(0.95)
    assert found == pytest.approx((np.mean(a) - np.mean(b), expected.low, expected.high))
    one = estimates.contrast([mean_of(a)], (1,))
    assert one[1:] == pytest.approx(stats.t.interval(0.95, 3, np.mean(a), stats.sem(a)))


def test_a_contrast_of_four_means_adds_their_errors():
    groups = [[1.0, 1.2, 1.1], [0.9, 1.0, 1.3, 1.1], [0.5, 0.6, 0.4], [0.2, 0.3, 0.7]]
    factors = (1, -1, -1, 1)
    found = estimates.contrast(list(map(mean_of, groups)), factors)
    parts = np.array([np.var(group, ddof=1) / len(group) for group in groups])
    freedom = parts.sum() ** 2 / sum(part**2 / (len(group) - 1) for part, group in zip(parts, groups, strict=True))
    half = stats.t.ppf(0.975, freedom) * np.sqrt(parts.sum())
    value = sum(factor * np.mean(group) for factor, group in zip(factors, groups, strict=True))
    assert found == pytest.approx((value, value - half, value + half))


def runs_with(values, column="test_accuracy", **knobs):
    return pd.DataFrame({column: values, "chance": CHANCE, **knobs})


def measured(measure, runs, name="stream", **more):
    group = replace(CLAIMS[TESTABLE[0]].groups[0], measure=measure, column="test_accuracy", **more)
    return estimates.estimate(group, runs, name)


def test_the_interval_of_a_share_is_jeffreys():
    found = measured("share", runs_with([0.95] * 30 + [0.2] * 9 + [np.nan]), level=0.9)
    low, high = estimates.contrast([found], (1,))[1:]
    assert found.value == 0.75 and found.n == 40  # the run that was lost is one that did not reach the level
    assert (low, high) == pytest.approx(stats.beta.ppf([0.025, 0.975], 30.5, 10.5), abs=0.01)


def test_the_interval_of_a_ratio_of_scatters_is_that_of_the_f_test():
    a, b = 0.2 * NOISE[:6], 0.1 * NOISE[:8]
    parts = [measured("sd", runs_with(values), name) for values, name in ((a, "a"), (b, "b"))]
    found = estimates.ratio(parts)
    squares = np.var(a, ddof=1) / np.var(b, ddof=1)
    expected = np.sqrt(squares / stats.f.ppf([0.975, 0.025], 5, 7))
    assert found.value == pytest.approx(np.sqrt(squares))
    assert found[1:] == pytest.approx(expected, rel=0.06)


@pytest.mark.parametrize("n", [3, 10])
def test_the_ratio_of_two_counts_is_positive_and_holds_the_truth_as_often_as_it_says(n):
    """Counts of networks scatter in proportion: lognormal, by a quarter and by a factor of two or so."""
    random, rounds = np.random.default_rng(11), 400
    for scatter in (0.25, 0.7):
        inside = 0
        for place in range(rounds):
            a, b = (mean * random.lognormal(-(scatter**2) / 2, scatter, n) for mean in (60.0, 400.0))
            found = estimates.ratio([mean_of(a, f"a{place}"), mean_of(b, f"b{place}")])
            assert 0 < found.low < found.value < found.high
            inside += found.low <= 60 / 400 <= found.high
        assert inside / rounds >= 0.9, (n, scatter, inside / rounds)


def test_a_ratio_of_few_runs_cannot_be_negative():
    """Fig 8 at scale laptop: three networks a group, of which one is far more active than the others."""
    few, many = mean_of([134.0, 122.0, 198.0], "few"), mean_of([257.0, 275.0, 1900.0], "many")
    found = estimates.ratio([few, many])
    assert found.value == pytest.approx(454 / 2432) and 0 < found.low < found.value < found.high
    shares = measured("share", runs_with([0.95] * 30 + [0.2] * 9), level=0.9)
    assert estimates.ratio([many, shares]).low > 0  # one mean, one number with draws
    assert estimates.ratio([mean_of([0.0, 0.0, 0.0]), many]) == (0, 0, 0)
    with pytest.raises(estimates.Unmeasurable, match="below 0"):
        estimates.ratio([mean_of([-1.0, -2.0, -1.5]), many])


def test_the_ratio_of_two_means_is_welchs_for_their_logarithms():
    a, b = mean_of([1.0, 1.2, 1.1], "a"), mean_of([2.0, 3.0, 2.5, 2.2], "b")
    parts = np.array([(part.sd / part.mean) ** 2 / part.n for part in (a, b)])
    half = stats.t.ppf(0.975, parts.sum() ** 2 / (parts**2 / [2, 3]).sum()) * np.sqrt(parts.sum())
    ratio = a.mean / b.mean
    assert estimates.ratio([a, b]) == pytest.approx((ratio, ratio * np.exp(-half), ratio * np.exp(half)))


def test_a_ratio_to_nothing_is_no_number():
    with pytest.raises(estimates.Unmeasurable, match="ratio to 0"):
        estimates.ratio([measured("sd", runs_with(NOISE)), measured("sd", runs_with([0.9] * 4), "still")])


def test_equal_tables_give_equal_intervals_and_streams_differ_by_name():
    runs = runs_with([0.1, 0.2, 0.4, 0.7])
    assert np.array_equal(measured("sd", runs).drawn(), measured("sd", runs).drawn())
    assert not np.array_equal(measured("sd", runs).drawn(), measured("sd", runs, "other").drawn())


def test_intervals_hold_the_truth_as_often_as_they_say(monkeypatch):
    monkeypatch.setattr(estimates, "DRAWS", 400)
    random, rounds = np.random.default_rng(7), 160
    inside = dict.fromkeys(("mean", "difference", "ratio", "share", "share difference", "sd ratio"), 0)
    for place in range(rounds):
        a, b = random.normal(0.8, 0.05, 4), random.normal(0.5, 0.2, 5)
        x, y = random.random(40) < 0.6, random.random(40) < 0.3
        means = [mean_of(a, f"a{place}"), mean_of(b + 3, f"b{place}")]
        shares = [measured("share", runs_with(z * 1.0), f"{n}{place}", level=0.5) for z, n in ((x, "x"), (y, "y"))]
        sds = [measured("sd", runs_with(values), f"{n}{place}") for values, n in ((a, "sa"), (b, "sb"))]
        for name, number, truth in (
            ("mean", estimates.contrast(means[:1], (1,)), 0.8),
            ("difference", estimates.contrast(means, (1, -1)), 0.8 - 3.5),
            ("ratio", estimates.ratio(means), 0.8 / 3.5),
            ("share", estimates.contrast(shares[:1], (1,)), 0.6),
            ("share difference", estimates.contrast(shares, (1, -1)), 0.3),
            ("sd ratio", estimates.ratio(sds), 0.25),
        ):
            inside[name] += number.low <= truth <= number.high
    for name, count in inside.items():
        assert count / rounds >= 0.9, (name, count / rounds)


def test_a_peak_is_as_sure_as_the_runs_make_it():
    over = np.repeat([0.25, 0.5, 0.75, 1.0], 4)
    clear = runs_with(0.9 - (over - 0.75) ** 2 + 0.001 * np.resize(NOISE, 16), **{"surrogate.dampening": over})
    noisy = runs_with(0.9 - (over - 0.75) ** 2 + 0.5 * np.resize(NOISE, 16), **{"surrogate.dampening": over})
    sure = estimates.contrast([measured("peak", clear, over="surrogate.dampening")], (1,))
    unsure = estimates.contrast([measured("peak", noisy, over="surrogate.dampening")], (1,))
    assert sure == (0.75, 0.75, 0.75)
    assert unsure.low < unsure.high and {unsure.low, unsure.high} <= set(over)


def test_matched_runs_have_the_interval_of_the_paired_t_test():
    claim = CLAIMS["zenke2021_fig3_region_sigmoid_esser"]
    beta, a, b = (
        np.arange(6.0),
        np.array([0.95, 0.95, 0.95, 0.95, 0.2, np.nan]),
        np.array([0.95, 0.95, 0.2, 0.2, 0.2, 0.95]),
    )
    runs = [runs_with(values, **{"surrogate.beta": beta}) for values in (a, b)]
    found = estimates.differences(
        claim.groups, [runs[0].sample(frac=1, random_state=1), runs[1]], ["surrogate.beta"], "x"
    )
    apart = [0, 0, 1, 1, 0, -1]  # a lost run does not reach the level
    expected = stats.t.interval(0.95, 5, np.mean(apart), stats.sem(apart))
    assert estimates.contrast([found], (1,))[1:] == pytest.approx(expected) and found.n == 6


def test_the_spread_over_shapes_leaves_out_what_chance_adds():
    random = np.random.default_rng(3)
    over = np.repeat(list("abcdef"), 4)
    same = runs_with(random.normal(0.5, 0.1, 24), **{"surrogate.shape": over})
    apart = runs_with(random.normal(np.repeat(np.arange(6) / 2, 4), 0.1), **{"surrogate.shape": over})
    low = estimates.contrast([measured("spread", same, over="surrogate.shape")], (1,))
    high = estimates.contrast([measured("spread", apart, over="surrogate.shape")], (1,))
    assert low.low == 0 and low.value < 0.06
    assert high.low < np.std(np.arange(6) / 2, ddof=1) < high.high and high.low > 0.5


def cells(shares, each=24):
    """Return the cells of a grid that networks of some seeds went over; a share of each seed's cells learns."""
    parts = [
        runs_with(np.where(np.arange(each) < round(share * each), 0.95, 0.2), **{"init.seed": seed, "data.seed": 0})
        for seed, share in enumerate(shares)
    ]
    return pd.concat(parts, ignore_index=True)


def test_cells_of_one_seed_are_one_observation():
    """72 cells that three seeds share have the interval of three numbers."""
    shares = [0.25, 0.5, 0.375]
    found = measured("share", cells(shares), level=0.9)
    expected = stats.t.interval(0.95, 2, np.mean(shares), stats.sem(shares))
    assert found.value == pytest.approx(0.375) and found.n == 72
    assert estimates.contrast([found], (1,))[1:] == pytest.approx(expected, abs=0.01)


def test_pairs_of_one_seed_are_one_observation():
    claim = CLAIMS["zenke2021_fig3_region_sigmoid_esser"]
    many, few = (
        cells(shares).assign(**{"surrogate.beta": np.tile(np.arange(24), 3)})
        for shares in ([0.25, 0.5, 0.375], [0.125, 0.25, 0.25])
    )
    found = estimates.differences(claim.groups, [many, few], ["surrogate.beta"], "x")
    expected = stats.t.interval(0.95, 2, 1 / 6, stats.sem([0.125, 0.25, 0.125]))
    assert found.n == 72 and estimates.contrast([found], (1,))[1:] == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize(
    "name", ["fig3_wide_region", "fig3_region_sigmoid_esser", "fig9_mnist_second_layer_more_active"]
)
def test_a_grid_of_one_seed_has_numbers_and_no_verdict(name):
    claim = CLAIMS[f"zenke2021_{name}"]
    made = world(claim, wanted(claim, True))
    [(experiment, table)] = made.items()
    alone = {experiment: replace(table, runs=table.runs.assign(**{"init.seed": 0, "data.seed": 0}))}
    judged = judge.judge(claim, alone, claim.experiments)
    assert judged.verdict == judge.NOT_TESTABLE and judged.comparisons
    assert judged.reason.endswith("a verdict needs two seeds")


# ---- the sigmoid of accuracy over spikes ----


@pytest.mark.parametrize("form", transition.FORMS)
def test_each_form_finds_its_own_curve(form):
    random = np.random.default_rng(4)
    truth = Rise(np.array([36.0]), np.array([5.0]), np.array([0.9]), 0.1, form)
    spikes = np.geomspace(2, 1000, 40)
    accuracy = truth.accuracy(spikes)
    assert truth.accuracy(truth.saturation(0.9)) == pytest.approx(0.1 + 0.9 * 0.8)
    assert truth.accuracy(truth.crossing(0.7)) == pytest.approx(0.7)
    assert truth.width() == pytest.approx(np.log10(truth.saturation(0.9) / truth.saturation(0.1)))
    found, _ = rise(spikes, accuracy + random.normal(0, 0.01, 40), 0.1, form)
    assert found.transition[0] == pytest.approx(36, rel=0.05) and found.plateau[0] == pytest.approx(0.9, abs=0.02)
    assert found.saturation(0.9)[0] == pytest.approx(truth.saturation(0.9)[0], rel=0.1)


def test_a_free_plateau_is_where_least_squares_have_it_and_a_capped_one_never_above_1():
    spikes = np.geomspace(2, 1000, 30)
    accuracy = Rise(np.array([36.0]), np.array([1.0]), np.array([1.05]), 0.1).accuracy(spikes)
    free, capped = (rise(spikes, accuracy, 0.1, form) for form in (transition.FREE, transition.CAPPED))
    assert free[0].plateau[0] == pytest.approx(1.05, abs=0.01)
    assert capped[0].plateau[0] == 1 and capped[1].plateau.max() == 1


def test_a_linear_sigmoid_may_have_risen_before_the_first_spike():
    flat = Rise(np.array([5.0]), np.array([1.5]), np.array([0.9]), 0.1, transition.LINEAR)
    assert flat.saturation(0.1)[0] == 0 and flat.width()[0] == math.inf


def test_a_transition_is_found_where_it_is():
    random = np.random.default_rng(1)
    spikes = np.geomspace(1, 2000, 40)
    accuracy = 0.1 + 0.8 / (1 + (36 / spikes) ** 3) + random.normal(0, 0.02, 40)
    found, drawn = rise(spikes, accuracy, 0.1)
    assert found.transition[0] == pytest.approx(36, rel=0.1) and found.plateau[0] == pytest.approx(0.9, abs=0.02)
    assert found.width()[0] == pytest.approx(math.log10(81) / 3, rel=0.3)
    low, high = np.quantile(drawn.transition, [0.025, 0.975])
    assert low < 36 < high and high / low < 1.5


def test_points_of_the_curve_are_those_of_the_formula():
    curve = Rise(np.array([36.0]), np.array([3.0]), np.array([0.9]), 0.1)
    at = float(curve.saturation(0.95)[0])
    assert 0.1 + 0.8 / (1 + (36 / at) ** 3) == pytest.approx(0.1 + 0.95 * 0.8)
    at = float(curve.crossing(0.8)[0])
    assert 0.1 + 0.8 / (1 + (36 / at) ** 3) == pytest.approx(0.8)
    assert curve.crossing(0.95)[0] == math.inf


def test_no_transition_is_given_with_fewer_than_three_networks_on_a_side():
    spikes = np.array([10.0, 20.0, 100.0, 200.0, 400.0, 800.0, 1600.0])
    accuracy = np.array([0.1, 0.1, 0.9, 0.9, 0.9, 0.9, 0.9])
    assert rise(spikes, accuracy, 0.1) is None
    assert rise(np.r_[5.0, spikes], np.r_[0.1, accuracy], 0.1) is not None
    assert fit_rise(np.r_[0.0, spikes], np.r_[0.1, accuracy], 0.1).transition[0] > 0  # a silent network is no trouble


def test_copies_of_one_network_count_once_and_the_reason_is_true_of_both_ways_to_have_no_transition():
    spikes = np.geomspace(5, 2000, 8)
    accuracy = 0.1 + 0.8 / (1 + (60 / spikes) ** 3) + 0.01 * NOISE[:8]
    copies = np.r_[np.arange(8), [7] * 10]
    runs = runs_with(accuracy[copies], spikes_total=spikes[copies])
    once = measured("transition", runs.head(8))
    assert once.n == measured("transition", runs).n == 8
    assert measured("transition", runs).value == once.value
    few = runs_with([0.1, 0.1, 0.9, 0.9, 0.9, 0.9], spikes_total=[1.0, 2.0, 10.0, 20.0, 30.0, 40.0])
    noise = runs_with(0.1 + 0.01 * NOISE, spikes_total=np.geomspace(1, 500, 12))
    for none in (few, noise, runs.tail(11)):
        with pytest.raises(
            estimates.Unmeasurable, match=f"no clear transition in {len(none.drop_duplicates())} different"
        ):
            measured("transition", none)


def test_no_transition_is_found_in_noise():
    random = np.random.default_rng(2)
    for _ in range(30):
        accuracy = 0.05 + np.abs(random.normal(0, 0.01, 8))
        assert rise(random.uniform(1, 500, 8), accuracy, 0.05) is None


@pytest.mark.long
def test_intervals_of_a_sigmoid_hold_the_truth_nearly_as_often_as_they_say(monkeypatch):
    monkeypatch.setattr(transition, "RESAMPLES", 200)
    random, rounds, held = np.random.default_rng(5), 60, np.zeros(3)
    for _ in range(rounds):
        spikes = np.geomspace(2, 1000, 12) * random.lognormal(0, 0.1, 12)
        truth = Rise(np.array([36.0]), np.array([3.0]), np.array([0.9]), 0.1)
        _, drawn = rise(spikes, truth.accuracy(spikes) + random.normal(0, 0.03, 12), 0.1)
        for which, numbers in enumerate((drawn.transition, drawn.saturation(), drawn.plateau)):
            low, high = np.quantile(numbers, [0.025, 0.975])
            held[which] += low <= (36.0, truth.saturation()[0], 0.9)[which] <= high
    assert (held / rounds > 0.8).all(), held / rounds


# ---- verdicts ----


@pytest.mark.parametrize(
    "target, low, high, verdict",
    [
        (Target(0, math.inf), 0.01, 0.2, judge.REPLICATED),
        (Target(0, math.inf), 0.0, 0.0, judge.INCONCLUSIVE),  # nothing is larger than itself
        (Target(0, math.inf), -0.1, 0.1, judge.INCONCLUSIVE),
        (Target(0, math.inf), -0.1, -0.01, judge.NOT_REPLICATED),
        (Target(-math.inf, 10), 2, 9, judge.REPLICATED),
        (Target(-math.inf, 10), 11, 12, judge.NOT_REPLICATED),
        (Target(-0.02, 0.02), -0.02, 0.02, judge.REPLICATED),
        (Target(-0.02, 0.02), -0.03, 0.03, judge.INCONCLUSIVE),  # compatible with no difference is not the same as none
        (Target(-0.02, 0.02), 0.021, 0.03, judge.NOT_REPLICATED),
        (Target(-0.02, 0.02), -0.5, math.inf, judge.INCONCLUSIVE),
    ],
)
def test_a_verdict_is_where_the_whole_interval_lies(target, low, high, verdict):
    one = Comparison("a − b", Interval((low + high) / 2, low, high), target, 5, float("nan"))
    assert judge.verdict_of([one]) == verdict


def exactly(value, half=0.0, name="x"):
    """Return a mean with an interval of this half-width."""
    return Estimate(value, 4, value, half * 2 / stats.t.ppf(0.975, 3), None, name)


@pytest.mark.parametrize(
    "rule, parameter, inside, outside",
    [  # groups' means that are just inside and just outside; the published number is 0.8 with a spread of 0.02
        ("larger_than", 0.05, [0.651, 0.6], [0.649, 0.6]),
        ("larger_than", 0.9, [0.901], [0.899]),
        ("smaller_than", 0.05, [0.649, 0.6], [0.651, 0.6]),
        ("smaller_than", -0.05, [0.549, 0.6], [0.551, 0.6]),
        ("within", [0.7, 0.9], [0.701], [0.699]),
        ("within", [0.7, 0.9], [0.899], [0.901]),
        ("within_spread", 1, [0.819], [0.821]),
        ("within_spread", 1, [0.781], [0.779]),
        ("within_spread", 2, [0.839], [0.841]),
        ("within_factor", 1.5, [1.199], [1.201]),
        ("within_factor", 1.5, [0.534], [0.533]),  # 0.8 / 1.5 = 0.5333
        ("at_chance", 0.05, [0.149], [0.151]),
        ("at_chance", 0.05, [0.051], [0.049]),
        ("same", 0.05, [0.5, 0.549, 0.51], [0.5, 0.551, 0.51]),
        ("same", 0.05, [0.5, 0.51, 0.549], [0.5, 0.51, 0.551]),  # the first against the last
        ("same", 0.05, [0.549, 0.5], [0.551, 0.5]),
        ("ordering", 0.05, [0.7, 0.649, 0.59], [0.7, 0.651, 0.59]),
        ("ordering", 0.05, [0.7, 0.64, 0.589], [0.7, 0.64, 0.591]),
        ("highest_of", 0.05, [0.7, 0.64, 0.649], [0.7, 0.64, 0.651]),
        ("lowest_of", 0.05, [0.6, 0.66, 0.651], [0.6, 0.66, 0.649]),
    ],
)
def test_a_rule_holds_up_to_its_border_and_fails_beyond_it(rule, parameter, inside, outside):
    """Every number is written by hand: nothing is taken from the code that is tested."""

    def verdict(means, half):
        group = CLAIMS[TESTABLE[0]].groups[0]
        groups = tuple(replace(group, name=str(place)) for place in range(len(means)))
        claim = replace(FIG6, groups=groups, rule=rule, value=parameter, published=0.8, spread=0.02)
        parts = [exactly(mean, half, str(place)) for place, mean in enumerate(means)]
        return judge.verdict_of(rules.comparisons(claim, parts, 0.1))

    assert verdict(inside, 0.0) == judge.REPLICATED
    assert verdict(outside, 0.0) == judge.NOT_REPLICATED
    assert verdict(inside, 0.01) == verdict(outside, 0.01) == judge.INCONCLUSIVE


def test_every_rule_has_borders_written_by_hand():
    marks = test_a_rule_holds_up_to_its_border_and_fails_beyond_it.pytestmark
    assert {case[0] for case in marks[0].args[1]} == {*TARGETS, *PAIRS} == set(GROUPS_OF)


def test_one_refuted_comparison_refutes_the_claim_and_one_unclear_leaves_it_open():
    def made(low, high):
        return Comparison("", Interval(low, low, high), Target(0, math.inf), 5, 0.0)

    yes, no, unclear = made(0.1, 0.2), made(-0.2, -0.1), made(-0.1, 0.1)
    assert judge.verdict_of([yes, yes]) == judge.REPLICATED
    assert judge.verdict_of([yes, unclear]) == judge.INCONCLUSIVE
    assert judge.verdict_of([yes, unclear, no]) == judge.NOT_REPLICATED


def test_several_comparisons_hold_together():
    claim = CLAIMS["herranz2022_fig5_second_best_alone"]
    judged = judge.judge(claim, world(claim, wanted(claim, True)), claim.experiments)
    first = judged.comparisons[0]
    a, b = (
        world(claim, wanted(claim, True))["herranz2022_fig5"].runs.query(f"`init.conditions` == '{c}'")
        for c in ("II", "I")
    )
    alone = stats.ttest_ind(a["test_accuracy"], b["test_accuracy"], equal_var=False).confidence_interval(1 - 0.05 / 3)
    assert (first.number.low, first.number.high) == pytest.approx((alone.low, alone.high))


FIG6 = CLAIMS["zenke2021_fig6_mnist_accuracy"]


def judged_in(claim=FIG6, change=None, declared=("zenke2021_fig6",), **more):
    made = world(claim, wanted(claim, True), **more)
    made = {name: change(table) if change else table for name, table in made.items()}
    return judge.judge(claim, made, declared)


def test_no_verdict_at_another_scale_or_on_other_data():
    for more, words in (
        ({"scale": "laptop"}, "scale laptop, a verdict needs paper"),
        ({"scale": "smoke"}, "scale smoke"),
    ):
        judged = judged_in(**more)
        assert judged.verdict == judge.NOT_TESTABLE and words in judged.reason
        assert judged.comparisons  # what was measured is shown all the same
    for kind, words in (("embedded", "embedded stand-in data"), ("part", "a part of"), ("derived", "other recordings")):
        judged = judged_in(change=lambda table, kind=kind: replace(table, runs=table.runs.assign(kind=kind)))
        assert judged.verdict == judge.NOT_TESTABLE
        assert words in judged.reason and "a verdict needs the published files" in judged.reason


def test_no_verdict_without_tables_or_with_too_few_runs():
    assert "not built: no experiment zenke2021_fig6" in judge.judge(FIG6, {}, ()).reason
    assert "no table of zenke2021_fig6 here" in judge.judge(FIG6, {}, ("zenke2021_fig6",)).reason
    judged = judged_in(change=lambda table: replace(table, runs=table.runs.head(2)))
    assert judged.verdict == judge.NOT_TESTABLE and "too few runs" in judged.reason
    judged = judged_in(change=lambda table: replace(table, runs=table.runs.head(0)))
    assert judged.verdict == judge.NOT_TESTABLE
    lost = judged_in(change=lambda t: replace(t, runs=t.runs.assign(status="diverged", test_accuracy=np.nan)))
    assert lost.verdict == judge.NOT_TESTABLE and "no" in lost.reason
    judged = judged_in(change=lambda table: replace(table, missing=table.runs))
    assert judged.verdict == judge.NOT_TESTABLE and "not yet trained" in judged.reason
    others = {"network.recurrent": not FIG6.groups[0].where["network.recurrent"]}
    judged = judged_in(change=lambda table: replace(table, missing=table.runs.assign(**others)))
    assert judged.verdict == judge.REPLICATED  # what is missing is not what the claim is about
    judged = judged_in(change=lambda table: replace(table, runs=table.runs.drop(columns="test_accuracy")))
    assert judged.reason == "the table has no column test_accuracy"


def test_how_many_parameters_a_network_has_is_known_before_it_is_trained():
    claim = CLAIMS["herranz2022_parameters_mnist"]
    made = world(claim, [150_794])
    (name,) = made
    trained = made[name].runs
    for runs, missing in ((trained, trained.head(0)), (trained.head(0), trained.assign(status="missing"))):
        judged = judge.judge(claim, {name: replace(made[name], runs=runs, missing=missing)}, (name,))
        assert judged.verdict == judge.REPLICATED and judged.groups[0].n == len(trained)


def test_knobs_select_by_value_list_range_and_default():
    runs = pd.DataFrame({"surrogate.beta": [1.0, 10.0, np.nan], "network.recurrent": [True, False, None]})
    runs["data.task"], runs["optimiser.eps"] = "randman", [1e-8, 1e-14, 1e-16]

    def fits(key, what):
        return tables.fits(runs, key, what).tolist()

    assert fits("surrogate.beta", 10) == [False, True, False]
    assert fits("surrogate.beta", [1, 10]) == [True, True, False]
    assert fits("surrogate.beta", None) == [False, False, True]
    assert fits("surrogate.beta", {"above": 1, "at_most": 10}) == [False, True, False]
    assert fits("network.recurrent", False) == [False, True, False]
    assert fits("optimiser.eps", 1e-14) == [False, True, False]
    assert fits("objective.head", "max") == [True] * 3  # a knob that the table is too old to have: its default
    assert fits("objective.head", "sum") == [False] * 3
    with pytest.raises(SgpipeError, match="'least' is not one of at_least"):
        fits("surrogate.beta", {"least": 1})


@settings(max_examples=25, deadline=None)
@given(st.randoms(), st.sampled_from([name for name in TESTABLE if any(g.best for g in CLAIMS[name].groups)]))
def test_permuting_test_numbers_changes_no_choice(random, name):
    claim = CLAIMS[name]
    for experiment, table in world(claim, wanted(claim, True)).items():
        order = random.sample(range(len(table.runs)), len(table.runs))
        other = replace(table, runs=table.runs.assign(test_accuracy=table.runs["test_accuracy"].to_numpy()[order]))
        for group in claim.groups:
            if group.experiment == experiment and group.best is not None:
                chosen = tables.chosen(group, table)["run_id"].tolist()
                assert chosen and tables.chosen(group, other)["run_id"].tolist() == chosen


# ---- tables ----


def experiment_file(path, scale="paper", accuracies=(0.98, 0.985, 0.99), source="original", files=None, **about):
    """Write the table of an experiment zenke2021_fig6 with one sweep, mnist, a run for each accuracy."""
    rows = []
    for place, accuracy in enumerate(accuracies):
        for epoch, (split, factor) in itertools.product((1, 2), (("train", 1.01), ("valid", 1.0), ("test", 0.99))):
            value = accuracy * factor * (0.5 if epoch == 1 else 1.0)
            rows.append({"run_id": f"{place:016x}", "epoch": epoch, "split": split, "accuracy": value})
    frame = pd.DataFrame(rows).assign(status="finished", penalty=0.0)
    frame["loss"] = 2 - frame["accuracy"]
    frame["best"] = frame["epoch"] == 2
    frame["spikes"] = [[1.0, 2.0]] * len(frame)
    frame["sweeps"] = [["mnist"]] * len(frame)
    knobs = {"network.hidden": "100", "network.recurrent": False, "objective.head": "max"}
    for name, value in {"data.task": "mnist_latency", "data.source": source, "data.files": files, **knobs}.items():
        frame[name] = value
    metadata = {"id": "zenke2021_fig6", "scale": scale, "best": 10, **about}
    table = pa.Table.from_pandas(frame, preserve_index=False)
    write_table(table, path, {"sgpipe.experiment": json.dumps(metadata)})


def test_outcomes_have_what_claims_are_about(tmp_path):
    experiment_file(tmp_path / "zenke2021_fig6.parquet", accuracies=[0.8])
    run = tables.read_table(tmp_path / "zenke2021_fig6.parquet").runs.iloc[0]
    assert run["test_accuracy"] == pytest.approx(0.792) and run["train_accuracy"] == pytest.approx(0.808)
    assert run["generalisation_gap"] == pytest.approx(0.016)
    assert run["train_loss_last"] == pytest.approx(2 - 0.808)
    assert run["train_loss_change"] == pytest.approx((2 - 0.808) / (2 - 0.404))
    assert run["valid_loss_lowest"] == run["valid_loss_last"] == pytest.approx(1.2) and run["valid_loss_rise"] == 0
    assert run["valid_loss_mean"] == pytest.approx(1.4)
    assert run["parameters"] == 784 * 100 + 100 * 10
    assert run["chance"] == 0.1 and run["spikes_total"] == 3


@pytest.mark.parametrize(
    "data, kind",
    [
        ({"data.source": "synthetic"}, "synthetic"),
        ({"data.source": "embedded"}, "embedded"),
        ({"data.source": "derived", "data.files": "10-0"}, "derived"),
        ({"data.source": "original", "data.files": "4-0f3a9c51d2e87b64"}, "part"),  # other checksums
        ({"data.source": "original", "data.files": "COMPLETE", "data.limit": 0}, "original"),
        ({"data.source": "original", "data.files": "COMPLETE", "data.limit": 500}, "part"),
        ({"data.source": "original", "data.files": None}, "part"),
    ],
)
def test_the_kind_of_data_is_told_by_source_files_and_limit(data, kind):
    from sgpipe.data.files.published import COMPLETE

    given = {key: sorted(COMPLETE["mnist_latency"])[0] if value == "COMPLETE" else value for key, value in data.items()}
    assert tables.data_kind({"data.task": "mnist_latency", **given}) == kind


@pytest.mark.parametrize(
    "task, data, name",
    [
        ("randman", {"data.source": "synthetic"}, "synthetic"),
        ("shd", {"data.source": "derived", "data.files": "1202-0f"}, "our ear, 1,200 recordings"),
        ("shd", {"data.source": "derived", "data.files": "10422-0f", "data.limit": 0}, "our ear, 10,420 recordings"),
        ("rawhd", {"data.source": "original", "data.files": "1202-0f"}, "1,200 of 10,420 recordings"),
        ("rawhd", {"data.source": "original", "data.files": "10422-0f"}, "original"),
        ("rawhd", {"data.source": "original", "data.files": "10422-9ff87693bdf3bfeb"}, "original files, split ours"),
        (
            "rawhd",
            {"data.source": "original", "data.files": "10422-0f", "data.limit": 500.0},
            "at most 500 training samples",
        ),
        ("mnist_latency", {"data.source": "original", "data.files": "4-0f"}, "not the published checksums"),
        ("mnist_latency", {"data.source": "original", "data.files": None}, "part"),
        ("shd", {"data.source": "embedded"}, "embedded"),
    ],
)
def test_data_have_a_name_that_says_what_they_are(task, data, name):
    assert tables.data_name({"data.task": task, **data}) == name


def test_a_file_that_is_no_experiment_is_one_clear_line(tmp_path):
    write_table(pa.table({"a": [1]}), tmp_path / "zenke2021_fig6.parquet")
    with pytest.raises(SgpipeError, match="zenke2021_fig6.parquet: not the table of an experiment"):
        tables.read_tables(tmp_path, ["zenke2021_fig6"])


# ---- declarations ----

GOOD = """
paper: mine
claims:
  - id: one
    at: Fig 1
    claim: a is above b
    shared: {experiment: mine_fig1}
    groups: {a: {where: {surrogate.beta: 1}}, b: {where: {surrogate.beta: 10}}}
    rule: {larger_than: 0}
"""


@pytest.mark.parametrize(
    "old, new, words",
    [
        ("rule: {larger_than: 0}", "rule: {larger: 0}", "one: rule: unknown key: 'larger' is not one of"),
        (
            "rule: {larger_than: 0}",
            "rule: {larger_than: 0, same: 1}",
            "one: rule: has larger_than and same; give it one",
        ),
        ("rule: {larger_than: 0}", "rule: {}", "one: rule: has nothing; give it one rule"),
        ("experiment: mine_fig1", "experiment: Mine-fig1", "'Mine-fig1' is not the paper, _, and a name"),
        ("at: Fig 1", "at: [1]", "one: at: \\[1\\] is not text"),
        (
            "at: Fig 1",
            "at: see <a>\n    for_each: [{a: " + "<b>" * 60 + ", b: " + "<c>" * 60 + ", c: '12345'}]",
            "more than 10,000",
        ),
        (GOOD, "", "the file is empty; give it `paper` and `claims`"),
        (GOOD, "[1, 2]", "is not a mapping of keys to values"),
        ("rule: {larger_than: 0}", "rule: {within_spread: 1}", "one: rule within_spread needs published.value"),
        ("rule: {larger_than: 0}", "rule: {at_chance: 0.05}", "one: rule at_chance compares 1 groups, not 2"),
        ("    rule: {larger_than: 0}\n", "", "give it groups and a rule, or say why it is `untestable`"),
        ("at: Fig 1", "", "'at' is a required property"),
        ("where: {surrogate.beta: 1}", "where: {test_accuracy: 1}", "never by how well they did"),
        ("where: {surrogate.beta: 1}", "measure: share", "groups.a: measure share needs `level`"),
        ("where: {surrogate.beta: 1}", "measure: shares", "groups.a.measure: 'shares' is not one of"),
        ("experiment: mine_fig1", "best: 3", "groups.a: name the experiment"),
        ("rule: {larger_than: 0}", "rule: {larger_than: 0}\n    contrast: [1, 1]", "contrast: one number a group"),
        ("rule: {larger_than: 0}", "rule: {same: 0.1}\n    compare: ratio", "a ratio is of two groups"),
        (
            "rule: {larger_than: 0}",
            "rule: {same: 0.1}\n    pair: [init.seed]",
            "one: pair: for the difference of two groups",
        ),
        ("id: one", "id: one <name>", "id: 'one <name>' is not made of small letters, digits and _"),
        (
            "    at: Fig 1",
            "    at: Fig 1\n    for_each: []",
            "claims.0: for_each: \\[\\] is too short: at least 1",
        ),
        ("  - id: one", "  - 3", "line 5"),
        (
            "paper: mine",
            "paper: mine\nallow: {scales: [papre]}",
            "allow.scales.0: 'papre' is not one of smoke, laptop, paper",
        ),
    ],
)
def test_a_bad_claim_is_one_clear_line(tmp_path, old, new, words):
    assert old in GOOD
    (tmp_path / "mine.yaml").write_text(GOOD.replace(old, new))
    with pytest.raises(SgpipeError, match=words) as error:
        load_claims([tmp_path / "mine.yaml"])
    assert str(tmp_path / "mine.yaml") in str(error.value) and "\n" not in str(error.value)


def test_two_claims_cannot_share_an_id(tmp_path):
    (tmp_path / "mine.yaml").write_text(GOOD)
    with pytest.raises(SgpipeError, match="this id is taken"):
        load_claims([tmp_path / "mine.yaml"] * 2)


def test_a_claim_for_each_entry_has_its_words_and_typed_values(tmp_path):
    text = GOOD.replace("id: one", "id: one_<name>\n    for_each: [{name: x, beta: 1}, {name: y, beta: 5}]")
    (tmp_path / "mine.yaml").write_text(text.replace("surrogate.beta: 1}", "surrogate.beta: <beta>}", 1))
    found = load_claims([tmp_path / "mine.yaml"])
    assert [claim.id for claim in found] == ["mine_one_x", "mine_one_y"]
    assert [claim.groups[0].where["surrogate.beta"] for claim in found] == [1, 5]


# ---- what readers see ----


@pytest.fixture(scope="module")
def judgements():
    """Judgements of every kind, of the real claims."""
    found = []
    for place, claim in enumerate(list(CLAIMS.values())[::4]):
        made = {} if claim.untestable or place % 4 == 3 else world(claim, wanted(claim, place % 2 == 0))
        if place % 8 == 2:
            made = {name: replace(table, scale="smoke") for name, table in made.items()}
        found.append(judge.judge(claim, made, claim.experiments))
    return found


def test_the_page_needs_nothing_from_elsewhere_and_shows_every_claim(judgements):
    page = html(judgements)
    for word in ("http", "src=", "<link", "@import", "url("):
        assert word not in page
    assert all(f'id="{judgement.claim.id}"' in page for judgement in judgements)
    assert verdict_words.summary_words(judgements) in page and page == html(judgements)


def test_the_page_has_the_scoreboards_verdicts_beside_its_own(judgements, tmp_path):
    told = [one for one in judgements if one.verdict != judge.NOT_TESTABLE][:2]
    rows = report.frame(told).assign(scale=["another", ", ".join(told[1].scales)], verdict=judge.REPLICATED)
    write_table(pa.Table.from_pandas(rows, preserve_index=False), tmp_path / "claims/scoreboard.parquet")
    (tmp_path / "claims.md").write_text("# Claims")
    report.write(judgements, tmp_path / "out", tmp_path)
    page = (tmp_path / "out/claims.html").read_text()
    assert (
        page.count('class="elsewhere"') == 1 and "scale another, " in page
    )  # what is the same as here is not repeated
    assert 'href="../claims.md"' in page and 'href="figures/zenke2021/fig3.png"' in page
    assert elsewhere(tmp_path / "none.parquet", judgements) == {}


def test_the_picture_counts_what_it_does_not_show(judgements):
    texts = [text.get_text() for text in picture.draw(judgements, report.TOLD).axes[0].texts]
    shown = [one for one in judgements if one.verdict != judge.NOT_TESTABLE]
    assert sum(text in verdict_words.SYMBOLS.values() for text in texts) == len(shown)
    words = " ".join(texts)
    assert f"{verdict_words.counts(judgements)[judge.NOT_TESTABLE]} not testable here" in words
    assert "counted and have no row" in words


def test_the_table_and_the_markdown_have_a_row_for_every_claim(judgements):
    frame = report.frame(judgements)
    assert frame["claim"].is_unique and set(frame["verdict"]) <= set(judge.VERDICTS)
    judged = frame[frame["verdict"] != judge.NOT_TESTABLE]
    assert (judged["n"] >= 3).all() and judged[["estimate", "low", "high"]].notna().all(axis=None)
    assert all(json.loads(groups) for groups in judged["groups"])
    assert (frame["reason"] != "").all()
    text = report.markdown(judgements)
    assert text.count("\n| ") == len(judgements) + 2
    explored = [judgement for judgement in judgements if judgement.claim.exploratory]
    assert sum(verdict_words.counts(judgements).values()) == len(judgements) - len(explored)


def test_all_claims_fit_the_picture_and_it_is_the_same_every_time(judgements, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        files = [picture.save(picture.draw(judgements[::10]), tmp_path / name) for name in ("one", "two")]
    for one, two in zip(*files, strict=True):
        assert one.read_bytes() == two.read_bytes(), one.suffix
    texts = [text.get_text() for text in picture.draw(judgements[::10]).axes[0].texts]
    symbols = [text for text in texts if text in verdict_words.SYMBOLS.values()]
    assert len(symbols) == len(judgements[::10])


@pytest.mark.parametrize("papers", longer_after(2, [["zenke2021"], ["herranz2022"], ["zenke2021", "herranz2022"]]))
def test_the_picture_is_a_page_on_which_every_claim_can_be_read(papers):
    claims = [claim for claim in CLAIMS.values() if claim.paper in papers]
    figure = picture.draw([judge.judge(claim, {}, ()) for claim in claims])
    width, height = figure.get_size_inches()
    assert 1.1 < max(width, height) / min(width, height) < 1.7  # about as A4 or A3
    renderer = FigureCanvasAgg(figure).get_renderer()
    page, axes = figure.bbox, figure.axes[0]
    boxes = [(text.get_text(), text.get_window_extent(renderer), text.get_size()) for text in axes.texts]
    for words, box, size in boxes:
        assert page.x0 <= box.x0 and box.x1 <= page.x1 and page.y0 <= box.y0 and box.y1 <= page.y1, words
        assert size >= style.SMALL
    # No two texts on each other: a row's words end before its strip, and a column before the next.
    corners = np.array([[box.x0, box.x1, box.y0 + box.height / 5, box.y1 - box.height / 5] for _, box, _ in boxes])
    for place, (x0, x1, y0, y1) in enumerate(corners):
        apart = (corners[:, 0] >= x1) | (corners[:, 1] <= x0) | (corners[:, 2] >= y1) | (corners[:, 3] <= y0)
        assert np.flatnonzero(~apart).tolist() == [place], boxes[place][0]
    drawn = " ".join(words for words, _, _ in boxes)
    for word in ("shaded", "dot and line", "diamond", "own scale", *judge.VERDICTS):
        assert word in drawn
    for paper in papers:
        words = [claim.words for claim in claims if claim.paper == paper]
        assert len(set(words)) == len(words)
    for claim in claims:
        told = "exploratory: " if claim.exploratory else ""
        assert " ".join(picture.words_of(judge.judge(claim, {}, ()))) == told + claim.words


def test_numbers_in_the_picture_stay_in_their_column(judgements):
    figure = picture.draw(judgements)
    renderer, page = FigureCanvasAgg(figure).get_renderer(), figure.bbox
    right = [text.get_window_extent(renderer).x1 for text in figure.axes[0].texts]
    assert max(right) <= page.x1


def test_the_effect_is_shown_where_there_is_one():
    for name, words in (
        ("zenke2021_fig3_second_layer_marginal", "g = "),
        ("zenke2021_fig9_randman_second_layer_more_active", "d = "),
        ("zenke2021_fig6_mnist_accuracy", " published sd from the published"),
        ("zenke2021_fig9_randman_second_layer_costs_spikes", ""),
    ):
        claim = CLAIMS[name]
        judged = judge.judge(claim, world(claim, wanted(claim, True)), claim.experiments)
        effect = verdict_words.effect_words(judged)
        assert words in effect and bool(words) == bool(effect)
        assert f"| {effect} |".replace("|  |", "|") in report.markdown([judged]) and effect in html([judged])
    assert verdict_words.effect_words(judge.judge(claim, {}, ())) == ""


def test_a_verdict_that_its_number_does_not_tell_has_its_reason_beside_it():
    claim = CLAIMS["zenke2021_fig6_mnist_recurrent_like_ff_max"]
    judged = judge.judge(claim, world(claim, [0.1, 0.1]), claim.experiments)
    for text in (report.markdown([judged]), html([judged])):
        assert "networks that only guess are all alike" in text


def test_a_strip_is_shaded_where_the_claim_holds(judgements):
    for judgement in judgements:
        strip = strip_of(judgement)
        if strip is None or judgement.verdict == judge.NOT_TESTABLE:
            continue
        inside = strip.zone[0] - 1e-9 <= strip.interval[0] and strip.interval[1] <= strip.zone[1] + 1e-9
        assert inside == (judgement.verdict == judge.REPLICATED)
        assert strip.zone in ((-1, 0), (0, 1), (-TARGET, TARGET)) and REACH < 1


def test_numbers_are_written_for_readers():
    words = [judge.number_words(value) for value in (0.12345, 0.2, 12.345, 1234.5, -0.00002, 0, math.inf, math.nan)]
    assert words == ["0.123", "0.2", "12.3", "1234" if words[3] == "1234" else "1235", "−2e−5", "0", "∞", "–"]


def test_the_command_judges_a_folder_of_tables(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    text = claim_files(ROOT)[0].read_text()
    few = text[: text.index("  - id: fig6_mnist_like_conventional")]  # up to the claim that the table is about
    (tmp_path / "few.yaml").write_text(
        few[: few.index("claims:") + 8] + few[few.index("  - id: fig6_mnist_accuracy") :]
    )
    monkeypatch.setattr("sgpipe.claims.declare.claim_files", lambda: [tmp_path / "few.yaml"])
    from sgpipe.data.files.published import COMPLETE

    (tmp_path / "tables").mkdir()
    files = sorted(COMPLETE["mnist_latency"])[0]
    accuracies = [0.983 / 0.99 + 1e-3 * x for x in np.resize(NOISE, 30)]
    experiment_file(tmp_path / "tables" / "zenke2021_fig6.parquet", accuracies=accuracies, files=files)
    changes = ["--set", "data=embedded", "--set", f"results={tmp_path}"]
    assert main(["claims", *changes, str(tmp_path / "tables"), str(tmp_path / "out")]) == 0
    assert "1 replicated" in capsys.readouterr().out
    frame = pd.read_parquet(tmp_path / "out" / "claims.parquet").set_index("claim")
    assert frame.loc[FIG6.id, "verdict"] == judge.REPLICATED and frame.loc[FIG6.id, "n"] == 10
    names = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.*")}
    assert names == {
        *(f"claims.{s}" for s in ("parquet", "md", "html")),
        *(f"figures/claims.{s}" for s in ("png", "pdf", "svg")),
    }
    assert main(["claims", *changes, str(tmp_path / "out"), str(tmp_path / "out")]) == 1
    assert "no table of an experiment that a claim is about" in capsys.readouterr().err


def test_the_largest_spike_count_comes_from_the_table_of_activity(tmp_path):
    specs = list(
        load_experiments([ROOT / "workflow/experiments/zenke2021.yaml"], "smoke")["zenke2021_fig8"].runs.values()
    )
    rows = tuple(Row(1, split, 1.0, 0.0, 0.5, (3.0,), True) for split in ("train", "valid", "test"))
    table = experiment_table(
        runs_table([Result(spec, "finished", rows) for spec in specs]), {spec.id: ("regularised",) for spec in specs}
    )
    path = tmp_path / "zenke2021_fig8.parquet"
    write_table(table, path, {"sgpipe.experiment": json.dumps({"id": "zenke2021_fig8", "scale": "paper"})})
    assert "spikes_largest" not in tables.read_tables(tmp_path, ["zenke2021_fig8"])["zenke2021_fig8"].runs
    # Two units in ten samples. The largest possible count is half of the 50 steps of scale smoke.
    rows = [
        {"run_id": spec.id, "moment": moment, "kind": "count", "unit": unit, "spikes": spikes, "value": samples}
        for spec in specs[1:]
        for moment, more in (("before", 100), ("after", 0))
        for unit, spikes, samples in ((0, 24 + more, 3.0), (0, 4, 7.0), (1, 23 + more, 4.0), (1, 12, 5.0), (1, 13, 1.0))
    ]
    write_table(pa.Table.from_pylist(rows), tmp_path / "zenke2021_fig8.activity.parquet")
    found = tables.read_tables(tmp_path, ["zenke2021_fig8"])["zenke2021_fig8"].runs.set_index("run_id")
    for column, value in (("spikes_largest", 24), ("share_largest", 3 / 20), ("share_high", 8 / 20)):
        assert found[column].drop(specs[0].id).to_numpy() == pytest.approx(value) and np.isnan(
            found[column][specs[0].id]
        )
