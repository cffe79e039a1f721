"""A run's result depends on its spec alone: not on its pack, the threads, or having been interrupted."""

import errno
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from sgpipe.base.errors import SgpipeError
from sgpipe.data import prepare
from sgpipe.engines.interface import Measures
from sgpipe.engines.reference import ReferenceEngine
from sgpipe.results.store import Store
from sgpipe.training import trainer
from sgpipe.training.pack import Workshop, train_pack
from sgpipe.training.progress import Silent
from sgpipe.training.trainer import train_run

ENGINE = ReferenceEngine()


class Listing(Silent):
    """Notes which runs have ended."""

    def __init__(self, trained):
        self.trained = trained

    def ended(self, spec, status):
        self.trained.append(spec)


@pytest.fixture
def task(tiny):
    return prepare(tiny())


def same(one, other):
    assert (one.spec, one.status, one.rows) == (other.spec, other.status, other.rows)
    assert one.weights.keys() == other.weights.keys()
    for name, array in one.weights.items():
        np.testing.assert_array_equal(array, other.weights[name])


def test_training_learns(tiny, task):
    result = train_run(tiny({"training.epochs": 30, "optimiser.lr": 0.1}), task, ENGINE)
    losses = [row.loss for row in result.rows if row.split == "train"]
    assert result.status == "finished" and losses[-1] < 0.7 * losses[0]


def test_every_epoch_has_train_and_valid_rows_and_test_rows_are_the_best_and_the_last(tiny, task):
    result = train_run(tiny({"training.epochs": 8, "optimiser.lr": 0.02}), task, ENGINE)
    epochs = {split: [row.epoch for row in result.rows if row.split == split] for split in ("train", "valid", "test")}
    assert epochs["train"] == epochs["valid"] == list(range(1, 9))
    best = max((row for row in result.rows if row.split == "valid"), key=lambda row: (row.accuracy, -row.loss))
    assert epochs["test"] == sorted({best.epoch, 8})
    assert {row.epoch for row in result.rows if row.best} == {best.epoch}
    assert all(len(row.spikes) == 1 and row.spikes[0] > 0 for row in result.rows if row.split == "train")


def test_the_test_row_of_the_best_epoch_belongs_to_the_filed_weights(tiny, task):
    spec = tiny({"training.epochs": 8, "optimiser.lr": 0.1})
    result = train_run(spec, task, ENGINE)
    (measured,) = ENGINE.open([spec], task, [result.weights]).evaluate("test")
    (row,) = [row for row in result.rows if row.best and row.split == "test"]
    assert (row.loss, row.accuracy) == (measured.loss, measured.accuracy)


AVERAGED = {"optimiser.average": "swa", "optimiser.average_period": 4, "optimiser.lr": 0.1}


def test_with_averaged_weights_those_are_measured_and_filed(tiny, task):
    spec = tiny({**AVERAGED, "training.epochs": 8})
    result, plain = (
        train_run(spec, task, ENGINE),
        train_run(tiny({**AVERAGED, "training.epochs": 8, "optimiser.average": "none"}), task, ENGINE),
    )
    (measured,) = ENGINE.open([spec], task, [result.weights]).evaluate("test")
    (row,) = [row for row in result.rows if row.best and row.split == "test"]
    assert (row.loss, row.accuracy) == (measured.loss, measured.accuracy)
    # Training itself is the same, whichever epoch is best.
    trained = [[replace(row, best=False) for row in run.rows if row.split == "train"] for run in (result, plain)]
    assert trained[0] == trained[1]
    valid = [[row.loss for row in run.rows if row.split == "valid"] for run in (result, plain)]
    assert valid[0] != valid[1]


@pytest.mark.parametrize(
    "more",
    [
        {},
        {**AVERAGED, "optimiser.name": "adabelief", "optimiser.clip": 0.1, "optimiser.weight_decay": 0.1},
        {"network.neuron": "alif", "network.trained_neurons": True, "network.recurrent": True, "network.dropout": 0.2},
        {"network.neuron": "slstm", "objective.head": "steps", "objective.label_smoothing": 0.1},
    ],
)
def test_an_interrupted_run_ends_with_the_same_bits(tiny, task, tmp_path, monkeypatch, more):
    spec = tiny({"training.epochs": 6, "training.precision": "float32", **more})
    whole = train_run(spec, task, ENGINE)
    monkeypatch.setattr(trainer, "CHECKPOINT_SECONDS", -1.0)  # after every epoch

    class Killed(BaseException):
        pass

    def kill(spec, epoch, measures):
        if epoch == 4:
            raise Killed

    path = tmp_path / "run.checkpoint.npz"
    with pytest.raises(Killed):
        train_run(spec, task, ENGINE, [path], kill)
    assert path.exists()
    epochs = []
    resumed = train_run(spec, task, ENGINE, [path], lambda spec, epoch, measures: epochs.append(epoch))
    assert epochs == [4, 5, 6]  # epoch 4 was under way when it was killed
    same(whole, resumed)


def test_a_damaged_checkpoint_starts_the_run_anew(tiny, task, tmp_path):
    spec, path = tiny(), tmp_path / "run.checkpoint.npz"
    path.write_bytes(b"PK\x03\x04 cut short")
    same(train_run(spec, task, ENGINE), train_run(spec, task, ENGINE, [path]))


def test_a_checkpoint_that_does_not_fit_starts_the_run_anew_with_a_notice(tiny, task, tmp_path, monkeypatch, capsys):
    spec, path = tiny(), tmp_path / "run.checkpoint.npz"
    monkeypatch.setattr(trainer, "CHECKPOINT_SECONDS", -1.0)
    train_run(tiny({"network.hidden": [9]}), task, ENGINE, [path])
    same(train_run(spec, task, ENGINE), train_run(spec, task, ENGINE, [path]))
    np.savez(path, progress=np.frombuffer(b'{"epoch": 1}', np.uint8))  # as another version might leave it
    same(train_run(spec, task, ENGINE), train_run(spec, task, ENGINE, [path]))
    notices = capsys.readouterr().err.splitlines()
    assert len(notices) == 2 and all(str(path) in notice and "begins anew" in notice for notice in notices)


def test_a_result_does_not_depend_on_pack_order_or_threads(tiny, task, tmp_path):
    specs = [tiny({"surrogate.beta": beta}) for beta in (1, 5, 20)]
    alone = [train_run(spec, task, ENGINE) for spec in specs]
    for number, (order, threads) in enumerate([(specs, 1), (specs[::-1], 1), (specs, 3)]):
        store = Store(tmp_path / str(number))
        packed = {
            result.spec: result for result in train_pack(order, task, Workshop(store, lambda spec: ENGINE, threads))
        }
        for result in alone:
            same(result, packed[result.spec])


def test_a_pack_takes_from_the_store_and_trains_the_rest(tiny, task, tmp_path):
    specs = [tiny({"surrogate.beta": beta}) for beta in (1, 5, 20)]
    store, trained = Store(tmp_path), []

    def pack(runs):
        trained.clear()
        return train_pack(runs, task, Workshop(store, lambda spec: ENGINE, reporter=Listing(trained)))

    first = pack(specs[:2])
    assert trained == specs[:2]
    again = pack(specs)
    assert trained == specs[2:]
    assert [result.rows for result in again[:2]] == [result.rows for result in first]


def test_a_run_that_raises_is_a_result_and_the_pack_goes_on(tiny, task, tmp_path):
    class Broken:
        name, device, takes_packs = "broken", "cpu", False

        def open(self, specs, task, weights, theory, threads):
            raise ValueError("no such kernel\nand more")

    specs = [tiny({"surrogate.beta": beta}) for beta in (1, 5)]
    engines = {specs[0]: Broken(), specs[1]: ENGINE}
    store = Store(tmp_path)
    results = train_pack(specs, task, Workshop(store, engines.__getitem__))
    assert [result.status for result in results] == ["failed", "finished"]
    assert store.get(specs[0]).error == "ValueError: no such kernel"


class Raising:
    """An engine of which a run raises."""

    name, device = "raising", "cpu"

    def __init__(self, error, takes_packs=False):
        self.error, self.takes_packs = error, takes_packs

    def open(self, specs, task, weights, theory, threads):
        raise self.error


MACHINES = [
    MemoryError("Unable to allocate 3 TiB"),
    OSError(errno.ENOSPC, "No space left on device"),
    OSError(errno.EMFILE, "Too many open files"),
    ImportError("libcudart.so.12: cannot open shared object file"),
    AssertionError("Torch not compiled with CUDA enabled"),
    RuntimeError("CUDA error: no kernel image is available\nfor execution on the device"),
    torch.OutOfMemoryError("CUDA out of memory"),
    TypeError("forward() got an unexpected keyword"),
]


@pytest.mark.parametrize("error", MACHINES, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("takes_packs", [False, True])
def test_what_is_the_machines_stops_the_pack_and_files_nothing(tiny, task, tmp_path, error, takes_packs):
    specs = [tiny({"surrogate.beta": beta}) for beta in (1, 5)]
    with pytest.raises(SgpipeError, match="not by the run") as raised:
        train_pack(specs, task, Workshop(Store(tmp_path), lambda spec: Raising(error, takes_packs)))
    told = str(raised.value)
    assert "\n" not in told and type(error).__name__ in told and specs[0].id in told
    assert not list(tmp_path.glob("??/*"))


@pytest.mark.parametrize("part", ["path", "weights_path", "checkpoint_path"])
def test_a_folder_in_the_place_of_a_runs_file_stops_the_pack_before_anything_is_trained(tiny, task, tmp_path, part):
    spec, store, trained = tiny(), Store(tmp_path), []
    getattr(store, part)(spec).mkdir(parents=True)
    with pytest.raises(SgpipeError, match="a folder, where a file .*is meant; move it away"):
        train_pack([spec], task, Workshop(store, lambda spec: ENGINE, reporter=Listing(trained)))
    assert not trained


def test_what_ended_before_the_machine_failed_is_filed(tiny, task, tmp_path):
    specs = [tiny({"surrogate.beta": beta}) for beta in (1, 5)]
    engines = {specs[0]: ENGINE, specs[1]: Raising(MemoryError())}
    store = Store(tmp_path)
    with pytest.raises(SgpipeError, match="MemoryError"):
        train_pack(specs, task, Workshop(store, engines.__getitem__))
    assert specs[0] in store and specs[1] not in store


def test_what_the_user_must_put_right_stops_the_pack(tiny, task, tmp_path):
    def refuse(spec):
        raise SgpipeError("config.yaml: engine: cpu cannot train this run")

    with pytest.raises(SgpipeError):
        train_pack([tiny()], task, Workshop(Store(tmp_path), refuse))
    assert not list(tmp_path.glob("??/*.parquet"))


class InStep:
    """An engine that takes a whole pack, as one for a GPU would: here, reference sessions side by side."""

    name, device, takes_packs = "in step", "cpu", True

    def __init__(self, broken=()):
        self.opened, self.broken = [], broken

    def open(self, specs, task, weights, theory, threads):
        self.opened.append(len(specs))
        if set(self.broken) & set(specs):
            raise ValueError("too many")
        sessions = [ENGINE.open([spec], task, [weight]) for spec, weight in zip(specs, weights, strict=True)]

        class Session:
            def train_epoch(self, orders, pause):
                return [one.train_epoch([order])[0] for one, order in zip(sessions, orders, strict=True)]

            def evaluate(self, split, pause):
                return [one.evaluate(split)[0] for one in sessions]

            def states(self):
                return [one.states()[0] for one in sessions]

            def load(self, states):
                for one, state in zip(sessions, states, strict=True):
                    one.load([state])

        return Session()


def test_an_engine_may_take_the_pack_in_step(tiny, task, tmp_path, monkeypatch):
    specs = [tiny({"surrogate.beta": beta, "optimiser.lr": 0.05}) for beta in (1, 5, 20)]
    longer, wider = tiny({"training.epochs": 4}), tiny({"network.hidden": [9]})
    store, engine = Store(tmp_path), InStep()
    monkeypatch.setattr(trainer, "CHECKPOINT_SECONDS", -1.0)
    ended = train_pack([*specs, longer, wider], task, Workshop(store, lambda spec: engine))
    assert engine.opened[::2] == [3, 1, 1]  # those of equal shape and length; each opened again for the best weights
    for result in ended:
        same(result, train_run(result.spec, task, ENGINE))
    assert not list(tmp_path.glob("??/*.checkpoint.npz"))


def test_one_run_that_raises_does_not_fail_the_others_in_step(tiny, task, tmp_path):
    specs = [tiny({"surrogate.beta": beta}) for beta in (1, 5, 20)]
    engine = InStep(specs[1:2])
    ended = train_pack(specs, task, Workshop(Store(tmp_path), lambda spec: engine))
    assert [result.status for result in ended] == ["finished", "failed", "finished"]


def test_a_diverged_run_is_recorded_up_to_where_it_diverged(tiny, task):
    class Session:
        epoch = 0

        def train_epoch(self, orders, pause):
            self.epoch += 1
            return [Measures(float("nan") if self.epoch == 3 else 1.0, 0.0, 0.5, (1.0,))]

        def evaluate(self, split, pause):
            return [Measures(1.0, 0.0, 0.5, (1.0,))]

        def states(self):
            return [{"W1": np.zeros(1)}]

    class Engine:
        name, device, takes_packs = "diverging", "cpu", False

        def open(self, specs, task, weights, theory, threads):
            return Session()

    result = train_run(tiny({"training.epochs": 9}), task, Engine())
    assert result.status == "diverged"
    assert [row.epoch for row in result.rows if row.split == "train"] == [1, 2, 3]
    assert [row.epoch for row in result.rows if row.split == "test" and row.best] == [1]


def test_a_huge_learning_rate_ends_one_way_or_the_other(tiny, task):
    result = train_run(tiny({"optimiser.lr": 1e30}), task, ENGINE)
    assert result.status in ("finished", "diverged")


def test_two_processes_do_not_train_the_same_run(tiny, task, tmp_path):
    """A run that another process has locked is left to the end, then taken from the store."""
    mine, theirs = tiny({"surrogate.beta": 1}), tiny({"surrogate.beta": 5})
    store, trained = Store(tmp_path), []
    script = """
import sys, time
from pathlib import Path
from sgpipe.data import prepare
from sgpipe.engines.reference import ReferenceEngine
from sgpipe.results.store import Store
from sgpipe.spec.run import from_canonical
from sgpipe.training.trainer import train_run
store, spec = Store(sys.argv[1]), from_canonical(sys.argv[2])
with store.lock(spec):
    Path(sys.argv[1], "held").touch()
    time.sleep(0.5)
    store.put(train_run(spec, prepare(spec), ReferenceEngine()))
"""
    elsewhere = subprocess.Popen([sys.executable, "-c", script, str(tmp_path), theirs.canonical()])
    while not (tmp_path / "held").exists():
        assert elsewhere.poll() is None
        time.sleep(0.02)
    results = train_pack([theirs, mine], task, Workshop(store, lambda spec: ENGINE, reporter=Listing(trained)))
    assert elsewhere.wait() == 0
    assert trained == [mine] and [result.spec for result in results] == [theirs, mine]
