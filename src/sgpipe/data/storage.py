"""Prepared tasks as files: Arrow, one record batch per split, read back as views of the mapped file.

Parallel jobs share the pages of one file, and no job copies what it does not use.
"""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa

from sgpipe.base.errors import SgpipeError
from sgpipe.base.files import atomic, telling
from sgpipe.data.samples import SPLITS, Analog, Events, Task, Words


def save_task(task: Task, path: Path | str, notes: Mapping[str, str] | None = None) -> None:
    """Write a prepared task to a file.

    Args:
        task: The task.
        path: The file.
        notes: Added to the file's metadata.
    """
    batches = [_to_arrow(getattr(task, split)) for split in SPLITS]
    shape = {"kind": type(task.train).__name__, "units": task.units, "classes": task.classes, "steps": task.steps}
    if isinstance(task.train, Analog):
        shape["hold"] = task.train.hold
    schema = batches[0].schema.with_metadata({**(notes or {}), "sgpipe.task": json.dumps(shape)})
    with atomic(Path(path)) as temporary, pa.OSFile(str(temporary), "wb") as sink, pa.ipc.new_file(sink, schema) as out:
        for batch in batches:
            out.write_batch(batch.replace_schema_metadata(schema.metadata))


def load_task(path: Path | str) -> Task:
    """Map a prepared task into memory and check its arrays.

    Raises:
        DamagedFile: The file is incomplete.
        FileNotFoundError: It is missing.
        SgpipeError: The system refuses to read it.
    """
    with telling(path, SgpipeError, ValueError, KeyError, TypeError, pa.ArrowException):
        with pa.memory_map(str(path)) as source:
            reader = pa.ipc.open_file(source)
            shape = json.loads(reader.schema.metadata[b"sgpipe.task"])
            splits = [_from_arrow(reader.get_batch(number), shape) for number in range(len(SPLITS))]
        task = Task(shape["units"], shape["classes"], shape["steps"], *splits)
        return task.check(str(path))


def _to_arrow(samples: Events | Analog | Words) -> pa.RecordBatch:
    if isinstance(samples, Words):
        return pa.record_batch({"word": pa.array(samples.ids)})
    labels = pa.array(samples.labels)
    if isinstance(samples, Analog):
        _, frames, units = samples.frames.shape
        flat = pa.array(np.ascontiguousarray(samples.frames).reshape(-1))
        rows = pa.FixedSizeListArray.from_arrays(pa.FixedSizeListArray.from_arrays(flat, units), frames)
        return pa.record_batch({"label": labels, "frames": rows})
    offsets = pa.array(samples.ptr)
    lists = {
        name: pa.LargeListArray.from_arrays(offsets, pa.array(getattr(samples, name))) for name in ("step", "unit")
    }
    return pa.record_batch({"label": labels, **lists})


def _from_arrow(batch: pa.RecordBatch, shape: dict) -> Events | Analog | Words:
    def view(array: pa.Array) -> np.ndarray:
        return array.to_numpy(zero_copy_only=True)

    if shape["kind"] == "Words":
        return Words(view(batch["word"]))
    labels = view(batch["label"])
    if shape["kind"] == "Analog":
        rows = batch["frames"]
        frames, units = rows.type.list_size, rows.type.value_type.list_size
        flat = view(rows.values.values)
        return Analog(flat.reshape(len(labels), frames, units), labels, shape["hold"])
    step, unit = batch["step"], batch["unit"]
    return Events(view(step.offsets), view(step.values), view(unit.values), labels)
