"""What Snakemake has noted of earlier jobs is lost, or the results come from elsewhere: the tables themselves tell."""

import os
import shutil

import pandas as pd
import pyarrow.parquet as pq
import pytest

from sgpipe.plan.outdated import is_made_otherwise, is_outdated
from sgpipe.plan.plan import NUMERICS, Plan, make_plan
from sgpipe.results.store import Result
from sgpipe.results.tables import runs_table, write_table
from sgpipe.rules.aggregate import aggregate
from sgpipe.rules.initial_state import initial_state
from sgpipe.rules.prepare_task import prepare_task
from sgpipe.rules.simulate import simulate
from sgpipe.rules.train_pack import train
from sgpipe.spec import numerics
from sgpipe.spec.config import read_config
from tests.rules.test_workflow import EXPERIMENT, SETTINGS, TABLE, write

# Of networks that conditions and simulations are for.
RECURRENT = EXPERIMENT.replace("{{hidden", "{{neuron: delta_lif, recurrent: true, hidden").replace(
    "superspike, sigmoid", "exponential, gaussian"
)


@pytest.fixture
def planned(tmp_path, monkeypatch):
    """Return a maker of plans: of an experiment with some slopes, as its text is or changed."""
    monkeypatch.chdir(tmp_path)

    def plan(betas: str, was: str = "", now: str = "", text: str = EXPERIMENT) -> Plan:
        (tmp_path / "mine.yaml").write_text(text.format(betas=betas, epochs=2).replace(was, now))
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


def test_files_that_another_version_made_are_told_from_the_plans(planned, tmp_path, monkeypatch):
    plan = planned("[1]", "hidden: [16]}", "hidden: [16]}\n  init: {conditions: I}", RECURRENT)
    ((pack_id, pack), *_), (init_id, *_), (data_id,) = plan.packs.items(), plan.initial_states, plan.tasks
    task, state, table = plan.task_path(data_id), plan.init_path(init_id), plan.pack_path(pack_id)
    prepare_task(plan, data_id, task, task.with_suffix(".json"))
    for one in plan.initial_states:
        initial_state(plan, one, task, plan.init_path(one))
    train(plan, pack_id, task, table)

    def otherwise() -> list[bool]:
        pack.__dict__.pop("numerics", None)  # which is kept
        noted = [(task, plan.task_notes(data_id)), (state, plan.init_notes(init_id)), (table, pack.notes)]
        return [is_made_otherwise(path, notes) for path, notes in noted]

    assert otherwise() == [False, False, False]
    for name, which in (("trainer", [False, False, True]), ("task.randman", [True, True, True])):
        with monkeypatch.context() as patch:
            patch.setitem(numerics.BUILT_IN_VERSIONS, name, "raised")
            assert otherwise() == which
    assert otherwise() == [False, False, False]

    # Those from before versions were noted, damaged ones and absent ones are not told.
    pq.write_table(pq.read_table(table).replace_schema_metadata(None), table)
    state.write_bytes(state.read_bytes()[:100])
    task.unlink()
    assert otherwise() == [False, False, False]


def test_simulations_of_another_version_are_told_from_the_plans(planned, tmp_path, monkeypatch):
    plan = planned("[1]", "sweeps:", "trains: false\n    simulate: {samples: 4, steps: 10}\n    sweeps:", RECURRENT)
    (data_id,) = plan.tasks
    task = plan.task_path(data_id)
    prepare_task(plan, data_id, task, task.with_suffix(".json"))
    simulate(plan, "mine_fig1", {data_id: task}, {}, TABLE)
    assert not is_outdated(plan, "mine_fig1", TABLE)
    monkeypatch.setattr("sgpipe.plan.plan.SIMULATION", "raised")
    assert is_outdated(plan, "mine_fig1", TABLE)


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

    # A table as of other versions, no younger than before: made again from what the store has of today's.
    shutil.rmtree(project.folder / ".snakemake")
    pack = max(project.folder.glob("results/packs/*.parquet"), key=lambda path: path.stat().st_mtime_ns)
    made, stamps, table = pack.read_bytes(), pack.stat(), pq.read_table(pack)
    pq.write_table(table.replace_schema_metadata({NUMERICS: "trainer=0"}), pack)
    os.utime(pack, ns=(stamps.st_atime_ns, stamps.st_mtime_ns))
    project.run(TABLE, *SETTINGS)
    assert pack.read_bytes() == made and project.stored() == after
    assert "Nothing to be done" in project.run(TABLE, *SETTINGS).stderr
