"""A trained network as a torch module."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from sgpipe.base.errors import SgpipeError
from sgpipe.data.samples import Task
from sgpipe.initial_state.state import read_state
from sgpipe.library.runs import Run, make_run
from sgpipe.model.network import forward
from sgpipe.model.objectives import head
from sgpipe.results.listing import spec_of
from sgpipe.results.store import Store
from sgpipe.spec.layer_settings import LayerSettings
from sgpipe.spec.run import RunSpec


class Response(NamedTuple):
    """What a network did with a batch.

    Attributes:
        logits: (batch, classes), what its answer is the largest of; of a text those of each step, as `readout`.
        readout: (steps, batch, classes), the readout's membrane or, of a linear readout, its logits.
        spikes: Of each hidden layer (steps, batch, units), 0 or 1.
        membranes: Of each hidden layer (steps, batch, units), in the neuron's own units.
        state: Where it stands after the last step, to go on from.
    """

    logits: torch.Tensor
    readout: torch.Tensor
    spikes: list[torch.Tensor]
    membranes: list[torch.Tensor]
    state: Any


class Network(torch.nn.Module):
    """A network of the pipeline: its weights are parameters, its spikes have the run's surrogate derivative."""

    def __init__(
        self, spec: RunSpec, weights: Mapping[str, np.ndarray], layers: Sequence[LayerSettings] | None = None
    ) -> None:
        """Make it of weights.

        Args:
            spec: The run.
            weights: By name, of matrices (units out, units in).
            layers: What the conditions on the initial state set of each hidden layer, if there are any.
        """
        super().__init__()
        self.spec, self.layers = spec, layers
        for name, array in weights.items():
            self.register_parameter(name, torch.nn.Parameter(torch.from_numpy(np.array(array))))

    def forward(self, inputs: torch.Tensor, state: Any = None) -> Response:
        """Run over time.

        Args:
            inputs: Spike counts or currents (steps, batch, units) of the weights' type and device; of a text word ids
                (steps, batch).
            state: Where an earlier pass ended; without it all is at rest.
        """
        activity = forward(self.spec, dict(self.named_parameters()), inputs, self.layers, state=state)
        readout, objective = torch.stack(activity.readout), self.spec.objective
        logits = readout
        if not self.spec.words:
            logits = head(readout[objective.max_from or 0 :], objective.head or "max", objective.accuracy)
        spikes, membranes = (
            [torch.stack(layer) for layer in layers] for layers in (activity.spikes, activity.membrane)
        )
        return Response(logits, readout, spikes, membranes, activity.state)

    def inputs(self, task: Task, split: str = "test", samples: Sequence[int] | None = None) -> torch.Tensor:
        """Take samples of a task as `forward` wants them, (steps, batch, units).

        Args:
            task: The task; not a text.
            split: `train`, `valid` or `test`.
            samples: Their numbers; all by default.
        """
        own = getattr(task, split)
        chosen = np.arange(len(own)) if samples is None else np.asarray(samples)
        like = next(self.parameters())
        return torch.from_numpy(own.take(chosen).dense(task.steps, task.units)).to(like)


def load(run: Run | str, results: Path | str = "results") -> Network:
    """Bring a trained network back, with the weights of its best validation epoch.

    Args:
        run: The id of a run in the store (the column `run_id`), or the run or its knobs.
        results: The results folder.

    Returns:
        A torch module that gives the spikes that the engine measured, but for the last bit of a sum.

    Raises:
        SgpipeError: The run has not ended here, or ended without weights.
    """
    store = Store(Path(results) / "runs")
    spec = spec_of(store, run) if isinstance(run, str) else make_run(run)
    result = store.get(spec)
    if result is None:
        raise SgpipeError(f"run {spec.id}: not in {store.root}; train it first, or give another `results`")
    if result.status == "failed":
        raise SgpipeError(f"run {spec.id}: failed ({result.error}), and has no weights")
    return Network(spec, store.weights(spec), _layers(spec, Path(results)))


def _layers(spec: RunSpec, results: Path) -> Sequence[LayerSettings] | None:
    path = results / "init" / f"{spec.init_id}.parquet"
    if not spec.conditions:
        return None
    if not path.is_file():
        raise SgpipeError(f"{path}: missing, the initial state of run {spec.id}; `snakemake {path}` makes it")
    return read_state(path)
