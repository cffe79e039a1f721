"""Fig 4: which shape is best depends on the initial weights."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sgpipe.figures import parts, seeds, style
from sgpipe.results import selection
from sgpipe.spec.surrogates import SURROGATES

NEEDS = {"table": "results"}  # see needs.py
WIDTH, HEIGHT = style.DOUBLE, 118.0
COLUMNS = ("panel", "kind", "scheme", "shape", "seed", "valid_accuracy", *seeds.SUMMARY, "rank")
SCALES = {"he": "He", "glorot": "Glorot", "orthogonal": "Orthogonal"}
FAMILIES = {"uniform": "uniform", "normal": "normal", "truncated_normal": "normal, cut", "bigamma": "BiGamma"}


def select(tables: Mapping[str, pd.DataFrame], experiment: Mapping) -> pd.DataFrame:
    """Select networks and their summaries (a), with the rank of each shape within its scheme (b).

    In b the rows of kind `shape` and `scheme` hold means over what they leave out: the mean rank of a shape over
    schemes, and the mean accuracy of a scheme over shapes.
    """
    runs = selection.outcomes(tables["runs"]).rename(columns=seeds.SHORT)
    networks = runs[["scheme", "shape", "seed", "valid_accuracy"]].assign(panel="a", kind="network")
    groups = seeds.over_seeds(runs, ["scheme", "shape"], "valid_accuracy").assign(panel="a", kind="summary")
    groups["rank"] = groups.groupby("scheme")["mean"].rank(ascending=False, method="min")
    ranks = groups.groupby("shape", sort=False, as_index=False)["rank"].mean().assign(panel="b", kind="shape")
    means = groups.groupby("scheme", sort=False, as_index=False)["mean"].mean().assign(panel="b", kind="scheme")
    return parts.tidy([networks, groups, ranks, means], COLUMNS)


@style.styled
def draw(data: pd.DataFrame, experiment: Mapping, note: str) -> Figure:
    """Draw the figure from what `select` returned."""
    figure = style.new_figure(WIDTH, HEIGHT, note, "large: mean over seeds · whiskers: sd · small: single networks")
    above, below = figure.subplots(2, 1, height_ratios=(1.15, 1.0))
    groups = data[(data["panel"] == "a") & (data["kind"] == "summary")]
    schemes = [name for name in experiment["settings"].get("order", []) if name in set(groups["scheme"])]
    schemes += [name for name in sorted(groups["scheme"].unique()) if name not in schemes]
    shapes = seeds.in_order(groups["shape"])
    _accuracies(above, groups, data[data["kind"] == "network"], schemes, shapes)
    _ranking(below, data, groups, schemes, shapes)
    style.panel_letter(above, "a")
    style.panel_letter(below, "b")
    return figure


def _accuracies(
    axes: Axes, groups: pd.DataFrame, networks: pd.DataFrame, schemes: list[str], shapes: list[str]
) -> None:
    offsets = np.linspace(-0.34, 0.34, max(len(shapes), 2))
    for name, offset in zip(shapes, offsets, strict=False):
        own = groups[groups["shape"] == name].set_index("scheme").reindex(schemes)
        x = np.arange(len(schemes)) + offset
        look = {"color": style.SURROGATE_COLOURS[name], "marker": style.SURROGATE_MARKERS[name]}
        axes.errorbar(x, own["mean"], own["sd"], ls="", ms=4.5, elinewidth=0.7, label=SURROGATES[name].label, **look)
        for at, scheme in zip(x, schemes, strict=True):
            values = networks.loc[
                (networks["shape"] == name) & (networks["scheme"] == scheme), "valid_accuracy"
            ].dropna()
            if len(values) > 1:
                axes.scatter(np.full(len(values), at + 0.04), values, s=2, color=look["color"], alpha=0.6, linewidths=0)
            if scheme in own.index and own.loc[scheme, "n"] == 0:
                axes.text(at, 0.02, "×", transform=axes.get_xaxis_transform(), ha="center", color=look["color"])
    for place in range(1, len(schemes)):
        axes.axvline(place - 0.5, color="#DDDDDD", lw=0.5, zorder=0)
    axes.set_xticks(range(len(schemes)), [_name(name) for name in schemes])
    axes.set_xlim(-0.5, len(schemes) - 0.5)
    axes.tick_params(axis="x", length=0)
    axes.set_ylabel("best validation accuracy")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(shapes), columnspacing=1.2)


def _ranking(axes: Axes, data: pd.DataFrame, groups: pd.DataFrame, schemes: list[str], shapes: list[str]) -> None:
    """Draw accuracy as colour and the rank of each shape as a number; behind them the means."""
    grid = groups.pivot(index="shape", columns="scheme", values="mean").reindex(index=shapes, columns=schemes)
    ranks = groups.pivot(index="shape", columns="scheme", values="rank").reindex(index=shapes, columns=schemes)
    edges = [np.arange(count + 1) - 0.5 for count in (len(schemes), len(shapes))]
    mesh = axes.pcolormesh(*edges, np.ma.masked_invalid(grid.to_numpy()), cmap=style.ACCURACY_MAP, ec="white", lw=0.4)
    middle = np.nanmean([mesh.get_clim()])
    for row, name in enumerate(shapes):
        for column, scheme in enumerate(schemes):
            rank, value = ranks.loc[name, scheme], grid.loc[name, scheme]
            words = "–" if np.isnan(rank) else f"{int(rank)}"
            colour = "white" if value < middle else "black"
            weight = "bold" if rank == 1 else "normal"
            axes.text(column, row, words, ha="center", va="center", size=style.SMALL, color=colour, weight=weight)
    means = data[(data["panel"] == "b") & (data["kind"] == "shape")].set_index("shape")["rank"]
    axes.set_yticks(range(len(shapes)), [f"{SURROGATES[name].label}\nmean rank {means[name]:.1f}" for name in shapes])
    overall = data[(data["panel"] == "b") & (data["kind"] == "scheme")].set_index("scheme")["mean"]
    axes.set_xticks(range(len(schemes)), [f"mean {overall[name]:.3f}" for name in schemes])
    axes.set_ylim(len(shapes) - 0.5, -0.5)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_title("rank of each shape within an initialisation, 1 is best")
    bar = axes.figure.colorbar(mesh, ax=axes, pad=0.01, aspect=14)
    bar.set_label("validation accuracy")
    bar.outline.set_visible(False)


def _name(scheme: str) -> str:
    scale, _, family = scheme.partition("_")
    return f"{SCALES.get(scale, scale)}\n{FAMILIES.get(family, family)}"
