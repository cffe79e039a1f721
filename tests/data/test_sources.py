"""Where data come from: the best files that are there, named by what is in them; and fetched whole or not at all."""

import gzip
import hashlib
import io
import json
import os
import tarfile
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pandas as pd
import pytest

from sgpipe.base.errors import SgpipeError
from sgpipe.cli import main
from sgpipe.data.files import download as downloads
from sgpipe.data.files import in_place
from sgpipe.data.files import published as registry
from sgpipe.data.files import unpack as unpacking
from sgpipe.data.files.download import fetch, fetch_task
from sgpipe.data.files.published import COMPLETE, SETS, SETS_OF, Published, files_digest, remark
from sgpipe.data.files.sources import Found, Sources
from sgpipe.figures.make import source_words
from sgpipe.plan.plan import make_plan
from sgpipe.rules.download import download
from sgpipe.rules.prepare_task import prepare_task
from sgpipe.spec.config import load_config, read_config
from sgpipe.spec.run import RunSpec, from_canonical
from sgpipe.spec.tasks import TASKS
from tests.conftest import ROOT

TEXT = "a b <unk> \n b a \n"
PTB = ("ptb.train.txt", "ptb.valid.txt", "ptb.test.txt")


def ptb(folder, text=TEXT, names=PTB):
    (folder / "ptb").mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / "ptb" / name).write_text(text)
    return folder


def settled(folder, policy="auto", results=None, **knobs):
    values = {"data.task": "ptb", **{f"data.{name}": value for name, value in knobs.items()}}
    return Sources(folder, policy, results).settle(RunSpec.make(values), "source" in knobs, "my.yaml: fig1")


# ----------------------------------------------------------------------------------------------------------------
# Which source


def test_auto_takes_the_files_that_are_there_and_else_a_stand_in(tmp_path):
    without = settled(tmp_path)
    assert (without.data.source, without.data.files) == ("embedded", None)
    with_files = settled(ptb(tmp_path))
    assert with_files.data.source == "original" and with_files.data.files.startswith("3-")
    assert with_files.id != without.id and with_files.data_id != without.data_id


def test_a_set_that_lacks_a_file_is_not_used(tmp_path):
    ptb(tmp_path, names=PTB[:2])
    assert settled(tmp_path).data.source == "embedded"
    with pytest.raises(
        SgpipeError, match=r"config.yaml: data: original: ptb .* lacks ptb.test.txt; .*snakemake --cores 1 download"
    ):
        settled(tmp_path, "original")


def test_a_policy_forces_its_source(tmp_path):
    ptb(tmp_path)
    assert settled(tmp_path, "embedded").data.source == "embedded"
    assert settled(tmp_path, "original").data.source == "original"


def test_a_run_that_names_its_source_gets_it_whatever_the_policy(tmp_path):
    ptb(tmp_path)
    assert settled(tmp_path, "original", source="embedded").data.source == "embedded"
    assert settled(tmp_path, "embedded", source="original").data.source == "original"
    with pytest.raises(
        SgpipeError, match="my.yaml: fig1: ptb has no original data: there are no files of it in .*/empty/"
    ):
        settled(tmp_path / "empty", source="original")


def test_a_run_that_names_its_files_gets_no_others(tmp_path):
    files = settled(ptb(tmp_path)).data.files
    assert settled(tmp_path, source="original", files=files).data.files == files
    with pytest.raises(SgpipeError, match=f"my.yaml: fig1: data.files: asks for 3-0123, but .* has {files}"):
        settled(tmp_path, source="original", files="3-0123")


def test_pinned_files_that_are_not_there_are_missed(tmp_path):
    with pytest.raises(SgpipeError, match="data.files: asks for 3-0123, but embedded data have none"):
        settled(tmp_path, files="3-0123")


def test_a_task_made_from_a_formula_has_one_source(tmp_path):
    spec = RunSpec.make({})
    assert Sources(tmp_path, "original").settle(spec, False, "here") == spec


def test_a_settled_run_comes_back_from_the_store(tmp_path):
    spec = settled(ptb(tmp_path), limit=3)
    assert from_canonical(spec.canonical()) == spec
    assert settled(tmp_path, seed=5).id == settled(tmp_path).id, "the published text does not depend on a seed"
    assert settled(tmp_path, source="embedded", seed=5).id != settled(tmp_path, source="embedded").id


def test_every_run_of_a_plan_carries_its_source(tmp_path, monkeypatch):
    (tmp_path / "mine.yaml").write_text(
        "paper: mine\nexperiments:\n  mine_fig1:\n    title: t\n    sweeps:\n"
        "      ours: {grid: {data.task: [ptb, randman]}}\n"
        "      theirs: {base: {data: {task: ptb, source: embedded}}, grid: {init.seed: [0]}}\n"
    )
    settings = {"experiments": [str(tmp_path / "mine.yaml")], "results": str(tmp_path / "results")}
    monkeypatch.setenv("SGPIPE_DATA", str(ptb(tmp_path / "files")))
    plan = make_plan(read_config(settings))
    assert sorted(run.data.source for run in plan.tasks.values()) == ["embedded", "original", "synthetic"]
    assert make_plan(read_config(settings)).packs == plan.packs
    # config.yaml overrules the environment.
    (tmp_path / "none").mkdir()
    plan = make_plan(read_config({**settings, "data_dir": str(tmp_path / "none")}))
    assert {run.data.source for run in plan.tasks.values()} == {"embedded", "synthetic"}


def test_config_takes_known_policies_alone():
    assert load_config(ROOT / "config.yaml").data == "auto"
    with pytest.raises(SgpipeError, match="data: 'orginal' .* did you mean 'original'"):
        load_config(ROOT / "config.yaml", {"data": "orginal"})


def test_a_data_folder_that_is_named_has_to_be_there(tmp_path, monkeypatch):
    monkeypatch.delenv("SGPIPE_DATA", raising=False)
    assert read_config({}).data_dir == "data"  # nobody's word: stand-ins will do
    gone = str(tmp_path / "gone")
    with pytest.raises(SgpipeError, match="config.yaml: data_dir: .*/gone: no such folder; correct the path"):
        read_config({"data_dir": gone})
    monkeypatch.setenv("SGPIPE_DATA", gone)
    with pytest.raises(SgpipeError, match="^SGPIPE_DATA: .*/gone: no such folder"):
        read_config({})
    for values, fetching in (({"data": "download"}, False), ({"data": "original"}, True)):
        assert read_config(values, fetching=fetching).data_dir == gone  # made by what fetches
    (tmp_path / "gone").write_text("")
    with pytest.raises(SgpipeError, match="SGPIPE_DATA: .*/gone: is not a folder"):
        read_config({}, fetching=True)


def test_a_tilde_is_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "files").mkdir()
    config = read_config({"data_dir": "~/files", "results": "~/made", "experiments": ["~/mine.yaml"]})
    assert config.data_dir == f"{tmp_path}/files" and config.folder == tmp_path / "made/laptop"
    assert config.experiments == (f"{tmp_path}/mine.yaml",)
    monkeypatch.setenv("SGPIPE_DATA", "~/files")
    assert read_config({}).data_dir == f"{tmp_path}/files"
    (tmp_path / "c.yaml").write_text("results: ~/there")
    assert load_config("~/c.yaml").results == f"{tmp_path}/there"
    with pytest.raises(SgpipeError, match="config.yaml: results: ~nobody-of-this-name/x: no such user's home"):
        read_config({"results": "~nobody-of-this-name/x"})
    (tmp_path / "made").write_text("")
    with pytest.raises(SgpipeError, match="config.yaml: results: .*/made: is not a folder"):
        read_config({"results": "~/made"})


@pytest.mark.parametrize("task", [task for task, kind in TASKS.items() if kind.stand_in])
def test_every_task_can_be_made_from_nothing(task, tmp_path):
    spec = Sources(tmp_path).settle(RunSpec.make({"data.task": task}), False, "here")
    assert spec.data.source in ("embedded", "synthetic")


# ----------------------------------------------------------------------------------------------------------------
# What names the files


def test_equal_files_have_one_name_wherever_they_are(tmp_path):
    one, other = settled(ptb(tmp_path / "one")), settled(ptb(tmp_path / "other"))
    assert one == other
    assert settled(ptb(tmp_path / "third", TEXT + "c \n")).data.files != one.data.files


def test_a_changed_file_changes_the_run(tmp_path):
    before = settled(ptb(tmp_path), results=tmp_path / "results")
    ptb(tmp_path, TEXT + "c \n")
    assert settled(tmp_path, results=tmp_path / "results").id != before.id


def tree(folder, count=3):
    (folder / "audio").mkdir(parents=True)
    (folder / "list.txt").write_text("all")
    for number in range(count):
        (folder / "audio" / f"{number}.wav").write_bytes(bytes([number]))
    (folder / "audio" / "notes.txt").write_text("not part of it")
    return Found("original", folder, (folder / "list.txt",), (folder / "audio",), ".wav")


def test_files_are_read_once_and_then_only_glanced_at(tmp_path, monkeypatch):
    found, read = tree(tmp_path / "set"), []
    whole = Found.digest
    monkeypatch.setattr(Found, "digest", lambda self: (read.append(self), whole(self))[1])
    first = Sources(tmp_path, results=tmp_path / "results").files(found)
    assert first.startswith("4-") and len(read) == 1
    assert Sources(tmp_path, results=tmp_path / "results").files(found) == first and len(read) == 1

    for change in (
        lambda: (tmp_path / "set/audio/9.wav").write_bytes(b"new"),
        lambda: (tmp_path / "set/audio/0.wav").unlink(),
        lambda: (tmp_path / "set/audio/1.wav").rename(tmp_path / "set/audio/5.wav"),
        lambda: (tmp_path / "set/list.txt").write_text("part"),
    ):
        change()
        second = Sources(tmp_path, results=tmp_path / "results").files(found)
        assert second != first
        first = second
    assert len(read) == 5


def test_a_damaged_memory_is_made_anew(tmp_path):
    found = tree(tmp_path / "set")
    sources = Sources(tmp_path, results=tmp_path / "results")
    first = sources.files(found)
    (tmp_path / "results/data/sources.json").write_text("{")
    assert Sources(tmp_path, results=tmp_path / "results").files(found) == first


def test_many_files_cost_a_glance_no_more_than_few(tmp_path, monkeypatch):
    found = tree(tmp_path / "set", 200)
    Sources(tmp_path, results=tmp_path / "results").files(found)
    monkeypatch.setattr(Found, "members", lambda self: pytest.fail("listed all files"))
    Sources(tmp_path, results=tmp_path / "results").files(found)


def ptb_plan(tmp_path):
    (tmp_path / "mine.yaml").write_text(
        "paper: mine\nexperiments:\n  mine_fig1:\n    title: t\n    sweeps: {one: {grid: {data.task: [ptb]}}}\n"
    )
    names = {"experiments": [str(tmp_path / "mine.yaml")], "results": str(tmp_path / "results")}
    return make_plan(read_config({**names, "data_dir": str(tmp_path)}))


def test_files_that_change_behind_the_plan_are_noticed_before_they_are_used(tmp_path):
    plan = ptb_plan(ptb(tmp_path))
    (data_id,) = plan.tasks
    out = tmp_path / "task.arrow", tmp_path / "task.json"
    ptb(tmp_path, TEXT + "c \n")
    with pytest.raises(SgpipeError, match="the files of ptb have changed .* give the same command again"):
        prepare_task(plan, data_id, *out)
    assert not any(path.exists() for path in out)
    plan = ptb_plan(tmp_path)
    (data_id,) = plan.tasks
    prepare_task(plan, data_id, *out)
    statistics = json.loads(out[1].read_text())
    assert statistics["data"]["source"] == "original" and statistics["data"]["files"].startswith("3-")
    assert statistics["splits"]["train"]["samples"] == 9
    assert statistics["mean"] == statistics["splits"]["train"]["mean"] == 1e-4


@pytest.mark.parametrize(("task", "name"), [("mnist_latency", "mnist"), ("ptb", "ptb")])
def test_the_published_files_are_known_by_their_checksums(task, name, published):
    (found,) = Sources(published(name)).found(TASKS[task]()).values()
    files = found.digest()
    assert files in COMPLETE[task] and remark(task, "original", files) == ""


def test_a_part_or_another_version_of_a_set_is_said_to_be_one():
    assert remark("rawhd", "original", "1202-00ff") == "1,202 of 10,422 files"
    assert remark("rawhd", "original", "10422-00ff") == ""
    assert remark("ptb", "original", "3-00ff") == "not the published checksums"
    assert remark("ptb", "embedded", None) == ""
    assert remark("spikes", "original", "3-00ff") == ""  # a user's own set is what it is


def test_the_corner_of_a_figure_lists_every_source():
    runs = pd.DataFrame(
        {
            "data.task": ["randman", "ptb", "ptb", "mnist_latency"],
            "data.source": ["synthetic", "original", "original", "embedded"],
            "data.variant": ["printed", None, None, "coded"],
            "data.files": [None, "3-00ff", "3-00ff", None],
            "data.limit": [np.nan, 500, 500, 0],
        }
    )
    words = source_words(runs)
    assert words == [
        "MNIST: stand-in made for this project, not the paper's files",
        "PTB (not the published checksums, ≤ 500 training samples): original files",
        "Randman: synthetic: generated from the paper's formula",
    ]
    runs["data.task"], runs["data.source"] = ["shd", "ptb", "rawhd", "mnist_latency"], "embedded"
    assert len(source_words(runs)) == 1  # of one source, said once


# ----------------------------------------------------------------------------------------------------------------
# Fetching


class Server:
    """A local server of some files that can cut connections, ignore ranges, and counts what it is asked."""

    def __init__(self):
        self.files, self.asked, self.cuts, self.ranges = {}, [], [], True
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                owner.asked.append((self.path, self.headers.get("Range")))
                content = owner.files.get(self.path.lstrip("/"))
                if content is None:
                    return self.send_error(404)
                start = 0
                if owner.ranges and (wanted := self.headers.get("Range")):
                    start = int(wanted.removeprefix("bytes=").rstrip("-"))
                    if start >= len(content):
                        return self.send_error(416)
                self.send_response(206 if start else 200)
                self.send_header("Content-Length", str(len(content) - start))
                self.end_headers()
                rest = content[start:]
                if owner.cuts:
                    rest = rest[: owner.cuts.pop(0)]
                self.wfile.write(rest)

            def log_message(self, *words):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.http.server_address[1]}/"
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(downloads, "PAUSE", 0.0)
    server = Server()
    yield server
    server.http.shutdown()
    server.http.server_close()


CONTENT = bytes(range(256)) * 4000  # 1 MB


def item(server, *places, content=CONTENT, **more):
    known = {"md5": hashlib.md5(content).hexdigest(), "size": len(content), **more}
    return Published("set/file.bin", tuple(server.address + place for place in places or ("file.bin",)), **known)


def left(folder):
    """Return what lies in the data folder but for the lock."""
    return sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".download.lock"
    )


def test_a_file_is_fetched_once(server, tmp_path):
    server.files["file.bin"] = CONTENT
    assert fetch(item(server), tmp_path)
    assert (tmp_path / "set/file.bin").read_bytes() == CONTENT and left(tmp_path) == ["set/file.bin"]
    assert not fetch(item(server), tmp_path) and len(server.asked) == 1


@pytest.mark.parametrize("size", [len(CONTENT), None])
def test_a_cut_download_goes_on_where_it_was_cut(server, tmp_path, size):
    server.files["file.bin"] = CONTENT
    server.cuts = [300_000, 400_000]
    assert fetch(item(server, size=size), tmp_path)
    assert [asked[1] for asked in server.asked] == [None, "bytes=300000-", "bytes=700000-"]
    assert (tmp_path / "set/file.bin").read_bytes() == CONTENT and left(tmp_path) == ["set/file.bin"]


def test_a_download_that_was_given_up_is_taken_up_by_the_next_call(server, tmp_path):
    server.files["file.bin"] = CONTENT
    server.cuts = [300_000] + [0] * downloads.TRIES
    with pytest.raises(SgpipeError, match="could not be downloaded: .* cut after 300,000 of 1,024,000 bytes"):
        fetch(item(server), tmp_path)
    assert left(tmp_path) == ["set/.file.bin.part"]  # nothing that looks finished
    server.asked.clear()
    assert fetch(item(server), tmp_path)
    assert server.asked == [("/file.bin", "bytes=300000-")]
    assert (tmp_path / "set/file.bin").read_bytes() == CONTENT and left(tmp_path) == ["set/file.bin"]


def test_a_server_without_ranges_starts_again_from_the_beginning(server, tmp_path):
    server.files["file.bin"], server.ranges, server.cuts = CONTENT, False, [300_000]
    assert fetch(item(server), tmp_path)
    assert (tmp_path / "set/file.bin").read_bytes() == CONTENT


def test_a_missing_mirror_is_passed_over(server, tmp_path):
    server.files["second.bin"] = CONTENT
    closed = Published(
        "set/file.bin",
        ("http://127.0.0.1:9/file.bin", *item(server, "gone", "second.bin").addresses),
        hashlib.md5(CONTENT).hexdigest(),
    )
    assert fetch(closed, tmp_path)
    assert [path for path, _ in server.asked] == ["/gone", "/second.bin"]


def test_a_wrong_checksum_is_said_and_nothing_is_kept(server, tmp_path):
    server.files["file.bin"] = CONTENT[:-1] + b"x"
    with pytest.raises(
        SgpipeError, match=r"set/file.bin: could not be downloaded: .*checksum: md5 is \w+, published is"
    ) as caught:
        fetch(item(server), tmp_path)
    assert "\n" not in str(caught.value) and left(tmp_path) == []


def test_a_mirror_with_another_file_is_passed_over(server, tmp_path):
    server.files |= {"longer.bin": CONTENT + b"more", "shorter.bin": CONTENT[:1000], "right.bin": CONTENT}
    assert fetch(item(server, "longer.bin", "shorter.bin", "right.bin"), tmp_path)
    assert (tmp_path / "set/file.bin").read_bytes() == CONTENT and left(tmp_path) == ["set/file.bin"]


@pytest.mark.parametrize("rest", [b"another file" * 1000, CONTENT + b"x"])
def test_the_bad_rest_of_an_earlier_call_does_not_spoil_the_file(server, tmp_path, rest):
    (tmp_path / "set").mkdir()
    (tmp_path / "set/.file.bin.part").write_bytes(rest)
    server.files["file.bin"] = CONTENT
    assert fetch(item(server), tmp_path)
    assert (tmp_path / "set/file.bin").read_bytes() == CONTENT and left(tmp_path) == ["set/file.bin"]


def test_sha256_goes_before_md5(server, tmp_path):
    server.files["file.bin"] = CONTENT
    with pytest.raises(SgpipeError, match="checksum: sha256 is"):
        fetch(item(server, sha256="0" * 64), tmp_path)


def refuses_all_but(content):
    def check(path):
        if path.read_bytes() != content:
            raise SgpipeError(f"{path}: is broken; advice")

    return check


def test_a_damaged_file_is_set_aside_and_fetched_again(server, tmp_path, capsys):
    server.files["file.bin"] = CONTENT
    for number in ("", "-2"):
        (tmp_path / "set").mkdir(exist_ok=True)
        (tmp_path / "set/file.bin").write_bytes(b"")
        assert fetch(item(server), tmp_path, refuses_all_but(CONTENT))
        assert (tmp_path / "set/file.bin").read_bytes() == CONTENT
        assert (tmp_path / f"set/file.bin.damaged{number}").read_bytes() == b""
        assert f"set/file.bin: is broken; set aside as file.bin.damaged{number}\n" in capsys.readouterr().err
    assert not fetch(item(server), tmp_path, refuses_all_but(CONTENT))


@pytest.mark.parametrize("make", [lambda path: path.mkdir(), lambda path: path.symlink_to("nowhere")])
def test_what_is_no_file_is_set_aside_too(server, tmp_path, make):
    server.files["file.bin"] = CONTENT
    (tmp_path / "set").mkdir()
    make(tmp_path / "set/file.bin")
    assert fetch(item(server), tmp_path) and (tmp_path / "set/file.bin").read_bytes() == CONTENT
    assert os.path.lexists(tmp_path / "set/file.bin.damaged")


def test_nothing_is_set_aside_for_a_file_that_cannot_be_had(server, tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set/file.bin").write_bytes(b"half")
    with pytest.raises(SgpipeError, match="could not be downloaded"):
        fetch(item(server), tmp_path, refuses_all_but(CONTENT))
    assert left(tmp_path) == ["set/file.bin"]


def test_another_version_that_can_be_read_is_left_and_said_to_be_one(server, tmp_path, capsys):
    (tmp_path / "set").mkdir()
    (tmp_path / "set/file.bin").write_bytes(b"mine")
    assert not fetch(item(server), tmp_path, refuses_all_but(b"mine")) and not server.asked
    assert "set/file.bin: left as it is, but it is not the published file; rename it" in capsys.readouterr().err


def test_a_damaged_unpacked_file_makes_way_for_the_gzipped_one(server, tmp_path, monkeypatch, capsys):
    """As with a truncated shd_train.h5 beside a good shd_train.h5.gz."""
    monkeypatch.setattr(in_place, "UNPACKED_MD5", {})
    server.files["file.bin.gz"] = packed_file = gzip.compress(CONTENT)
    gzipped = replace(item(server, "file.bin.gz", content=packed_file), path="set/file.bin.gz")

    def check(path):
        content = path.read_bytes()
        refuses_all_but(CONTENT)(path) if path.suffix != ".gz" else gzip.decompress(content)

    (tmp_path / "set").mkdir()
    (tmp_path / "set/file.bin").write_bytes(CONTENT[:1000])
    assert fetch(gzipped, tmp_path, check)
    assert left(tmp_path) == ["set/file.bin.damaged", "set/file.bin.gz"]
    (tmp_path / "set/file.bin").write_bytes(CONTENT[:1000])
    assert not fetch(gzipped, tmp_path, check) and len(server.asked) == 1
    assert left(tmp_path) == ["set/file.bin.damaged", "set/file.bin.damaged-2", "set/file.bin.gz"]
    (tmp_path / "set/file.bin.gz").unlink()
    (tmp_path / "set/file.bin").write_bytes(CONTENT)
    assert not fetch(gzipped, tmp_path, check) and len(server.asked) == 1, "unpacked is as good"


def test_download_mends_what_a_plan_cannot_be_made_from(server, tmp_path, monkeypatch, capsys):
    server.files["good"] = TEXT.encode()
    known = hashlib.md5(TEXT.encode()).hexdigest()
    items = tuple(Published(f"ptb/{name}", (f"{server.address}good",), known) for name in PTB)
    monkeypatch.setitem(registry.SETS, "ptb", items)
    monkeypatch.chdir(ROOT)
    ptb(tmp_path, text="")
    (tmp_path / "ptb/ptb.test.txt").unlink()
    (tmp_path / "ptb/ptb.test.txt").mkdir()
    (tmp_path / "mine.yaml").write_text(
        "paper: mine\nexperiments:\n  mine_fig1:\n    title: t\n    sweeps: {one: {grid: {data.task: [ptb]}}}\n"
    )
    settings = {"experiments": f"[{tmp_path}/mine.yaml]", "results": tmp_path / "results", "data_dir": tmp_path}
    words = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    assert main(["plan", *words]) == 1
    assert "ptb.test.txt: is a folder, where a file is meant" in capsys.readouterr().err
    assert main(["download", *words]) == 0
    shown = capsys.readouterr()
    assert shown.out == "ptb: fetched ptb/ptb.train.txt, ptb/ptb.valid.txt, ptb/ptb.test.txt\n"
    assert shown.err.count("set aside as") == 3 and "ptb.train.txt: has no words; set aside" in shown.err
    assert main(["plan", *words]) == 0


def archive(*members):
    """Return a gzipped tar of members: (name, content) or a TarInfo."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                tar.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                tar.addfile(info, io.BytesIO(member[1]))
    return buffer.getvalue()


def special(kind, name="set/link", target="/etc/passwd"):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def packed(server, content, **more):
    server.files["set.tar.gz"] = content
    known = {"md5": hashlib.md5(content).hexdigest(), "inside": ("audio", "list.txt"), **more}
    return Published("set", (f"{server.address}set.tar.gz",), **known)


GOOD = (("deep/set/audio/1.wav", b"one"), ("deep/set/list.txt", b"1"))


@pytest.mark.parametrize("prefix", ["", "./", "deep/set/"])
def test_an_archive_becomes_its_folder_wherever_that_lies_in_it(server, tmp_path, prefix):
    content = archive((f"{prefix}audio/1.wav", b"one"), (f"{prefix}list.txt", b"1"))
    assert fetch(packed(server, content), tmp_path)
    assert left(tmp_path) == ["set/audio/1.wav", "set/list.txt"]
    assert not fetch(packed(server, content), tmp_path)


@pytest.mark.parametrize(
    "bad",
    [
        ("../outside.txt", b"x"),
        ("set/../../outside.txt", b"x"),
        ("/outside.txt", b"x"),
        special(tarfile.SYMTYPE),
        special(tarfile.LNKTYPE),
        special(tarfile.FIFOTYPE),
        special(tarfile.CHRTYPE),
    ],
)
def test_an_archive_with_an_unsafe_member_is_refused_whole(server, tmp_path, bad):
    folder = tmp_path / "data"
    with pytest.raises(SgpipeError, match="unsafe: .* nothing was unpacked") as caught:
        fetch(packed(server, archive(*GOOD, bad)), folder)
    assert "\n" not in str(caught.value)
    assert left(folder) == [] and not (tmp_path / "outside.txt").exists()


def test_a_damaged_or_foreign_archive_is_refused(server, tmp_path):
    with pytest.raises(SgpipeError, match="not a whole archive"):
        fetch(packed(server, archive(*GOOD, ("long", np.random.default_rng(0).bytes(100_000)))[:-5000]), tmp_path)
    with pytest.raises(SgpipeError, match="has no folder with audio, list.txt"):
        fetch(packed(server, archive(("other.txt", b"x"))), tmp_path)
    assert left(tmp_path) == []


def test_an_incomplete_folder_makes_way_for_the_archive(server, tmp_path, capsys):
    (tmp_path / "set/audio").mkdir(parents=True)
    (tmp_path / "set/audio/mine.wav").write_text("mine")
    assert fetch(packed(server, archive(*GOOD)), tmp_path)
    assert left(tmp_path) == ["set.damaged/audio/mine.wav", "set/audio/1.wav", "set/list.txt"]
    assert "set: lacks list.txt; set aside as set.damaged" in capsys.readouterr().err


def sized(name, size):
    info = tarfile.TarInfo(name)
    info.size = size
    return info.tobuf(tarfile.GNU_FORMAT)


@pytest.mark.parametrize(
    "content",
    [
        gzip.compress(bytes(3_000_000)[:512] + sized("set/audio/1.wav", 10**12)),
        gzip.compress(sized("set/audio/1.wav", 10**12) + bytes(3_000_000)),
        gzip.compress(sized("set/audio/1.wav", 0)[:156] + b"x" + bytes(3_000_000)),  # not a header
        archive(*GOOD, ("deep/set/list.txt/1", b"x")),
        archive(*GOOD, ("n" * 300, b"x")),
        gzip.compress(sized("set/1.wav", 2_000_000) + bytes(10_000_000)),
    ],
    ids=[
        "size in a later header",
        "size",
        "no header",
        "file as a folder",
        "long name",
        "swelling",
    ],  # bytes hold the time
)
def test_an_archive_that_swells_or_contradicts_itself_is_refused(server, tmp_path, monkeypatch, content):
    monkeypatch.setattr(unpacking, "MOST_BYTES", 1_000_000)
    with pytest.raises(SgpipeError) as caught:
        fetch(packed(server, content), tmp_path)
    assert "set.tar.gz" in str(caught.value) and "\n" not in str(caught.value) and left(tmp_path) == []


def test_an_archive_whose_header_asks_for_memory_is_refused(server, tmp_path, monkeypatch):
    monkeypatch.setattr(unpacking, "MOST_AT_ONCE", 1 << 20)
    header = tarfile.TarInfo("set/long")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, 8_000_000
    content = gzip.compress(header.tobuf(tarfile.GNU_FORMAT) + b"a" * 8_000_000)
    with pytest.raises(SgpipeError, match="not a whole archive"):
        fetch(packed(server, content), tmp_path)


def test_a_checksum_may_come_from_the_publishers_list(server, tmp_path):
    content = archive(*GOOD)
    server.files["md5sums.txt"] = f"{'0' * 32}  other\n{hashlib.md5(content).hexdigest()}  set.tar.gz\n".encode()
    listed = packed(server, content, md5=None, sums=f"{server.address}md5sums.txt")
    assert fetch(listed, tmp_path / "one")
    server.files["md5sums.txt"] = f"{'0' * 32} *./set.tar.gz\n".encode()
    with pytest.raises(SgpipeError, match="checksum: md5"):
        fetch(listed, tmp_path / "two")
    del server.files["md5sums.txt"]  # without a list, the archive's own check has to do
    assert fetch(listed, tmp_path / "three")


def test_the_policy_download_fetches_what_the_runs_need(server, tmp_path, monkeypatch):
    items = []
    for name in PTB:
        server.files[name] = TEXT.encode()
        items.append(Published(f"ptb/{name}", (server.address + name,), hashlib.md5(TEXT.encode()).hexdigest()))
    monkeypatch.setitem(registry.SETS, "ptb", tuple(items))
    assert settled(tmp_path, "auto").data.source == "embedded" and not server.asked  # never by itself
    assert settled(tmp_path, "download").data.source == "original"
    assert len(server.asked) == 3
    assert settled(tmp_path, "download").data.source == "original" and len(server.asked) == 3
    assert fetch_task("ptb", tmp_path) == []


def test_one_set_that_cannot_be_had_does_not_keep_others_from_being_fetched(server, tmp_path, monkeypatch, capsys):
    server.files["here"] = TEXT.encode()
    for name, place in (("mnist", "gone"), ("ptb", "here")):
        item = Published(f"{name}/file", (server.address + place,), hashlib.md5(TEXT.encode()).hexdigest())
        monkeypatch.setitem(registry.SETS, name, (item,))
    with pytest.raises(SgpipeError, match="mnist/file: could not be downloaded: .*/gone: HTTP 404"):
        download(ptb_plan(tmp_path), ["mnist_latency", "ptb"])
    assert capsys.readouterr().out == "ptb: fetched ptb/file\n"


def test_the_command_lists_every_task_with_what_was_found(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    ptb(tmp_path)
    (tmp_path / "mnist").mkdir()
    (tmp_path / "mnist/t10k-labels-idx1-ubyte.gz").write_bytes(b"")
    assert main(["data", "--set", f"data_dir={tmp_path}", "--set", f"results={tmp_path}/results"]) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines() if line[:1].strip()}
    assert set(TASKS) < set(lines)
    assert "original" in lines["ptb"] and "not the published checksums" in lines["ptb"]
    assert "embedded" in lines["mnist_latency"]


@pytest.mark.long
@pytest.mark.workflow
def test_snakemake_download_leaves_what_is_there(project, tmp_path):
    project.write(
        "mine.yaml",
        "paper: mine\nexperiments:\n  mine_fig1:\n    title: t\n    draw: zenke2021.fig3\n    sweeps: {shapes: {grid: {data.task: [ptb]}}}\n",
    )
    ptb(tmp_path / "files")
    done = project.run("download", "--config", "experiments=[mine.yaml]", "data=original", f"data_dir={tmp_path}/files")
    assert "ptb: fetched" not in done.stdout and "ptb: nothing to fetch" in done.stdout + done.stderr


def test_what_is_published_is_told_by_address_and_checksum():
    assert set(SETS_OF) == {task for task, kind in TASKS.items() if hasattr(kind(), "files") and kind.stand_in}
    for items in SETS.values():
        for one in items:
            assert len({address.rsplit("/", 1)[1] for address in one.addresses}) == 1
            assert one.md5 or one.sha256 or one.sums
    packed = {one.path.split("/")[1]: one.md5 for one in SETS["mnist"]}
    assert files_digest(packed) in COMPLETE["mnist_latency"]
    with pytest.raises(SgpipeError, match="download: 'randman' is not one of"):
        fetch_task("randman", "nowhere")
