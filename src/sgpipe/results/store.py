"""What a run leaves behind: its rows and weights, and the store that keeps them."""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock

from sgpipe.base.errors import SgpipeError
from sgpipe.base.files import DISK_FULL, atomic, disk_full
from sgpipe.spec.numerics import versions
from sgpipe.spec.run import RunSpec, digest, from_canonical

STORE_FORMAT = 1
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
        """Return where a run's result lies or would lie."""
        return self.place(spec.id, versions(spec))

    def place(self, run_id: str, numerics: str) -> Path:
        """Return where the result of a run trained with some numerics versions lies or would lie."""
        return self.root / run_id[:2] / f"{run_id}-{digest(numerics)[:6]}.parquet"

    def weights_path(self, spec: RunSpec) -> Path:
        """Return where a run's weights lie or would lie."""
        return self.path(spec).with_suffix(".weights.npz")

    def checkpoint_path(self, spec: RunSpec) -> Path:
        """Return where a run under way keeps its state."""
        return self.path(spec).with_suffix(".checkpoint.npz")

    @contextmanager
    def lock(self, spec: RunSpec, timeout: float = -1) -> Iterator[None]:
        """Hold the lock that whoever trains this run must hold; the system frees it when its process ends.

        Waits up to `timeout` seconds, for ever if negative; raises filelock.Timeout after that.
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

    def __contains__(self, spec: RunSpec) -> bool:
        return self.path(spec).exists()

    def get(self, spec: RunSpec) -> Result | None:
        """Return a run's result, None if it is not here.

        A damaged file is set aside with a notice, and counts as not here. Raises SgpipeError on a file of another
        store format, which is left as it is.
        """
        path = self.path(spec)
        try:
            table = pq.read_table(path)
            meta = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
            if int(meta["sgpipe.format"]) != STORE_FORMAT:
                raise SgpipeError(
                    f"{path}: store format {meta['sgpipe.format']}, but this sgpipe reads {STORE_FORMAT}; "
                    "use the sgpipe that wrote it, or set another `results` folder in config.yaml"
                )
            if meta["sgpipe.spec"] != spec.canonical() or meta["sgpipe.status"] not in STATUSES:
                raise ValueError("it describes another run")
            return Result(
                spec,
                meta["sgpipe.status"],
                tuple(_row(values) for values in table.to_pylist()),
                meta["sgpipe.error"],
                json.loads(meta["sgpipe.provenance"]),
            )
        except FileNotFoundError:
            return None
        except (pa.ArrowInvalid, KeyError, ValueError, TypeError, OSError) as problem:
            aside = path.with_suffix(".damaged")
            path.replace(aside)
            print(
                f"sgpipe: {path}: damaged ({_first_line(problem)}); set aside as {aside.name}, its run is redone",
                file=sys.stderr,
            )
            return None

    def put(self, result: Result) -> None:
        """File an ended run: first its weights, then its rows, so that a run that is here is whole."""
        path = self.path(result.spec)
        if result.weights:
            save_arrays(self.weights_path(result.spec), result.weights)
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
        self.checkpoint_path(result.spec).unlink(missing_ok=True)

    def weights(self, spec: RunSpec) -> dict[str, np.ndarray]:
        """Return a finished run's weights at its best validation epoch; raises SgpipeError if they are gone."""
        path = self.weights_path(spec)
        arrays = load_arrays(path)
        if arrays is None:
            raise SgpipeError(f"{path}: missing or damaged; `sgpipe retry {spec.id}` trains the run again")
        return arrays

    def forget(self, spec: RunSpec) -> None:
        """Remove a run's result, so that it is trained again."""
        for path in (self.path(spec), self.weights_path(spec), self.checkpoint_path(spec)):
            path.unlink(missing_ok=True)


def save_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write named plain arrays, atomically."""
    with atomic(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, **arrays)


def load_arrays(path: Path) -> dict[str, np.ndarray] | None:
    """Return named arrays; None if the file is absent or damaged. Nothing is unpickled."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return dict(file)
    except (OSError, ValueError, EOFError, KeyError, BadZipFile):
        return None


def _row(values: dict) -> Row:
    return Row(**{**values, "spikes": tuple(values["spikes"])})


def _first_line(problem: Exception) -> str:
    return (str(problem).splitlines() or [type(problem).__name__])[0]


@dataclass(frozen=True)
class StoredRun:
    """What a store file says of its run without reading its rows."""

    spec: RunSpec
    status: str
    error: str


def stored_runs(root: Path | str) -> Iterable[StoredRun]:
    """Yield every readable run in the store, sorted by file name."""
    for path in sorted(Path(root).glob("??/*.parquet")):
        try:
            meta = pq.read_schema(path).metadata
            words = [meta[f"sgpipe.{name}".encode()].decode() for name in ("spec", "status", "error")]
        except (pa.ArrowInvalid, KeyError, TypeError, OSError):
            continue  # whoever needs the run sets the file aside
        yield StoredRun(from_canonical(words[0]), *words[1:])
