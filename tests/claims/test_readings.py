"""A claim over its readings: settled where all that can tell agree, else dependent on the settings that turn it."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgpipe.base.errors import SgpipeError
from sgpipe.claims.declare import Group, claim_files, load_claims
from sgpipe.claims.judge import DEPENDS, INCONCLUSIVE, NOT_REPLICATED, NOT_TESTABLE, REPLICATED, VERDICTS
from sgpipe.claims.over_readings import InReading, over_readings, readings_table
from sgpipe.claims.readings import TELLING, judge_readings, judged_by, reading_of, whole
from sgpipe.claims.tables import ExperimentTable
from sgpipe.spec.readings import Reading, Setting
from tests.conftest import ROOT

SWAPPED = {REPLICATED: NOT_REPLICATED, NOT_REPLICATED: REPLICATED}
names = st.text("abcdef", min_size=1, max_size=3)
many = st.dictionaries(names, st.sampled_from(VERDICTS), min_size=1, max_size=8)


@st.composite
def cases(draw):
    verdicts = draw(many)
    return verdicts, draw(st.sampled_from(sorted(verdicts)))


@given(cases())
def test_it_is_settled_only_where_all_that_can_tell_agree(case):
    verdicts, default = case
    found = whole(verdicts, default)
    told = [verdict for verdict in verdicts.values() if verdict in TELLING]
    assert (found.verdict == DEPENDS) == (len(set(told)) == 2)
    if found.verdict in TELLING:
        assert set(told) == {found.verdict}
    if not told:
        assert found.verdict == (INCONCLUSIVE if INCONCLUSIVE in verdicts.values() else NOT_TESTABLE)
    assert found.default == verdicts[default]
    assert (found.telling, found.readings) == (len(told), len(verdicts))


@given(cases(), st.randoms())
def test_the_order_of_readings_says_nothing(case, random):
    verdicts, default = case
    shuffled = list(verdicts.items())
    random.shuffle(shuffled)
    assert whole(dict(shuffled), default) == whole(verdicts, default)


@given(cases(), st.sampled_from([INCONCLUSIVE, NOT_TESTABLE]))
def test_a_reading_that_cannot_tell_changes_no_verdict(case, verdict):
    verdicts, default = case
    more = whole({**verdicts, "one more": verdict}, default)
    if not set(verdicts.values()) - {NOT_TESTABLE} and verdict == INCONCLUSIVE:
        assert more.verdict == INCONCLUSIVE  # there is a number at least
        return
    assert more[:4] == whole(verdicts, default)[:4] and more.readings == len(verdicts) + 1


@given(cases())
def test_both_ways_are_put_to_the_same_test(case):
    verdicts, default = case
    one = whole(verdicts, default)
    other = whole({name: SWAPPED.get(verdict, verdict) for name, verdict in verdicts.items()}, default)
    assert other.verdict == SWAPPED.get(one.verdict, one.verdict) and other.settings == one.settings


@given(cases(), st.data())
def test_what_it_depends_on_is_what_turns_the_default(case, data):
    verdicts, default = case
    settings = {name: data.draw(st.sets(st.sampled_from("xyz"), min_size=1)) for name in verdicts if name != default}
    found = whole(verdicts, default, settings)
    turned = {name for name in settings if verdicts[name] in TELLING and verdicts[name] != verdicts[default]}
    assert set(found.settings) <= {one for name in turned for one in settings[name]}
    assert bool(found.settings) == (found.verdict == DEPENDS)


def test_of_readings_that_turn_it_the_simplest_are_named():
    verdicts = {"as stated": NOT_REPLICATED, "start": REPLICATED, "both": REPLICATED, "epochs": NOT_REPLICATED}
    changes = {"start": ["readout_start"], "both": ["readout_start", "epochs"], "epochs": ["epochs"]}
    found = whole(verdicts, "as stated", changes)
    assert found.settings == ("readout_start",)
    assert found.words == "depends on readout_start (by default not replicated)"
    only_both = whole({**verdicts, "start": NOT_REPLICATED}, "as stated", changes)
    assert only_both.settings == ("epochs", "readout_start")


def test_a_verdict_that_the_default_cannot_give_says_so():
    found = whole({"as stated": INCONCLUSIVE, "longer": REPLICATED}, "as stated")
    assert found.words == "replicated (by default inconclusive)"
    assert whole({"as stated": REPLICATED}, "as stated").words == "replicated"


def test_bad_readings_are_one_clear_line():
    with pytest.raises(SgpipeError, match="the default, 'b', is not one of a"):
        whole({"a": REPLICATED}, "b")
    with pytest.raises(SgpipeError, match="readings: a: 'maybe' is not one of replicated"):
        whole({"a": "maybe"}, "a")


# ---- Which reading a table is of, and claims summed up over several ----


def table_of(starts, scale="paper", accuracy=0.9):
    runs = pd.DataFrame(
        {
            "run_id": [f"{n}" for n in range(len(starts))],
            "data.task": "randman",
            "network.readout_start": starts,
            "objective.head": ["max", "sum"] * (len(starts) // 2),
            "test_accuracy": accuracy,
            "test_accuracy_last": accuracy - 0.1,
            "chance": 0.1,
            "kind": "synthetic",
            "data": "synthetic",
        }
    )
    return ExperimentTable("mine_fig1", scale, None, runs.head(0), runs)


START = Setting.model_validate(
    {
        "open": "the start",
        "values": {
            "library": {"origin": "library", "knobs": {"network.readout_start": -1e-3}},
            "zero": {"origin": "ours", "knobs": {"network.readout_start": 0.0}},
        },
    }
)
EPOCH = Setting.model_validate(
    {
        "open": "the epoch",
        "default": "best",
        "values": {"best": {"origin": "ours"}, "last": {"origin": "ours", "judging": {"epoch": "last"}}},
    }
)
HEAD = Setting.model_validate(
    {
        "open": "the readout",
        "default": "both",
        "values": {
            "both": {"origin": "ours"},
            "max": {"origin": "ours", "judging": {"where": {"objective.head": "max"}}},
        },
    }
)
GROUP = Group("all", "mine_fig1", (), {}, None, "test_accuracy", "mean", None, None)
CLAIM = replace(
    next(claim for claim in load_claims(claim_files(ROOT)) if not claim.untestable),
    id="mine_a",
    paper="mine",
    groups=(GROUP,),
    rule="larger_than",
    value=0.85,
    contrast=None,
    ratio=False,
    pair=(),
    scales=("paper",),
    sources=("synthetic",),
    least=1,
)


@pytest.mark.parametrize(
    ("starts", "name"),
    [
        ([-1e-3, -1e-3], "default"),
        ([0.0, 0.0], "start-zero"),
        ([0.0, -1e-3], "default"),  # it varies by design: not what the table is a reading of
        ([-1.0, -1.0], "default"),  # a value that is none of the readings'
        ([0.0, np.nan], "start-zero"),  # of the other run the knob plays no part
    ],
)
def test_the_runs_tell_which_reading_a_table_is_of(starts, name):
    assert reading_of(CLAIM, {"mine_fig1": table_of(starts)}, {"start": START}).name == name


def test_a_table_from_before_a_knob_has_the_knobs_default():
    table = table_of([0.0, 0.0])
    older = replace(table, runs=table.runs.drop(columns="network.readout_start"))
    assert reading_of(CLAIM, {"mine_fig1": older}, {"start": START}).name == "start-zero"


def test_what_only_the_judging_decides_is_judged_from_the_same_table():
    tables = {"mine_fig1": table_of([0.0] * 4)}
    found = dict(judge_readings(CLAIM, tables, {"mine_fig1"}, {"start": START, "epoch": EPOCH, "head": HEAD}))
    assert [reading.name for reading in found] == ["start-zero", "epoch-last+start-zero", "head-max+start-zero"]
    values = {reading.name: judgement.groups[0].value for reading, judgement in found.items()}
    assert values["epoch-last+start-zero"] == pytest.approx(0.8) and values["start-zero"] == pytest.approx(0.9)
    of_max = found[Reading((("start", "zero"), ("head", "max")))]
    assert of_max.groups[0].n == 2 and found[Reading((("start", "zero"),))].groups[0].n == 4


def test_a_claim_about_both_heads_has_no_reading_by_head():
    own = replace(CLAIM, groups=(replace(GROUP, where={"objective.head": "sum"}),))
    assert judged_by(own, HEAD.values["max"].judging, {"mine_fig1": table_of([0.0] * 4)}) == own


def entry(tmp_path, *tables):
    places = []
    for number, (start, accuracy, scale) in enumerate(tables):
        places.append((tmp_path / str(number), table_of([start] * 4, scale, accuracy)))
    found = [
        InReading(reading, judgement, place / "mine_fig1.parquet")
        for place, table in places
        for reading, judgement in judge_readings(CLAIM, {"mine_fig1": table}, {"mine_fig1"}, {"start": START})
    ]
    return over_readings(CLAIM, found, {"mine_fig1"})


@pytest.mark.parametrize(
    ("tables", "verdict", "default"),
    [
        ([(-1e-3, 0.9, "paper"), (0.0, 0.9, "paper")], REPLICATED, REPLICATED),
        ([(-1e-3, 0.9, "paper"), (0.0, 0.2, "paper")], DEPENDS, REPLICATED),
        ([(-1e-3, 0.2, "paper"), (0.0, 0.9, "paper")], DEPENDS, NOT_REPLICATED),
        ([(0.0, 0.2, "paper")], NOT_REPLICATED, NOT_TESTABLE),  # the default has not been trained
        ([(-1e-3, 0.9, "paper"), (0.0, 0.2, "laptop")], REPLICATED, REPLICATED),  # a smaller scale tells nothing
    ],
)
def test_a_claim_is_settled_by_all_readings_at_one_scale(tmp_path, tables, verdict, default):
    found = entry(tmp_path, *tables)
    assert (found.judgement.verdict, found.whole.default) == (verdict, default)
    if verdict == DEPENDS:
        assert found.whole.settings == ("start",) and "depends on start" in found.judgement.reason
        rows = readings_table([found], tmp_path)
        assert sorted(rows["reading"]) == ["default", "start-zero"] and set(rows["claim"]) == {"mine_a"}


def test_the_number_beside_a_verdict_is_of_a_reading_that_says_it(tmp_path):
    tables = {-1e-3: [0.6, 1.0, 0.7, 1.0], 0.0: [0.9, 0.91, 0.9, 0.91]}  # wide about 0.85, and clearly above it
    found = [
        InReading(reading, judgement, tmp_path / f"{start}.parquet")
        for start, accuracy in tables.items()
        for reading, judgement in judge_readings(
            CLAIM, {"mine_fig1": table_of([start] * 4, accuracy=np.array(accuracy))}, {"mine_fig1"}, {"start": START}
        )
    ]
    summed = over_readings(CLAIM, found, {"mine_fig1"})
    assert (summed.whole.default, summed.judgement.verdict) == (INCONCLUSIVE, REPLICATED)
    assert summed.judgement.groups[0].value == pytest.approx(0.905) and summed.table.stem == "0.0"
