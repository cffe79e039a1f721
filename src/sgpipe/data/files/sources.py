"""Where a task's data come from: which files are there, and how a run's id identifies them.

A task's module (`sgpipe.data.<task>`) lists with `find(folder, data)` the sets of files it could be made from, best
first, without reading them. `Sources.settle` chooses one by the policy in config.yaml and writes it into the run:
`data.source`, and in `data.files` the number and digest of the files, e.g. `4-0f3a9c51d2e87b64`.

The digest covers names and contents, so equal files give equal run ids on every machine. It is computed once and kept
in the results folder, together with what can be seen without reading: the size and modification time of single files,
and the modification time of folders (when a file was last added, removed or renamed there). So reading the Snakefile
stays fast with a hundred thousand audio files. Only a change in place of a file in a folder goes unnoticed there;
preparing the task reads every file again, and fails if the digest differs.
"""

import importlib
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sgpipe.base.errors import SgpipeError
from sgpipe.base.files import atomic
from sgpipe.base.log import LOG
from sgpipe.data.files.digest import files_digest, md5
from sgpipe.data.files.published import SETS_OF
from sgpipe.data.files.reading import names_in, size_of
from sgpipe.data.own import own_files, own_of
from sgpipe.spec.run import RunSpec, digest

POLICIES = ("auto", "embedded", "original", "download")
TELL_ABOVE = 300_000_000  # bytes: reading more takes long enough to tell the user
TELL_ABOVE_FILES = 5000
READERS = 4  # threads: disks can serve several reads at once


@dataclass(frozen=True)
class Found:
    """A set of files from which a task can be made."""

    source: str  # original or derived
    root: Path  # the folder to which file names are relative
    files: tuple[Path, ...] = ()  # single files
    folders: tuple[Path, ...] = ()  # folders in which every file with `suffix` counts, without subfolders
    suffix: str | tuple[str, ...] = ""
    missing: tuple[str, ...] = ()  # what it lacks; it can be used only if this is empty
    remedy: str = ""  # what to do about missing files, if there are no published files to fetch

    def members(self) -> list[str]:
        """List the names of all its files below `root`, sorted."""
        names = [path.relative_to(self.root).as_posix() for path in self.files]
        for folder in self.folders:
            inside = folder.relative_to(self.root).as_posix()
            names += [f"{inside}/{name}" for name in names_in(folder) if name.endswith(self.suffix)]
        return sorted(names)

    def glance(self) -> str:
        """Compute a digest of what can be seen without reading the files."""
        seen = []
        for path in (*sorted(self.files), *sorted(self.folders)):
            size = size_of(path) if path in self.files else 0
            seen.append((path.relative_to(self.root).as_posix(), size, path.stat().st_mtime_ns))
        return digest(json.dumps(seen))

    def digest(self) -> str:
        """Read all files; return their number and a digest of their names and MD5s, e.g. `4-0f3a9c51d2e87b64`.

        MD5, because the publishers of the data sets list it: the digest of a complete set follows from the published
        checksums alone.
        """
        names = self.members()
        size = self.size()
        if size > TELL_ABOVE or len(names) > TELL_ABOVE_FILES:
            text = f"{self.root}: reading {len(names):,} files ({size / 1e9:.1f} GB) once for their checksums"
            LOG.info(text)
        with ThreadPoolExecutor(READERS) as pool:
            return files_digest(dict(zip(names, pool.map(lambda name: md5(self.root / name), names), strict=True)))

    def size(self) -> int:
        """Add up the bytes of all its files; raises SgpipeError if one is not a plain file, or is far too large."""
        return sum(size_of(self.root / name) for name in self.members())


def _set_of(paths: list[Path], folder: Path) -> Found:
    """Return the set of files that an extension's data set names."""
    missing = tuple(str(path.relative_to(folder)) for path in paths if not path.is_file())
    return Found("original", folder, files=tuple(path for path in paths if path.is_file()), missing=missing)


class Sources:
    """The data folder under one policy."""

    def __init__(self, folder: Path | str, policy: str = "auto", results: Path | str | None = None):
        self.folder = Path(folder)
        self.policy = policy
        self.cache = Path(results) / "data" / "sources.json" if results is not None else None
        self._found: dict[Any, dict[str, Found]] = {}
        self._digests: dict[Found, str] = {}
        self._unsettled: set[Any] = set()

    def found(self, data: Any) -> dict[str, Found]:
        """List the sets of files from which a task could be made, by source, best first."""
        if data not in self._found:
            if own := own_of(data):
                sets = [_set_of(own_files(own, data, self.folder), self.folder)]
            else:
                sets = importlib.import_module(f"sgpipe.data.{data.task}").find(self.folder, data)
            self._found[data] = {found.source: found for found in sets}
        return self._found[data]

    def settle(self, spec: RunSpec, fixed: bool, where: str) -> RunSpec:
        """Fill in a run's `data.source` and `data.files`, as determined by the policy and the files.

        Args:
            spec: The run.
            fixed: Whether the run itself names its source, which overrides the policy.
            where: Names the run in the error message.

        Raises:
            SgpipeError: The source is missing.
        """
        if not hasattr(spec.data, "files"):  # generated from a formula
            return spec
        source = spec.data.source if fixed else self.choose(spec.data)
        files = None
        if source != "embedded":
            asked = where if fixed or self.policy == "auto" else f"config.yaml: data: {self.policy}"
            files = self.files(self._usable(spec.data, source, asked))
        if spec.data.files not in (None, files):
            has = f"{self.folder} has {files}" if files else "embedded data have none"
            raise SgpipeError(f"{where}: data.files: asks for {spec.data.files}, but {has}")
        return spec.with_source(source, files, where)

    def settle_if_there(self, spec: RunSpec, fixed: bool, where: str) -> RunSpec:
        """Settle a run as `settle` does, or leave it as declared if its files are missing or cannot be read."""
        if spec.data not in self._unsettled:
            try:
                return self.settle(spec, fixed, where)
            except SgpipeError:
                self._unsettled.add(spec.data)
        return spec

    def choose(self, data: Any) -> str:
        """Choose the source of a task by the policy, whether or not its files are there."""
        if not data.stand_in:
            return "original"
        if self.policy == "auto":
            return next((source for source, found in self.found(data).items() if not found.missing), "embedded")
        return "embedded" if self.policy == "embedded" else "original"

    def _usable(self, data: Any, source: str, where: str) -> Found:
        found = self.found(data).get(source)
        published = data.task in SETS_OF and source == "original"
        if (found is None or found.missing) and self.policy == "download" and published:
            from sgpipe.data.files.download import fetch_task

            fetch_task(data.task, self.folder)
            del self._found[data]
            found = self.found(data).get(source)
        if found is None or found.missing:
            lacks = (
                f"{found.root} lacks {', '.join(found.missing)}"
                if found
                else f"there are no files of it in {self.folder}/"
            )
            if found is not None and found.remedy:
                remedy = found.remedy
            else:
                fetch = ", or fetch the published files with `snakemake --cores 1 download`" if data.stand_in else ""
                remedy = f"set data_dir to where they are{fetch}"
            raise SgpipeError(f"{where}: {data.task} has no {source} data: {lacks}; {remedy}")
        return found

    def files(self, found: Found) -> str:
        """Compute the number and digest of some files, for `data.files`; cached as long as the files do not change."""
        if found not in self._digests:
            kept, key = self._kept(), f"{found.root.resolve()} {found.source}"
            glance = found.glance()
            if kept.get(key, {}).get("glance") != glance:
                kept = {**kept, key: {"glance": glance, "files": found.digest()}}
                if self.cache is not None:
                    with atomic(self.cache) as temporary:
                        temporary.write_text(json.dumps(kept, indent=1) + "\n")
            self._digests[found] = kept[key]["files"]
        return self._digests[found]

    def _kept(self) -> dict[str, dict[str, str]]:
        try:
            return json.loads(self.cache.read_text()) if self.cache is not None else {}
        except (OSError, ValueError):
            return {}  # the cache is then rebuilt

    def check(self, data: Any) -> None:
        """Read every file of a run's source; raises SgpipeError if they differ from those identified by its id."""
        if getattr(data, "files", None) is None:
            return
        now = self._usable(data, data.source, data.task).digest()
        if now != data.files:
            if self.cache is not None:
                self.cache.unlink(missing_ok=True)  # so that the next plan reads the files
            raise SgpipeError(
                f"{self.folder}: the files of {data.task} have changed ({now}, planned with {data.files}); "
                "give the same command again"
            )
