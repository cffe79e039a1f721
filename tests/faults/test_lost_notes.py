"""What Snakemake has noted of earlier jobs is lost, or the results come from elsewhere: the tables themselves tell."""

import shutil

import pandas as pd
import pytest

from sgpipe.plan.outdated import is_outdated
from sgpipe.plan.plan import Plan, make_plan
from sgpipe.results.store import Result
from sgpipe.results.tables import runs_table, write_table
from sgpipe.rules.aggregate import aggregate
from sgpipe.spec.config import read_config
from tests.rules.test_workflow import EXPERIMENT, SETTINGS, TABLE, write


@pytest.fixture
def planned(tmp_path, monkeypatch):
    """Return a maker of plans: of an experiment with some slopes, as its text is or changed."""
    monkeypatch.chdir(tmp_path)

    def plan(betas: str, was: str = "", now: str = "") -> Plan:
        (tmp_path / "mine.yaml").write_text(EXPERIMENT.format(betas=betas, epochs=2).replace(was, now))
        return make_plan(read_config({"scale": "smoke", "experiments": ["mine.yaml"]}))

    return plan


@pytest.mark.parametrize(
    ("betas", "was", "now"),
    [
        ("[1, 10, 100]", "", ""),
        ("[1]", "", ""),
        ("[1, 20]", "", ""),
        ("[1, 10]", "Two shapes", "Two words"),
        ("[1, 10]", "shapes:", "forms:"),
    ],
)
def test_a_table_of_other_runs_sweeps_or_words_is_told_from_the_plans(planned, tmp_path, betas, was, now):
    plan = planned("[1, 10]")
    packs = []
    for pack in plan.packs.values():
        packs.append(tmp_path / f"{pack.id}.parquet")
        write_table(runs_table([Result(spec, "failed", (), "ValueError: no") for spec in pack.runs]), packs[-1])
    aggregate(plan, "mine_fig1", packs, TABLE)
    assert not is_outdated(plan, "mine_fig1", TABLE) and not is_outdated(plan, "mine_fig1", "absent.parquet")
    assert is_outdated(planned(betas, was, now), "mine_fig1", TABLE)


@pytest.mark.long
@pytest.mark.workflow
def test_without_its_notes_snakemake_makes_what_the_plan_has_since(project):
    write(project, "[1, 10]")
    project.run(TABLE, *SETTINGS)
    before = project.stored()
    shutil.rmtree(project.folder / ".snakemake")
    assert "Nothing to be done" in project.run(TABLE, *SETTINGS).stderr
    write(project, "[1, 10, 100]")
    project.run(TABLE, *SETTINGS)
    after = project.stored()
    assert len(after) == 6 and before.items() <= after.items()
    assert set(pd.read_parquet(project.folder / TABLE)["surrogate.beta"]) == {1, 10, 100}
    assert "Nothing to be done" in project.run(TABLE, *SETTINGS).stderr
