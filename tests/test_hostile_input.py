"""Whatever is typed, the command ends well or with one line that says what is wrong; never with a traceback."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from sgpipe.cli import main
from sgpipe.spec.run import knobs
from sgpipe.spec.tasks import TASKS

BOUNDED = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([0, -1, 1, 2**31, 2**63, 2**64, 10**30, -0.0, 0.0, 1e-320, 1e300, float("inf"), float("nan")]),
    st.sampled_from(["", " ", "x", "none", "1e-3", "{a}", "../x", "/dev/null", "*", "\u2028", "mine_fig1"]),
    st.text(max_size=8),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4) | st.just("smoke"), inner, max_size=3)
    ),
    max_leaves=6,
)
KNOBS = st.sampled_from(sorted({name for task in TASKS for name in knobs(task)}))
DOCUMENT = {
    "paper": "mine",
    "base": {"data": {"samples_per_class": 10}},
    "experiments": {
        "mine_fig1": {
            "title": "T",
            "draw": "zenke2021.fig3",
            "sweeps": {"shapes": {"base": {}, "grid": {"surrogate.beta": [1, 2]}, "zip": {"init.seed": [0]}}},
            "choose": {"best": 1},
            "settings": {"axis_betas": [1]},
        }
    },
}


@pytest.fixture
def say(tmp_path, monkeypatch, capsys):
    """Return a function that runs the command and says what it printed, if it is one line."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SGPIPE_DATA", str(tmp_path))
    (tmp_path / "config.yaml").write_text("scale: smoke\nexperiments: [mine.yaml]\n")

    def run(*words: str) -> tuple[int, str]:
        try:
            code = main(list(words))
        except SystemExit as end:  # argparse's own way to stop
            code = end.code or 0
        printed = capsys.readouterr()
        if code:
            assert printed.err.startswith("sgpipe: ") and printed.err.count("\n") == 1, printed.err
        assert "Traceback" not in printed.err
        return code, printed.err

    return run


def written(path, document) -> None:
    yaml = YAML(typ="safe", pure=True)
    with open(path, "w", encoding="utf-8") as file:
        yaml.dump(document, file)


@BOUNDED
@given(KNOBS, VALUES, st.sampled_from(["base", "grid", "zip"]), st.sampled_from(["0", "7", str(2**63 - 1)]))
def test_a_knob_of_any_value_is_taken_or_refused_by_name(say, tmp_path, name, value, part, seed):
    values = value if part == "base" else [value]
    sweep = {part: {name: values}}
    body = {"title": "T", "draw": "zenke2021.fig3", "sweeps": {"shapes": sweep}}
    written(tmp_path / "mine.yaml", {"paper": "mine", "experiments": {"mine_fig1": body}})
    code, error = say("check", f"--set=seed={seed}")
    assert code == 0 or "mine" in error or name in error


def places(document, before=()):
    """Yield the place of every key and entry of a document."""
    for key, value in document.items() if isinstance(document, dict) else enumerate(document):
        yield (*before, key)
        if isinstance(value, dict | list):
            yield from places(value, (*before, key))


def changed(document, place, value):
    """Return a document with another value at a place."""
    if not place:
        return value
    key, *rest = place
    copy = dict(document) if isinstance(document, dict) else list(document)
    copy[key] = changed(copy[key], rest, value)
    return copy


@BOUNDED
@given(st.sampled_from([(), *places(DOCUMENT)]), VALUES)
def test_an_experiment_file_with_anything_anywhere_is_taken_or_refused_by_name(say, tmp_path, place, value):
    written(tmp_path / "mine.yaml", changed(DOCUMENT, place, value))
    code, error = say("check")
    assert code == 0 or "mine" in error


@BOUNDED
@given(st.text(alphabet="ab:-[]{}&*<>!?#|'\"%@, \n\t0.1\u2028\x00\ufeff", max_size=40) | st.binary(max_size=20))
def test_a_file_of_any_text_is_refused_by_name(say, tmp_path, content):
    path = tmp_path / "mine.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    code, error = say("check")
    assert code == 1 and "mine.yaml" in error


WORDS = st.one_of(
    st.sampled_from(
        ["plan", "check", "failed", "collect", "draw", "export", "import", "claims", "train", "retry", "data"]
    ),
    st.sampled_from(["--set", "--config", "--check", "--nonsense", "-", "--", "--set=", "mine_fig1", "/dev/null", "."]),
    st.sampled_from(
        ["config.yaml", "mine.yaml", "--set=experiments=x.yaml", "results=", "scale=paper", "pack_minutes=nan"]
    ),
    st.sampled_from(["seed=99999999999999999999", "results={a}", "results=config.yaml", "engine=cpu", "threads=1e9"]),
    st.text(max_size=6),
)


@BOUNDED
@given(st.lists(WORDS, max_size=5))
def test_any_command_line_ends_well_or_with_one_line(say, tmp_path, words):
    written(tmp_path / "mine.yaml", {**DOCUMENT, "experiments": {"mine_fig1": {"title": "T", "trains": False}}})
    say(*words)
