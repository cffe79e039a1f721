"""Runs carried from one store to another: the same bytes arrive, and nothing else gets in."""

import io
import os
import tarfile
from pathlib import Path

import numpy as np
import pytest

from sgpipe.base.errors import SgpipeError
from sgpipe.results.archive import export_runs, import_runs
from sgpipe.results.store import Result, Row, Store
from sgpipe.spec.run import RunSpec

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
    assert export_runs(store, SPECS, archive) == 2  # the third has not been trained
    assert import_runs(other, archive) == (2, 0)
    assert files(other) == files(store)
    assert import_runs(other, archive) == (0, 2)


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
    assert import_runs(other, tmp_path / "runs.tar") == (1, 1)
    assert other.get(SPECS[0]).rows[0].epoch == 7


def test_an_export_replaces_a_plain_file_and_nothing_else(store, tmp_path):
    path = tmp_path / "runs.tar"
    path.write_text("an older one")
    assert export_runs(store, SPECS, path) == 2 and tarfile.is_tarfile(path)
    kept = path.read_bytes()
    link, dangling, pipe = (tmp_path / name for name in ("link.tar", "dangling.tar", "pipe"))
    link.symlink_to(path)
    dangling.symlink_to("nowhere")
    os.mkfifo(pipe)
    for other in (link, dangling, pipe, tmp_path, Path("/dev/null")):
        with pytest.raises(SgpipeError, match=f"{other}: is not a plain file, and is not replaced"):
            export_runs(store, SPECS, other)
    assert link.is_symlink() and dangling.is_symlink() and pipe.is_fifo() and Path("/dev/null").is_char_device()
    with pytest.raises(SgpipeError, match=f"{path}/runs.tar: cannot be written"):
        export_runs(store, SPECS, path / "runs.tar")
    assert path.read_bytes() == kept


def test_an_export_of_nothing_says_so(store, tmp_path):
    with pytest.raises(SgpipeError, match="none of these runs"):
        export_runs(store, SPECS[2:], tmp_path / "runs.tar")
    assert not (tmp_path / "runs.tar").exists()


def rewritten(archive, change):
    """Pass (name, content) of each member through `change` into another archive."""
    other = archive.with_name("changed.tar")
    with tarfile.open(archive) as source, tarfile.open(other, "w") as target:
        for member in source:
            member.name, content = change(member.name, source.extractfile(member).read())
            member.size = len(content)
            target.addfile(member, io.BytesIO(content))
    return other


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda name, content: (f"../{name}", content), "is not a run"),
        (lambda name, content: ("/etc/passwd", content), "is not a run"),
        (lambda name, content: (name, content[: len(content) // 2]), "not a run that this sgpipe can read"),
        (lambda name, content: (name.replace(SPECS[0].id, "0" * 16), content), "not a run that this sgpipe can read"),
    ],
)
def test_what_is_not_a_run_is_refused(store, tmp_path, change, words):
    export_runs(store, SPECS[:1], tmp_path / "runs.tar")
    other = Store(tmp_path / "there")
    with pytest.raises(SgpipeError, match=words):
        import_runs(other, rewritten(tmp_path / "runs.tar", change))
    assert not list(tmp_path.glob("there/??/*")) and not (tmp_path / "runs").exists()


def test_an_archive_cut_short_keeps_what_was_whole(store, tmp_path):
    archive, other = tmp_path / "runs.tar", Store(tmp_path / "there")
    export_runs(store, SPECS, archive)
    content = archive.read_bytes()
    last = content.rindex(b"runs/")  # the header of the last member
    archive.write_bytes(content[: last + 700])
    with pytest.raises(SgpipeError, match="damaged .*; 1 runs were filed"):
        import_runs(other, archive)
    first, second = sorted(SPECS[:2], key=lambda spec: spec.id)
    assert first in other and second not in other
    archive.write_text("not a tar file")
    with pytest.raises(SgpipeError, match="not an archive of runs"):
        import_runs(other, archive)
