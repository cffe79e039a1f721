"""What a paper leaves open: the default is chosen by origin alone, and each other value makes experiments of its own."""

import pytest

from sgpipe.base.errors import SgpipeError
from sgpipe.spec.experiments import in_readings, load_experiments
from sgpipe.spec.like import read_experiments
from sgpipe.spec.readings import ORIGINS, Reading
from tests.conftest import ROOT

START = "{library: {origin: library, knobs: {network.readout_start: -1e-3}}, zero: {origin: ours, knobs: {network.readout_start: 0}}}"
GAIN = "{stated: {origin: stated, knobs: {init.gain: 1}}, code: {origin: code, knobs: {init.gain: 3}}}"
TWO = f"""readings:
  start:
    open: where the readout starts
    values: {START}
    experiments: {{mine_fig1: []}}
  gain:
    open: the gain
    values: {GAIN}
    experiments: {{mine_fig1: [deep]}}
    keep: {{optimiser.lr: {{smoke: [0.1]}}}}
together: [[start, gain]]
"""
SWEEPS = """paper: mine
base: {network: {readout_start: -1e-3}}
experiments:
  mine_fig1:
    title: T
    sweeps:
      flat: {grid: {optimiser.lr: [0.1, 0.2]}}
      deep: {base: {network: {hidden: [5, 5]}}, grid: {optimiser.lr: [0.1, 0.2]}}
      apart: {base: {network: {readout_start: -1}, init: {gain: 2}}}
"""


def found(tmp_path, readings=TWO, sweeps=SWEEPS):
    path = tmp_path / "mine.yaml"
    path.write_text(sweeps + readings)
    declared = load_experiments([path], "smoke")
    return declared, in_readings([path], declared)


def knobs(experiment, *names):
    return sorted(tuple(spec.flat()[name] for name in names) for spec in experiment.runs.values())


def test_each_other_value_alone_and_those_that_may_conspire_together(tmp_path):
    declared, others = found(tmp_path)
    assert declared["mine_fig1"].readings == tuple(others)
    assert [key.split("/")[1] for key in others] == ["start-zero", "gain-code", "gain-code+start-zero"]
    assert all(others[key].reading == key.split("/")[1] for key in others)


def test_a_reading_changes_the_runs_that_have_the_default_and_has_the_sweeps_in_which_it_does(tmp_path):
    declared, others = found(tmp_path)
    start = others["readings/start-zero/mine_fig1"]
    assert {name for names in start.sweeps.values() for name in names} == {"flat", "deep"}
    assert set(knobs(start, "network.readout_start")) == {(0.0,)} and len(start.runs) == 4
    assert not set(start.runs) & set(declared["mine_fig1"].runs)
    gain = others["readings/gain-code/mine_fig1"]  # of one sweep, and of that a thinner grid
    assert knobs(gain, "init.gain", "network.hidden", "optimiser.lr") == [(3.0, (5, 5), 0.1)]
    both = others["readings/gain-code+start-zero/mine_fig1"]
    assert knobs(both, "init.gain", "network.readout_start", "optimiser.lr") == [(3.0, 0.0, 0.1)]


@pytest.mark.parametrize(("rates", "changed"), [("0.1", [(0.1,)]), ("[0.1, 0.2]", [(0.1,), (0.2,)]), ("[0.3]", [])])
def test_a_setting_is_about_runs_with_its_value_or_any_of_a_list(tmp_path, rates, changed):
    readings = TWO.split("  gain:")[0] + f"    where: {{network.hidden: [[5, 5]], optimiser.lr: {rates}}}\n"
    if not changed:
        with pytest.raises(SgpipeError, match="changes no run"):
            found(tmp_path, readings)
        return
    (start,) = found(tmp_path, readings)[1].values()
    turned = [spec for spec in start.runs.values() if spec.flat()["network.readout_start"] == 0]
    assert sorted((spec.flat()["optimiser.lr"],) for spec in turned) == changed


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("origin: ours", "origin: library", "library and zero have the same origin; say which is the `default`"),
        ("origin: ours", "origin: mine", "origin"),
        (
            "open: the gain",
            "open: the gain\n    default: code",
            "default: the most binding origin has stated, not code",
        ),
        ("knobs: {init.gain: 3}", "knobs: {init.seed: 3}", "every value must set the same knobs"),
        ("init.gain: 1}", "init.gian: 1}", "same knobs"),
        ("[[start, gain]]", "[[start, gian]]", "together: 'gian' is none of `readings`: start, gain"),
        ("{mine_fig1: [deep]}", "{mine_fig2: []}", "'mine_fig2' is none of this file's"),
        ("{optimiser.lr: {smoke", "{optimiser.rl: {smoke", "'optimiser.rl' is no knob"),
    ],
)
def test_wrong_readings_are_one_clear_line(tmp_path, old, new, words):
    assert old in TWO
    with pytest.raises(SgpipeError) as caught:
        found(tmp_path, TWO.replace(old, new, 1))
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_a_reading_that_changes_no_run_says_so(tmp_path):
    with pytest.raises(SgpipeError, match=r"readings.start-zero: changes no run of mine_fig1 at scale smoke"):
        found(tmp_path, sweeps=SWEEPS.replace("-1e-3", "-2"))


def test_a_file_that_is_like_another_has_its_readings_but_for_experiments_that_it_leaves_out(tmp_path):
    found(tmp_path)
    path = tmp_path / "yours.yaml"
    path.write_text("paper: yours\nlike: mine.yaml\nexperiments: {yours_fig1: {base: {training: {epochs: 7}}}}")
    declared = load_experiments([path], "smoke")
    others = in_readings([path], declared)
    assert set(others) == {
        f"readings/{name}/yours_fig1" for name in ("start-zero", "gain-code", "gain-code+start-zero")
    }
    assert {spec.training.epochs for one in others.values() for spec in one.runs.values()} == {7}


@pytest.mark.parametrize("path", sorted((ROOT / "workflow" / "experiments").glob("*.yaml")), ids=lambda path: path.stem)
def test_what_is_declared_is_the_default_reading(path):
    """So that changing which is the default means changing the experiments, and never the other way round."""
    document = read_experiments(path)
    declared = load_experiments([path], "smoke")
    others = in_readings([path], declared)
    for key, one in others.items():
        usual = declared[key.rpartition("/")[2]]
        assert set(one.runs) - set(usual.runs), f"{key} trains nothing new"
    for setting in document.readings.values():
        ranks = [ORIGINS.index(value.origin) for value in setting.values.values()]
        assert ORIGINS.index(setting.values[setting.usual].origin) == min(ranks)


def test_a_reading_has_one_name_whatever_the_order():
    assert Reading((("b", "1"), ("a", "2"))) == Reading((("a", "2"), ("b", "1")))
    assert Reading((("b", "1"), ("a", "2"))).name == "a-2+b-1" and Reading().name == "default"
