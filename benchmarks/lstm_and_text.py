"""How much faster than torch the C++ engine trains the spiking LSTM and reads text, and what its products would take.

    python benchmarks/lstm_and_text.py [--write-docs]

One thread, minibatches of 32, AdaBelief with clipping, processor times, each the least of several, the engines by
turns: torch, C++, and C++ in mixed precision, which is faster where the processor multiplies numbers in bfloat16. The
LSTM has two layers on random spikes of 700 channels over 100 steps and answers at every step (herranz2022's SHD). The
text has 10,000 words, tied embeddings and two recurrent layers of as many units; its times leave out the update of
the weights, which both engines share, and stand beside the dense products of a batch, three for each matrix, at the
rate of torch's own product of the size of the readout's. `--write-docs` renews the tables of docs/performance.md.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

import ceilings
import report
from compare import hold_to
from sgpipe.data.samples import Task, Words
from sgpipe.engines.cpu.engine import CpuEngine
from sgpipe.engines.interface import Session
from sgpipe.engines.reference import ReferenceEngine
from sgpipe.spec.run import RunSpec
from sgpipe.weights.schemes import initial_weights
from slstm_time import BATCH, KNOBS, STEPS, task

CONTENDERS = ((ReferenceEngine, "float32"), (CpuEngine, "float32"), (CpuEngine, "mixed"))
LSTM_WIDTHS, TEXT_WIDTHS, VOCABULARY, REPEATS = (42, 64), (256, 512), 10_000, 5
NEURONS = ("delta_lif", "alif", "slstm")


def seconds(calls: Sequence[Callable[[], object]], repeats: int = REPEATS) -> list[float]:
    """Return the least processor time of each call, made by turns; the first turn warms up."""
    times = np.empty((repeats + 1, len(calls)))
    for row in times:
        for place, call in enumerate(calls):
            start = time.process_time()
            call()
            row[place] = time.process_time() - start
    return times[1:].min(0).tolist()


def sessions(spec: RunSpec, data: Task) -> list[Session]:
    """Return a session of each contender, all from the same weights."""
    weights = initial_weights(spec, data.units, data.classes)
    opened = []
    for engine, precision in CONTENDERS:
        own = replace(spec, training=replace(spec.training, precision=precision))
        opened.append(engine().open([own], data, [{name: array.copy() for name, array in weights.items()}]))
    return opened


def lstm(units: int) -> list[float]:
    """Return the time of a minibatch of the LSTM, update included, with each contender."""
    spec = RunSpec.make({**KNOBS, "network.neuron": "slstm", "network.hidden": [units, units]})
    return seconds(
        [lambda session=session: session.train_epoch([np.arange(BATCH)]) for session in sessions(spec, task())]
    )


def text(neuron: str, units: int) -> tuple[list[float], float]:
    """Return the time of a batch of a text with each contender, and the share of the units that are active."""
    knobs = {"network.neuron": neuron, "network.hidden": [units, units], "network.embedding": units, "init.gain": 30.0}
    knobs |= {name: KNOBS[name] for name in KNOBS if name not in ("data.task", "objective.head")}
    spec = RunSpec.make({**knobs, "data.task": "ptb", "data.steps": STEPS})
    ids = np.random.default_rng(0).integers(0, VOCABULARY, STEPS * BATCH + 1).astype(np.int32)
    split = Words(ids)
    data = Task(VOCABULARY, VOCABULARY, STEPS, split, split, split)
    (batch,) = split.batches(BATCH, STEPS)
    opened = sessions(spec, data)
    calls = [lambda session=session: session.read(*batch, np.arange(BATCH), True, None) for session in opened]
    active = calls[1]()[0].spikes.sum() / (2 * units * STEPS * BATCH)
    return seconds(calls, 2), active


def products(neuron: str, units: int) -> float:
    """Return the multiplications of a batch's dense products: forward, and two back, of every matrix."""
    gates = 4 if neuron == "slstm" else 1
    return 3.0 * STEPS * BATCH * (VOCABULARY * units + 2 * 2 * gates * units**2)


def matrix_rate(units: int) -> float:
    """Return the multiplications a second of torch's product of outputs and embedding."""
    one, other = torch.rand(STEPS * BATCH, units), torch.rand(units, VOCABULARY)
    out = torch.empty(STEPS * BATCH, VOCABULARY)  # new memory would cost as much as the product, now more, now less
    (least,) = seconds([lambda: torch.mm(one, other, out=out)], 3)
    return STEPS * BATCH * units * VOCABULARY / least


def lstm_table() -> str:
    """Return a row per width."""
    rows = []
    for units in LSTM_WIDTHS:
        slow, fast, mixed = lstm(units)
        cells = [f"{1e3 * slow:.0f}", f"{1e3 * fast:.1f}", f"{1e3 * mixed:.1f}"]
        rows.append([f"{units} + {units} units", *cells, f"{slow / fast:.1f}", f"{slow / mixed:.1f}"])
    return report.table(["spiking LSTM", "torch, ms", "C++, ms", "mixed, ms", "torch / C++", "torch / mixed"], rows)


def text_table() -> str:
    """Return a row per neuron and width."""
    rows = []
    for neuron in NEURONS:
        for units in TEXT_WIDTHS:
            (slow, fast, mixed), active = text(neuron, units)
            dense = products(neuron, units) / matrix_rate(units)
            cells = [f"{value:.2f}" for value in (slow, fast, mixed, dense, fast / dense)]
            rows.append([f"`{neuron}`, {units} units", f"{active:.0%}", *cells, f"{slow / fast:.1f}"])
    head = ["text", "active", "torch, s", "C++, s", "mixed, s", "products, s", "C++ / products", "torch / C++"]
    return report.table(head, rows)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write-docs", action="store_true", help="renew the tables of docs/performance.md")
    args = parser.parse_args()
    hold_to(1)
    torch.set_num_threads(1)
    tables = {"slstm": lstm_table(), "text": text_table()}
    print("\n\n".join(tables.values()))
    if args.write_docs:
        cpu = ceilings.machine()["cpu"]
        page = Path(__file__).resolve().parents[1] / "docs/performance.md"
        report.renew({name: f"{cpu}, one core.\n\n{table}" for name, table in tables.items()}, page)


if __name__ == "__main__":
    main()
