"""List the runs of a store without reading their rows."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sgpipe.base.errors import OtherVersion, SgpipeError
from sgpipe.base.log import LOG
from sgpipe.base.parquet import read_metadata
from sgpipe.results.store import Store, check_format
from sgpipe.spec.run import RunSpec, from_canonical


@dataclass(frozen=True)
class StoredRun:
    """What a store file says of its run without reading its rows."""

    spec: RunSpec
    status: str
    error: str


def stored_runs(root: Path | str) -> Iterator[StoredRun]:
    """Yield every run in the store that this version can read, sorted by file name.

    A file that is damaged, or of another version, is named on the error stream and left as it is. Runs with another
    version of an extension are only counted there.
    """
    others: dict[str, int] = {}
    for path in sorted(Path(root).glob("??/*.parquet")):
        try:
            about = read_metadata(path)
            check_format(path, about)
            run = StoredRun(from_canonical(about["sgpipe.spec"]), about["sgpipe.status"], about["sgpipe.error"])
        except FileNotFoundError:
            continue  # another process has removed it meanwhile
        except OtherVersion as error:
            others[str(error)] = others.get(str(error), 0) + 1
            continue
        except (SgpipeError, KeyError, ValueError, TypeError, AttributeError) as error:
            LOG.warning(f"{path}: passed over: {_reason(path, error)}")
            continue
        yield run
    for reason, count in others.items():
        LOG.warning(f"{root}: {count} runs passed over: {reason}")


def spec_of(store: Store, run_id: str) -> RunSpec:
    """Look up a run by its id.

    Args:
        store: The store.
        run_id: The run's id.

    Raises:
        SgpipeError: It is no id, the store does not have the run, or it was trained with other extensions.
    """
    if not re.fullmatch("[0-9a-f]{16}", run_id):
        raise SgpipeError(f"run {run_id!r}: is no run id, which has 16 digits from 0 to f (column run_id of a table)")
    for path in store.files_of(run_id):
        if path.suffix == ".parquet":
            text = read_metadata(path)["sgpipe.spec"]
            try:
                return from_canonical(text)
            except OtherVersion as error:
                raise SgpipeError(f"run {run_id}: {error}; {_kept(store, text)}") from error
    raise SgpipeError(f"run {run_id}: not in {store.root}; train it first, or give another `results`")


def _kept(store: Store, text: str) -> str:
    """Say where the files of extensions are that a run was trained with."""
    codes = {value for key, value in json.loads(text).items() if key.endswith(".code")}
    paths = [next(store.root.glob(f"extensions/*-{code}.py"), None) for code in sorted(codes)]
    return f"use_extensions({[str(path) for path in paths if path]}) takes the files that it was trained with"


def _reason(path: Path, error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"it does not say {error.args[0].removeprefix('sgpipe.')}"
    return str(error).removeprefix(f"{path}: ").splitlines()[0]
