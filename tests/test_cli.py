"""The `sgpipe` command: what it prints, and one line when something is wrong."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch

from sgpipe.cli import main
from sgpipe.plan.plan import make_plan
from sgpipe.results.store import Result, Row
from sgpipe.results.tables import runs_table, write_table
from sgpipe.spec.config import load_config
from tests.conftest import ROOT


@pytest.fixture
def settings(tmp_path, monkeypatch):
    """The smoke scale, with a results folder of the test's own."""
    monkeypatch.chdir(ROOT)
    return {"scale": "smoke", "results": str(tmp_path)}


def call(command, settings, *words):
    return main([command, *words, *(f"--set={key}={value}" for key, value in settings.items())])


def test_plan_prints_a_line_per_experiment(settings, capsys):
    assert call("plan", settings) == 0
    lines = capsys.readouterr().out.splitlines()
    trained = {
        name for name, item in make_plan(load_config("config.yaml", settings)).experiments.items() if item.trains
    }
    assert lines[0].startswith("scale smoke") and {line.split()[0] for line in lines} >= trained


def test_a_setting_takes_a_list(settings, capsys):
    assert (
        main(
            ["plan", f"--set=results={settings['results']}", "--set=experiments=[workflow/experiments/zenke2021.yaml]"]
        )
        == 0
    )
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("zenke2021") for line in lines) and not any("herranz2022" in line for line in lines)


def test_check_says_how_much_is_sound(settings, capsys):
    assert call("check", settings) == 0
    plan = make_plan(load_config("config.yaml", settings))
    runs = {run.id for pack in plan.packs.values() for run in pack.runs}
    assert capsys.readouterr() == (f"ok: {len(plan.experiments)} experiments, {len(runs)} runs at scale smoke\n", "")


def test_a_bad_knob_is_looked_for_where_it_stands(settings, tmp_path, capsys):
    body = "experiments: {mine_fig1: {title: T, draw: zenke2021.fig3, %s sweeps: {shapes: {%s}}}}"
    for text, place in (
        (f"base: {{network: {{tau: 1}}}}\n{body % ('', '')}", "mine.yaml: base: unknown key: 'network.tau'"),
        (body % ("base: {surrogate: {beta: -1}},", ""), "mine.yaml: mine_fig1: base: surrogate.beta: -1"),
        (body % ("", "base: {surrogate.bta: 1}"), "mine.yaml: mine_fig1: sweeps.shapes.base: unknown key"),
        (body % ("", "grid: {surrogate.bta: [1]}"), "mine.yaml: mine_fig1: sweeps.shapes: unknown key"),
    ):
        (tmp_path / "mine.yaml").write_text(f"paper: mine\n{text}\n")
        assert call("check", {**settings, "experiments": tmp_path / "mine.yaml"}) == 1
        assert place in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--config", "scale=smoke", "threads=2"], ["--set", "scale=smoke", "threads=2"],
                                   ["--config=scale=smoke", "--set=threads=2"], ["--config", "config.yaml", "--set", "scale=smoke", "--config", "threads=2"]])  # fmt: skip
def test_config_and_set_take_the_same_words(settings, words, capsys):
    assert main(["train", *words, f"--set=results={settings['results']}", "zenke2021_fig1"]) == 1
    assert "zenke2021_fig1: trains nothing" in capsys.readouterr().err
    assert main(["check", *words, f"--config=results={settings['results']}"]) == 0
    assert "at scale smoke" in capsys.readouterr().out


def test_the_plan_counts_what_is_made_besides_training(settings, tmp_path, capsys):
    only = {**settings, "experiments": "[workflow/experiments/zenke2021.yaml]", "data": "embedded"}
    assert call("plan", only) == 0
    lines = {line[:20].strip(): line.split()[-5:] for line in capsys.readouterr().out.splitlines()}
    plan = make_plan(
        load_config(ROOT / "config.yaml", {**settings, "experiments": "workflow/experiments/zenke2021.yaml"})
    )
    assert lines["data sets"][:3] == [str(len(plan.tasks)), "0", str(len(plan.tasks))]
    assert lines["figures and tables"][:3] == ["10", "0", "10"] and lines["everything together"][-1] == "min"


def test_every_command_has_examples(capsys):
    for command in ("plan", "check", "failed", "train", "retry", "export", "collect", "draw", "claims"):
        with pytest.raises(SystemExit):
            main([command, "--help"])
        assert f"examples:\n  sgpipe {command}" in capsys.readouterr().out


def test_failed_runs_are_listed_and_retried(settings, tmp_path, capsys):
    plan = make_plan(load_config(ROOT / "config.yaml", settings))
    good, bad, odd = [spec for pack in plan.packs.values() for spec in pack.runs][:3]
    ended = [Result(good, "finished", ()), Result(bad, "failed", (), "ValueError: no"), Result(odd, "diverged", ())]
    for result in ended:
        plan.store.put(result)
    write_table(runs_table(ended[:1]), tmp_path / "packs/good.parquet")
    write_table(runs_table(ended[1:]), tmp_path / "packs/bad.parquet")

    assert call("failed", settings) == 0
    listed = capsys.readouterr().out.splitlines()
    assert sorted(line.split()[:2] for line in listed) == sorted([[bad.id, "failed"], [odd.id, "diverged"]])
    pack = next(pack.id for pack in plan.packs.values() if bad in pack.runs)
    (line,) = (line for line in listed if line.startswith(bad.id))
    names = [name for name, one in plan.experiments.items() if one.trains and bad.id in one.runs]
    assert line.endswith(f"{', '.join(names)}: ValueError: no; {tmp_path}/logs/train/{pack}.log")

    assert call("retry", settings) == 0  # those that raised; a diverged run is a result
    said = capsys.readouterr().out
    assert "1 runs forgotten" in said and "1 diverged runs kept: to diverge is a result" in said
    assert f"`sgpipe retry {odd.id}`" in said
    assert plan.store.get(bad) is None and plan.store.get(odd) and plan.store.get(good)
    assert [path.name for path in tmp_path.glob("packs/*")] == ["good.parquet"]
    assert call("retry", settings, odd.id) == 0
    assert plan.store.get(odd) is None
    assert pq.read_table(tmp_path / "packs/good.parquet")["run_id"].to_pylist() == [good.id]


def test_train_fills_the_store_and_says_how_it_goes(settings, capsys):
    assert call("train", settings, "zenke2021_fig2") == 0
    lines = capsys.readouterr().err.splitlines()
    assert sum("finished" in line for line in lines) == 4 and "4 trained, 0 from the store" in lines[-1]
    assert call("train", settings, "zenke2021_fig2") == 0
    assert "0 trained, 4 from the store" in capsys.readouterr().err


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize("engine", ["auto", "reference", "gpu"])
def test_without_the_device_nothing_is_trained_and_nothing_filed(settings, tmp_path, engine, capsys):
    assert call("train", {**settings, "engine": engine, "device": "cuda"}, "zenke2021_fig2") == 1
    assert (
        capsys.readouterr().err.splitlines()[-1].startswith("sgpipe: config.yaml: device: cuda: torch cannot compute")
    )
    assert not list(tmp_path.glob("runs/??/*")) and not list(tmp_path.glob("packs/*"))


@pytest.mark.parametrize(
    ("command", "words", "message"),
    [
        ("plan", ["--set", "scale"], "sgpipe: --set scale: give it as KEY=VALUE"),
        ("plan", ["--set", "scale=big"], "scale: 'big' is not one of smoke, laptop, paper"),
        ("plan", ["--config", "none.yaml"], "sgpipe: none.yaml: no such file"),
        ("train", ["zenke2021_fig33"], "sgpipe: experiment: 'zenke2021_fig33' is not one of"),
        ("train", ["zenke2021_fig1"], "sgpipe: zenke2021_fig1: trains nothing"),
        ("retry", ["0123"], "sgpipe: run 0123: not in"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_1(settings, command, words, message, capsys):
    assert main([command, *(f"--set={key}={value}" for key, value in settings.items()), *words]) == 1
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_the_page_of_knobs_is_up_to_date(monkeypatch):
    monkeypatch.chdir(ROOT)
    assert main(["knobs", "--check"]) == 0


@pytest.mark.long
def test_what_has_been_trained_so_far_is_collected_and_drawn(settings, tmp_path, capsys):
    assert call("collect", settings, str(tmp_path / "tables"), "zenke2021_fig3") == 1
    assert "none of its runs has ended yet" in capsys.readouterr().err
    assert call("collect", settings, str(tmp_path / "tables")) == 1
    assert "none of the runs has ended yet" in capsys.readouterr().err
    plan = make_plan(load_config(ROOT / "config.yaml", settings))
    runs = list(plan.experiment("zenke2021_fig3").runs.values())
    last, *first = plan.packs_of["zenke2021_fig3"]

    def train(pack):
        for spec in plan.packs[pack].runs:
            rows = [
                Row(1, split, 0.5, 0.0, 0.9, (3.0,) * len(spec.network.hidden), True) for split in ("valid", "test")
            ]
            plan.store.put(Result(spec, "finished", tuple(rows)))

    for pack in first:
        train(pack)
    ended = sum(spec in plan.store for spec in runs)
    assert 0 < ended < len(runs)

    assert call("collect", settings, str(tmp_path / "tables"), "zenke2021_fig3") == 0
    assert capsys.readouterr().out.endswith(f"{ended} of {len(runs)} runs\n")
    assert call("collect", settings, str(tmp_path / "all")) == 0
    of_all = {line.split(": ")[0]: line.split(": ")[1] for line in capsys.readouterr().out.splitlines()}
    assert of_all[str(tmp_path / "all/zenke2021_fig3.parquet")] == f"{ended} of {len(runs)} runs"
    lacking = {tmp_path / "all" / f"{Path(path).stem}.missing.parquet" for path in of_all}
    assert {Path(path) for path in of_all} == set((tmp_path / "all").iterdir()) - lacking
    assert call("draw", settings, str(tmp_path / "tables"), str(tmp_path / "drawn")) == 0
    assert (tmp_path / "drawn/figures/zenke2021/fig3.png").stat().st_size > 10_000
    note = pq.read_schema(tmp_path / "drawn/figures/zenke2021/fig3.parquet").metadata[b"sgpipe.note"].decode()
    assert f"{ended} runs · {len(runs) - ended} not yet trained" in note

    beside = tmp_path / "tables/zenke2021_fig3.missing.parquet"
    assert set(pq.read_table(beside)["run_id"].to_pylist()) == {spec.id for spec in plan.packs[last].runs}
    assert call("claims", settings, str(tmp_path / "tables"), str(tmp_path / "claims")) == 0
    beside.unlink()
    assert call("claims", settings, str(tmp_path / "tables"), str(tmp_path / "claims")) == 1
    assert "lacks runs; copy it too, or collect again" in capsys.readouterr().err
    train(last)
    assert call("collect", settings, str(tmp_path / "tables"), "zenke2021_fig3") == 0 and not beside.exists()
    assert call("claims", settings, str(tmp_path / "tables"), str(tmp_path / "claims")) == 0

    assert call("draw", settings, str(tmp_path / "drawn"), str(tmp_path / "again")) == 1
    assert "no table of an experiment there" in capsys.readouterr().err


def test_runs_are_carried_to_another_store(settings, tmp_path, capsys):
    plan = make_plan(load_config(ROOT / "config.yaml", settings))
    spec = next(iter(plan.experiment("zenke2021_fig3").runs.values()))
    plan.store.put(Result(spec, "finished", ()))
    archive = str(tmp_path / "runs.tar")
    assert call("export", settings, archive, "zenke2021_fig3") == 0
    there = {**settings, "results": str(tmp_path / "there")}
    assert call("import", there, archive) == 0
    assert make_plan(load_config(ROOT / "config.yaml", there)).store.get(spec).status == "finished"
    assert "1 runs filed, 0 were here already" in capsys.readouterr().out
    Path(archive).write_bytes(Path(archive).read_bytes()[:1024])  # the manifest alone
    assert call("import", {**settings, "results": str(tmp_path / "elsewhere")}, archive) == 1
    said = capsys.readouterr()
    assert (
        "0 runs filed" in said.out
        and f"1 runs are missing, since it is cut short or was changed: {spec.id}" in said.err
    )
    assert said.err.splitlines()[-1].endswith("see above; export or copy it again")


def test_runs_that_cannot_be_read_block_neither_list_nor_retry(settings, tmp_path, capsys):
    plan = make_plan(load_config(ROOT / "config.yaml", settings))
    bad, odd = [spec for pack in plan.packs.values() for spec in pack.runs][:2]
    plan.store.put(Result(bad, "failed", (), "ValueError: no"))
    plan.store.path(odd).parent.mkdir(parents=True, exist_ok=True)
    plan.store.path(odd).write_bytes(b"PAR1")
    (tmp_path / "packs").mkdir()
    (tmp_path / "packs/cut.parquet").write_bytes(b"PAR1")
    assert call("failed", settings) == 0
    said = capsys.readouterr()
    assert bad.id in said.out and str(plan.store.path(odd)) in said.err
    assert call("retry", settings) == 0
    said = capsys.readouterr()
    assert call("retry", settings, odd.id) == 0 and not plan.store.path(odd).exists()  # though it cannot be read
    assert "1 runs forgotten" in said.out and "packs/cut.parquet" in said.err and bad not in plan.store
