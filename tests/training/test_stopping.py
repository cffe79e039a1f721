"""Training that is stopped, or dies, goes on later with the same bits; and what it says when it is stopped."""

import os
import signal
from itertools import count

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sgpipe.data import prepare
from sgpipe.engines.cpu.engine import CpuEngine, CpuSession, built
from sgpipe.engines.reference import ReferenceEngine
from sgpipe.results.store import Store, checkpoint_before
from sgpipe.spec.run import RunSpec
from sgpipe.training import trainer
from sgpipe.training.pack import Workshop, train_pack
from sgpipe.training.progress import Silent
from sgpipe.training.stopping import Stopped, stop_signals
from sgpipe.training.trainer import train_run
from sgpipe.weights.schemes import initial_weights
from tests.conftest import TINY
from tests.engines.test_text_engine import problem, reader
from tests.training.test_trainer import InStep, same

ENGINES = [ReferenceEngine(), *([CpuEngine()] if built() else [])]
FAST = ENGINES[-1]
PLAIN = {**TINY, "training.epochs": 2, "training.precision": "float32"}
AVERAGED = {"optimiser.average": "swa", "optimiser.average_period": 2, "optimiser.name": "adabelief"}
NETWORKS = {
    "plain": PLAIN,
    "averaged": {**PLAIN, **AVERAGED, "network.neuron": "delta_lif"},
    "dropout": {**PLAIN, "network.neuron": "alif", "network.recurrent": True, "network.dropout": 0.2},
    "input dropout": {**PLAIN, "network.input_dropout": 0.3, "objective.head": "max"},
}


@pytest.fixture(autouse=True, scope="module")
def looks_after_each_update():
    """Have the C++ engine look at `pause` after each update, and not a few times a second."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CpuSession, "seconds_at_once", 0.0)
        yield


def _problem(name):
    """Return a run and its data: a network of NETWORKS, or a reader of text of a neuron."""
    if name in NETWORKS:
        spec = RunSpec.make(NETWORKS[name])
        return spec, prepare(spec)
    spec = reader(name, **{"training.epochs": 2})
    return spec, problem(spec)[1]


PROBLEMS = {name: _problem(name) for name in [*NETWORKS, "delta_lif", "slstm"]}
WHOLE: dict = {}  # what each ends with undisturbed, by problem and engine


def whole(name, engine):
    key = name, engine.name
    if key not in WHOLE:
        WHOLE[key] = train_run(*PROBLEMS[name], engine)
    return WHOLE[key]


class Dead(BaseException):
    """A process that dies."""


def raising(error, at):
    """Return a pause that raises at the given call."""
    calls = count()

    def pause():
        if next(calls) == at:
            raise error

    return pause


ENDS = st.lists(st.tuples(st.booleans(), st.integers(0, 30)), max_size=3)


def assert_goes_on(folder, engine, name, ends):
    """Let a training end early as often as asked, and compare what it ends with at last."""
    path = folder / "run.checkpoint.npz"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer, "CHECKPOINT_SECONDS", -1.0)  # after every minibatch
        for stopped, at in ends:
            error = Stopped("enough") if stopped else Dead()
            try:
                train_run(*PROBLEMS[name], engine, [path], stop=raising(error, at))
            except (Stopped, Dead):
                assert path.exists() or (not stopped and at == 0)
    same(train_run(*PROBLEMS[name], engine, [path]), whole(name, engine))


@pytest.mark.skipif(not built(), reason="the compiled CPU engine is not built")
@settings(max_examples=25, deadline=None)
@given(st.sampled_from(sorted(PROBLEMS)), ENDS)
def test_training_that_stops_or_dies_at_any_minibatch_ends_with_the_same_bits(tmp_path_factory, name, ends):
    assert_goes_on(tmp_path_factory.mktemp("run"), ENGINES[1], name, ends)


@pytest.mark.parametrize("name", ["averaged", "input dropout", "slstm"])
def test_and_so_does_that_of_the_reference(tmp_path, name):
    assert_goes_on(tmp_path, ENGINES[0], name, [(True, 2), (False, 6), (True, 0)])


def test_of_an_epoch_under_way_only_what_is_left_is_trained(tmp_path):
    (spec, task), path = PROBLEMS["plain"], tmp_path / "run.checkpoint.npz"
    with pytest.raises(Stopped):
        train_run(spec, task, ENGINES[0], [path], stop=raising(Stopped("enough"), 3))
    session = ENGINES[0].open([spec], task, [initial_weights(spec, task.units, task.classes)])
    assert trainer.resume(session, [path], "reference") and session.batches_done == 4
    batches, calls = -(-len(task.train) // spec.training.batch_size), count()
    session.train_epoch([np.arange(len(task.train))], lambda: next(calls))
    assert next(calls) == batches - 4


@settings(max_examples=10, deadline=None)
@given(cut=st.booleans(), where=st.floats(0, 1, exclude_max=True))
def test_a_damaged_checkpoint_falls_back_to_the_one_before(tmp_path_factory, cut, where):
    (spec, task), path = PROBLEMS["plain"], tmp_path_factory.mktemp("run") / "run.checkpoint.npz"
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Dead):
        patch.setattr(trainer, "CHECKPOINT_SECONDS", -1.0)
        train_run(spec, task, FAST, [path], stop=raising(Dead(), 6))
    content = bytearray(path.read_bytes())
    if cut:
        content = content[: int(where * len(content))]
    else:
        start = int(where * (len(content) - 64))
        content[start : start + 64] = bytes(64)
    path.write_bytes(content)
    session = FAST.open([spec], task, [initial_weights(spec, task.units, task.classes)])
    resumed = trainer.resume(session, [path], FAST.name)
    assert resumed and (resumed[0].epoch, session.batches_done) in [(0, 5), (1, 0), (0, 6)]
    same(train_run(spec, task, FAST, [path]), whole("plain", FAST))


def test_a_checkpoint_that_never_took_its_place_leaves_the_one_before(tmp_path, capsys):
    (spec, task), path = PROBLEMS["plain"], tmp_path / "run.checkpoint.npz"
    with pytest.raises(Stopped):
        train_run(spec, task, FAST, [path], stop=raising(Stopped("enough"), 3))
    path.rename(checkpoint_before(path))
    same(train_run(spec, task, FAST, [path]), whole("plain", FAST))
    assert not capsys.readouterr().err


@pytest.mark.skipif(not built(), reason="the compiled CPU engine is not built")
def test_within_an_epoch_no_other_engine_goes_on(tmp_path, capsys):
    (spec, task), path = PROBLEMS["plain"], tmp_path / "run.checkpoint.npz"
    with pytest.raises(Stopped):
        train_run(spec, task, ENGINES[1], [path], stop=raising(Stopped("enough"), 3))
    same(train_run(spec, task, ENGINES[0], [path]), whole("plain", ENGINES[0]))
    assert "within an epoch of the engine cpu" in capsys.readouterr().err


@pytest.mark.parametrize(("one", "threads"), [(signal.SIGINT, 1), (signal.SIGTERM, 2), (signal.SIGUSR1, 1)])
def test_a_signal_saves_what_is_under_way_and_the_same_call_goes_on(tmp_path, one, threads):
    _, task = PROBLEMS["plain"]
    specs = [RunSpec.make({**PLAIN, "training.epochs": 40, "surrogate.beta": beta}) for beta in (1, 5)]
    store, before = Store(tmp_path), [signal.getsignal(number) for number in trainer_signals()]

    class Asks(Silent):
        def epoch(self, spec, epoch, measures):
            os.kill(os.getpid(), one)

    with pytest.raises(Stopped, match=f"stopped by {one.name}: .*the same command goes on"), stop_signals() as request:
        train_pack(specs, task, Workshop(store, lambda spec: FAST, threads, Asks(), request.check))
    assert list(tmp_path.glob("??/*.checkpoint.npz")) and not list(tmp_path.glob("??/*.parquet"))
    assert [signal.getsignal(number) for number in trainer_signals()] == before
    for result in train_pack(specs, task, Workshop(store, lambda spec: FAST, threads)):
        same(result, train_run(result.spec, task, FAST))
    assert not list(tmp_path.glob("??/*.checkpoint*"))


def trainer_signals():
    return signal.SIGINT, signal.SIGTERM, signal.SIGUSR1


class Small(InStep):
    """Has memory for so many runs at once."""

    def __init__(self, most):
        super().__init__()
        self.most = most

    def open(self, specs, task, weights, theory, threads):
        if len(specs) > self.most:
            raise MemoryError("Unable to allocate 3 TiB")
        return super().open(specs, task, weights, theory, threads)


def test_a_pack_without_enough_memory_is_halved_until_it_fits(tmp_path, capsys):
    _, task = PROBLEMS["plain"]
    specs = [RunSpec.make({**PLAIN, "surrogate.beta": beta}) for beta in (1, 2, 5, 10, 20)]
    engine = Small(2)
    for result in train_pack(specs, task, Workshop(Store(tmp_path), lambda spec: engine)):
        assert result.status == "finished"
        same(result, train_run(result.spec, task, ENGINES[0]))
    assert max(engine.opened) <= 2 and "no memory for 5 runs in step" in capsys.readouterr().err


def test_a_run_without_memory_beside_others_is_trained_alone_after_them(tmp_path, capsys):
    _, task = PROBLEMS["plain"]
    specs = [RunSpec.make({**PLAIN, "surrogate.beta": beta}) for beta in (1, 2, 5)]
    full = iter([True])

    class Crowded:
        name, device, takes_packs = "crowded", "cpu", False

        def open(self, specs, *more, **named):
            if next(full, False):
                raise MemoryError
            return FAST.open(specs, *more, **named)

    results = train_pack(specs, task, Workshop(Store(tmp_path), lambda spec: Crowded(), 2))
    assert [result.status for result in results] == ["finished"] * 3
    assert "trained again, alone, after the others" in capsys.readouterr().err
