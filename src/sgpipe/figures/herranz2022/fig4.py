"""Fig 4: which shape is best depends on the initial weights."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from sgpipe.figures import parts, seeds, style, tasks
from sgpipe.results import selection
from sgpipe.spec.surrogates import SURROGATES

NEEDS = {"table": "results"}  # see needs.py
WIDTH, HEIGHT = style.DOUBLE, 118.0
COLUMNS = ("panel", "kind", "scheme", "shape", "seed", "valid_accuracy", *seeds.SUMMARY, "rank", "chance")
FAR = 0.3  # above chance: from there on the axis need not reach down to it
WITHIN = 0.34  # to each side of a scheme's position, over which its shapes are spread
SCALES = {"he": "He", "glorot": "Glorot", "orthogonal": "Orthogonal"}
FAMILIES = {"uniform": "uniform", "normal": "normal", "truncated_normal": "normal, cut", "bigamma": "BiGamma"}


def select(tables: Mapping[str, pd.DataFrame], experiment: Mapping) -> pd.DataFrame:
    """Select networks and their summaries (a), with the rank of each shape within its scheme (b).

    In b, a row of kind `shape` holds the mean rank of a shape over schemes, and a row of kind `scheme` the mean
    accuracy of a scheme over shapes.
    """
    runs = selection.outcomes(tables["runs"]).rename(columns=seeds.SHORT)
    networks = runs[["scheme", "shape", "seed", "valid_accuracy"]].assign(panel="a", kind="network")
    groups = seeds.over_seeds(runs, ["scheme", "shape"], "valid_accuracy").assign(panel="a", kind="summary")
    groups["chance"] = tasks.chance(tables["runs"].iloc[0])
    groups["rank"] = groups.groupby("scheme")["mean"].rank(ascending=False, method="min")
    ranks = groups.groupby("shape", sort=False, as_index=False)["rank"].mean().assign(panel="b", kind="shape")
    means = groups.groupby("scheme", sort=False, as_index=False)["mean"].mean().assign(panel="b", kind="scheme")
    return parts.tidy([networks, groups, ranks, means], COLUMNS)


@style.styled
def draw(data: pd.DataFrame, experiment: Mapping, note: str) -> Figure:
    """Draw the figure from what `select` returned."""
    groups = data[(data["panel"] == "a") & (data["kind"] == "summary")]
    spreads = ("whiskers: sd", "small: single networks") if (groups["n"] > 1).any() else ()
    key = seeds.key(groups, "large points", *spreads)
    figure = style.new_figure(WIDTH, HEIGHT, note, f"{key} · dashed: chance · ×, –: none finished")
    above, below = figure.subplots(2, 1, height_ratios=(1.15, 1.0))
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
    places = dict(zip(shapes, np.linspace(-WITHIN, WITHIN, len(shapes)) if len(shapes) > 1 else [0.0], strict=True))
    groups, networks = (
        part.assign(at=part["scheme"].map(schemes.index) + part["shape"].map(places)) for part in (groups, networks)
    )
    networks = networks.dropna(subset=["valid_accuracy"])
    for name in shapes:
        own, look = networks[networks["shape"] == name], {"color": style.SURROGATE_COLOURS[name], "linestyle": "none"}
        look |= {"marker": style.SURROGATE_MARKERS[name], "ms": 4.5, "mew": 0, "err_kws": {"lw": 0.7}, "legend": False}
        if len(own):
            sns.pointplot(own, x="at", y="valid_accuracy", native_scale=True, errorbar=parts.spread, ax=axes, **look)
        several = own[own.groupby("scheme")["shape"].transform("size") > 1]
        axes.scatter(several["at"] + 0.04, several["valid_accuracy"], s=2, color=look["color"], alpha=0.6, linewidths=0)
    for _, lost in groups[groups["n"] == 0].iterrows():
        look = {"transform": axes.get_xaxis_transform(), "color": style.SURROGATE_COLOURS[lost["shape"]]}
        axes.text(lost["at"], 0.02, "×", ha="center", **look)
    for place in range(1, len(schemes)):
        axes.axvline(place - 0.5, color="#DDDDDD", lw=0.5, zorder=0)
    axes.set_xticks(range(len(schemes)), [_name(name) for name in schemes])
    axes.set(xlim=(-0.5, len(schemes) - 0.5), xlabel="", ylabel="best validation accuracy")
    chance = groups["chance"].max()
    axes.set_ylim(bottom=_foot(networks["valid_accuracy"], chance))
    axes.tick_params(axis="x", length=0)
    parts.chance_line(axes, chance)
    handles = [
        Line2D(
            [],
            [],
            ls="",
            color=style.SURROGATE_COLOURS[name],
            marker=style.SURROGATE_MARKERS[name],
            ms=4.5,
            mew=0,
            label=SURROGATES[name].label,
        )
        for name in shapes
    ]
    axes.legend(handles=handles, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(shapes), columnspacing=1.2)


def _foot(accuracies: pd.Series, chance: float) -> float:
    """Return where the axis begins: at 0, or below the worst network if all are far better than guessing."""
    worst = accuracies.min()
    return float(np.floor((worst - 0.02) * 20) / 20) if worst > chance + FAR else 0.0


def _ranking(axes: Axes, data: pd.DataFrame, groups: pd.DataFrame, schemes: list[str], shapes: list[str]) -> None:
    """Draw accuracy as colour and the rank of each shape as a number; behind them the means."""
    grid, ranks = (
        groups.pivot(index="shape", columns="scheme", values=name).reindex(index=shapes, columns=schemes)
        for name in ("mean", "rank")
    )
    words = ranks.map(lambda rank: "" if np.isnan(rank) else f"{rank:.0f}")
    parts.matrix(axes, grid.astype(float), annot=words, fmt="")
    several = (groups["n"] > 1).all()
    for text in axes.texts:
        text.set_weight("bold" if text.get_text() == "1" and several else "normal")
    for row, column in np.argwhere(ranks.isna().to_numpy()):
        axes.text(column + 0.5, row + 0.5, "–", ha="center", va="center", size=style.SMALL)
    means = data[(data["panel"] == "b") & (data["kind"] == "shape")].set_index("shape")["rank"]
    overall = data[(data["panel"] == "b") & (data["kind"] == "scheme")].set_index("scheme")["mean"]
    axes.set_yticklabels([f"{SURROGATES[name].label}\nmean rank {means[name]:.1f}" for name in shapes])
    axes.set_xticklabels([f"mean {overall[name]:.3f}" for name in schemes])
    of = "by the mean over seeds" if several else "of one seed, by which neighbours cannot be told apart"
    axes.set(xlabel="", ylabel="", title=f"rank of each shape within an initialisation, 1 is best: {of}")
    parts.colour_bar(axes.figure, axes, "validation accuracy", pad=0.01, aspect=14)


def _name(scheme: str) -> str:
    scale, _, family = scheme.partition("_")
    return f"{SCALES.get(scale, scale)}\n{FAMILIES.get(family, family)}"
