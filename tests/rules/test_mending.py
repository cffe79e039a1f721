"""A damaged file under `results` is set aside and made again from what it was made from; nothing is trained for it."""

import json

import pytest

from sgpipe.base.errors import SgpipeError
from sgpipe.plan.plan import make_plan
from sgpipe.results.store import Result, Row
from sgpipe.results.tables import runs_table, write_table
from sgpipe.rules.aggregate import aggregate
from sgpipe.rules.initial_state import initial_state, ready_state
from sgpipe.rules.mend import mend_tables
from sgpipe.rules.prepare_task import known_statistics, prepare_task, prepared
from sgpipe.spec.config import load_config
from tests.conftest import ROOT

EXPERIMENT = """
paper: mine
base:
  data: {classes: 3, samples_per_class: 40, units: 8, steps: 40, tau: 25, alpha: 2}
  network: {neuron: delta_lif, recurrent: true, hidden: [16]}
  surrogate: {shape: exponential}
  init: {conditions: I}
  training: {epochs: 2, batch_size: 24}
experiments:
  mine_fig1:
    title: Two slopes
    draw: zenke2021.fig3
    sweeps:
      slopes:
        grid: {optimiser.lr: [0.01, 0.02]}
  mine_fig2:
    title: Its manifolds
    draw: zenke2021.fig3
    trains: false
    sweeps:
      one:
        grid: {data.alpha: [1, 2]}
"""
NAME = "mine_fig1"


@pytest.fixture
def plan(tmp_path, monkeypatch):
    """A plan whose runs have all ended, with the tables of its packs and of its experiment."""
    monkeypatch.chdir(ROOT)
    (tmp_path / "mine.yaml").write_text(EXPERIMENT)
    changes = {"scale": "smoke", "results": str(tmp_path / "results"), "experiments": [str(tmp_path / "mine.yaml")]}
    made = make_plan(load_config(ROOT / "config.yaml", changes))
    for pack in made.packs.values():
        results = [Result(spec, "finished", (Row(1, "valid", 0.5, 0.0, 0.9, (3.0,), True),)) for spec in pack.runs]
        for result in results:
            made.store.put(result)
        write_table(runs_table(results), made.pack_path(pack.id), pack.notes)
    aggregate(made, NAME, packs(made), table(made))
    return made


def packs(plan):
    return [plan.pack_path(pack) for pack in plan.packs_of[NAME]]


def table(plan):
    return plan.config.folder / f"{NAME}.parquet"


def truncate(path):
    """Cut a file short; return what it held."""
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    return content


def made_again(path, content, capsys):
    notice = capsys.readouterr().err
    assert notice.count("\n") == 1 and str(path) in notice and "it is made again" in notice
    assert path.read_bytes() == content and path.with_name(f"{path.name}.damaged").exists()


def test_a_pack_table_comes_from_the_store(plan, capsys):
    kept, (path, *_) = table(plan).read_bytes(), packs(plan)
    content = truncate(path)
    aggregate(plan, NAME, packs(plan), table(plan))
    made_again(path, content, capsys)
    assert table(plan).read_bytes() == kept


def test_a_pack_table_whose_runs_are_gone_is_out_of_the_way_and_says_what_to_do(plan):
    path = packs(plan)[0]
    truncate(path)
    plan.store.forget(plan.pack(path.stem).runs[0])
    with pytest.raises(SgpipeError, match="1 of its 2 runs are not in the store; give the same command again") as error:
        aggregate(plan, NAME, packs(plan), table(plan))
    assert str(path) in str(error.value) and not path.exists()


def test_the_table_of_an_experiment_comes_from_its_packs(plan, capsys):
    content = truncate(table(plan))
    mend_tables(plan, [table(plan)])
    made_again(table(plan), content, capsys)
    mend_tables(plan, [table(plan)])
    assert capsys.readouterr().err == ""


def test_a_task_its_statistics_and_the_initial_state_are_made_again(plan, capsys):
    (init_id,) = plan.initial_states
    task = plan.task_path(plan.initial_states[init_id].data_id)
    prepare_task(plan, task.stem, task, task.with_suffix(".json"))
    initial_state(plan, init_id, task, plan.init_path(init_id))
    capsys.readouterr()
    known, state = json.loads(task.with_suffix(".json").read_text()), ready_state(plan, plan.init_path(init_id))
    content = truncate(task)
    assert len(prepared(plan, task).train) > 0
    made_again(task, content, capsys)
    content = truncate(task.with_suffix(".json"))
    assert known_statistics(plan, task) == known
    made_again(task.with_suffix(".json"), content, capsys)
    truncate(plan.init_path(init_id))
    assert ready_state(plan, plan.init_path(init_id)) == state
    assert "it is made again" in capsys.readouterr().err


def test_runs_that_ended_badly_are_told_past_the_log(plan, capfd):
    one, other = plan.packs[packs(plan)[0].stem].runs
    for spec, status in ((one, "failed"), (other, "diverged")):
        plan.store.forget(spec)
        plan.store.put(Result(spec, status, ()))
    write_table(runs_table([plan.store.get(one), plan.store.get(other)]), packs(plan)[0])
    aggregate(plan, NAME, packs(plan), table(plan))
    command = f"sgpipe failed --set results={plan.config.results}"
    assert f"sgpipe: {NAME}: of 2 runs 1 failed and 1 diverged; `{command}` lists them\n" in capfd.readouterr().err
