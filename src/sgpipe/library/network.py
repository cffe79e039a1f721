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
        logits: (batch, classes); the class with the largest is the network's answer. For a text (steps, batch, words).
        readout: (steps, batch, classes), the readout's membrane; for a linear readout its logits.
        spikes: For each hidden layer (steps, batch, units), 0 or 1.
        membranes: For each hidden layer (steps, batch, units), in the neuron's own units.
        state: The network's state after the last step. Give it to the next call to continue from there.
    """

    logits: torch.Tensor
    readout: torch.Tensor
    spikes: list[torch.Tensor]
    membranes: list[torch.Tensor]
    state: Any


class Network(torch.nn.Module):
    """A network of the pipeline. Its weights are parameters, and its spikes have the run's surrogate derivative."""

    def __init__(
        self, spec: RunSpec, weights: Mapping[str, np.ndarray], layers: Sequence[LayerSettings] | None = None
    ) -> None:
        """Build the network from its weights.

        Args:
            spec: The run.
            weights: Arrays by name; matrices are (units out, units in).
            layers: For each hidden layer what follows from the conditions on the initial state, if the run has any.
        """
        super().__init__()
        self.spec, self.layers = spec, layers
        for name, array in weights.items():
            self.register_parameter(name, torch.nn.Parameter(torch.from_numpy(np.array(array))))

    def forward(self, inputs: torch.Tensor, state: Any = None) -> Response:
        """Run over time.

        Args:
            inputs: Spike counts or currents (steps, batch, units), of the weights' type and on their device. For a
                text, word ids (steps, batch).
            state: The final state of an earlier call; without it the network starts at rest.
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
        """Turn samples of a task into inputs for `forward`, (steps, batch, units).

        Args:
            task: The task. It must not be a text.
            split: `train`, `valid` or `test`.
            samples: The indices of the samples; by default all.
        """
        own = getattr(task, split)
        chosen = np.arange(len(own)) if samples is None else np.asarray(samples)
        like = next(self.parameters())
        return torch.from_numpy(own.take(chosen).dense(task.steps, task.units)).to(like)


def load(run: Run | str, results: Path | str = "results") -> Network:
    """Load a trained network from the store, with the weights of its best validation epoch.

    Args:
        run: The id of a run in the store (the column `run_id`), or the run or its knobs.
        results: The results folder.

    Returns:
        A torch module. It reproduces the spikes that the engine counted, apart from rounding in the last bit of sums.

    Raises:
        SgpipeError: The run is not in the store, or has failed and so has no weights.
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
