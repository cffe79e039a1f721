"""Activity of a network: on a few samples as events and traces, on the whole test split as spike counts."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import torch

from sgpipe.data.samples import Task
from sgpipe.model.activity import Activity
from sgpipe.model.network import as_tensors, forward
from sgpipe.spec.layer_settings import LayerSettings
from sgpipe.spec.run import RunSpec
from sgpipe.weights.schemes import initial_weights

SCHEMA = pa.schema(
    [
        ("run_id", pa.string()),
        ("moment", pa.string()),  # before or after training
        ("sample", pa.int32()),  # position in the test split
        ("label", pa.int32()),
        ("layer", pa.string()),  # input, hidden1, ..., readout
        ("kind", pa.string()),  # spike, membrane or count
        ("unit", pa.int32()),
        ("step", pa.int32()),
        ("value", pa.float64()),  # 1 for a spike; the membrane; for a count, the number of test samples
        ("spikes", pa.int32()),  # for a count: how many spikes the unit emits in each of these samples
    ]
)
MOMENTS = ("before", "after")
BATCH = 100  # samples per pass when counting spikes: all steps of all layers are held at once


@dataclass(frozen=True, eq=False)
class Trained:
    """A trained network and its data.

    Attributes:
        spec: The run.
        task: Its data.
        weights: The weights after training.
        theory: The initial state of a run with conditions.
    """

    spec: RunSpec
    task: Task
    weights: Mapping[str, np.ndarray]
    theory: Sequence[LayerSettings] | None = None

    def activity(self, inputs: np.ndarray, moment: str) -> Activity:
        """Run the network on inputs (steps, samples, units), as it is `before` training or `after` it."""
        spec, task, weights = self.spec, self.task, self.weights
        if moment == "before":
            weights = initial_weights(spec, task.units, task.classes, self.theory)
        raster = torch.from_numpy(inputs.astype(spec.training.dtype, copy=False))
        with torch.no_grad():
            return forward(spec, as_tensors(weights), raster, self.theory)


def record(
    network: Trained,
    samples: np.ndarray,
    moments: Collection[str] = MOMENTS,
    membranes: Collection[str] | None = None,
) -> pa.Table:
    """Record spikes of input and hidden layers, and membranes of hidden layers and readout, for some test samples.

    Args:
        network: The network.
        samples: Positions in the test split.
        moments: `before` training, `after` it, or both.
        membranes: The layers whose membranes are wanted; None for all.

    Returns:
        Rows with the columns of SCHEMA.
    """
    spec, task = network.spec, network.task
    events = task.test.take(samples)
    inputs = events.dense(task.steps, task.units)
    parts = []
    for moment in moments:
        for layer, kind, values in _layers(inputs, network.activity(inputs, moment)):
            if kind == "membrane" and membranes is not None and layer not in membranes:
                continue
            keep = values != 0 if kind == "spike" else np.ones_like(values, dtype=bool)
            step, sample, unit = np.nonzero(keep)
            columns = {"sample": samples[sample], "label": events.labels[sample], "unit": unit, "step": step}
            parts.append(_rows(spec, moment, layer, kind, **columns, value=values[keep]))
    return pa.concat_tables(parts)


def count_spikes(network: Trained, moments: Collection[str] = MOMENTS) -> pa.Table:
    """Count, for each hidden unit and number of spikes, in how many test samples the unit emits that many.

    Args:
        network: The network.
        moments: `before` training, `after` it, or both.

    Returns:
        Rows of `kind` count with the columns of SCHEMA: a unit (`unit`), a number of spikes (`spikes`), and the number
        of test samples in which the unit emits that many (`value`).
    """
    spec, task, parts = network.spec, network.task, []
    for moment in moments:
        counts: list[list[np.ndarray]] = [[] for _ in spec.network.hidden]
        for start in range(0, len(task.test), BATCH):
            inputs = task.test.take(np.arange(start, min(start + BATCH, len(task.test)))).dense(task.steps, task.units)
            spikes = network.activity(inputs, moment).spikes
            for layer, own in zip(counts, spikes, strict=True):
                layer.append(torch.stack(own).sum(0).numpy().astype(np.int64))
        for number, layer in enumerate(counts, start=1):
            found = np.concatenate(layer)  # (samples, units)
            unit, most = np.arange(found.shape[1]), int(found.max(initial=0)) + 1
            table = np.bincount((unit * most + found).ravel(), minlength=most * len(unit)).reshape(-1, most)
            unit, spikes = np.nonzero(table)
            parts.append(
                _rows(spec, moment, f"hidden{number}", "count", unit=unit, spikes=spikes, value=table[unit, spikes])
            )
    return pa.concat_tables(parts) if parts else SCHEMA.empty_table()


def _rows(spec: RunSpec, moment: str, layer: str, kind: str, **columns: np.ndarray) -> pa.Table:
    """Return rows of SCHEMA; fields that are not given are null."""
    count = len(columns["value"])
    known = {"run_id": spec.id, "moment": moment, "layer": layer, "kind": kind}
    arrays = []
    for field in SCHEMA:
        if field.name in columns:
            arrays.append(pa.array(columns[field.name].astype(field.type.to_pandas_dtype())))
        else:
            arrays.append(pa.repeat(pa.scalar(known.get(field.name), field.type), count))
    return pa.table(arrays, schema=SCHEMA)


def _layers(inputs: np.ndarray, activity: Activity) -> list[tuple[str, str, np.ndarray]]:
    """Return (layer, kind, values (steps, samples, units)) of everything recorded."""
    found = [("input", "spike", inputs), ("readout", "membrane", torch.stack(activity.readout).numpy())]
    for layer, (spikes, membrane) in enumerate(zip(activity.spikes, activity.membrane, strict=True), start=1):
        found.append((f"hidden{layer}", "spike", torch.stack(spikes).numpy()))
        found.append((f"hidden{layer}", "membrane", torch.stack(membrane).numpy()))
    return found
