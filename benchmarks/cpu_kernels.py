"""Time one training step of the compiled CPU engine against a torch time loop.

Usage: python benchmarks/cpu_kernels.py [--rounds N] [--only NAME] [--engine-only]

Both sides do forward, loss, backward and Adam in float32 on one thread. The torch loop is
the same model written well: inputs unbound over time once, fixed matrices, one stack. The
two take turns; the medians are compared.
"""

import argparse
import itertools
import statistics
import time

import numpy as np
import torch

from sgpipe.kernels import _cpu

CONFIG = {
    "reset": "detached", "recurrent_gradient": "propagated", "head": "max",
    "surrogate": "superspike", "beta": 10.0,
}  # fmt: skip
# Time constants of zenke2021: 5 ms synapse, 10 ms membrane, in steps of 1/T of 100 or 250 ms.
DECAYS = {"b_syn": float(np.exp(-1 / 5)), "b_mem": float(np.exp(-1 / 10)), "b_out": float(np.exp(-1 / 10))}


def randman_like(rng, samples, steps, inputs):
    """Every input unit spikes once."""
    return [(rng.integers(0, steps, inputs), np.arange(inputs)) for _ in range(samples)]


def latency_like(rng, samples, steps, inputs):
    """A fifth of the inputs spike, each once, most of them early: bright pixels of a digit."""
    out = []
    for _ in range(samples):
        unit = np.flatnonzero(rng.random(inputs) < 0.2)
        out.append((np.minimum(rng.exponential(steps / 8, len(unit)), steps - 1).astype(int), unit))
    return out


def dense_like(rng, samples, steps, inputs):
    """One per cent of all places."""
    return [np.nonzero(rng.random((steps, inputs)) < 0.01) for _ in range(samples)]


WORKLOADS = {
    "W1 20-100-10": (250, 100, 20, [100], False, 10, randman_like, 1.0),
    "W2 784-100-10": (256, 100, 784, [100], False, 10, latency_like, 3.0),
    "W3 700-256r-20": (256, 250, 700, [256], True, 20, dense_like, 2.0),
    "20-100r-10": (250, 100, 20, [100], True, 10, randman_like, 1.0),
    "20-100-100-10": (250, 100, 20, [100, 100], False, 10, randman_like, 1.0),
    "20-100-100-100-10": (250, 100, 20, [100, 100, 100], False, 10, randman_like, 1.0),
}


class SuperSpike(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return (x > 0).to(x.dtype)

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return grad / (10.0 * x.abs() + 1.0) ** 2


def torch_step(c, weights, optimiser, raster, labels):
    """The plain loop: drives of the inputs in one product, then step by step."""
    rest, layers = iter(weights), []
    for _ in c["hidden"]:
        layers.append((next(rest), next(rest) if c["recurrent"] else None))
    w_out = next(rest)
    batch = raster.shape[0]
    u = [raster.new_zeros(batch, n) for n in c["hidden"]]
    i = [raster.new_zeros(batch, n) for n in c["hidden"]]
    spike, hidden = SuperSpike.apply, []
    for first in (raster @ layers[0][0].T).unbind(1):
        now = None
        for k, (w, v) in enumerate(layers):
            s = spike(u[k] - 1.0)
            drive = first if k == 0 else now @ w.T
            if v is not None:
                drive = drive + s @ v.T
            u[k] = (c["b_mem"] * u[k] + (1 - c["b_mem"]) * i[k]) * (1.0 - s.detach())
            i[k] = c["b_syn"] * i[k] + drive
            now = s
        hidden.append(now)
    u_out = i_out = raster.new_zeros(batch, c["classes"])
    trace = []
    for drive in (torch.stack(hidden, 1) @ w_out.T).unbind(1):
        trace.append(u_out)
        u_out = c["b_out"] * u_out + (1 - c["b_out"]) * i_out
        i_out = c["b_syn"] * i_out + drive
    loss = torch.nn.functional.cross_entropy(torch.stack(trace, 1).amax(1), labels)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return float(loss.detach())


def prepare(name):
    batch, steps, inputs, hidden, recurrent, classes, make, gain = WORKLOADS[name]
    rng = np.random.default_rng(0)
    samples = make(rng, batch, steps, inputs)
    order = [np.argsort(s, kind="stable") for s, _ in samples]
    ptr = np.cumsum([0] + [len(o) for o in order]).astype(np.int64)
    step = np.concatenate([s[o] for (s, _), o in zip(samples, order, strict=True)]).astype(np.int32)
    unit = np.concatenate([j[o] for (_, j), o in zip(samples, order, strict=True)]).astype(np.int32)
    raster = torch.zeros(batch, steps, inputs)
    raster[np.repeat(np.arange(batch), np.diff(ptr)), torch.tensor(step).long(), torch.tensor(unit).long()] = 1
    sizes, weights = [inputs, *hidden], []
    for pre, post in itertools.pairwise(sizes):
        weights.append(rng.normal(0.2, 2.0 * gain, (post, pre)) / np.sqrt(pre) * 3)
        if recurrent:
            weights.append(rng.normal(0, 0.5, (post, post)) / np.sqrt(post))
    weights.append(rng.normal(0, 1, (classes, sizes[-1])) / np.sqrt(sizes[-1]))
    weights = [w.astype(np.float32) for w in weights]
    c = CONFIG | DECAYS | {
        "steps": steps, "inputs": inputs, "hidden": hidden, "recurrent": recurrent, "classes": classes,
    }  # fmt: skip
    return c, weights, (ptr, step, unit), raster, rng.integers(0, classes, batch)


def engine_step(c, weights, moments, given, labels, k):
    grads = [np.empty_like(w) for w in weights]
    stats = _cpu.batch(c, weights, *given, labels, np.arange(len(labels)), grads)
    for p, g, (m, v) in zip(weights, grads, moments, strict=True):
        _cpu.adam(p, g, m, v, 1e-5, 0.9, 0.999, 1e-8, k)
    return stats


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", default="")
    parser.add_argument("--engine-only", action="store_true")
    parser.add_argument("--isa", default="auto")
    args = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{'network':20s} {'spikes/step':>11s} {'engine ms':>10s} {'torch ms':>10s} {'ratio':>7s}")
    for name in WORKLOADS:
        if args.only not in name:
            continue
        c, weights, given, raster, labels = prepare(name)
        c["isa"] = args.isa
        mine = [w.copy() for w in weights]
        moments = [(np.zeros_like(w), np.zeros_like(w)) for w in weights]
        theirs = [torch.tensor(w, requires_grad=True) for w in weights]
        optimiser = torch.optim.Adam(theirs, lr=1e-5)
        label_tensor = torch.tensor(labels)

        ours, plain = [], []
        inner = 5 if c["inputs"] * c["steps"] < 100_000 else 1
        for k in range(args.rounds + 1):
            begin = time.perf_counter()
            for _ in range(inner):
                stats = engine_step(c, mine, moments, given, labels, k + 1)
            ours.append((time.perf_counter() - begin) / inner)
            if not args.engine_only:
                begin = time.perf_counter()
                loss = torch_step(c, theirs, optimiser, raster, label_tensor)
                plain.append(time.perf_counter() - begin)
                if k == 0:
                    assert abs(loss - stats["loss"] / len(labels)) < 1e-2 * abs(loss), (loss, stats["loss"])
        rate = "/".join(f"{s / len(labels) / c['steps']:.1f}" for s in stats["spikes"])
        a = statistics.median(ours[1:]) * 1e3
        b = statistics.median(plain[1:]) * 1e3 if plain else float("nan")
        print(f"{name:20s} {rate:>11s} {a:10.2f} {b:10.1f} {b / a:7.1f}", flush=True)


if __name__ == "__main__":
    main()
