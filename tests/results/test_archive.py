"""Runs carried from one store to another: the same bytes arrive, and nothing else gets in."""

import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest

from sgpipe.base.errors import SgpipeError
from sgpipe.results.exporting import Exported, export_runs
from sgpipe.results.importing import Imported, import_runs
from sgpipe.results.store import Result, Row, Store
from sgpipe.spec.run import RunSpec
from tests.conftest import ROOT

SPECS = [RunSpec.make({"init.seed": seed}) for seed in range(3)]


@pytest.fixture
def store(tmp_path):
    kept = Store(tmp_path / "here")
    for seed, spec in enumerate(SPECS[:2]):
        rows = (Row(1, "valid", 0.5 + seed, 0.0, 0.9, (3.0,)),)
        kept.put(Result(spec, "finished", rows, weights={"W1": np.full((2, 3), float(seed))}))
    return kept


def files(store):
    return {path.relative_to(store.root): path.read_bytes() for path in store.root.glob("??/*")}


def test_what_is_exported_arrives_whole_and_once(store, tmp_path):
    archive, other = tmp_path / "runs.tar", Store(tmp_path / "there")
    assert export_runs(store, SPECS, archive) == Exported(2, 0, ())  # the third has not been trained
    assert import_runs(other, archive) == Imported(2, 0, ())
    assert files(other) == files(store)
    assert import_runs(other, archive) == Imported(0, 2, ())


def test_the_same_runs_give_the_same_archive(store, tmp_path):
    export_runs(store, SPECS, tmp_path / "one.tar")
    export_runs(store, reversed(SPECS), tmp_path / "other.tar")
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "other.tar").read_bytes()


def test_weights_may_stay_behind(store, tmp_path):
    other = Store(tmp_path / "there")
    export_runs(store, SPECS[:1], tmp_path / "runs.tar", weights=False)
    import_runs(other, tmp_path / "runs.tar")
    assert other.get(SPECS[0]).rows and not other.weights_path(SPECS[0]).exists()


def test_a_run_that_is_here_is_left_as_it_is(store, tmp_path):
    other = Store(tmp_path / "there")
    other.put(Result(SPECS[0], "finished", (Row(7, "valid", 7.0, 0.0, 0.7, (7.0,)),)))
    export_runs(store, SPECS, tmp_path / "runs.tar")
    assert import_runs(other, tmp_path / "runs.tar") == Imported(1, 1, ())
    assert other.get(SPECS[0]).rows[0].epoch == 7


def test_an_export_replaces_a_plain_file_and_nothing_else(store, tmp_path):
    path = tmp_path / "runs.tar"
    path.write_text("an older one")
    assert export_runs(store, SPECS, path).runs == 2 and tarfile.is_tarfile(path)
    kept = path.read_bytes()
    link, dangling, pipe = (tmp_path / name for name in ("link.tar", "dangling.tar", "pipe"))
    link.symlink_to(path)
    dangling.symlink_to("nowhere")
    os.mkfifo(pipe)
    for other in (link, dangling, pipe, tmp_path, Path("/dev/null")):
        with pytest.raises(SgpipeError, match=f"{other}: is not a plain file, and is not replaced"):
            export_runs(store, SPECS, other)
    assert link.is_symlink() and dangling.is_symlink() and pipe.is_fifo() and Path("/dev/null").is_char_device()
    with pytest.raises(SgpipeError, match=f"{path}/runs.tar: {path} is a file, not a folder"):
        export_runs(store, SPECS, path / "runs.tar")
    assert path.read_bytes() == kept


def test_an_export_of_nothing_says_so(store, tmp_path):
    with pytest.raises(SgpipeError, match="none of these runs"):
        export_runs(store, SPECS[2:], tmp_path / "runs.tar")
    assert not (tmp_path / "runs.tar").exists()


def members(archive):
    """Return what an archive has, as (name, content)."""
    with tarfile.open(archive) as source:
        return [(member.name, source.extractfile(member).read()) for member in source]


def written(archive, contents):
    """Write (name, content) into an archive, as `tar` would."""
    with tarfile.open(archive, "w") as target:
        for name, content in contents:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            target.addfile(member, io.BytesIO(content))
    return archive


def without_manifest(archive):
    """Rewrite an archive as it was before there were manifests."""
    return written(archive, members(archive)[1:])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda name, content: (f"../{name}", content), "is not a run"),
        (lambda name, content: ("/etc/passwd", content), "is not a run"),
        (lambda name, content: (name, content[: len(content) // 2]), "not a run that this sgpipe can read"),
        (lambda name, content: (name.replace(SPECS[0].id, "0" * 16), content), "that of another run"),
    ],
)
@pytest.mark.parametrize("manifest", [True, False])
def test_what_is_not_a_run_is_named_and_stays_outside(store, tmp_path, change, words, manifest):
    export_runs(store, SPECS[:1], tmp_path / "runs.tar")
    first, *others = members(tmp_path / "runs.tar")
    written(tmp_path / "runs.tar", [*[first][:manifest], *(change(*member) for member in others)])
    other = Store(tmp_path / "there")
    done = import_runs(other, tmp_path / "runs.tar")
    assert (done.new, done.known) == (0, 0) and done.problems
    assert manifest or words in " ".join(done.problems)
    assert not list(tmp_path.glob("there/??/*")) and not (tmp_path / "runs").exists()


@pytest.mark.parametrize("manifest", [True, False])
def test_an_archive_cut_anywhere_gives_what_was_whole_and_says_what_is_missing(store, tmp_path, manifest):
    archive = tmp_path / "runs.tar"
    export_runs(store, SPECS, archive)
    if not manifest:
        without_manifest(archive)
    content = archive.read_bytes()
    first, second = sorted(SPECS[:2], key=lambda spec: spec.id)
    with tarfile.open(archive) as source:
        last = max(member.offset for member in source)  # the rows of the second run
        before = sorted(member.offset for member in source)[-2]  # its weights
    for number, cut in enumerate((before, before + 700, last, last + 100, last + 700)):
        other = Store(tmp_path / str(number))
        archive.write_bytes(content[:cut])
        done = import_runs(other, archive)
        assert (done.new, first in other, second in other) == (1, True, False)
        assert done.problems and all(str(archive) in problem and "\n" not in problem for problem in done.problems)
        assert not manifest or second.id in " ".join(done.problems)


def test_a_file_that_is_no_archive_is_refused(store, tmp_path):
    (tmp_path / "runs.tar").write_text("not a tar file")
    with pytest.raises(SgpipeError, match="not an archive of runs"):
        import_runs(store, tmp_path / "runs.tar")
    with pytest.raises(SgpipeError, match=r"none\.tar: No such file"):
        import_runs(store, tmp_path / "none.tar")


@pytest.mark.parametrize("manifest", [True, False])
@pytest.mark.parametrize("part", ["weights.npz", "parquet"])
def test_a_damaged_run_is_named_and_the_others_are_filed(store, tmp_path, manifest, part):
    archive, other = tmp_path / "runs.tar", Store(tmp_path / "there")
    export_runs(store, SPECS, archive)
    first, second = sorted(SPECS[:2], key=lambda spec: spec.id)
    spoilt = [
        (name, content[:90] + b"!" + content[91:-40] + b"?" * 40 if first.id in name and part in name else content)
        for name, content in members(archive)
    ]
    done = import_runs(other, written(archive, spoilt[not manifest :]))
    assert done.new == 1 and first not in other and second in other
    assert len(done.problems) == 1 and first.id in done.problems[0]


def test_the_order_of_members_does_not_matter_and_parts_that_are_missing_are_named(store, tmp_path):
    export_runs(store, SPECS, tmp_path / "runs.tar")
    manifest, *parts = members(tmp_path / "runs.tar")
    for number, contents in enumerate(([manifest, *parts[::-1]], parts[::-1])):
        other = Store(tmp_path / str(number))
        assert import_runs(other, written(tmp_path / "turned.tar", contents)) == Imported(2, 0, ())
        assert files(other) == files(store)
    first = min(spec.id for spec in SPECS[:2])
    for lacking, bare in (("parquet", parts), ("parquet", [manifest, *parts]), ("npz", [manifest, *parts])):
        kept = [(name, content) for name, content in bare if not (first in name and lacking in name)]
        done = import_runs(Store(tmp_path / f"{lacking}{len(kept)}"), written(tmp_path / "lacking.tar", kept))
        assert done.new == 1 and len(done.problems) == 1 and first in done.problems[0]


def test_an_archive_from_before_there_were_manifests_arrives_whole(store, tmp_path):
    export_runs(store, SPECS, tmp_path / "runs.tar")
    other = Store(tmp_path / "there")
    assert import_runs(other, without_manifest(tmp_path / "runs.tar")) == Imported(2, 0, ())
    assert files(other) == files(store)


@pytest.mark.parametrize("part", ["path", "weights_path"])
def test_an_export_leaves_a_damaged_run_out_and_says_so(store, tmp_path, part):
    victim = getattr(store, part)(SPECS[0])
    victim.write_bytes(victim.read_bytes()[:-30])
    done = export_runs(store, SPECS, tmp_path / "runs.tar")
    assert done.runs == 1 and len(done.problems) == 1 and SPECS[0].id in done.problems[0]
    assert import_runs(Store(tmp_path / "there"), tmp_path / "runs.tar") == Imported(1, 0, ())
    with pytest.raises(SgpipeError, match="none of these runs whole"):
        export_runs(store, SPECS[:1], tmp_path / "none.tar")


def test_a_folder_in_the_place_of_a_run_is_named_and_the_others_are_filed(store, tmp_path):
    other = Store(tmp_path / "there")
    other.path(SPECS[0]).mkdir(parents=True)
    export_runs(store, SPECS, tmp_path / "runs.tar")
    done = import_runs(other, tmp_path / "runs.tar")
    assert done.new == 1 and len(done.problems) == 1 and "is a folder" in done.problems[0]


READING = """
import os, sys
from pathlib import Path
from sgpipe.base.parquet import read_whole
from sgpipe.claims.tables import read_tables
from sgpipe.figures.make import read_tables
from sgpipe.results.importing import import_runs
from sgpipe.results.listing import stored_runs
from sgpipe.results.store import Store
from sgpipe.results.tables import experiment_table, merge_packs, runs_table, write_table

before, store = len(os.listdir("/proc/self/task")), Store(sys.argv[1])
import_runs(store, sys.argv[2])
found = [store.get(run.spec) for run in stored_runs(store.root)]
pack = store.root / "pack.parquet"
write_table(runs_table(found), pack, {"sgpipe.experiment": "{}"})
merge_packs([read_whole(pack)], {result.spec.id: ("one",) for result in found})
read_tables({"runs": pack})
assert len(found) == 2
print(len(os.listdir("/proc/self/task")) - before)
"""


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="the system does not list threads")
def test_reading_stored_runs_and_tables_starts_no_threads(store, tmp_path):
    """Threads of Parquet's reader that are still at work when the process ends abort it, now and then."""
    export_runs(store, SPECS, tmp_path / "runs.tar")
    command = [sys.executable, "-c", READING, str(tmp_path / "there"), str(tmp_path / "runs.tar")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("0\n", 0), done.stderr


@pytest.mark.long
def test_imports_end_as_they_should_every_time(store, tmp_path):
    export_runs(store, SPECS, tmp_path / "runs.tar")
    for number in range(4):
        command = ["import", str(tmp_path / "runs.tar"), "--config", str(tmp_path / "config.yaml")]
        (tmp_path / "config.yaml").write_text(f"results: {tmp_path / str(number)}\n")
        done = subprocess.run([sys.executable, "-m", "sgpipe", *command], capture_output=True, text=True, cwd=ROOT)
        assert (done.returncode, done.stderr) == (0, "") and done.stdout.startswith("2 runs filed")
