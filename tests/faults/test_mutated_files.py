"""Valid small files of every kind that is read, with some bytes changed: read or refused in a line, and nothing else.

While one is read, an audit hook sees whether anything is started, unpickled or written elsewhere.
"""

import gzip
import io
import json
import resource
import sys
import tarfile
import tempfile
import zipfile
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sgpipe.base.arrays import load_arrays, save_arrays
from sgpipe.base.errors import SgpipeError
from sgpipe.base.parquet import read_whole
from sgpipe.base.yamlfile import read_yaml
from sgpipe.data import prepare
from sgpipe.data.audio import read_audio
from sgpipe.data.files.unpack import unpack
from sgpipe.data.idx import read_idx
from sgpipe.data.shd_files import open_spikes, write_spikes
from sgpipe.data.spike_chunks import Allowed
from sgpipe.data.spike_folders import open_folder
from sgpipe.data.storage import load_task, save_task
from sgpipe.results.exporting import export_runs
from sgpipe.results.importing import import_runs
from sgpipe.results.store import Result, Row, Store
from sgpipe.spec.run import RunSpec
from sgpipe.training import checkpoint
from tests.conftest import TINY

SPEC = RunSpec.make(TINY)
ALLOWED = Allowed(units=9, classes=20, longest=10.0, time_kinds="fiu", spikes=1000, at_once=2)
ALLOWED_MANY = replace(ALLOWED, at_once=256)
MEGABYTES = 700  # that all of them together may add to what the process takes

# ----------------------------------------------------------------------------------------------------------------
# Every kind of file: how a good one is made, and how it is read


def make_hdf5(path):
    write_spikes(path, [(row, (np.arange(row) / 8, np.arange(row))) for row in range(4)], [0, 1, 2, 3], ["a"] * 4)


def make_hdf5_gz(path):
    plain = path.with_suffix("")
    make_hdf5(plain)
    path.write_bytes(gzip.compress(plain.read_bytes()))
    plain.unlink()


def read_hdf5(path):
    with open_spikes(path, allowed=ALLOWED) as file:
        return list(file.chunks())


def make_idx(path):
    path.write_bytes(gzip.compress(bytes((0, 0, 8, 1, 0, 0, 0, 9)) + bytes(range(9))))


def make_audio(path):
    soundfile.write(path, np.sin(np.arange(2000) / 9) / 2, 16000)


def make_npz(path):
    np.savez_compressed(path, times=np.linspace(0, 1, 9, dtype=np.float32), units=np.arange(9) % 9, label=3)


def make_spike_table(path):
    rows = {"sample": [0, 0, 1, 2], "label": [0, 0, 3, 1], "time": [0.0, 0.5, None, 1.0], "unit": [1, 8, None, 0]}
    pq.write_table(pa.table(rows), path)


def read_folder(path):
    return list(open_folder(path.parent, ALLOWED, "advice").chunks())


def result():
    rows = tuple(Row(epoch, split, 0.5, 0.0, 0.9, (3.0,)) for epoch in (1, 2) for split in ("train", "valid"))
    return Result(SPEC, "finished", rows, weights={"W1": np.ones((2, 3))}, provenance={"engine": "cpu"})


def make_rows(path):
    kept = Store(path.parent / "kept")
    kept.put(result())
    kept.path(SPEC).rename(path)


def read_rows(path):
    store = Store(path.parent / "store")
    store.path(SPEC).parent.mkdir(parents=True, exist_ok=True)
    store.path(SPEC).write_bytes(path.read_bytes())
    store.get(SPEC)


def make_arrays(path):
    progress = checkpoint.Progress(epoch=2, rows=list(result().rows))
    plain = {name: getattr(progress, name) for name in checkpoint.PLAIN} | {"rows": []}
    text = np.frombuffer(json.dumps(plain).encode(), np.uint8)
    save_arrays(path, {"progress": text, "state.W1": np.ones((3, 4), np.float32), "best.W1": np.ones(2)})


def read_arrays(path):
    load_arrays(path)
    checkpoint.peek(path)


def make_runs(path):
    kept = Store(path.parent / "kept")
    kept.put(result())
    export_runs(kept, [SPEC], path)


def read_runs(path):
    store = Store(path.parent / "store")
    imported = import_runs(store, path)
    assert all("\n" not in line for line in imported.problems)
    assert {file.parent.parent for file in store.root.rglob("*") if file.is_file()} <= {store.root}


def make_published(path):
    with tarfile.open(path, "w:gz") as archive:
        for name in ("set/a.txt", "set/b/c.txt"):
            member = tarfile.TarInfo(name)
            member.size = 600
            archive.addfile(member, io.BytesIO(bytes(600)))


def read_published(path):
    unpack(path, path.parent / "set", ["a.txt"])


def make_task(path):
    save_task(prepare(SPEC), path)


def make_yaml(path):
    path.write_text("paper: mine\nbase: &b {data: {classes: 3, tau: 1.5e-3}}\nlist: [a, 'b', \"c\", *b]\nx: {<<: *b}\n")


KINDS = {
    "a.h5": (make_hdf5, read_hdf5),
    "a.h5.gz": (make_hdf5_gz, read_hdf5),
    "images-idx1-ubyte": (make_idx, lambda path: read_idx(path, (None,))),
    "a.flac": (make_audio, read_audio),
    "a.wav": (make_audio, read_audio),
    "a.npz": (make_npz, read_folder),
    "a.parquet": (make_spike_table, read_folder),
    "rows.parquet": (make_rows, read_rows),
    "table.parquet": (make_rows, read_whole),
    "a.checkpoint.npz": (make_arrays, read_arrays),
    "runs.tar": (make_runs, read_runs),
    "set.tar.gz": (make_published, read_published),
    "a.arrow": (make_task, load_task),
    "a.yaml": (make_yaml, read_yaml),
}

# ----------------------------------------------------------------------------------------------------------------
# What is done to them

CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["set", "insert", "remove", "repeat"]), st.floats(0, 1), st.binary(min_size=1, max_size=8)
    ),
    min_size=1,
    max_size=4,
)
# What headers hold of sizes, places and kinds.
EXTREMES = st.sampled_from(
    [b"\xff", b"\xff\xff\xff\xff", b"\xff" * 8, b"\x80" + bytes(7), bytes(4), b"\x7f\xff\xff\xff"]
)


def mutated(content: bytes, changes, cut: float) -> bytes:
    """Return a file's content with some bytes set, put in, taken out or doubled, and cut at its end."""
    for kind, place, some in changes:
        at = int(place * len(content))
        before, rest = content[:at], content[at:]
        if kind == "set":
            content = before + some + rest[len(some) :]
        elif kind == "insert":
            content = before + some + rest
        elif kind == "remove":
            content = before + rest[len(some) :]
        else:
            content = before + rest[: 64 * len(some)] + rest
    return content[: int(cut * len(content))]


class Watch:
    """Sees what the interpreter does while it looks on; an audit hook, which can only be switched off, not taken away."""

    FORBIDDEN = (
        "subprocess.Popen",
        "os.system",
        "os.exec",
        "os.posix_spawn",
        "os.fork",
        "socket.connect",
        "pickle.find_class",
    )

    def __init__(self):
        self.inside: Path | None = None
        self.seen: list[str] = []
        sys.addaudithook(self._hook)

    def _hook(self, event, arguments):
        if self.inside is None:
            return
        if event in self.FORBIDDEN:
            self.seen.append(event)
        if event == "open" and isinstance(arguments[0], str | bytes | Path) and arguments[2] & (1 | 2 | 0o100):
            path = str(arguments[0], "utf-8") if isinstance(arguments[0], bytes) else str(arguments[0])
            if not Path(path).is_relative_to(tempfile.gettempdir()) and path != "/dev/null":
                self.seen.append(f"writes {path}")

    @contextmanager
    def looking(self, folder: Path):
        self.inside, self.seen = folder, []
        try:
            yield
        finally:
            self.inside = None
        assert not self.seen


WATCH = Watch()


def peak() -> float:
    """Return the most memory that this process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def read_or_refused(path: Path, read) -> None:
    """Read a file; whatever is said of it must be one line that names it."""
    with WATCH.looking(path.parent):
        try:
            read(path)
        except SgpipeError as error:
            assert "\n" not in str(error) and str(path.parent) in str(error), str(error)


@pytest.mark.parametrize("name", KINDS)
def test_changed_bytes_are_read_or_refused_in_a_line(name):
    make, read = KINDS[name]
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder) / name)
        good = (Path(folder) / name).read_bytes()
    before = peak()

    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(
        CHANGES, st.one_of(st.just(1.0), st.floats(0, 1)), st.one_of(st.none(), st.tuples(st.floats(0, 1), EXTREMES))
    )
    def change(changes, cut, extreme):
        if extreme:
            changes = [("set", *extreme), *changes[:1]]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / name
            path.write_bytes(mutated(good, changes, cut))
            read_or_refused(path, read)

    change()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(good)
        read(path)
    assert peak() - before < MEGABYTES


# ----------------------------------------------------------------------------------------------------------------
# What no chance finds


def test_lists_that_share_their_content_take_no_more_memory_than_is_allowed(tmp_path):
    path = tmp_path / "shd_train.h5"
    length, rows = 2_000_000, 256
    with h5py.File(path, "w") as file:
        for name, kind in (("times", np.float16), ("units", np.uint16)):
            made = file.create_dataset(f"spikes/{name}", (rows,), h5py.vlen_dtype(kind))
            made[0] = np.zeros(length, kind)
            for row in range(1, rows):
                made[row] = np.zeros(1, kind)
        places = [file[f"spikes/{name}"].id.get_offset() for name in ("times", "units")]
        file["labels"] = np.zeros(rows, np.uint16)
    content = bytearray(path.read_bytes())
    for place in places:  # all rows refer to the list of the first
        content[place : place + 16 * rows] = content[place : place + 16] * rows
    path.write_bytes(content)
    before = peak()
    with (
        pytest.raises(SgpipeError, match="cannot be read after sample 0"),
        open_spikes(path, allowed=ALLOWED_MANY) as file,
    ):
        list(file.chunks())
    assert peak() - before < 500  # all lists together: 2 GB


@pytest.mark.parametrize("packed", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
def test_a_bomb_in_the_place_of_weights_is_not_unpacked(tmp_path, packed):
    zeros = io.BytesIO()
    np.save(zeros, np.zeros(2 * 10**7 if packed else 10**6, np.uint8))
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w", packed) as file:
        for number in range(5):
            file.writestr(f"{number}.npy", zeros.getvalue())
            if not packed:  # all members are the first one's bytes
                file.infolist()[number].header_offset = 0
    if not packed:
        path.write_bytes(path.read_bytes()[: len(zeros.getvalue()) + 60] + path.read_bytes()[-400:])
    before = peak()
    assert load_arrays(path) is None and checkpoint.peek(path) is None
    assert peak() - before < 50


def test_arrays_of_objects_are_not_unpickled(tmp_path):
    class Trap:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "sprung",))

    np.savez(tmp_path / "a.npz", progress=np.array([Trap()], dtype=object))
    assert load_arrays(tmp_path / "a.npz") is None and checkpoint.peek(tmp_path / "a.npz") is None
    assert not (tmp_path / "sprung").exists()


def test_a_table_of_few_bytes_and_very_many_rows_is_refused(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"a": pa.DictionaryArray.from_arrays(np.zeros(10**7, np.int8), ["x" * 10])}), path)
    assert path.stat().st_size < 50_000
    with pytest.raises(SgpipeError, match="promises 10,000,000 values, where 9,999,999 at most"):
        read_whole(path, most=9_999_999)


def deep(levels=100_000):
    return "[" * levels + "]" * levels


def test_json_of_any_depth_is_refused(tmp_path):
    kept = Store(tmp_path / "kept")
    kept.put(result())
    path = kept.path(SPEC)
    table = pq.read_table(path)
    about = {**table.schema.metadata, b"sgpipe.provenance": deep().encode()}
    pq.write_table(table.replace_schema_metadata(about), path)
    export = tmp_path / "runs.tar"
    with tarfile.open(export, "w") as archive:
        for name, content in (("manifest.json", deep().encode()), (f"runs/{path.name}", path.read_bytes())):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    done = import_runs(Store(tmp_path / "other"), export)
    assert done.new == 0 and any("manifest.json: is damaged" in line for line in done.problems)
    assert kept.get(SPEC) is None and path.with_name(f"{path.name}.damaged").exists()


def test_members_of_negative_size_do_not_go_round_in_a_circle(tmp_path):
    block = bytearray(tarfile.TarInfo("runs/0123456789abcdef-012345.parquet").tobuf())
    block[124:136] = b"\xff" * 10 + (-512).to_bytes(2, "big", signed=True)  # the place of the next member: this one
    checksum = 256 + sum(block[:148]) + sum(block[156:512])
    block[148:156] = f"{checksum:06o}\0 ".encode()
    (tmp_path / "runs.tar").write_bytes(bytes(block) * 4)
    with gzip.open(tmp_path / "set.tar.gz", "wb") as packed:
        packed.write(bytes(block) * 4)
    assert import_runs(Store(tmp_path / "store"), tmp_path / "runs.tar").new == 0
    with pytest.raises(SgpipeError, match="not a whole archive"):
        unpack(tmp_path / "set.tar.gz", tmp_path / "set", ["a.txt"])


def test_a_type_that_a_table_names_for_itself_is_not_unpickled(tmp_path):
    trap = b"cbuiltins\nopen\n(V" + str(tmp_path / "sprung").encode() + b"\nVw\ntR."
    field = pa.field(
        "a", pa.int64(), metadata={"ARROW:extension:name": "arrow.py_extension_type", "ARROW:extension:metadata": trap}
    )
    pq.write_table(pa.table({"a": [1]}, pa.schema([field])), tmp_path / "a.parquet")
    read_whole(tmp_path / "a.parquet")
    assert not (tmp_path / "sprung").exists()
