"""Race the CPU engine against plain loops, JAX and the libraries of the field, beside the machine's own limits.

Usage: python benchmarks/compare.py [--quick] [--only W1,W3,population,growth] [--rounds N] [--threads 1 2]
                                    [--clock wall] [--out results/performance.json] [--from JSON] [--write-docs]

The contenders but the engine and the plain loops are optional: pip install sgpipe[bench]. One that is missing is named
and left out. With --threads 1 2 and --write-docs it takes ten minutes on two quiet cores and renews the tables and the
plot of docs/performance.md.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WORKLOADS = ("W1", "W2", "W3")
EXACT, NEAR = 1e-9, 0.05  # largest gradient error in float64; distance of gradients in float32, where spikes flip


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {(str(error).splitlines() or ['no message'])[0][:160]}"


def check_exactly(shape) -> dict[str, float]:
    """Compare loss and gradients of the contenders of our model with ours in float64; return the largest error."""
    import peers
    import workloads

    workload = workloads.make(workloads.small(shape, 16), "float64")
    ours, errors = peers.build(peers.OURS, workload).probe(), {}
    for name in peers.SAME_MODEL:
        if name == "compiled_loop":  # one compilation more: float32 must do
            continue
        try:
            theirs = peers.build(name, workload).probe()
        except peers.Missing:
            continue
        errors[name] = max(
            abs(theirs.loss - ours.loss) / abs(ours.loss),
            *(abs(a - b).max() / abs(b).max() for a, b in zip(theirs.gradients, ours.gradients, strict=True)),
        )
        if not errors[name] < EXACT:
            raise SystemExit(f"{shape.name}: {name} is not our model: float64 error {errors[name]:.1e}")
    return {name: float(error) for name, error in errors.items()}


def check_nearly(shape, name, theirs, ours) -> None:
    """Compare loss and gradients in float32."""
    import numpy as np

    far = [np.linalg.norm(a - b) / np.linalg.norm(b) for a, b in zip(theirs.gradients, ours.gradients, strict=True)]
    if not (max(far) < NEAR and abs(theirs.loss - ours.loss) < 0.01 * ours.loss):
        raise SystemExit(f"{shape.name}: {name} is not our model: gradients differ by {max(far):.1%}")


def race_workload(name: str, options, missing: dict[str, str]) -> dict[str, object]:
    """Check and time all contenders on one workload."""
    from dataclasses import replace

    import ceilings
    import peers
    import timing
    import workloads

    shape = workloads.SHAPES[name]
    if options.quick:
        shape = replace(shape, batch=shape.batch // 8)
    say(f"{name} {shape.network}, {options.threads[0]} thread(s)")
    exact = check_exactly(shape)
    workload = workloads.make(shape)
    ours = peers.load(peers.OURS).build(workload, threads=options.threads[0])
    mine = ours.probe()
    contenders, facts, known = {}, {}, {}
    for contender in peers.NAMES[1:]:
        begin = time.perf_counter()
        try:
            built = peers.build(contender, workload)
            probe = built.probe()
            lap = timing.lap(built.step, 1)[0]
        except Exception as error:
            missing[contender] = str(error) if isinstance(error, peers.Missing) else first_line(error)
            say(f"  left out: {contender}: {missing[contender]}")
            continue
        if contender in peers.SAME_MODEL:
            check_nearly(shape, contender, probe, mine)
        contenders[contender], known[contender] = built.step, lap
        facts[contender] = {"start_s": time.perf_counter() - begin, "spikes": probe.spikes}
        if not 1 / 4 < probe.spikes / mine.spikes < 4:
            say(f"  {contender} spikes {probe.spikes / mine.spikes:.1f} times as much as ours")
    seconds = 4.0 if options.quick else 15.0
    own, laps = timing.race(ours.step, contenders, options.rounds, seconds, known)
    for contender, lap in laps.items():
        facts[contender] |= lap.summary()
        say(f"  {contender:15s} {facts[contender]['ms']:9.1f} ms {facts[contender]['ratio']:7.1f} times ours")
    reverse = ceilings.reverse_share(workload)
    return {
        "network": shape.network,
        "batch": shape.batch,
        "steps": shape.steps,
        "title": shape.title,
        "ours": own.summary() | {"spikes": mine.spikes},
        "contenders": facts,
        "float64_error": exact,
        "work": ceilings.work(workload, mine.spikes, reverse) | {"reverse": reverse},
    }


def section(name: str, options) -> dict[str, object]:
    """Measure one section in this process."""
    import torch

    threads = options.threads[0]
    torch.set_num_threads(threads)
    import ceilings
    import peers
    import timing

    timing.CLOCK = options.clock if threads == 1 else "wall"
    missing: dict[str, str] = {}
    if name == "peers":
        first = ceilings.ceilings(options.quick)
        raced = {w: race_workload(w, options, missing) for w in WORKLOADS if w in options.only}
        last = ceilings.ceilings(options.quick)
        return {
            "ceilings": {key: max(first[key], last[key]) for key in first},
            "workloads": raced,
            "missing": missing,
            "titles": {n: peers.title(peers.load(n)) for n in peers.NAMES if n not in missing},
            "differs": {n: peers.differs(peers.load(n)) for n in peers.NAMES if n not in missing},
            "machine": ceilings.machine(),
            "versions": ceilings.versions(),
        }
    if name == "population":
        import population

        say("population")
        names = []
        for contender in peers.NAMES[1:]:
            try:
                peers.load(contender)
                names.append(contender)
            except peers.Missing as error:
                say(f"  left out: {error}")
        if options.quick:
            return population.measure(names[:2], 4, 1, say)
        return population.measure(names, population.RUNS, 3, say)
    import growth

    say("growth")
    return growth.measure(2 if options.quick else 5, options.quick, say)


def apart(name: str, threads: int, options) -> dict[str, object]:
    """Measure one section in a process of its own, held to so many cores."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "section.json")
        command = [sys.executable, __file__, "--section", name, "--threads", str(threads), "--out", str(out)]
        command += ["--only", ",".join(options.only), "--rounds", str(options.rounds), "--clock", options.clock]
        command += ["--quick"] if options.quick else []
        one = {"XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false"} if threads == 1 else {}
        subprocess.run(command, check=True, env=os.environ | one | {"OMP_NUM_THREADS": str(threads)})
        return json.loads(out.read_text())


def measure(options) -> dict[str, object]:
    """Measure everything that was asked for."""
    found: dict[str, object] = {"quick": options.quick, "rounds": options.rounds, "clock": options.clock, "threads": {}}
    if set(WORKLOADS) & set(options.only):
        for threads in options.threads:
            part = apart("peers", threads, options)
            for key in ("machine", "versions", "titles", "differs", "missing"):
                found[key] = part.pop(key)
            found["threads"][str(threads)] = part
    if "population" in options.only:
        found["population"] = apart("population", 2, options)
    if "growth" in options.only:
        found["growth"] = apart("growth", 2, options)
    return found


def hold_to(threads: int) -> None:
    """Keep this process to so many cores, whatever thread pools a library makes."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-threads:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small batches, two rounds: does it run at all")
    parser.add_argument("--only", default=",".join((*WORKLOADS, "population", "growth")), help="what to measure")
    parser.add_argument("--rounds", type=int, help="rounds of the race (7)")
    parser.add_argument("--threads", type=int, nargs="+", default=[1], help="a table for each number of threads")
    parser.add_argument(
        "--clock", choices=("wall", "cpu"), default="wall", help="cpu: where others keep the cores busy"
    )
    parser.add_argument("--out", type=Path, default=ROOT / "results/performance.json", help="where the numbers go")
    parser.add_argument("--from", type=Path, dest="earlier", help="measure nothing, take these numbers")
    parser.add_argument("--write-docs", action="store_true", help="renew docs/performance.md and its plot")
    parser.add_argument("--section", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.only = [word for word in options.only.split(",") if word]
    options.rounds = options.rounds or (2 if options.quick else 7)
    for word in options.only:
        if word not in (known := (*WORKLOADS, "population", "growth")):
            parser.error(f"--only: {word!r} is not one of {', '.join(known)}")
    if options.write_docs and options.quick:
        parser.error("--write-docs: numbers of --quick do not belong into the docs")

    if options.section:
        hold_to(options.threads[0])
        found = section(options.section, options)
    elif options.earlier:
        found = json.loads(options.earlier.read_text())
    else:
        begin = time.perf_counter()
        found = measure(options)
        found["minutes"] = (time.perf_counter() - begin) / 60
    if not options.earlier:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(found, indent=1) + "\n")
    if not options.section:
        import report

        print(report.text(found))
        if options.write_docs:
            report.write(found, ROOT / "docs")


if __name__ == "__main__":
    main()
