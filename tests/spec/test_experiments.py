"""Experiments say in YAML what runs there are; wrong YAML is one clear line."""

import pytest

from sgpipe.base.errors import SgpipeError
from sgpipe.base.yamlfile import read_yaml
from sgpipe.spec.experiments import load_experiments
from tests.conftest import ROOT


def load(tmp_path, body: str, scale="smoke", seed=0):
    path = tmp_path / "mine.yaml"
    path.write_text("paper: mine\nexperiments:\n  mine_fig1:\n    title: T\n" + body)
    return load_experiments([path], scale, seed)["mine_fig1"]


def points(experiment, *knobs):
    return sorted(tuple(spec.flat()[knob] for knob in knobs) for spec in experiment.runs.values())


def test_a_grid_makes_every_combination(tmp_path):
    found = load(tmp_path, "    sweeps: {s: {grid: {surrogate.beta: [1, 2], optimiser.lr: [1e-3, 0.1]}}}")
    assert points(found, "surrogate.beta", "optimiser.lr") == [(1, 0.001), (1, 0.1), (2, 0.001), (2, 0.1)]


def test_zip_goes_side_by_side_within_a_grid(tmp_path):
    body = "    sweeps: {s: {grid: {surrogate.beta: [1, 2]}, zip: {init.seed: [0, 1], data.seed: [5, 6]}}}"
    found = points(load(tmp_path, body), "surrogate.beta", "init.seed", "data.seed")
    assert found == [(1, 0, 5), (1, 1, 6), (2, 0, 5), (2, 1, 6)]


def test_a_list_is_taken_as_it_is(tmp_path):
    found = load(tmp_path, "    sweeps: {s: {list: [{surrogate.beta: 3}, {network: {hidden: [7]}}]}}")
    assert points(found, "surrogate.beta", "network.hidden") == [(3, (100,)), (10, (7,))]


def test_a_sweep_without_axes_is_one_run(tmp_path):
    assert len(load(tmp_path, "    sweeps: {s: {base: {surrogate.beta: 3}}}").runs) == 1


def test_another_task_leaves_the_data_knobs_of_the_shared_base_behind(tmp_path):
    body = (
        "    base: {data: {samples_per_class: 20}, training: {epochs: 3}}\n"
        "    sweeps: {a: {}, b: {base: {data: {task: mnist_latency, limit: 7}}}}"
    )
    found = {spec.data.task: spec for spec in load(tmp_path, body).runs.values()}
    assert found["randman"].data.samples_per_class == 20 and found["mnist_latency"].data.limit == 7
    assert {spec.training.epochs for spec in found.values()} == {3}


def test_scales_change_values_and_axes(tmp_path):
    body = (
        "    base: {training: {epochs: {smoke: 2, laptop: 50}}}\n"
        "    sweeps: {s: {grid: {surrogate.beta: {smoke: [1], laptop: [1, 2]}}}}"
    )
    assert points(load(tmp_path, body), "surrogate.beta", "training.epochs") == [(1, 2)]
    assert points(load(tmp_path, body, "laptop"), "surrogate.beta", "training.epochs") == [(1, 50), (2, 50)]
    with pytest.raises(SgpipeError, match=r"training.epochs: has values for smoke, laptop, but none for paper"):
        load(tmp_path, body, "paper")


def test_the_same_run_in_two_sweeps_is_one_run_with_two_names(tmp_path):
    found = load(tmp_path, "    sweeps: {a: {grid: {surrogate.beta: [1, 2]}}, b: {grid: {surrogate.beta: [2, 3]}}}")
    assert sorted(found.sweeps.values()) == [("a",), ("a", "b"), ("b",)]


def test_the_seed_setting_shifts_the_runs_that_are_recorded(tmp_path):
    body = "    sweeps: {s: {grid: {init.seed: [0, 1]}}}\n    record: {runs: {init: {seed: 1}}, samples_per_class: 1}"
    for seed in (0, 10):
        assert [spec.init.seed for spec in load(tmp_path, body, seed=seed).recorded()] == [1 + seed]


def test_the_seed_setting_shifts_every_seed(tmp_path):
    body = "    sweeps: {s: {grid: {init.seed: [0, 1]}}}"
    assert points(load(tmp_path, body, seed=10), "init.seed", "data.seed", "training.seed") == [
        (10, 10, 10),
        (11, 10, 10),
    ]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            "    sweeps: {s: {grid: {surrogate.betta: [1]}}}",
            "unknown key: 'surrogate.betta' .* did you mean 'surrogate.beta'",
        ),
        ("    sweeps: {s: {grid: {surrogate.shape: [superspke]}}}", "did you mean 'superspike'"),
        ("    sweeps: {s: {grid: {surrogate.beta: []}}}", "an empty list makes no runs"),
        ("    sweeps: {s: {grid: {surrogate.beta: 3}}}", r"3 is not a list of values, e.g. \[3\]"),
        ("    sweeps: {s: {zip: {init.seed: [0, 1], data.seed: [0]}}}", "must be equally long"),
        ("    base: {network: {tau_membrane: -10}}\n    sweeps: {s: {}}", "tau_membrane: -10.0 ms must be above 0 ms"),
        ("    sweeps: {s: {gird: {}}}", "unknown key: 'gird' .* did you mean 'grid'"),
        ("    sweeps: {s: {}}\n    choose: {best: many}", "choose.best: 'many' is not a whole number"),
        ("    sweeps: {s: {}}\n    sweeps: {t: {}}", "line 6: found duplicate key"),
    ],
)
def test_bad_yaml_is_one_line_that_names_file_and_key(tmp_path, body, message):
    with pytest.raises(SgpipeError, match=message) as error:
        load(tmp_path, body)
    assert "mine.yaml" in str(error.value) and "\n" not in str(error.value)


def test_numbers_and_words_mean_what_a_person_means(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text("a: 1e-3\nb: no\nc: 010\nd: 1_000\ne: 12:30\n")
    found = read_yaml(path)
    assert found["a"] == 0.001 and found["b"] == "no" and found["c"] == 10 and found["e"] == "12:30"


def test_a_missing_file_and_a_missing_recording_say_so(tmp_path):
    with pytest.raises(SgpipeError, match="no such file"):
        load_experiments([tmp_path / "none.yaml"], "smoke")
    body = "    sweeps: {s: {}}\n    record: {runs: {surrogate.beta: 3.5}, samples_per_class: 1}"
    with pytest.raises(SgpipeError, match="record.runs: no run has"):
        load(tmp_path, body).recorded()


@pytest.mark.parametrize("scale", ["smoke", "laptop", "paper"])
def test_the_papers_experiments_load_at_every_scale(scale):
    found = load_experiments([ROOT / "workflow/experiments/zenke2021.yaml"], scale)
    assert {"zenke2021_fig1", "zenke2021_fig2", "zenke2021_fig3", "zenke2021_fig5", "zenke2021_table1"} <= set(found)
    heat_map = [
        spec for run, spec in found["zenke2021_fig3"].runs.items() if "shapes" in found["zenke2021_fig3"].sweeps[run]
    ]
    betas = {spec.surrogate.beta for spec in heat_map}
    if scale != "smoke":
        assert len(betas) >= 4 and min(betas) <= 0.1 and max(betas) >= 100
        assert len({spec.optimiser.lr for spec in heat_map}) >= 3
        assert len({spec.training.epochs for spec in found["zenke2021_fig3"].runs.values()}) == 1


LIKE = """
paper: other
like: mine.yaml
base: {network: {tau_membrane: 20}}
experiments:
  other_fig1: {title: U}
  other_fig2: null
"""


def test_a_file_that_is_like_another_changes_some_of_its_keys(tmp_path):
    body = "    base: {network: {hidden: [7]}}\n    sweeps: {s: {grid: {surrogate.beta: [1, 2]}}}\n"
    (tmp_path / "mine.yaml").write_text(
        f"paper: mine\nbase: {{training: {{epochs: {{smoke: 2, laptop: 9}}}}}}\nexperiments:\n  mine_fig1:\n    title: T\n{body}"
        f"  mine_fig2:\n    title: T\n{body}  mine_sum:\n    title: T\n{body}"
    )
    (tmp_path / "other.yaml").write_text(LIKE)
    found = load_experiments([tmp_path / "other.yaml"], "smoke")
    assert {name: one.title for name, one in found.items()} == {"other_fig1": "U", "other_sum": "T"}
    assert found["other_sum"].draw == "mine.sum"
    for spec in found["other_fig1"].runs.values():
        assert (spec.network.hidden, spec.network.tau_membrane, spec.training.epochs) == ((7,), 20, 2)
    assert points(found["other_fig1"], "surrogate.beta") == [(1,), (2,)]


def test_a_figure_may_have_any_name_and_a_table_begins_with_that_word(tmp_path):
    from sgpipe.plan.outputs import kind_of, outputs_of

    path = tmp_path / "mine.yaml"
    path.write_text(
        "paper: mine\nexperiments:\n"
        + "".join(f"  mine_{name}: {{title: T, sweeps: {{s: {{}}}}}}\n" for name in ("conditions", "tableS1", "fig2"))
    )
    found = load_experiments([path], "smoke")
    assert {name: kind_of(one) for name, one in found.items()} == {
        "mine_conditions": "figures",
        "mine_tableS1": "tables",
        "mine_fig2": "figures",
    }
    assert outputs_of(found["mine_conditions"], "out")[0] == "out/figures/mine/conditions.png"
    path.write_text("paper: mine\nexperiments:\n  mine_9: {title: T, sweeps: {s: {}}}\n")
    with pytest.raises(SgpipeError, match="mine_9"):
        load_experiments([path], "smoke")


NAMED = """paper: mine
surrogates:
  cubic: {formula: "1/(1+(abs(v)))**3", label: cubic, slope: beta}
  bell: {formula: exp(-v**2)}
experiments:
  mine_fig1:
    title: T
"""


def named(tmp_path, body, head=NAMED):
    path = tmp_path / "mine.yaml"
    path.write_text(head + body)
    return load_experiments([path], "smoke")["mine_fig1"]


def test_a_surrogate_named_in_the_file_is_a_shape_like_any_other(tmp_path):
    grid = "grid: {surrogate.shape: [superspike, cubic, bell], surrogate.beta: [1, 2]}"
    record = "    record: {runs: {surrogate: {shape: bell}}, samples_per_class: 1}\n"
    found = named(tmp_path, f"{record}    sweeps: {{s: {{{grid}}}}}")
    assert points(found, "surrogate.shape").count(("formula",)) == 3  # bell has a sharpness, and no beta
    specs = [spec.surrogate for spec in found.runs.values() if spec.surrogate.shape == "formula"]
    assert sorted((one.formula, one.slope, one.beta or 0.0, one.sharpness or 0.0) for one in specs) == [
        ("1/(1 + abs(v))**3", "beta", 1.0, 0.0),
        ("1/(1 + abs(v))**3", "beta", 2.0, 0.0),
        ("exp(-v**2)", "sharpness", 0.0, 1.0),
    ]
    assert found.metadata()["surrogates"] == {"1/(1 + abs(v))**3": "cubic"}
    assert [spec.surrogate.formula for spec in found.recorded()] == ["exp(-v**2)"]


def test_a_file_with_surrogates_that_an_experiment_does_not_use_leaves_it_as_it_is(tmp_path):
    plain = load(tmp_path, "    sweeps: {s: {}}")
    assert named(tmp_path, "    sweeps: {s: {}}").definition == plain.definition


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("exp(-v**2)", "exp(-x**2)", "surrogates.bell.formula: 'exp(-x**2)' has 'x', which is not v"),
        ("exp(-v**2)", "1/v", "surrogates.bell.formula: '1/v' is infinite at v = 0"),
        ("bell", "superspike", "surrogates.superspike: 'superspike' is a shape that there is already"),
        ("bell", "Bell", "surrogates.Bell: 'Bell' is not a name of small letters"),
        ("slope: beta", "slope: tail", "surrogates.cubic.slope: 'tail' is not one of sharpness, beta"),
        ("formula: exp(-v**2)", "label: b", "surrogates.bell: 'formula' is a required property"),
        (
            "sweeps",
            "base: {surrogate.slope: beta}\n    sweeps",
            "surrogate.slope: is given twice, here and by surrogates.bell",
        ),
    ],
)
def test_a_wrong_surrogate_of_the_file_is_one_line(tmp_path, old, new, message):
    text = NAMED + "    sweeps: {s: {base: {surrogate.shape: bell}}}"
    with pytest.raises(SgpipeError) as caught:
        named(tmp_path, "", text.replace(old, new, 1))
    assert message in str(caught.value) and "\n" not in str(caught.value)
