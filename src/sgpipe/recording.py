"""Activity of a network on a few samples, as events and traces."""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import torch

from sgpipe.activity import Activity
from sgpipe.data.samples import Task
from sgpipe.init.schemes import initial_weights
from sgpipe.init.settings import LayerSettings
from sgpipe.network import as_tensors, forward
from sgpipe.spec import RunSpec

SCHEMA = pa.schema(
    [
        ("run_id", pa.string()),
        ("moment", pa.string()),  # before or after training
        ("sample", pa.int32()),  # position in the test split
        ("label", pa.int32()),
        ("layer", pa.string()),  # input, hidden1, ..., readout
        ("kind", pa.string()),  # spike or membrane
        ("unit", pa.int32()),
        ("step", pa.int32()),
        ("value", pa.float64()),  # 1 for a spike, else the membrane
    ]
)


def record(
    spec: RunSpec,
    task: Task,
    samples: np.ndarray,
    trained: Mapping[str, np.ndarray],
    theory: Sequence[LayerSettings] | None = None,
) -> pa.Table:
    """Return spikes of input and hidden layers, and membranes of hidden layers and readout, for some test samples.

    `samples` are positions in the test split; `trained` the weights after training, `theory` what is set of the
    initial state of a run with conditions. The columns are SCHEMA's.
    """
    events = task.test.take(samples)
    inputs = events.dense(task.steps, task.units)
    moments = {"before": initial_weights(spec, task.units, task.classes, theory), "after": trained}
    parts = []
    for moment, weights in moments.items():
        raster = torch.from_numpy(inputs.astype(spec.training.precision))
        with torch.no_grad():
            activity = forward(spec, as_tensors(weights), raster, theory)
        for layer, kind, values in _layers(inputs, activity):
            keep = values != 0 if kind == "spike" else np.ones_like(values, dtype=bool)
            step, sample, unit = np.nonzero(keep)
            rows = len(step)
            columns = [
                pa.repeat(pa.scalar(spec.id), rows),
                pa.repeat(pa.scalar(moment), rows),
                pa.array(samples[sample].astype(np.int32)),
                pa.array(events.labels[sample].astype(np.int32)),
                pa.repeat(pa.scalar(layer), rows),
                pa.repeat(pa.scalar(kind), rows),
                pa.array(unit.astype(np.int32)),
                pa.array(step.astype(np.int32)),
                pa.array(values[keep].astype(np.float64)),
            ]
            parts.append(pa.table(columns, schema=SCHEMA))
    return pa.concat_tables(parts)


def _layers(inputs: np.ndarray, activity: Activity) -> list[tuple[str, str, np.ndarray]]:
    """Return (layer, kind, values (steps, samples, units)) of everything recorded."""
    found = [("input", "spike", inputs), ("readout", "membrane", torch.stack(activity.readout).numpy())]
    for layer, (spikes, membrane) in enumerate(zip(activity.spikes, activity.membrane, strict=True), start=1):
        found.append((f"hidden{layer}", "spike", torch.stack(spikes).numpy()))
        found.append((f"hidden{layer}", "membrane", torch.stack(membrane).numpy()))
    return found
