"""A claim over its readings: settled where all that can tell agree, else dependent on the settings that turn it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgpipe.base.errors import SgpipeError
from sgpipe.claims.judge import INCONCLUSIVE, NOT_REPLICATED, NOT_TESTABLE, REPLICATED, VERDICTS
from sgpipe.claims.readings import DEPENDS, TELLING, whole

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
        assert found.verdict == verdicts[default]
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
