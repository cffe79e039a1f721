"""The result of a run, its rows and weights, and the store that keeps results."""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock

from sgpipe.base.arrays import load_arrays, save_arrays
from sgpipe.base.errors import DamagedFile, SgpipeError, first_line
from sgpipe.base.files import DISK_FULL, atomic, disk_full, set_aside, to_disk
from sgpipe.base.parquet import metadata_of, read_whole
from sgpipe.spec.numerics import versions
from sgpipe.spec.own.registry import Own
from sgpipe.spec.run import RunSpec, digest

STORE_FORMAT = 1
CHECKPOINT = ".checkpoint"
MOST_VALUES = 10_000_000  # in the rows of a run: a million epochs
STATUSES = ("finished", "diverged", "failed")
ROW_SCHEMA = pa.schema(
    [
        (
            "epoch",
            pa.int32(),
        ),  # 1-based: measured after (valid, test) or during (train) this epoch; 0 for none
        ("split", pa.string()),
        ("loss", pa.float64()),  # mean cross-entropy, nats
        ("penalty", pa.float64()),  # mean activity regularisation loss
        ("accuracy", pa.float64()),  # fraction
        ("spikes", pa.list_(pa.float64())),  # mean spikes per sample, one number a hidden layer
        ("best", pa.bool_()),  # the epoch of best validation accuracy
        ("dead", pa.float64()),  # head max: share of classes whose maximum is the readout's start for all samples
    ]
)


@dataclass(frozen=True)
class Row:
    """One measurement: a split at an epoch. The fields are those of ROW_SCHEMA."""

    epoch: int
    split: str
    loss: float
    penalty: float
    accuracy: float
    spikes: tuple[float, ...]
    best: bool = False
    dead: float | None = None


@dataclass(frozen=True)
class Result:
    """A run that has ended: its rows, how it ended, and where it came from."""

    spec: RunSpec
    status: str
    rows: tuple[Row, ...]
    error: str = ""
    provenance: Mapping[str, object] = field(default_factory=dict)
    weights: Mapping[str, np.ndarray] = field(default_factory=dict)  # at the best validation epoch


class Store:
    """`results/runs/`: one Parquet file per ended run, its weights beside it, found by run id and numerics versions."""

    def __init__(self, root: Path | str):
        self.root = Path(root)

    def path(self, spec: RunSpec) -> Path:
        """Locate the result of a run, which may not be there yet."""
        return self.place(spec.id, versions(spec))

    def place(self, run_id: str, numerics: str) -> Path:
        """Locate the result of a run that was trained with some numerics versions.

        Args:
            run_id: The run's id.
            numerics: Its versions, as `sgpipe.spec.numerics.versions` writes them.
        """
        return self.root / run_id[:2] / f"{run_id}-{digest(numerics)[:6]}.parquet"

    def weights_path(self, spec: RunSpec) -> Path:
        """Locate the weights of a run, which may not be there yet."""
        return self.path(spec).with_suffix(".weights.npz")

    def checkpoint_path(self, spec: RunSpec) -> Path:
        """Locate the checkpoint of a run under way."""
        return self.path(spec).with_suffix(f"{CHECKPOINT}.npz")

    @contextmanager
    def lock(self, spec: RunSpec, timeout: float = -1) -> Iterator[None]:
        """Hold the lock that whoever trains this run must hold; the system frees it when its process ends.

        Args:
            spec: The run.
            timeout: For how many seconds to wait; for ever if negative.

        Raises:
            filelock.Timeout: Someone else still holds it.
        """
        path = self.root / "locks" / f"{spec.id}.lock"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(path, timeout=timeout)
            lock.acquire()
        except OSError as error:
            if error.errno in DISK_FULL:
                raise disk_full(path) from error
            raise
        try:
            yield
        finally:
            lock.release()

    def locked(self) -> set[str]:
        """List the runs, by id, whose lock a process holds, on this or another machine that sees the store.

        It is asked by a shared lock that is let go of at once, for which the right to read is enough. Who tries to take
        a run at this very moment takes another first.
        """
        return {path.stem for path in self.root.glob("locks/*.lock") if _is_locked(path)}

    def __contains__(self, spec: RunSpec) -> bool:
        return self.path(spec).is_file()

    def check_places(self, spec: RunSpec) -> None:
        """Raise SgpipeError if a folder is where a file of this run lies or would lie."""
        for path in (self.path(spec), self.weights_path(spec), self.checkpoint_path(spec)):
            if path.is_dir():
                raise SgpipeError(f"{path}: a folder, where a file of a run is meant; move it away")

    def get(self, spec: RunSpec) -> Result | None:
        """Read a run's result; None if it is not here.

        A damaged file is set aside with a notice, and counts as not here.

        Raises:
            SgpipeError: The file has another store format, a folder is in its place, or the system refuses it. All
                are left as they are.
        """
        path = self.path(spec)
        try:
            table = read_whole(path, most=MOST_VALUES)
            about = metadata_of(table)
            check_format(path, about)
            return result_of(spec, table, about)
        except FileNotFoundError:
            return None
        except DamagedFile as damaged:
            problem = damaged.problem
        except (KeyError, ValueError, TypeError, AttributeError, RecursionError) as error:
            problem = first_line(error)
        set_aside(path, f"damaged ({problem})", "its run is redone")
        return None

    def put(self, result: Result) -> None:
        """File an ended run: first its weights, then its rows, so that a run that is here is whole."""
        path = self.path(result.spec)
        if result.weights:
            save_arrays(self.weights_path(result.spec), result.weights)
        for own in result.spec.extensions:
            self._keep(own)
        metadata = {
            "sgpipe.format": str(STORE_FORMAT),
            "sgpipe.spec": result.spec.canonical(),
            "sgpipe.numerics": versions(result.spec),
            "sgpipe.status": result.status,
            "sgpipe.error": result.error,
            "sgpipe.provenance": json.dumps(dict(result.provenance)),
        }
        table = pa.Table.from_pylist([asdict(row) for row in result.rows], schema=ROW_SCHEMA)
        with atomic(path) as temporary:
            pq.write_table(table.replace_schema_metadata(metadata), temporary)
        checkpoint = self.checkpoint_path(result.spec)
        if checkpoint.exists():  # long enough a run not to lose it with the machine's memory
            to_disk(path)
            if result.weights:
                to_disk(self.weights_path(result.spec))
        _remove_checkpoint(checkpoint)

    def tidy(self, spec: RunSpec) -> None:
        """Remove the checkpoints of a run that is filed, which a process leaves that dies just after filing it."""
        checkpoint = self.checkpoint_path(spec)
        with suppress(OSError):  # where one may only read, they stay
            if checkpoint.exists() or checkpoint_before(checkpoint).exists():
                _remove_checkpoint(checkpoint)

    def texts_of(self, own: Own) -> dict[str, Path]:
        """List the files that an extension had when runs with it were filed, by their digest."""
        paths = self.root.glob(f"extensions/{own.kind}-{own.name}-*.py")
        return {path.stem.rpartition("-")[2]: path for path in paths}

    def _keep(self, own: Own) -> None:
        """Keep the file of an extension, without which its runs could not be made again."""
        path = self.root / "extensions" / f"{own.kind}-{own.name}-{own.code}.py"
        if not path.exists():
            with atomic(path) as temporary:
                temporary.write_bytes(own.text)

    def weights(self, spec: RunSpec) -> dict[str, np.ndarray]:
        """Read a finished run's weights at its best validation epoch; raises SgpipeError if they are gone."""
        self.check_places(spec)
        path = self.weights_path(spec)
        arrays = load_arrays(path)
        if arrays is None:
            raise SgpipeError(f"{path}: missing or damaged; `sgpipe retry {spec.id}` trains the run again")
        return arrays

    def files_of(self, run_id: str) -> list[Path]:
        """List all files of a run, those that cannot be read too, and those of other numerics versions."""
        found = re.fullmatch("[0-9a-f]{16}", run_id) and self.root.glob(f"{run_id[:2]}/{run_id}-*")
        return sorted(path for path in found or () if path.is_file())

    def forget(self, spec: RunSpec) -> None:
        """Remove a run's result, so that it is trained again; raises SgpipeError on a folder in its place."""
        self.check_places(spec)
        for path in (self.path(spec), self.weights_path(spec)):
            path.unlink(missing_ok=True)
        _remove_checkpoint(self.checkpoint_path(spec))


def checkpoint_before(path: Path) -> Path:
    """Locate the checkpoint that was saved before one, which may not be there."""
    return path.with_suffix(".prev.npz")


def checkpoint_to_be(path: Path) -> Path:
    """Locate the checkpoint that is about to take the place of one; a kill in between leaves it behind."""
    return path.with_suffix(".new.npz")


def _remove_checkpoint(path: Path) -> None:
    """Remove the checkpoints of a run whose lock is held, and what processes left behind that died as they wrote."""
    half_written = path.parent.glob(f".{path.name.partition('.')[0]}.*.partial")
    for one in (path, checkpoint_before(path), checkpoint_to_be(path), *half_written):
        one.unlink(missing_ok=True)


def _is_locked(path: Path) -> bool:
    import fcntl  # which not every system has that reads stores

    try:
        with open(path, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # a file system that cannot say
        pass
    return False


def _row(values: dict) -> Row:
    return Row(**{**values, "spikes": tuple(values["spikes"])})


def result_of(spec: RunSpec, table: pa.Table, about: Mapping[str, str]) -> Result:
    """Make a result, without weights, of what a file of the store says.

    Args:
        spec: The run that the file should describe.
        table: Its rows.
        about: What it says of itself.

    Raises:
        ValueError, KeyError, RecursionError: It is damaged, or describes another run.
    """
    if about["sgpipe.spec"] != spec.canonical() or about["sgpipe.status"] not in STATUSES:
        raise ValueError("it describes another run")
    rows = tuple(_row(values) for values in table.to_pylist())
    return Result(spec, about["sgpipe.status"], rows, about["sgpipe.error"], json.loads(about["sgpipe.provenance"]))


def check_format(path: Path | str, about: Mapping[str, str]) -> None:
    """Check that a file of the store has the format of this version.

    Args:
        path: Names the file in the error message.
        about: Its metadata.

    Raises:
        SgpipeError: It has another format.
        KeyError: The metadata do not tell.
    """
    if about["sgpipe.format"] != str(STORE_FORMAT):
        raise SgpipeError(
            f"{path}: store format {about['sgpipe.format']}, but this sgpipe reads {STORE_FORMAT}; "
            "use the sgpipe that wrote it, or set another `results` folder in config.yaml"
        )
