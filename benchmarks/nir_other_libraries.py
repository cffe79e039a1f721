"""Trained networks in other libraries, by way of NIR: their spikes and decisions beside ours, on test samples.

    python benchmarks/nir_other_libraries.py [--libraries snntorch norse spikingjelly] [--samples 300] [--epochs 12]

Networks are trained here on random manifolds and written by what `sgpipe nir` calls; each library reads the file by its
own importer. Libraries that are not installed are left out. None of them reads a CubaLI, so that the readout behind
current-based neurons is computed here, from the library's spikes. Prints the table of docs/nir.md.
"""

import argparse
import contextlib
import importlib
import io
import logging
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import nir
import numpy as np
import torch

from sgpipe.data import Task, prepare
from sgpipe.engines.choose import chooser
from sgpipe.model.network import as_tensors, forward
from sgpipe.model.neurons.decay import decay
from sgpipe.model.objectives import head
from sgpipe.results.store import Store
from sgpipe.rules.write_nir import write_nir
from sgpipe.spec.run import RunSpec
from sgpipe.training.trainer import train_run

DT = 1e-4  # s: what snnTorch takes every step for; the others are told
SHARED = {"data.samples_per_class": 500, "training.batch_size": 16, "optimiser.lr": 0.005}
DELTA = {"network.neuron": "delta_lif", "network.reset": "multiplicative", "init.gain": 3.0, "objective.head": "sum"}
NETWORKS = {
    "lif": {},
    "lif, two layers": {"network.hidden": [100, 100], "init.gain": 3.0},
    "lif, recurrent": {"network.recurrent": True},
    "delta_lif": DELTA,
    "delta_lif, recurrent": {**DELTA, "network.recurrent": True},
}
# What of NIR's readers is put into our own steps, to see which of the two differences does what.
CHANGES = {
    "ours, reset at once": (True, 2),
    "ours, loop a step faster": (False, 1),
    "ours, both": (True, 1),
    "ours, as it is": (False, 2),
}
Model = Callable[[torch.Tensor, object], object]
Reader = Callable[[nir.NIRGraph], Model]


def snntorch(graph: nir.NIRGraph) -> Model:
    """Read a graph with snnTorch."""
    return importlib.import_module("snntorch.import_nir").import_from_nir(graph)


def snntorch_late(graph: nir.NIRGraph) -> Model:
    """Read a graph with snnTorch, and have a spike act on the step after it, as here."""
    model = snntorch(graph)
    for module in model.modules():
        if hasattr(module, "reset_delay"):
            module.reset_delay = True
    return model


def norse(graph: nir.NIRGraph) -> Model:
    """Read a graph with Norse."""
    return importlib.import_module("norse.torch").from_nir(graph, dt=DT)


def spikingjelly(graph: nir.NIRGraph) -> Model:
    """Read a graph with SpikingJelly."""
    return importlib.import_module("spikingjelly.activation_based.nir_exchange").import_from_nir(graph, dt=DT)


READERS = {
    "snntorch": {"snnTorch": snntorch, "snnTorch, `reset_delay = True`": snntorch_late},
    "norse": {"Norse": norse},
    "spikingjelly": {"SpikingJelly": spikingjelly},
}


def without_readout(graph: nir.NIRGraph) -> nir.NIRGraph:
    """Return a graph that ends at the last hidden layer."""
    last = max(name for name in graph.nodes if name.startswith("hidden"))
    left_out = {"W_out", "readout", "output"}
    nodes = {name: node for name, node in graph.nodes.items() if name not in left_out}
    edges = [edge for edge in graph.edges if not left_out & set(edge)]
    return nir.NIRGraph({**nodes, "output": nir.Output(nodes[last].output_type)}, [*edges, (last, "output")])


def run(model: Model, inputs: torch.Tensor) -> torch.Tensor:
    """Run a library's model step by step; return its spikes, (steps, samples, units)."""
    state, spikes = None, []
    with torch.no_grad():
        for step in inputs:
            answer = model(step, state)
            answer, state = answer if isinstance(answer, tuple) else (answer, state)
            spikes.append(answer)
    return torch.stack(spikes)


def changed(
    spec: RunSpec, weights: dict[str, np.ndarray], inputs: torch.Tensor, at_once: bool, lag: int
) -> torch.Tensor:
    """Run a recurrent network of one layer of `lif` by our steps, but for what NIR's readers do otherwise.

    Args:
        spec: The run.
        weights: Its weights.
        inputs: Spike counts, (steps, samples, units).
        at_once: Whether a spike sets the membrane to 0 at once, and not for the next step.
        lag: Steps by which recurrent spikes lag; 2 here, where inputs take 2 steps too.

    Returns:
        Spikes, (steps, samples, units), earlier by the 2 steps.
    """
    a, b = (decay(spec.data.dt, tau) for tau in (spec.network.tau_membrane, spec.network.tau_synapse))
    matrix, recurrent = (torch.from_numpy(weights[name]).T for name in ("W1", "V1"))
    voltage = current = last = torch.zeros(inputs.shape[1], matrix.shape[1])
    spikes = [last] * lag
    for step in inputs:
        current = b * current + step @ matrix + spikes[-lag] @ recurrent
        voltage = a * voltage + (1 - a) * current
        voltage = voltage if at_once else voltage * (1 - last)
        last = (voltage > 1).float()
        voltage = voltage * (1 - last) if at_once else voltage
        spikes.append(last)
    return torch.stack(spikes[lag:])


def decisions(spec: RunSpec, weights: dict[str, np.ndarray], spikes: torch.Tensor) -> torch.Tensor:
    """Return the classes that a network's readout names, from the spikes of its last hidden layer."""
    drives = spikes @ torch.from_numpy(weights["W_out"]).T
    if spec.network.neuron == "delta_lif":
        readout = drives + torch.from_numpy(weights["b_out"])
    else:  # the reference's own readout, fed by the spikes
        bare = RunSpec.make({"network.hidden": [], "data.dt": spec.data.dt})
        readout = torch.stack(forward(bare, {"W_out": torch.from_numpy(weights["W_out"])}, spikes).readout)
    return head(readout, spec.objective.head, spec.objective.accuracy).argmax(1)


def compared(spec: RunSpec, task: Task, store: Store, readers: dict[str, Reader], samples: int) -> Iterator[str]:
    """Yield the rows of a network, without its name; libraries that agree share one."""
    weights = store.weights(spec)
    some = task.test.take(np.arange(min(samples, len(task.test))))
    inputs, labels = torch.from_numpy(some.dense(task.steps, task.units)), torch.from_numpy(some.labels)
    with torch.no_grad():
        activity = forward(spec, as_tensors(weights), inputs)
    shift = 2 * len(spec.network.hidden) if spec.network.neuron == "lif" else 0
    ours = torch.stack(activity.spikes[-1])[shift:]
    mine = decisions(spec, weights, ours)

    def cells(theirs: torch.Tensor) -> str:
        named = decisions(spec, weights, theirs)
        counts = [spikes.sum().item() / len(some) for spikes in (ours, theirs)]
        right = [(one == labels).float().mean().item() for one in (mine, named)]
        equal, same = (ours == theirs).all(0).float().mean().item(), (mine == named).float().mean().item()
        return f"{counts[0]:.1f} / {counts[1]:.1f} | {equal:.1%} | {same:.1%} | {right[0]:.1%} / {right[1]:.1%}"

    for form, euler in (("exact", False), ("`--euler`", True)):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "net.nir"
            write_nir(store, spec.id, path, euler, DT)
            found: dict[str, list[str]] = {}
            for name, reader in readers.items():
                try:
                    with contextlib.redirect_stdout(io.StringIO()):
                        theirs = run(reader(without_readout(nir.read(path))), inputs)[: len(ours)]
                except Exception as error:  # whatever a library says to what it does not read
                    found.setdefault(f"not read: {str(error).splitlines()[0][:60]} | | |", []).append(name)
                    continue
                found.setdefault(cells(theirs), []).append(name)
        if euler and spec.network.neuron == "lif" and spec.network.recurrent:
            for name, (at_once, lag) in CHANGES.items():
                found.setdefault(cells(changed(spec, weights, inputs, at_once, lag)[: len(ours)]), []).append(name)
        for said, names in found.items():
            yield f"{form} | {', '.join(names)} | {said} |"


def main() -> None:
    """Print a row for each network, form of the file and library."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--libraries", nargs="+", choices=READERS, default=list(READERS))
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--samples", type=int, default=300)
    parser.add_argument("--epochs", type=int, default=12)
    args = parser.parse_args()
    logging.disable()
    there = [name for name in args.libraries if importlib.util.find_spec(name)]
    readers = {name: reader for library in there for name, reader in READERS[library].items()}
    print("| network | file | library | spikes a sample, here / there | equal trains | same decision | accuracy |")
    print("| --- | --- | --- | ---: | ---: | ---: | ---: |")
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "runs")
        for name in args.networks:
            spec = RunSpec.make({**SHARED, "training.epochs": args.epochs, **NETWORKS[name]})
            task = prepare(spec)
            store.put(train_run(spec, task, chooser("auto", "cpu")(spec)))
            for row in compared(spec, task, store, readers, args.samples):
                print(f"| {name} | {row}", flush=True)


if __name__ == "__main__":
    main()
