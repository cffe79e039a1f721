"""A plan that is kept for jobs is the one that they would make themselves."""

from dataclasses import replace

import pytest

from sgpipe.plan.kept import PLACE, keep, kept
from sgpipe.plan.plan import make_plan
from sgpipe.rules.job import job
from sgpipe.spec.config import read_config
from tests.conftest import ROOT

CONFIG = {"scale": "smoke", "experiments": [str(ROOT / "workflow/experiments/zenke2021.yaml")]}


@pytest.fixture
def plan(monkeypatch):
    monkeypatch.setenv(PLACE, "")  # and back to what it was
    made = make_plan(read_config(CONFIG))
    keep(made, CONFIG)
    return made


def test_jobs_of_the_same_configuration_take_it(plan):
    with job(CONFIG) as theirs:
        assert theirs.packs == plan.packs and theirs is not plan
        assert {name: one.runs for name, one in theirs.experiments.items()} == {
            name: one.runs for name, one in plan.experiments.items()
        }


def test_jobs_of_another_one_make_their_own(plan):
    other = {**CONFIG, "seed": 3}
    assert kept(other) is None
    with job(other) as theirs:
        assert theirs.config.seed == 3 and theirs.packs != plan.packs


def test_a_machine_that_has_no_such_file_makes_its_own(plan, monkeypatch):
    monkeypatch.setenv(PLACE, "/nowhere/plan.pickle")
    assert kept(CONFIG) is None


def test_with_extensions_none_is_kept(monkeypatch):
    monkeypatch.setenv(PLACE, "")
    plan = make_plan(read_config(CONFIG))
    keep(replace(plan, config=plan.config.model_copy(update={"extensions": ["mine.py"]})), CONFIG)
    assert kept(CONFIG) is None
