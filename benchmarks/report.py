"""Tables and the plot, from the numbers that compare.py measured."""

import re
from pathlib import Path

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

LIBRARIES = ("snntorch", "norse", "spikingjelly", "sinabs")
COMPILERS = ("compiled_loop", "jax_scan")
COLOURS = {"W1": "#4477aa", "W2": "#ccaa33", "W3": "#aa3377"}
WORKLOADS = {"W1": "Randman-like", "W2": "latency-MNIST-like", "W3": "SHD-like"}
LEAST = 0.6  # where the bars of ratios begin, so that the one at 1 can be seen
INKS = ("#4477aa", "#aa3377", "#888888")


def number(value: float) -> str:
    """Return it with two or three digits that mean something."""
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 1 else f"{value:.2g}"


def table(head: list[str], rows: list[list[str]]) -> str:
    """Return a markdown table, its first column text and the others numbers."""
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, rule, *rows))


def _contenders(part: dict) -> list[str]:
    names = {}
    for raced in part["workloads"].values():
        names |= dict.fromkeys(raced["contenders"])
    return list(names)


def _heads(part: dict) -> list[str]:
    return [f"{name} {raced['network']}" for name, raced in part["workloads"].items()]


def race(found: dict, threads: str) -> str:
    """Milliseconds a training step and, in brackets, times ours."""
    part = found["threads"][threads]
    rows = [["**sgpipe**", *[f"**{number(raced['ours']['ms'])}**" for raced in part["workloads"].values()]]]
    for name in _contenders(part):
        cells = []
        for raced in part["workloads"].values():
            fact = raced["contenders"].get(name)
            cells.append(f"{number(fact['ms'])} ({number(fact['ratio'])}x)" if fact else "-")
        rows.append([found["titles"][name], *cells])
    return table([f"ms a step, {threads} thread{'s' * (threads != '1')}", *_heads(part)], rows)


def floor(found: dict) -> str:
    """The best of each kind, times ours, with the quartiles over rounds."""
    rows = []
    for threads, part in found["threads"].items():
        for name, raced in part["workloads"].items():
            facts = raced["contenders"]

            def best(names, facts=facts):
                there = [facts[n] for n in names if n in facts]
                if not there:
                    return "-"
                fact = min(there, key=lambda f: f["ratio"])
                return f"{number(fact['ratio'])} ({number(fact['ratio_low'])}-{number(fact['ratio_high'])})"

            kinds = (("plain_loop",), ("unbound_loop",), LIBRARIES, COMPILERS)
            rows.append([f"{name}, {threads} thread{'s' * (threads != '1')}", *[best(kind) for kind in kinds]])
    head = ["times ours", "plain loop", "well-written loop", "best library", "best of torch.compile and JAX"]
    return table(head, rows)


def limits(found: dict) -> str:
    """Arithmetic, rates and the fraction of the ceiling."""
    threads, part = next(iter(found["threads"].items()))
    top, columns = part["ceilings"], []
    for raced in part["workloads"].values():
        work, seconds = raced["work"], raced["ours"]["ms"] / 1e3
        needed = work["events"] + work["pointwise"] + work["product"]
        product = work["product"] / top["gflops"]
        columns.append(
            [
                number(work["dense"]),
                number(needed),
                number(work["pointwise"]),
                number(work["events"]),
                number(work["product"]) if work["product"] else "-",
                f"{raced['ours']['spikes']:.1%}",
                f"{work['reverse']:.0%}",
                number(raced["ours"]["ms"]),
                f"{number(needed / seconds)} ({needed / seconds / top['gflops']:.0%})",
                f"{product / seconds:.0%}" if product else "-",
                f"{number(work['dense'] / seconds)} ({work['dense'] / seconds / top['gflops']:.0%})",
                f"{number(work['raster_mb'])} / {number(work['events_mb'])}",
                f"{work['events_mb'] / 1e3 / seconds / top['gbytes']:.2%}",
            ]
        )
    titles = [
        "GFLOP of the dense algorithm",
        "GFLOP of the event-driven algorithm",
        "- point by point: neurons, surrogate, filters",
        "- rows added at events and spikes",
        "- product back through V, dense",
        "hidden neurons that spike at a step",
        "steps that the reverse scan passes",
        "ms a step",
        "event-driven GFLOP/s (of the matrix rate)",
        "the product through V at the matrix rate alone, of our time",
        "dense-equivalent GFLOP/s (of the matrix rate)",
        "MB of input, raster / events",
        "memory bandwidth that the input takes",
    ]
    rows = [[title, *[column[k] for column in columns]] for k, title in enumerate(titles)]
    return table([f"{threads} thread{'s' * (threads != '1')}", *_heads(part)], rows)


def ceilings(found: dict) -> str:
    """The machine's ceilings."""
    rows = [
        [threads, number(part["ceilings"]["gflops"]), number(part["ceilings"]["gbytes"])]
        for threads, part in found["threads"].items()
    ]
    return table(["threads", "matrix product, float32, GFLOP/s", "triad, GB/s"], rows)


def population(found: dict) -> str:
    """Sixteen runs."""
    part = found["population"]
    ways = ["one after the other", "run axis", "two processes"]
    rows = [["**sgpipe**, one run a thread", f"**{number(part['ours']['ms'])}**", "", ""]]
    for name, measured in part["ways"].items():
        cells = [
            f"{number(fact['ms'])} ({number(fact['ratio'])}x)" if (fact := measured.get(way)) else "-" for way in ways
        ]
        rows.append([found.get("titles", {}).get(name, name), *cells])
    return table([f"ms for a step of all {part['runs']}, two threads", *ways], rows)


def memory(found: dict) -> str:
    """Peak memory of W3."""
    rows = [
        [found.get("titles", {}).get(name, name), str(steps), str(batch), number(peak)]
        for name, steps, batch, peak in found["growth"]["memory"]
    ]
    return table(["W3", "steps", "batch", "peak MB of the process"], rows)


def models(found: dict) -> str:
    """How contenders differ, their spikes and start-up."""
    part = next(iter(found["threads"].values()))
    rows = [["sgpipe", *[f"{raced['ours']['spikes']:.2%}" for raced in part["workloads"].values()], "-", ""]]
    for name in _contenders(part):
        facts = [raced["contenders"].get(name) for raced in part["workloads"].values()]
        spikes = [f"{fact['spikes']:.2%}" if fact else "-" for fact in facts]
        start = max((fact["start_s"] for fact in facts if fact), default=0.0)
        rows.append([found["titles"][name], *spikes, number(start), found["differs"][name]])
    rows = [[*row[:-1], row[-1].replace("|", "/")] for row in rows]
    head = ["spikes a neuron and step", *part["workloads"], "s to start", "how it differs"]
    lines = table(head, rows).splitlines()
    return "\n".join([lines[0], lines[1].removesuffix("---: |") + "--- |", *lines[2:]])


def machine(found: dict) -> str:
    """Machine, versions, and who is missing."""
    host = found["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    isas = ", ".join(host["isas"])
    lines = [
        f"{host['cpu']}, {host['cores']} cores, {host['system']}; the engine's instruction sets here: {isas}, of "
        "which it took the first.",
        "",
        f"Versions: {versions}.",
    ]
    raced = [raced for part in found["threads"].values() for raced in part["workloads"].values()]
    errors = [error for one in raced for error in one["float64_error"].values()]
    if found.get("clock") == "cpu":
        lines += ["", "Tables for one thread by the processor's time, others by the wall clock."]
    if errors:
        lines += ["", f"Largest error of a gradient against the same model elsewhere, float64: {max(errors):.0e}."]
    if found.get("missing"):
        lines += ["", "Left out: " + "; ".join(f"{name} ({why})" for name, why in found["missing"].items()) + "."]
    return "\n".join(lines)


def parts(found: dict) -> dict[str, str]:
    """Return the generated pieces of the docs by name."""
    pieces = {}
    if found["threads"]:
        pieces |= {"machine": machine(found), "floor": floor(found), "models": models(found)}
        pieces |= {"ceilings": ceilings(found), "limits": limits(found)}
        pieces["race"] = "\n\n".join(race(found, threads) for threads in found["threads"])
    if "population" in found:
        pieces["population"] = population(found)
    if "growth" in found:
        pieces["memory"] = memory(found)
    return pieces


def text(found: dict) -> str:
    """Return everything as markdown."""
    return "\n\n".join(f"### {name}\n\n{piece}" for name, piece in parts(found).items())


def renew(pieces: dict[str, str], page: Path) -> None:
    """Put each piece between the markers of its name."""
    content = page.read_text()
    for name, piece in pieces.items():
        marked = re.compile(rf"(<!-- begin {name} -->\n).*?(<!-- end {name} -->)", re.DOTALL)
        if not marked.search(content):
            raise SystemExit(f"{page.name}: no place marked for {name}")
        content = marked.sub(lambda m, piece=piece: f"{m[1]}\n{piece}\n\n{m[2]}", content)
    page.write_text(content)


def write(found: dict, docs: Path) -> None:
    """Renew the generated pieces of performance.md, and the plot beside it."""
    renew(parts(found), docs / "performance.md")
    if found["threads"] and "growth" in found and "population" in found:
        plot(found, docs / "performance.svg")


def _plain(axis, few: bool = True) -> None:
    """Label a log axis with plain numbers: powers of ten, or 1, 2, 5 where those are few."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if few else (1,), numticks=20))
    axis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    axis.set_minor_locator(NullLocator())


def _race_panel(ax, found: dict) -> None:
    threads, part = next(iter(found["threads"].items()))
    names = [*reversed(_contenders(part)), "sgpipe"]
    height = 0.8 / len(part["workloads"])
    for k, (workload, raced) in enumerate(part["workloads"].items()):
        ratios = {"sgpipe": 1.0, **{name: fact["ratio"] for name, fact in raced["contenders"].items()}}
        for y, name in enumerate(names):
            if name not in ratios:
                continue
            place, label = y + 0.4 - (k + 0.5) * height, WORKLOADS.get(workload, workload) if name == "sgpipe" else None
            ax.barh(place, ratios[name], height * 0.9, color=COLOURS[workload], label=label)
            ax.text(ratios[name] * 1.06, place, number(ratios[name]), va="center", fontsize=6)
    ax.set_yticks(range(len(names)), [found["titles"].get(name, name) for name in names])
    ax.set_xscale("log")
    ax.set_xlim(LEAST, ax.get_xlim()[1] * 1.6)
    ax.set_ylim(-0.6, len(names) - 0.4)
    _plain(ax.xaxis, few=False)
    ax.set_xlabel(f"time of a training step, times sgpipe's ({threads} thread{'s' * (threads != '1')})")
    ax.legend(loc="upper right", handlelength=1.2, borderaxespad=0)


def _curves_panel(ax, curves: dict, label: str, names: dict[str, str] | None = None, markers=("o", "s", "^")) -> None:
    for (name, points), ink, marker in zip(curves.items(), INKS, markers, strict=False):
        ax.plot(*zip(*points, strict=True), color=ink, marker=marker, ms=3, lw=1.2, label=(names or {}).get(name, name))
    ax.set_xscale("log")
    ax.set_yscale("log")
    low, high = (pick(y for points in curves.values() for _, y in points) for pick in (min, max))
    ax.set_ylim(low / 1.3, high * (high / low) ** 0.4)  # room for the legend
    places = sorted({x for points in curves.values() for x, _ in points})
    ax.set_xticks(places[:: 1 + len(places) // 7], [f"{x:g}" for x in places[:: 1 + len(places) // 7]])
    ax.xaxis.set_minor_locator(NullLocator())
    _plain(ax.yaxis, few=high / low < 30)
    ax.set_xlabel(label)
    ax.set_ylabel("ms a step")
    ax.legend(loc="upper left")


def _population_panel(ax, found: dict) -> None:
    part = found["population"]
    names = [*reversed(part["ways"]), "sgpipe"]
    best = [min(way["ratio"] for way in part["ways"][name].values()) for name in names[:-1]] + [1.0]
    ax.barh(range(len(names)), best, 0.7, color=INKS[2])
    for y, ratio in enumerate(best):
        ax.text(ratio * 1.06, y, number(ratio), va="center", fontsize=6)
    ax.set_yticks(range(len(names)), [found["titles"].get(name, name) for name in names])
    ax.set_xscale("log")
    ax.set_xlim(LEAST, max(best) * 2)
    _plain(ax.xaxis, few=False)
    ax.set_xlabel(f"{part['runs']} runs in their best way, times sgpipe's")


def plot(found: dict, path: Path) -> None:
    """Draw the race on the left; growth, and many runs, on the right."""
    style = {
        "font.size": 7.5, "axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False,
        "svg.hashsalt": "sgpipe", "svg.fonttype": "path", "axes.linewidth": 0.7, "legend.fontsize": 7,
    }  # fmt: skip
    with plt.rc_context(style):
        figure = plt.figure(figsize=(12.5, 6.4), layout="constrained")
        grid = figure.add_gridspec(2, 4, width_ratios=[1.3, 1, 1, 1])
        axes = [figure.add_subplot(grid[:, 0])]
        axes += [figure.add_subplot(grid[row, column]) for row in (0, 1) for column in (1, 2, 3)]
        grown = found["growth"]
        loop = {"loop, feed-forward": "well-written loop"}
        _race_panel(axes[0], found)
        _curves_panel(axes[1], grown["steps"], "steps", loop)
        _curves_panel(axes[2], grown["hidden"], "hidden neurons", loop)
        _curves_panel(axes[3], grown["batch"], "samples in a batch", loop)
        share = {name: [[100 * x, y] for x, y in points] for name, points in grown["activity"].items()}
        names = {"events": "rows added by events", "dense": "matrix product"}
        _curves_panel(axes[4], share, "active places of the input, %", names)
        _curves_panel(axes[5], grown["runs"], "independent runs")
        _population_panel(axes[6], found)
        for ax, letter in zip(axes, "abcdefg", strict=True):
            ax.set_title(letter, loc="left", fontweight="bold")
        figure.savefig(path, metadata={"Date": None})
        plt.close(figure)
