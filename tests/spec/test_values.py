"""Values that no run survives are refused where they are written; two spellings of one value are one run."""

import re

import pytest

from sgpipe.base.errors import SgpipeError
from sgpipe.spec.config import load_config, read_config
from sgpipe.spec.experiment_file import RULES
from sgpipe.spec.experiments import load_experiments
from sgpipe.spec.knob import basic_type
from sgpipe.spec.run import RunSpec, knobs
from sgpipe.spec.tasks import TASKS
from tests.conftest import ROOT

NUMBERS = {
    (task, name): item
    for task in TASKS
    for name, item in knobs(task).items()
    if basic_type(item.type) in (int, float, tuple) and not item.metadata["choices"]
}


@pytest.mark.parametrize("key", NUMBERS, ids=".".join)
def test_every_number_has_a_bound_on_both_sides(key):
    rule = NUMBERS[key].metadata
    assert (rule["above"], rule["least"]) != (None, None) and (rule["below"], rule["most"]) != (None, None)
    for value in (-(10**20), 10**40):
        value = [value] if basic_type(NUMBERS[key].type) is tuple else value
        with pytest.raises(SgpipeError, match=f"{key[1]}: .* must be"):
            RunSpec.make({"data.task": key[0], key[1]: value})


@pytest.mark.parametrize("name", ["objective.upper_threshold", "network.membrane_decay", "network.readout_start"])
def test_nothing_has_one_spelling(name):
    others = {"network.neuron": "delta_lif"} if "decay" in name else {"objective.upper_strength": 1.0}
    assert RunSpec.make({**others, name: -0.0}).id == RunSpec.make({**others, name: 0.0}).id
    assert "-0.0" not in RunSpec.make({**others, name: -0.0}).canonical()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"pack_minutes": "nan"}, "pack_minutes: nan is not a finite number"),
        ({"pack_minutes": 1e9}, "pack_minutes: .* must be at most 100000"),
        ({"seed": 2**63}, "seed: 9223372036854775808 must be at most"),
        ({"results": ""}, "results: '' is empty"),
        ({"results": "a{b}"}, "results: 'a{b}' has braces"),
        ({"results": 202401}, "results: 202401 was read as a number; put a folder before it, such as ./202401"),
        ({"results": "config.yaml"}, "results: config.yaml: is not a folder"),
        ({"results": "config.yaml/below"}, "results: config.yaml: is not a folder"),
        ({"experiments": []}, r"experiments: \[\] is too short: at least 1"),
        ({"threads": True}, "threads: True is not a whole number"),
        ({"threads": 10**6}, "threads: 1000000 must be at most 4096"),
    ],
)
def test_a_setting_that_breaks_later_is_refused(changes, words, monkeypatch):
    monkeypatch.chdir(ROOT)
    with pytest.raises(SgpipeError, match=words):
        read_config(changes)


def test_one_experiment_file_may_stand_for_a_list():
    assert read_config({"experiments": "x.yaml"}).experiments == ("x.yaml",)


def test_settings_are_a_mapping(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("[1, 2]")
    with pytest.raises(SgpipeError, match=r"config.yaml: \[1, 2\] is not a mapping of settings"):
        load_config(path)
    path.write_text("")
    assert load_config(path).scale == "laptop"


def load(tmp_path, text, seed=0):
    (tmp_path / "mine.yaml").write_text(text)
    return load_experiments([tmp_path / "mine.yaml"], "smoke", seed)


ONE = "paper: mine\nexperiments:\n  mine_fig1: {{title: T, {}}}\n"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("trains: true", "lacks `sweeps`, and so has no runs"),
        ("sweeps: {s: {}}, shows: knobs", "has shows, which is for figures that train nothing; add trains: false"),
        ("sweeps: {s: {}}, trains: false, record: {runs: {}, samples_per_class: 1}", "has record"),
        ("sweeps: {s: {}}, trains: false, samples: {t: [1]}", "has samples of 't', which is none of its sweeps: s"),
        ("sweeps: {s: {}}, draw: ../x", "draw: '../x' is not a folder and a module below sgpipe.figures"),
        ("sweeps: {s: {base: {network: {hidden: [3]}, network.hidden: [4]}}}", "network.hidden: is given twice"),
        ("sweeps: {s: {grid: {init.seed: [3]}, zip: {init.seed: [4]}}}", "init.seed: is given twice"),
        ("sweeps: {s: {zip: {init.seed: [3]}, list: [{init: {seed: 4}}]}}", "init.seed: is given twice"),
        ("sweeps: {s: {base: {data.files: x}}}", "data.files: the plan finds the files and sets it"),
        ("sweeps: {s: {base: {data: {steps: 3000000000}}}}", "data.steps: 3000000000 must be at most 1000000"),
        ("sweeps: {s: {}}, choose: {best: true}", "choose.best: True is not a whole number"),
        ('sweeps: {"a\\tb": {}}', "line 3: the key .* is not one line"),
        ('sweeps: {s: {}}, citation: "x"', "unknown key: 'citation'"),
        (
            "trains: false, sweeps: {s: {}}, simulate: {samples: 1, steps: 1, phase: {rate: [1]}}",
            "simulate: phase: unknown key: 'rate' is not one of rates, gains, samples, steps; did you mean 'rates'",
        ),
        ("sweeps: {s: {}}, record: {runs: {}, samples_per_class: 1, labels: 3}", "labels: 3 is not a list"),
    ],
)
def test_an_experiment_that_breaks_later_is_refused(tmp_path, body, words):
    with pytest.raises(SgpipeError, match=words) as error:
        load(tmp_path, ONE.format(body))
    assert "mine.yaml" in str(error.value) and "\n" not in str(error.value)


def test_grids_are_counted_before_they_are_made(tmp_path):
    axes = ", ".join(f"{name}: {list(range(1, 101))}" for name in ("surrogate.beta", "init.seed", "data.seed"))
    axes += f", training.seed: {list(range(100))}, training.epochs: {list(range(1, 101))}"
    with pytest.raises(SgpipeError, match="makes 10,000,000,000 runs, above the limit of 100,000"):
        load(tmp_path, ONE.format(f"sweeps: {{s: {{grid: {{{axes}}}}}}}"))


def test_seeds_stay_below_2_to_the_63_with_that_of_the_settings(tmp_path):
    text = ONE.format(f"sweeps: {{s: {{grid: {{init.seed: [{2**63 - 1}]}}}}}}")
    assert load(tmp_path, text)
    with pytest.raises(SgpipeError, match=r"init.seed: .* and the seed of config.yaml, 1, make more than 2\^63 - 1"):
        load(tmp_path, text, seed=1)
    with pytest.raises(SgpipeError, match="init.seed: 'a' is not a whole number"):
        load(tmp_path, ONE.format("sweeps: {s: {base: {init.seed: a}}}"), seed=1)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the file is empty; give it `paper` and `experiments`"),
        ("3", "3 is not a mapping of keys to values"),
        ("paper: mine\nexperiments: {x-fig1: {title: T}}", "'x-fig1' is not the paper, _, and a name"),
        ("paper: x\nexperiments: {x_fig1: {title: 'a {b}', sweeps: {s: {}}}}", "title: 'a {b}' has braces"),
        ("paper: Mine\nexperiments: {x_fig1: {title: T}}", "paper: 'Mine' is not a name of small letters"),
        ("paper: train\nexperiments: {train_pack: {title: T, sweeps: {s: {}}}}", "'train_pack' is the name of a rule"),
        (
            "paper: claims\nexperiments: {claims_a: {title: T, sweeps: {s: {}}}}",
            "paper: 'claims' is the name of a rule",
        ),
        ("paper: a\nexperiments: {b_a: {title: T, sweeps: {s: {}}}}", "experiments.b_a: must begin with"),
        (
            "paper: a\nexperiments: {a_b: {title: T, sweeps: {s: {}}}, a_B: {title: T}}",
            "a_B: 'a_B' is not the paper",
        ),
        (
            "paper: a\nexperiments: {a_bC: {title: T, sweeps: {s: {}}}, a_bc: {title: T, sweeps: {s: {}}}}",
            "a_bc: differs from a_bC by small and capital letters alone",
        ),
        ("paper: mine\nlike: mine.yaml\nexperiments: {}", "like: leads back to itself: .*mine.yaml -> .*mine.yaml"),
        ("paper: mine\nlike: none.yaml\nexperiments: {}", "none.yaml: no such file"),
    ],
)
def test_a_file_that_is_none_of_experiments_is_refused(tmp_path, text, words):
    with pytest.raises(SgpipeError, match=words):
        load(tmp_path, text)


def test_the_names_of_the_workflows_rules_are_known():
    texts = [path.read_text() for path in (ROOT / "Snakefile", *(ROOT / "workflow/rules").glob("*.smk"))]
    named = {name for text in texts for name in re.findall(r"^(?:use )?rule (?:\w+ as )?(\w+)(?: with)?:", text, re.M)}
    assert named == set(RULES)
