"""Files of one's own: they are part of the ids of the runs that use them and of no others, and bad ones are one line."""

import numpy as np
import pytest

from sgpipe.base.errors import SgpipeError
from sgpipe.cli import main
from sgpipe.data import prepare
from sgpipe.data.files.sources import Sources
from sgpipe.figures.needs import check_figures
from sgpipe.plan.notices import notices
from sgpipe.plan.plan import make_plan
from sgpipe.plan.sources import sources_of
from sgpipe.results.listing import stored_runs
from sgpipe.results.store import Result
from sgpipe.results.tables import runs_table, spec_of_row
from sgpipe.spec.config import load_config, read_config
from sgpipe.spec.extensions import use_extensions
from sgpipe.spec.numerics import versions
from sgpipe.spec.run import RunSpec, from_canonical
from sgpipe.weights.schemes import initial_weights

HEAD = "from dataclasses import dataclass\nfrom sgpipe.extend import *\n"
NEURON = (
    HEAD
    + """
@neuron("mine")
@dataclass(frozen=True)
class Mine:
    leak: float = knob(0.5, "leak", "per step", least=0, below=1)
    def step(self, state, drive, fire):
        voltage = self.leak * state.voltage + drive
        return voltage, fire(voltage - 1)
"""
)
INITIALISER = (
    HEAD
    + """
@initialiser("flat")
@dataclass(frozen=True)
class Flat:
    size: float = knob(0.1, "size")
    def draw(self, shape, generator, weights):
        return uniform(generator, -self.size, self.size, shape)
"""
)
DATA_SET = (
    HEAD
    + """
import numpy as np
@data_set("coins")
@dataclass(frozen=True)
class Coins:
    units = 2
    classes = 2
    steps = 4
    train_samples = 6
    def make(self, folder):
        every = Events.from_spikes(np.arange(6), np.arange(6) % 4, np.arange(6) % 2, np.arange(6) % 2)
        return Task(2, 2, 4, every, every, every)
"""
)
FILES = DATA_SET.replace(
    "    def make", "    def find(self, folder):\n        return [folder / 'coins.txt']\n    def make"
)
FIGURE = """
from sgpipe.extend import figure
@figure("mine.curves")
class Curves:
    NEEDS = {"table": "results", "all_of": ["a"]}
    def select(self, tables, experiment):
        return tables["runs"]
    def draw(self, data, experiment, note):
        return 1
"""
EXPERIMENT = """
paper: mine
base: {data: {classes: 3, samples_per_class: 20}, network: {hidden: [4]}}
experiments:
  mine_curves:
    title: T
    sweeps:
      a: {grid: {network.neuron: [delta_lif, mine]}}
"""


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Return a function that writes and uses extensions, `use(one=text)`, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def use(**texts):
        for name, text in texts.items():
            (tmp_path / f"{name}.py").write_text(text)
        use_extensions([f"{name}.py" for name in texts])

    yield use
    use_extensions([])


def test_only_runs_that_use_a_file_have_it_in_their_ids(files):
    plain = {"network.neuron": "delta_lif", "network.hidden": [4]}
    before = RunSpec.make(plain)
    files(one=NEURON, two=INITIALISER)
    mine = RunSpec.make({**plain, "network.neuron": "mine"})
    both = RunSpec.make({**plain, "network.neuron": "mine", "init.scheme": "flat"})
    assert RunSpec.make(plain).id == before.id and versions(RunSpec.make(plain)) == versions(before)
    files(one=NEURON + "# a comment\n", two=INITIALISER)
    assert RunSpec.make(plain).id == before.id
    assert RunSpec.make({**plain, "network.neuron": "mine"}).id != mine.id
    files(one=NEURON, two=INITIALISER + "# a comment\n", three=FIGURE)
    assert RunSpec.make({**plain, "network.neuron": "mine"}).id == mine.id
    assert RunSpec.make({**plain, "network.neuron": "mine", "init.scheme": "flat"}).id != both.id


def test_own_knobs_are_checked_and_count_only_where_they_apply(files):
    files(one=NEURON, two=INITIALISER)
    mine = {"network.neuron": "mine"}
    assert RunSpec.make({**mine, "mine.leak": 0.5}).id == RunSpec.make(mine).id  # its default
    assert RunSpec.make({**mine, "mine.leak": 0.25}).id != RunSpec.make(mine).id
    assert RunSpec.make({"mine.leak": 0.25}).id == RunSpec.make({}).id  # of another neuron
    assert RunSpec.make({"mine.leak": 0.25, **mine, "network.hidden": []}).own == ()
    for values, said in {
        ("mine.leak", 2): "spec: mine.leak: 2.0 per step must be below 1 per step",
        ("mine.leak", "x"): "spec: mine.leak: 'x' is not a number",
        ("mine.leek", 0.1): "spec: unknown key: 'mine.leek' is not one of .* did you mean 'mine.leak'",
        ("mine.code", "0" * 16): "spec: mine.code: one.py is another version now",
    }.items():
        with pytest.raises(SgpipeError, match=said):
            RunSpec.make({**mine, **dict([values])})
    with pytest.raises(SgpipeError, match="'mien' is not one of lif, .*, mine; did you mean 'mine'"):
        RunSpec.make({"network.neuron": "mien"})
    with pytest.raises(SgpipeError, match="init.conditions: I is not for neuron mine of an extension; set none"):
        RunSpec.make({**mine, "network.recurrent": True, "init.conditions": "I", "init.method": "calibrated"})


def test_a_run_comes_back_from_its_text_and_from_a_tables_row(files):
    files(one=NEURON, two=INITIALISER, three=DATA_SET)
    knobs = {"data.task": "coins", "network.neuron": "mine", "init.scheme": "flat", "mine.leak": 0.25, "flat.size": 2.0}
    spec, plain = RunSpec.make(knobs), RunSpec.make({"data.task": "coins"})
    assert from_canonical(spec.canonical()) == spec
    table = runs_table([Result(spec, "failed", ()), Result(plain, "failed", ())])
    rows = {row["run_id"]: row for row in table.to_pylist()}
    assert spec_of_row(rows[spec.id]) == spec and spec_of_row(rows[plain.id]) == plain
    assert rows[spec.id]["mine.leak"] == 0.25 and rows[plain.id]["mine.leak"] is None
    assert rows[spec.id]["data.code"] == spec.data.code and len(spec.extensions) == 3


def test_a_stored_run_of_a_changed_file_is_told_and_its_file_kept(files, capsys):
    with open("exp.yaml", "w") as file:
        file.write(EXPERIMENT.replace("title: T", "title: T\n    draw: zenke2021.fig3"))
    files(one=NEURON)
    settings = {"scale": "smoke", "experiments": ["exp.yaml"], "extensions": ["one.py"]}
    plan = make_plan(read_config(settings))
    for spec in plan.experiments["mine_curves"].runs.values():
        plan.store.put(Result(spec, "failed", ()))
    assert not list(notices(plan))
    files(one=NEURON + "#\n")
    plan = make_plan(read_config(settings))
    (line,) = notices(plan)
    assert line.startswith("one.py has changed since runs with neuron mine were stored: 1 of 1 have new ids")
    kept = line.rpartition(" ")[2]
    with open(kept) as file:
        assert file.read() == NEURON
    assert len(list(stored_runs(plan.store.root))) == 1
    assert "1 runs passed over: store: mine.code: one.py is another version now" in capsys.readouterr().err


def test_an_own_initialiser_and_data_set_make_what_a_network_starts_from(files):
    files(two=INITIALISER, three=DATA_SET)
    spec = RunSpec.make({"data.task": "coins", "init.scheme": "flat", "flat.size": 0.5, "network.hidden": [50]})
    task = prepare(spec)
    weights = initial_weights(spec, task.units, task.classes)
    assert 0.4 < np.abs(weights["W1"]).max() <= 0.5
    assert len(task.train) == 6 and spec.data.dt == 1.0 and spec.data.seed == 0


def test_an_own_data_set_of_files_is_settled_by_their_contents(files, tmp_path):
    files(three=FILES)
    spec = RunSpec.make({"data.task": "coins"})
    folder = tmp_path / "data"
    folder.mkdir()
    with pytest.raises(SgpipeError, match=f"here: coins has no original data: {folder} lacks coins.txt; set data_dir"):
        Sources(folder).settle(spec, False, "here")
    (folder / "coins.txt").write_text("1")
    settled = Sources(folder).settle(spec, False, "here")
    assert settled.data.files.startswith("1-") and settled.data.code == spec.data.code
    (folder / "coins.txt").write_text("2")
    assert Sources(folder).settle(spec, False, "here").id != settled.id


def test_an_own_figure_is_redrawn_with_its_file_and_says_what_it_needs(files):
    with open("exp.yaml", "w") as file:
        file.write(EXPERIMENT)
    files(one=NEURON, three=FIGURE)
    settings = {"scale": "smoke", "experiments": ["exp.yaml"], "extensions": ["one.py", "three.py"]}
    plan = make_plan(read_config(settings))
    check_figures(plan.experiments)
    sources = sources_of(plan.experiments["mine_curves"])
    assert "three.py" in sources and "one.py" not in sources
    files(one=NEURON, three=FIGURE.replace('["a"]', '["b"]'))
    with pytest.raises(SgpipeError, match="mine_curves: sweeps: mine.curves needs one called b"):
        check_figures(make_plan(read_config(settings)).experiments)
    files(one=NEURON, three=FIGURE.replace('["a"]', "7"))
    with pytest.raises(
        SgpipeError, match="three.py: figure mine.curves: NEEDS: TypeError: 'int' object is not iterable"
    ):
        check_figures(make_plan(read_config(settings)).experiments)


def bad(old, new, text=NEURON):
    assert old in text
    return text.replace(old, new)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HEAD + "1/0\n", "one.py: line 3: ZeroDivisionError: division by zero"),
        ("x = = 1\n", "one.py: line 1: invalid syntax"),
        ("raise SystemExit(3)\n", "one.py: line 1: SystemExit: 3"),
        (
            "import nothing_of_that_name\n",
            "one.py: line 1: ModuleNotFoundError: No module named 'nothing_of_that_name'",
        ),
        ("x = 1\n", "one.py: registers nothing; put a decorator of sgpipe.extend above a class"),
        (NEURON + NEURON, "one.py: neuron mine: it has already one of this name; give it another"),
        (bad('"mine"', '"alif"'), "one.py: neuron alif: sgpipe has one of this name"),
        (bad('"mine"', '"trained"'), "one.py: neuron trained: sgpipe has one of this name"),  # a component of numerics
        (bad('"mine"', '"paper"'), "one.py: neuron paper: sgpipe has one of this name"),  # a scale
        (bad('"flat"', '"theory"', INITIALISER), "one.py: initialiser theory: sgpipe has one of this name"),
        (bad("NEEDS = {", "NEEDS = {}, {", FIGURE), "one.py: figure 'mine.curves': NEEDS: is not a dict"),
        (bad('"mine"', '"training"'), "one.py: neuron training: sgpipe has one of this name"),
        (bad('"mine"', '"Mine One"'), "one.py: neuron 'Mine One': is no name; give it small letters"),
        (bad('"mine"', "7"), "one.py: neuron 7: is no name"),
        (bad("(frozen=True)", ""), "one.py: neuron 'mine': is not a frozen dataclass"),
        (bad("def step", "def stop"), "one.py: neuron 'mine': has no method `step`"),
        (
            bad('neuron("mine"', 'neuron("mine", state="spikes"'),
            "one.py: neuron 'mine': state: 'spikes' needs `voltage`",
        ),
        (bad('neuron("mine"', 'neuron("mine", readout="x"'), "one.py: neuron 'mine': readout: 'x' is not one of"),
        (bad("= knob(0.5", "= 0.5 #"), "one.py: neuron 'mine': leak: is not a knob; write leak: float = knob("),
        (bad("leak: float", "leak: list"), "one.py: neuron 'mine': leak: a knob is bool, int, float"),
        (bad("leak: float", "code: float"), "one.py: neuron 'mine': code: every neuron has one of this name"),
        (bad("knob(0.5", "knob(5.0"), "one.py: neuron 'mine': leak: its default: 5.0 per step must be below 1"),
        (bad('"flat"', '"he_normal"', INITIALISER), "one.py: initialiser he_normal: sgpipe has one of this name"),
        (bad('"coins"', '"shd"', DATA_SET), "one.py: data set shd: sgpipe has one of this name"),
        (bad("    steps = 4\n", "", DATA_SET), "one.py: data set 'coins': steps: None is not a whole number"),
        (
            bad('"mine.curves"', '"zenke2021.fig3"', FIGURE),
            "one.py: figure zenke2021.fig3: sgpipe has one of this name",
        ),
        (bad('"mine.curves"', '"curves"', FIGURE), "one.py: figure 'curves': is no name; give it two words with a dot"),
    ],
)
def test_a_bad_file_is_one_line(files, text, said):
    with pytest.raises(SgpipeError) as caught:
        files(one=text)
    assert str(caught.value).startswith(said) and "\n" not in str(caught.value)


def test_names_are_taken_across_files_and_a_missing_file_is_told(files, tmp_path, capsys):
    with pytest.raises(SgpipeError, match="two.py: neuron mine: one.py has one of this name"):
        files(one=NEURON, two=NEURON + "#\n")
    with pytest.raises(SgpipeError, match="two.py: initialiser mine: one.py has one of this name"):
        files(one=NEURON, two=INITIALISER.replace('"flat"', '"mine"'))
    (tmp_path / "config.yaml").write_text("extensions: [none.py]\n")
    assert main(["check"]) == 1
    assert capsys.readouterr().err == "sgpipe: config.yaml: extensions: none.py: no such file\n"
    for given, said in (
        ("[study.yaml]", "study.yaml is not a Python file (.py)"),
        ("[a.py, a.py]", "a.py is there twice"),
    ):
        (tmp_path / "config.yaml").write_text(f"extensions: {given}\n")
        (tmp_path / "a.py").write_text(NEURON)
        assert main(["check"]) == 1
        assert capsys.readouterr().err.startswith(f"sgpipe: config.yaml: extensions: {said}")
    assert load_config(changes={"extensions": []}).extensions == ()


def test_a_module_beside_a_file_is_refused_since_no_id_tells_its_changes(files, tmp_path, monkeypatch):
    (tmp_path / "beside_it.py").write_text("x = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(
        SgpipeError, match="one.py: imports beside_it.py beside it, of which no run id would tell a change"
    ):
        files(one="import beside_it\n" + NEURON)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ((DATA_SET, "return Task", "return None #"), "three.py: data set coins: make returns NoneType, not a Task"),
        (
            (DATA_SET, "Task(2, 2, 4", "Task(3, 2, 4"),
            "three.py: data set coins: make returns a Task of 3 units, and its",
        ),
        ((DATA_SET, "% 4, np", "% 9, np"), "three.py: data set coins: the train split is out of shape or range"),
        ((DATA_SET, "every =", "undefined; every ="), "three.py: line 13: data set coins: NameError: name 'undefined'"),
    ],
)
def test_a_data_set_that_makes_nothing_sound_is_one_line(files, change, said):
    text, old, new = change
    files(three=bad(old, new, text))
    spec = RunSpec.make({"data.task": "coins"})
    with pytest.raises(SgpipeError) as caught:
        prepare(spec)
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("self.size, shape)", "self.size, (2, 2))", "two.py: initialiser flat: draw returns an array of shape"),
        (
            "return uniform",
            "return float('nan') * uniform",
            "two.py: initialiser flat: draw returns an array with numbers",
        ),
        ("return uniform", "return uni", "two.py: line 9: initialiser flat: NameError: name 'uni'"),
    ],
)
def test_an_initialiser_that_draws_nothing_sound_is_one_line(files, old, new, said):
    files(two=bad(old, new, INITIALISER))
    with pytest.raises(SgpipeError) as caught:
        initial_weights(RunSpec.make({"init.scheme": "flat"}), 4, 3)
    assert str(caught.value).startswith(said)
