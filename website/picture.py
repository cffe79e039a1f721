"""The two pictures of the README: six results beside the papers' claims, and speed.

    python -m website.picture          # docs/pictures/results.png, docs/pictures/speed.png

Both are made of what is committed: experiment tables, the scoreboard, and the tables of docs/performance.md.
Equal tables give equal bytes.
"""

import importlib
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sgpipe.base.files import atomic
from sgpipe.claims.judge import WHOLE
from sgpipe.claims.words import COLOURS, SYMBOLS
from sgpipe.figures import parts, style
from sgpipe.figures.make import read_tables
from website.numbers import claim, page_table

ROOT = Path(__file__).resolve().parents[1]
RESULTS, PICTURES = Path("docs/results"), Path("docs/pictures")
HEIGHT = 128.0  # mm


class Panel(NamedTuple):
    """One result: what the paper says, the claim that the scoreboard judges, and how our numbers are drawn."""

    module: str  # of the figure
    table: str  # below docs/results
    about: str
    claims: Mapping[str, str]  # of the scoreboard, with what the paper says in short
    draw: Callable[[Axes, pd.DataFrame], None]
    reading: str = ""  # what an open setting is, where it is not the default's


def _regions(axes: Axes, data: pd.DataFrame) -> None:
    """Fig 3b: accuracy over slope and learning rate."""
    cells = data[(data["panel"] == "b") & (data["shape"] == "superspike")]
    betas, etas = sorted(cells["beta"].unique()), sorted(cells["eta"].unique())
    parts.heat_map(axes, cells, betas, etas, cell_mm=0)
    parts.colour_bar(axes.figure, axes, "test accuracy", aspect=14, pad=0.02, ticks=(0, 0.5, 1))
    axes.set(xlabel="slope β of SuperSpike", ylabel="learning rate η")


def _shapes(axes: Axes, data: pd.DataFrame) -> None:
    """Fig 3c: the best networks of each shape, and the controls."""
    own = data[(data["panel"] == "c") & (data["hidden_layers"] < 2)]
    order = {"superspike": "Super-\nSpike", "sigmoid": "Sig-\nmoid′", "esser": "Esser"}
    own = own.assign(group=own["sweep"].where(own["sweep"] != "shapes", own["shape"]))
    groups = [*order, "beta_zero", "no_hidden"]
    own = own[own["group"].isin(groups)].assign(at=lambda rows: rows["group"].map(groups.index).astype(float))
    colours = [*(style.SURROGATE_COLOURS[name] for name in order), "#BBBBBB", "#666666"]
    parts.bars(
        axes,
        own[own["kind"] == "summary"],
        own[own["kind"] == "network"],
        dict(enumerate(colours)),
        counted=False,
    )
    axes.set_xticks(range(len(groups)), [*order.values(), "con-\nstant", "no hid-\nden l."])
    axes.tick_params(axis="x", length=0)
    parts.chance_line(axes, data["chance"].max(), "")


def _gradients(axes: Axes, data: pd.DataFrame) -> None:
    """Fig 5 c and e: gradients through reset and recurrence."""
    wanted = {("c", "sCtl"): 0.0, ("c", "sDR"): 1.0, ("c", "aCtl"): 2.0, ("c", "aDR"): 3.0}
    wanted |= {("e", "sProp"): 4.5, ("e", "aProp"): 5.5}
    own = data[data["kind"].isin(["summary", "network"]) & (data["hidden_layers"] == 1)]
    places = [wanted.get(pair, np.nan) for pair in zip(own["panel"], own["condition"], strict=True)]
    own = own.assign(at=places).dropna(subset=["at"])
    colours = {at: style.CONDITION_COLOURS[name] for (_, name), at in wanted.items()}
    parts.bars(axes, own[own["kind"] == "summary"], own[own["kind"] == "network"], colours, counted=False)
    labels = ["1\nnone", "1\nreset", "β\nnone", "β\nreset", "1\nrecurr.", "β\nrecurr."]
    axes.set_xticks(list(wanted.values()), labels)
    axes.set_xlabel("peak, and gradients also through", labelpad=1)
    axes.tick_params(axis="x", length=0)
    parts.chance_line(axes, data["chance"].max(), "")


def _data_sets(axes: Axes, data: pd.DataFrame) -> None:
    """Fig 6 d: what the paper prints, and ours."""
    bars = {"ff_max": "Max", "ff_sum": "Sum", "rc_max": "Max\nrec.", "rc_sum": "Sum\nrec."}
    at = {name: float(place) for place, name in enumerate(bars)}
    own = data[(data["panel"] == "d") & data["bar"].isin(bars)].assign(at=lambda rows: rows["bar"].map(at))
    from sgpipe.figures.zenke2021.fig6 import COLOURS as of_bars

    colours = {at[name]: of_bars[name] for name in bars}
    parts.bars(axes, own[own["kind"] == "summary"], own[own["kind"] == "network"], colours, counted=False)
    parts.printed_values(axes, own[own["kind"] == "published"])
    axes.set_xticks(list(at.values()), list(bars.values()))
    axes.tick_params(axis="x", length=0)
    axes.set_ylim(0, 1.05)
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", "0.25", "0.5", "0.75", "1"])
    axes.legend(handles=[parts.printed_handle()], loc="lower center", frameon=True, framealpha=1, edgecolor="none")


def _sparse(axes: Axes, data: pd.DataFrame) -> None:
    """Fig 9: accuracy over spikes on random manifolds."""
    from sgpipe.figures.zenke2021.fig9 import COLOURS as depths

    own = data[(data["sweep"] == "randman") & (data["recurrent"] == False)]  # noqa: E712
    for depth in (1, 2):
        networks = own[(own["kind"] == "network") & (own["hidden_layers"] == depth)]
        look = {"s": 8, "color": depths[depth - 1], "linewidths": 0, "alpha": 0.8}
        words = f"{depth} hidden layer{'s' * (depth > 1)}"
        axes.scatter(networks["spikes"].clip(lower=1), networks["test_accuracy"], label=words, **look)
        printed = own[(own["kind"] == "published") & (own["mark"] == "transition") & (own["hidden_layers"] == depth)]
        for value in printed["transition"]:
            axes.plot(value, 1.06, "v", ms=3.5, mfc="white", mec=depths[depth - 1], mew=0.8, clip_on=False)
    axes.plot([], [], "v", ms=3.5, mfc="white", mec=style.INK, mew=0.8, label="paper: the transition")
    axes.set_xscale("log")
    parts.accuracy_axis(axes)
    axes.set(ylim=(0, 1.1), xlabel="hidden spikes per input")
    axes.legend(loc="center right", bbox_to_anchor=(1, 0.33))
    parts.chance_line(axes, own["chance"].max(), "")


def _tails(axes: Axes, data: pd.DataFrame) -> None:
    """Fig 3c of herranz2022: accuracy over the tail of the surrogate."""
    own = data[(data["panel"] == "c") & data["valid_accuracy"].notna()]
    networks = own[own["kind"] == "network"]
    look = {"s": 9, "color": style.SURROGATE_COLOURS["q_pseudospike"], "linewidths": 0, "alpha": 0.8}
    axes.scatter(networks["x"] - 1, networks["valid_accuracy"], **look)
    means = networks.groupby("x")["valid_accuracy"].mean()
    axes.plot(means.index - 1, means, color=look["color"], lw=0.8)
    axes.axvline(0.05, color=style.INK, lw=0.7, ls=style.DASHES)
    axes.annotate("paper: best", (0.05, 1), (3, -2), parts.XY, textcoords="offset points", va="top", size=style.SMALL)
    ticks = [0.01, 0.05, 0.3, 1, 4, 16]
    axes.set_xscale("log")
    axes.set_xticks(ticks, [f"{1 + tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.set(xlabel="tail exponent q", ylabel="validation accuracy")


PANELS = (
    Panel(
        "zenke2021.fig3",
        "paper/zenke2021_fig3.parquet",
        "A wide range of settings works",
        {
            "zenke2021_fig3_wide_region": "in more than a third of the grid",
            "zenke2021_fig3_region_superspike_sigmoid": "in more of it than with Sigmoid′",
        },
        _regions,
    ),
    Panel(
        "zenke2021.fig3",
        "paper/zenke2021_fig3.parquet",
        "The surrogate's shape matters little",
        {
            "zenke2021_fig3_same_best_esser_nh1": "the best networks are alike",
            "zenke2021_fig3_beta_zero_like_no_hidden": "a constant is as bad as no hidden layer",
        },
        _shapes,
    ),
    Panel(
        "zenke2021.fig5",
        "paper/readings/readout_start-zero/zenke2021_fig5.parquet",
        "Its peak matters: reset, recurrence",
        {
            "zenke2021_fig5_aprop_drops": "peak β: accuracy drops",
            "zenke2021_fig5_aprop_at_chance_nh1": "in recurrent networks to chance",
        },
        _gradients,
        "readout starts at 0",
    ),
    Panel(
        "zenke2021.fig6",
        "full/readings/readout_start-zero/zenke2021real_fig6.parquet",
        "Spoken digits, the complete RawHD",
        {
            "zenke2021_fig6_rawhd_recurrent_better_max": "recurrence helps",
            "zenke2021_fig6_rawhd_max_like_sum_ff": "readouts by maximum and sum are alike",
        },
        _data_sets,
        "readout starts at 0",
    ),
    Panel(
        "zenke2021.fig9",
        "full/zenke2021real_fig9.parquet",
        "Few spikes suffice",
        {
            "zenke2021_fig9_randman_second_layer_costs_spikes": "a second layer needs more spikes",
            "zenke2021_fig9_randman_transition_ff_nh1": "half of the rise is at 36 (one layer)",
        },
        _sparse,
    ),
    Panel(
        "herranz2022.fig3",
        "herranz2022/readings/adabelief_eps-small/herranz2022real_fig3.parquet",
        "The surrogate's tail, on MNIST",
        {
            "herranz2022_fig3_all_tails_reasonable": "all tails do reasonably well",
            "herranz2022_fig3_tail_optimum": "the best is q = 1.05",
        },
        _tails,
        "eps 1e-14",
    ),
)


def numbers(panel: Panel) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return what a panel is drawn from: the figure's own numbers, and the experiment's metadata."""
    frames, experiment = read_tables({"runs": ROOT / RESULTS / panel.table})
    return importlib.import_module(f"sgpipe.figures.{panel.module}").select(frames, experiment), experiment


@style.styled
def results() -> Figure:
    """Draw six results at the largest scale that they were trained at, below what the papers say."""
    figure = Figure(figsize=(style.DOUBLE * style.MM, HEIGHT * style.MM))
    scoreboard = pd.read_parquet(ROOT / "docs/claims/scoreboard.parquet")
    place = {"left": 0.06, "right": 0.99, "bottom": 0.115, "top": 0.86, "wspace": 0.31, "hspace": 0.78}
    grid = figure.subplots(2, 3, gridspec_kw=place)
    made: dict[str, tuple] = {}
    for letter, axes, panel in zip("abcdef", grid.ravel(), PANELS, strict=True):
        if panel.table not in made:
            made[panel.table] = numbers(panel)
        data, experiment = made[panel.table]
        panel.draw(axes, data)
        _title(axes, letter, panel, scoreboard, experiment)
    signs = " · ".join(f"{SYMBOLS[name]} {name}" for name in WHOLE[:4])
    foot = f"what the paper says, and our verdict: {signs} · bars: means, points: networks, dashes: chance"
    figure.text(0.995, 0.008, foot, ha="right", va="bottom", size=style.SMALL, color=style.FAINT)
    return figure


def _title(axes: Axes, letter: str, panel: Panel, scoreboard: pd.DataFrame, experiment: Mapping) -> None:
    """Write above a panel where it is from, what it is about, and what the papers say of it with our verdicts."""
    paper, figure = panel.module.split(".")
    about = [f"{paper} Fig {figure[3:]}", f"scale {experiment['scale']}", panel.reading]
    lines = [(f"{letter}   {', '.join(filter(None, about))}", style.FAINT, "normal")]
    lines += [(panel.about, style.INK, "bold")]
    for name, says in panel.claims.items():
        verdict = claim(scoreboard, name).verdict
        lines.append((f"{SYMBOLS[verdict]} {says}", COLOURS[verdict], "normal"))
    corner = axes.get_subplotspec().get_position(axes.figure)
    for number, (words, colour, weight) in enumerate(reversed(lines)):
        y = corner.y1 + (3.6 + 3.5 * number) / HEIGHT
        size = style.SMALL if number == len(lines) - 1 else style.NORMAL
        axes.figure.text(corner.x0 - 0.035, y, words, color=colour, weight=weight, size=size, va="bottom")


@style.styled
def speed() -> Figure:
    """Draw the time of a training step beside other implementations, from the table of docs/performance.md."""
    race = page_table(ROOT / "docs/performance.md", "ms a step, 1 thread")
    figure = Figure(figsize=(style.DOUBLE * style.MM, 46 * style.MM), layout="constrained")
    for axes, workload in zip(figure.subplots(1, race.shape[1], sharey=True), race.columns, strict=True):
        for place, (name, cell) in enumerate(race[workload].items()):
            ours = name == "sgpipe"
            ratio = 1.0 if ours else float(cell.split("(")[1].rstrip("x)"))
            axes.barh(name, ratio, color="#0077BB" if ours else "#BBBBBB", height=0.7)
            words = f"{cell} ms" if ours else f"{ratio:.2g}×" if ratio < 100 else f"{ratio:.0f}×"
            look = {"textcoords": "offset points", "va": "center", "size": style.SMALL}
            axes.annotate(words, (ratio, place), (2, 0), **look)
        axes.set_xscale("log")
        axes.set(xlim=(0.7, 400), title=workload)
        axes.set_xticks([1, 10, 100], ["1", "10", "100"])
        axes.minorticks_off()
        axes.tick_params(axis="y", length=0)
    figure.axes[0].invert_yaxis()
    figure.supxlabel("time of a training step on one thread, as a multiple of sgpipe's", size=style.NORMAL)
    style.lay_out(figure)
    return figure


def main() -> int:
    """Draw both pictures."""
    for name, figure in (("results", results()), ("speed", speed())):
        path = ROOT / PICTURES / f"{name}.png"
        with style.look(), atomic(path) as temporary:
            figure.savefig(temporary, format="png", dpi=220, metadata={"Software": None})
        print(path.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
