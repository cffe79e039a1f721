"""Nothing is trained twice, nothing is lost, and a file that is not whole is never used."""

import errno

import numpy as np
import pyarrow.parquet as pq
import pytest

from sgpipe.base import parquet
from sgpipe.base.errors import SgpipeError
from sgpipe.base.files import atomic
from sgpipe.results import store as store_module
from sgpipe.results.listing import stored_runs
from sgpipe.results.store import Result, Row, Store, checkpoint_before
from sgpipe.results.tables import merge_packs, runs_table, write_table


def result(spec, status="finished", accuracy=0.5):
    rows = tuple(
        Row(epoch, split, 1.0 / epoch, 0.0, accuracy, (3.0,), best=epoch == 2)
        for epoch in (1, 2)
        for split in ("train", "valid")
    )
    return Result(spec, status, rows, provenance={"seconds": 1.0}, weights={"W1": np.ones((2, 3))})


def test_a_result_comes_back_as_it_was_filed(tmp_path, tiny):
    store, filed = Store(tmp_path), result(tiny())
    assert store.get(filed.spec) is None
    store.put(filed)
    found = store.get(filed.spec)
    assert (found.spec, found.status, found.rows) == (filed.spec, filed.status, filed.rows)
    np.testing.assert_array_equal(store.weights(filed.spec)["W1"], np.ones((2, 3)))


@pytest.mark.parametrize("damage", [b"", b"PAR1 but no more", None], ids=["empty", "garbage", "cut short"])
def test_a_damaged_file_is_set_aside_with_a_notice(tmp_path, tiny, capsys, damage):
    store, spec = Store(tmp_path), tiny()
    store.put(result(spec))
    path = store.path(spec)
    path.write_bytes(path.read_bytes()[:-20] if damage is None else damage)
    assert store.get(spec) is None
    notice = capsys.readouterr().err
    assert notice.count("\n") == 1 and str(path) in notice and "set aside" in notice
    assert path.with_name(f"{path.name}.damaged").exists() and not path.exists()


def test_a_file_that_the_system_does_not_hand_over_stays_where_it_is(tmp_path, tiny, monkeypatch):
    store, spec = Store(tmp_path), tiny()
    store.put(result(spec))

    def refuse(*given):
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(parquet, "read_parquet", refuse)
    with pytest.raises(SgpipeError, match="cannot be read .Too many open files"):
        store.get(spec)
    assert store.path(spec).exists()


def test_of_an_ended_run_no_checkpoint_is_left_nor_what_a_kill_left_behind(tmp_path, tiny):
    store, result, other = Store(tmp_path), Result(tiny(), "finished", ()), tiny({"surrogate.beta": 5})
    path = store.checkpoint_path(result.spec)
    path.parent.mkdir(parents=True)
    for name in (path.name, checkpoint_before(path).name, f"{path.stem}.new.npz", f".{path.stem}.new.npz.12.partial"):
        (path.parent / name).touch()
    store.checkpoint_path(other).parent.mkdir(exist_ok=True)
    store.checkpoint_path(other).touch()
    store.put(result)
    assert set(tmp_path.glob("??/*")) == {store.path(result.spec), store.checkpoint_path(other)}
    path.touch()  # as of a process that died just after filing the run
    store.tidy(result.spec)
    assert set(tmp_path.glob("??/*")) == {store.path(result.spec), store.checkpoint_path(other)}


@pytest.mark.parametrize("part", ["path", "weights_path", "checkpoint_path"])
def test_a_folder_in_the_place_of_a_file_is_one_line_and_stays(tmp_path, tiny, part):
    store, spec = Store(tmp_path), tiny()
    place = getattr(store, part)(spec)
    (place / "inside").mkdir(parents=True)
    for use in (store.check_places, store.forget, store.weights):
        with pytest.raises(SgpipeError, match="a folder, where a file of a run is meant; move it away") as error:
            use(spec)
        assert str(place) in str(error.value) and "\n" not in str(error.value)
    if part == "path":
        assert spec not in store
        with pytest.raises(SgpipeError, match="a folder"):
            store.get(spec)
    assert (place / "inside").exists()


def test_runs_that_cannot_be_read_are_named_and_the_others_listed(tmp_path, tiny, monkeypatch, capsys):
    store, specs = Store(tmp_path), [tiny({"surrogate.beta": beta}) for beta in range(1, 6)]
    for spec in specs:
        store.put(result(spec))
    good, later, unknown, cut, mute = specs

    def described(run, **about):
        table = pq.read_table(store.path(run))
        named = {f"sgpipe.{key}".encode(): value for key, value in about.items()}
        pq.write_table(table.replace_schema_metadata({**table.schema.metadata, **named}), store.path(run))

    described(later, format="99")
    described(unknown, spec='{"network.teleport":true}')
    store.path(cut).write_bytes(b"PAR1 cut")
    pq.write_table(pq.read_table(store.path(mute)).replace_schema_metadata({}), store.path(mute))
    folder = store.root / "00" / "folder.parquet"
    folder.mkdir(parents=True)
    assert [run.spec for run in stored_runs(store.root)] == [good]
    notices = capsys.readouterr().err.splitlines()
    places = [*(str(store.path(spec)) for spec in (later, unknown, cut, mute)), str(folder)]
    assert sorted(notice.split(": passed over")[0] for notice in notices) == sorted(
        f"sgpipe: {place}" for place in places
    )


def test_a_file_of_another_run_under_this_name_counts_as_damaged(tmp_path, tiny, capsys):
    store = Store(tmp_path)
    store.put(result(tiny()))
    other = tiny({"surrogate.beta": 3})
    store.path(other).parent.mkdir(exist_ok=True)
    store.path(other).write_bytes(store.path(tiny()).read_bytes())
    assert store.get(other) is None
    assert "describes another run" in capsys.readouterr().err


def test_a_file_of_another_store_format_stops_with_one_line_and_stays(tmp_path, tiny, monkeypatch):
    store, spec = Store(tmp_path), tiny()
    monkeypatch.setattr(store_module, "STORE_FORMAT", 99)
    store.put(result(spec))
    monkeypatch.undo()
    before = store.path(spec).read_bytes()
    with pytest.raises(SgpipeError, match="store format 99") as error:
        store.get(spec)
    assert "\n" not in str(error.value)
    assert store.path(spec).read_bytes() == before


def test_a_raised_numerics_version_looks_elsewhere_and_keeps_the_old_file(tmp_path, tiny, monkeypatch):
    from sgpipe.spec import numerics

    store, superspike, sigmoid = Store(tmp_path), tiny(), tiny({"surrogate.shape": "sigmoid"})
    store.put(result(superspike))
    store.put(result(sigmoid))
    old = store.path(superspike)
    monkeypatch.setitem(numerics.VERSIONS, "surrogate.superspike", 99)
    assert store.get(superspike) is None and old.exists()
    assert store.get(sigmoid) is not None


def test_a_full_disk_is_one_line_and_leaves_what_was_there(tmp_path):
    path = tmp_path / "table.parquet"
    path.write_text("old")
    with pytest.raises(SgpipeError, match="the disk is full") as error, atomic(path) as temporary:
        temporary.write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")
    assert str(path) in str(error.value) and "\n" not in str(error.value)
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_tables_carry_every_knob_and_neither_time_nor_place(tmp_path, tiny):
    specs = [tiny({"surrogate.beta": beta}) for beta in (2, 1, 3)]
    table = runs_table([result(spec) for spec in specs])
    frame = table.to_pandas()
    assert set(frame["surrogate.beta"]) == {1.0, 2.0, 3.0} and set(frame["network.hidden"]) == {"12"}
    assert list(frame["run_id"]) == sorted(frame["run_id"])
    assert not {"seconds", "engine", "started", "git"} & set(frame.columns)


def test_equal_science_is_equal_bytes_whatever_the_packs(tmp_path, tiny):
    some = [result(tiny({"surrogate.beta": beta})) for beta in (1, 2, 3, 4)]
    sweeps = {item.spec.id: ("grid",) for item in some[:3]}

    def table(*packs):
        paths = []
        for number, pack in enumerate(packs):
            paths.append(tmp_path / f"{number}.parquet")
            write_table(runs_table(pack), paths[-1])
        write_table(merge_packs(map(pq.read_table, paths), sweeps), tmp_path / "all.parquet")
        return (tmp_path / "all.parquet").read_bytes()

    assert table(some) == table(some[2:], some[:2]) == table([some[3], some[0]], [some[2], some[1]])
    assert set(pq.read_table(tmp_path / "all.parquet")["run_id"].to_pylist()) == set(sweeps)


def test_a_run_that_no_pack_holds_is_an_error(tmp_path, tiny):
    write_table(runs_table([result(tiny())]), tmp_path / "pack.parquet")
    with pytest.raises(SgpipeError, match="1 runs are in no pack table"):
        merge_packs([pq.read_table(tmp_path / "pack.parquet")], {tiny().id: ("grid",), "0" * 16: ("grid",)})


def test_a_failed_run_has_a_row(tiny):
    frame = runs_table([Result(tiny(), "failed", (), "ValueError: no")]).to_pandas()
    assert list(frame["status"]) == ["failed"] and list(frame["epoch"]) == [0] and frame["accuracy"].isna().all()
