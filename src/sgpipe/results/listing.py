"""What a store holds: a look at every run that leaves out its rows."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sgpipe.base.errors import OtherVersion, SgpipeError
from sgpipe.base.log import LOG
from sgpipe.base.parquet import read_metadata
from sgpipe.results.store import Result, Store, check_format
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


def stored_run(store: Store, run_id: str) -> Result:
    """Look up an ended run by its id.

    Args:
        store: The store.
        run_id: The run's id.

    Returns:
        Its result, without weights.

    Raises:
        SgpipeError: The store does not have it, or only as an earlier version trained it.
    """
    files = [path for path in store.files_of(run_id) if path.suffix == ".parquet"]
    for path in files:
        about = read_metadata(path)
        result = store.get(from_canonical(about["sgpipe.spec"]))
        if result is not None:
            return result
    if files:
        raise SgpipeError(f"run {run_id}: was trained by another version of sgpipe; `snakemake` trains it again")
    raise SgpipeError(
        f"run {run_id}: not in {store.root}; the column run_id of an experiment's table, e.g. "
        "results/laptop/zenke2021_fig3.parquet, lists those that are"
    )


def _reason(path: Path, error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"it does not say {error.args[0].removeprefix('sgpipe.')}"
    return str(error).removeprefix(f"{path}: ").splitlines()[0]
