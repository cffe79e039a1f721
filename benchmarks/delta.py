"""One training step of herranz2022's networks: the C++ engine beside a time loop in torch, and what the machine allows.

    python benchmarks/delta.py [--rounds 7] [--before PATH] [--cases LIF-256 ...] [--write-docs]

One core, float32, minibatches of 32 samples of 700 channels, two recurrent layers, a readout of 20 classes at every
step, gradients through the reset. The loop is written well: time first, one product for all steps of an input, drives
unbound over time once. Beside it the same loop with each piece of ten steps compiled by TorchInductor, and a JAX scan
in one `jit`, left out without JAX. Loss and gradients of engine, loop and scan are compared in float64 before the
clock starts. `--before` adds another build of the extension.
Contenders take turns with the engine; ratios are medians over rounds, to the engine's turns before and after, by the
processor's time. `--write-docs` renews the table of docs/performance.md.

The bound is the time of the products back through V1, W2 and V2 alone at the machine's matrix rate, measured in the
same rounds: they are dense, as every neuron has a surrogate gradient. With a compact surrogate they are not.
*Mixed* is the engine in mixed precision, which is faster where the processor multiplies numbers in bfloat16.
"""

import argparse
import importlib.machinery
import importlib.util
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

import ceilings
import report
import timing
from compare import hold_to
from sgpipe.data.samples import Events, Task
from sgpipe.engines.cpu import _cpu
from sgpipe.engines.cpu.engine import settings
from sgpipe.spec.run import RunSpec
from sgpipe.weights.schemes import initial_weights

BATCH, CHANNELS, CLASSES, RATE, PIECE = 32, 700, 20, 0.03, 10
# Name: neuron, units a layer, steps, gain on the weights, surrogate. The gain sets the activity.
CASES = {
    "LIF-256": ("delta_lif", 256, 100, 2.0, {}),
    "LIF-256, calmer": ("delta_lif", 256, 100, 1.3, {}),
    "ALIF-256": ("alif", 256, 100, 2.0, {}),
    "LIF-128": ("delta_lif", 128, 50, 2.0, {}),
    "ALIF-128": ("alif", 128, 50, 2.0, {}),
    "LIF-256, triangular": ("delta_lif", 256, 100, 2.0, {"surrogate.shape": "triangular"}),
    "LIF-256, triangular, sharp": (
        "delta_lif", 256, 100, 2.0, {"surrogate.shape": "triangular", "surrogate.sharpness": 3.0},
    ),
    "LIF-256, rectangular": ("delta_lif", 256, 100, 2.0, {"surrogate.shape": "rectangular"}),
}  # fmt: skip


class Spike(torch.autograd.Function):
    """A step forward; backward the exponential, triangular or rectangular surrogate."""

    @staticmethod
    def forward(ctx, centred, shape, sharpness):
        ctx.save_for_backward(centred)
        ctx.shape, ctx.sharpness = shape, sharpness
        return (centred > 0).to(centred.dtype)

    @staticmethod
    def backward(ctx, gradient):
        (centred,) = ctx.saved_tensors
        size = centred.abs() * ctx.sharpness
        if ctx.shape == "exponential":
            return gradient * torch.exp(-2 * size), None, None
        if ctx.shape == "triangular":
            return gradient * (1 - size).clamp(min=0), None, None
        return gradient * (size < 0.5), None, None


def loop(spec: RunSpec, compiled: bool = False) -> Callable:
    """Return a function of the weights and the raster (steps, batch, channels) that gives the logits of every step."""
    network, surrogate = spec.network, spec.surrogate
    alpha, threshold = network.membrane_decay, network.threshold
    adaptive = network.neuron == "alif"
    fading = float(np.exp(-1 / network.tau_adaptation)) if adaptive else 0.0

    def piece(drives, v, voltage, spikes, trace):
        record = []
        for drive in drives:
            level = threshold
            if adaptive:
                trace = fading * trace + (1 - fading) * spikes
                level = threshold + network.adaptation * trace
            voltage = alpha * voltage + torch.addmm(drive, spikes, v) - level * spikes
            spikes = Spike.apply(voltage - level, surrogate.shape, surrogate.sharpness)
            record.append(spikes)
        return record, voltage, spikes, trace

    advance = torch.compile(piece) if compiled else piece

    def logits(weights, raster):
        signal = raster
        for layer, units in enumerate(network.hidden, start=1):
            drives = (signal @ weights[f"W{layer}"].T).unbind(0)
            v = weights[f"V{layer}"]
            v = (v - torch.diag(v.diagonal())).T
            voltage = spikes = trace = raster.new_zeros(raster.shape[1], units)
            record = []
            size = PIECE if compiled else len(drives)
            for start in range(0, len(drives), size):
                new, voltage, spikes, trace = advance(drives[start : start + size], v, voltage, spikes, trace)
                record += new
            signal = torch.stack(record)
        return signal @ weights["W_out"].T + weights["b_out"]

    return logits


def problem(case: str) -> tuple[RunSpec, Task, dict[str, np.ndarray]]:
    """Return a network, a minibatch of random spikes, and weights."""
    neuron, units, steps, gain, more = CASES[case]
    knobs = {
        "data.task": "shd", "data.steps": steps, "network.neuron": neuron, "network.hidden": [units, units],
        "network.recurrent": True, "network.reset_gradient": "attached", "surrogate.shape": "exponential",
        "init.scheme": "glorot_uniform", "objective.head": "steps", "objective.lower_strength": 0.0,
        "training.batch_size": BATCH,
    }  # fmt: skip
    spec = RunSpec.make({**knobs, **more})
    random = np.random.default_rng(0)
    step, sample, unit = np.nonzero(random.random((steps, BATCH, CHANNELS)) < RATE)
    split = Events.from_spikes(sample, step, unit, random.integers(0, CLASSES, BATCH))
    weights = initial_weights(spec, CHANNELS, CLASSES)
    weights = {k: (w * gain if k[0] in "WV" and k != "W_out" else w).astype("float32") for k, w in weights.items()}
    return spec, Task(CHANNELS, CLASSES, steps, split, split, split), weights


def engine_step(extension, spec: RunSpec, task: Task, weights: dict[str, np.ndarray], train: bool = True, **more):
    """Return a function that does forward, loss and backward of the minibatch, and the gradients it fills."""
    gradients = {name: np.zeros_like(array) for name, array in weights.items()}
    known, order, x = settings(spec, task) | more, np.arange(BATCH), task.train

    def step():
        arrays = list(gradients.values()) if train else None
        return extension.batch(known, list(weights.values()), x.ptr, x.step, x.unit, x.labels, order, arrays, 1)

    return step, gradients


def torch_step(spec: RunSpec, task: Task, weights: dict[str, np.ndarray], compiled: bool = False):
    """Return the same of the loop, and its weights, whose gradients it fills."""
    dtype = torch.tensor(weights["W1"]).dtype
    trained = {name: torch.tensor(array, requires_grad=True) for name, array in weights.items()}
    raster = torch.from_numpy(task.train.take(np.arange(BATCH)).dense(task.steps, task.units)).to(dtype)
    labels, forward = torch.from_numpy(np.asarray(task.train.labels)).long(), loop(spec, compiled)

    def step():
        for weight in trained.values():
            weight.grad = None
        logits = forward(trained, raster)
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.repeat(len(logits)))
        loss.backward()
        return loss.item()

    return step, trained


def check(spec: RunSpec, task: Task, weights: dict[str, np.ndarray]) -> None:
    """Raise AssertionError unless engine, loop and JAX scan agree in float64."""
    wide = {name: array.astype("float64") for name, array in weights.items()}
    (ours, found), (loop_step, trained) = engine_step(_cpu, spec, task, wide), torch_step(spec, task, wide)
    loss = ours()["loss"] / BATCH
    theirs = {"loop": (loop_step(), {name: weight.grad.numpy() for name, weight in trained.items()})}
    if scan := jax_step(spec, task, wide):
        theirs["jax"] = scan()
    for contender, (value, gradients) in theirs.items():
        assert abs(loss - float(value)) < 1e-9, contender
        for name, gradient in gradients.items():
            wanted = np.asarray(gradient) * (1 - np.eye(len(gradient)) if name[0] == "V" else 1)
            assert np.abs(found[name] - wanted).max() <= 1e-9 * np.abs(wanted).max(), (contender, name)


def load(path: str):
    """Return the extension of another build."""
    loader = importlib.machinery.ExtensionFileLoader("_cpu", path)
    module = importlib.util.module_from_spec(importlib.util.spec_from_file_location("_cpu", path, loader=loader))
    loader.exec_module(module)
    return module


def jax_step(spec: RunSpec, task: Task, weights: dict[str, np.ndarray]) -> Callable | None:
    """Return the same as a JAX scan, or None without JAX."""
    try:
        from jax_delta import training_step
    except ImportError:
        return None
    raster = task.train.take(np.arange(BATCH)).dense(task.steps, task.units)
    return training_step(spec, weights, raster, np.asarray(task.train.labels))


def measured(case: str, rounds: int, before=None, products: str = "auto") -> dict:
    """Return times and ratios of a case."""
    spec, task, weights = problem(case)
    check(spec, task, weights)
    left, right = torch.rand(768, 768), torch.rand(768, 768)
    out = torch.empty(768, 768)
    engine = engine_step(_cpu, spec, task, weights)[0]
    others = {
        "forward": engine_step(_cpu, spec, task, weights, train=False)[0],
        "mixed": engine_step(_cpu, spec, task, weights, mixed=True, products=products)[0],
        "product": lambda: torch.mm(left, right, out=out),
        "loop": torch_step(spec, task, weights)[0],
        "compiled": torch_step(spec, task, weights, compiled=True)[0],
        "jax": jax_step(spec, task, weights),
        "before": before and engine_step(before, spec, task, weights)[0],
    }
    own, laps = timing.race(engine, {name: step for name, step in others.items() if step}, rounds)
    found = {name: lap.summary() for name, lap in laps.items()} | {"engine": own.summary()}
    units, n = spec.network.hidden[0], task.steps
    return found | {
        "active": sum(engine()["spikes"]) / (2 * units * n * BATCH),
        "bound": 3 * 2 * BATCH * n * units**2 / (2 * 768**3) * found["product"]["ratio"],  # in products of 768 rows
    }


def row(case: str, found: dict) -> list[str]:
    """Return the cells of a case."""
    times = [f"{found[name]['ms']:.1f}" for name in ("engine", "forward", "mixed", "loop")]
    ratios = [f"{found[name]['ratio']:.1f}" if name in found else "-" for name in ("loop", "compiled", "jax")]
    mixed = f"{found['loop']['ratio'] / found['mixed']['ratio']:.1f}"
    earlier = [f"{found['before']['ratio']:.1f}"] if "before" in found else []
    return [case, f"{found['active']:.0%}", *times, *ratios, mixed, *earlier, f"{found['bound']:.2f}"]


def main() -> None:
    """Print a row per network."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--before", metavar="PATH", help="another build of the extension")
    parser.add_argument("--products", choices=_cpu.products(), default="auto", help="in mixed precision")
    parser.add_argument("--cases", nargs="*", choices=CASES, default=list(CASES))
    parser.add_argument("--write-docs", action="store_true", help="renew the table of docs/performance.md")
    args = parser.parse_args()
    hold_to(1)
    torch.set_num_threads(1)
    timing.CLOCK = "cpu"
    before = load(args.before) if args.before else None
    head = ["network", "active", "engine, ms", "forward, ms", "mixed, ms", "loop, ms", "loop / engine"]
    head += ["compiled / engine", "JAX / engine", "loop / mixed", *["before / engine"] * bool(before), "bound / engine"]
    rows = []
    for case in args.cases:
        rows.append(row(case, measured(case, args.rounds, before, args.products)))
        print(" | ".join(rows[-1]), flush=True)
    table = report.table(head, rows)
    print(table)
    if args.write_docs:
        page = Path(__file__).resolve().parents[1] / "docs/performance.md"
        report.renew({"delta": f"{ceilings.machine()['cpu']}, one core.\n\n{table}"}, page)


if __name__ == "__main__":
    main()
