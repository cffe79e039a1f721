"""Fig 9: classification accuracy degrades below a critical number of hidden-layer spikes."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import NullFormatter

from sgpipe.figures import parts, style, tasks
from sgpipe.results import selection, transition
from sgpipe.results.transition import SILENT, Rise, distinct, rise

NEEDS = {"table": "results", "any_of": ["randman", "mnist", "shd", "rawhd", "rawsc"]}  # see needs.py
WIDTH, HEIGHT = style.DOUBLE, 92.0
SWEEPS = ("randman", "mnist", "shd", "rawhd", "rawsc")
ROWS = {False: "feed-forward", True: "recurrent"}
COLOURS = ("#0077BB", "#EE7733", "#009988", "#CC3311")  # of one hidden layer, of two, ...
KEY = (
    "points: single networks · lines: fitted sigmoids, dashed where networks leave steepness or place open · "
    "ticks and numbers: spikes at half of the rise, 95 % confidence interval · ?: none can be told · grey: chance"
)
# The paper's values by `mark`: words of the legend, and marker; a range of spikes is shaded.
MARKS = {
    "transition": ("transition", "v"),
    "returns": ("diminishing returns", "<"),
    "enough": ("high accuracy", None),
    "reached": ("accuracy reached", "D"),
}
MARK = {"ls": "", "ms": 3, "mfc": "white", "mew": 0.8, "zorder": 6}
BAND = {"color": style.FAINT, "alpha": 0.3, "lw": 0}
COLUMNS = (
    *("panel", "kind", "mark", "sweep", "name", "recurrent", "hidden_layers", "chance"),
    *("run_id", "status", "strength", "threshold", "exponent", "spikes", "valid_accuracy", "test_accuracy"),
    *("n", "transition", "low", "high", "steepness", "plateau", "within"),  # of a fit; published: what the mark needs
)
PANELS = "abcde"
FEW = 2 * transition.SIDE  # fewer networks than these determine no curve
OPEN = 10.0  # a transition is undetermined if the upper end of its interval is more than this many times the lower
ON_THE_RISE = 2  # a steepness is undetermined if fewer networks lie between a tenth and nine tenths of the rise
GAP = 0.5  # decades between the sparsest spiking network and the silent ones
MOST_TICKS = 4
ABOVE = 1.06  # height on the accuracy axis of marks that have only a number of spikes
FIRST, LINE = 1.16, 0.13  # on the accuracy axis, above 1: height of the lowest number, and of each line


def select(tables: Mapping[str, pd.DataFrame], experiment: Mapping) -> pd.DataFrame:
    """Select networks, a fit for each data set, connectivity and depth, and the paper's values (kind published).

    A fit decided by fewer than three networks on a side has no numbers. Its interval comes from resampling the
    networks.
    """
    runs, pieces = selection.outcomes(tables["runs"]), []
    names = {
        "network.recurrent": "recurrent",
        "objective.upper_strength": "strength",
        "objective.upper_threshold": "threshold",
        "objective.upper_exponent": "exponent",
        "spikes_total": "spikes",
    }
    for panel, sweep in zip(PANELS, SWEEPS, strict=True):
        own = selection.of_sweep(runs, sweep)
        if not len(own):
            continue
        about = {"panel": panel, "sweep": sweep, "name": tasks.title(own.iloc[0]), "chance": tasks.chance(own.iloc[0])}
        own = own.rename(columns=names)
        pieces.append(own.assign(kind="network", **about)[[name for name in COLUMNS if name in (*own, "kind", *about)]])
        fits = [
            {"recurrent": recurrent, "hidden_layers": layers, **_fit(group, about["chance"])}
            for (recurrent, layers), group in own.groupby(["recurrent", "hidden_layers"], sort=True)
        ]
        pieces.append(pd.DataFrame(fits).assign(kind="fit", **about))
        pieces.append(_published(experiment["settings"], sweep, own).assign(kind="published", **about))
    return parts.tidy(pieces, COLUMNS)


def _published(settings: Mapping, sweep: str, own: pd.DataFrame) -> pd.DataFrame:
    """Return the paper's values for a data set, for the connectivities and depths in our networks."""
    paper, found = f"published.{sweep}", []
    for recurrent in sorted(own["recurrent"].unique()):
        short, here = "rc" if recurrent else "ff", {"recurrent": recurrent}
        for layers in sorted(own["hidden_layers"].unique()):
            if value := settings.get(f"{paper}.{short}_nh{layers}"):
                found.append({**here, "mark": "transition", "hidden_layers": layers, "transition": value})
        if value := settings.get(f"{paper}.returns"):
            found.append({**here, "mark": "returns", "spikes": value})
        if value := settings.get(f"{paper}.enough"):
            found.append({**here, "mark": "enough", "low": value[0], "high": value[1]})
        if value := settings.get(f"{paper}.{short}"):
            found.append({**here, "mark": "reached", "spikes": value[0], "test_accuracy": value[1]})
    return pd.DataFrame(found)


def _fit(group: pd.DataFrame, chance: float) -> dict:
    known = group[group["spikes"].notna() & group["test_accuracy"].notna()]
    spikes, accuracy = distinct(known["spikes"], known["test_accuracy"])
    found = rise(spikes, accuracy, chance)
    if found is None:
        return {"n": len(spikes)}
    fit, resampled = found
    low, high = selection.middle(resampled.transition)
    numbers = {"transition": fit.transition[0], "steepness": fit.steepness[0], "plateau": fit.plateau[0]}
    within = (spikes > fit.saturation(0.1)[0]) & (spikes < fit.saturation(0.9)[0])
    return {"n": len(spikes), **numbers, "low": low, "high": high, "within": int(within.sum())}


@style.styled
def draw(data: pd.DataFrame, experiment: Mapping, note: str) -> Figure:
    """Draw the figure from what `select` returned."""
    data, left_out = _worth_a_column(data)
    figure = style.new_figure(WIDTH, HEIGHT, note, " · ".join([*left_out, KEY]))
    there = [panel for panel in PANELS if panel in set(data["panel"])]
    depths = sorted(int(depth) for depth in data["hidden_layers"].dropna().unique())
    look = {"marker": "o", "ms": 3, "lw": 1.0}
    handles = [
        Line2D([], [], color=_colour(depth), label=f"{depth} hidden layer{'s' if depth > 1 else ''}", **look)
        for depth in depths
    ]
    style.legend_above(figure, handles + _handles(set(data["mark"].dropna())), columnspacing=1.2)
    grid = figure.subplots(2, len(there), squeeze=False, sharey=True)
    for column, panel in zip(grid.T, there, strict=True):
        own = data[data["panel"] == panel]
        silent = _spike_axes(column, own)
        for axes, (recurrent, words) in zip(column, ROWS.items(), strict=True):
            _panel(axes, own[own["recurrent"] == recurrent], depths, silent)
            axes.set_ylabel(f"{words}\ntest accuracy" if panel == there[0] else "")
        name = own["name"].iloc[0]
        column[0].set_title(name if "\n" in name else f"{name}\n")
        column[0].set_xticklabels([])
        column[1].set_xlabel("hidden spikes per input")
        style.panel_letter(column[0], panel)
    return figure


def _worth_a_column(data: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Leave out data sets with too few networks for any curve, unless all have too few; also return their names."""
    fits = data[data["kind"] == "fit"]
    most = fits.groupby("panel")["n"].max()
    few = most.index[most < FEW] if (most >= FEW).any() else []
    names = [data.loc[data["panel"] == panel, "name"].iloc[0].replace("\n", " ") for panel in few]
    counts = [int(fits.loc[fits["panel"] == panel, "n"].sum()) for panel in few]
    words = [f"left out: {name}, {count} networks" for name, count in zip(names, counts, strict=True)]
    return data[~data["panel"].isin(few)], words


def _handles(marks: set[str]) -> list[Artist]:
    """Return the legend entries of the paper's values: a word, then the marks."""
    handles: list[Artist] = [Line2D([], [], ls="", label="paper, its own data:")] if marks else []
    for mark, (words, marker) in MARKS.items():
        if mark in marks:
            look = {**MARK, "marker": marker, "mec": style.INK}
            handles.append(Line2D([], [], label=words, **look) if marker else Patch(label=words, **BAND))
    return handles


def _colour(depth: int) -> str:
    return COLOURS[(depth - 1) % len(COLOURS)]


def _spike_axes(column: Sequence[Axes], data: pd.DataFrame) -> float:
    """Scale the x axes in decades of spikes, as many as the networks of both rows and the paper's values span.

    Returns:
        Where silent networks are drawn, beyond a break in the axis; NaN if there are none.
    """
    printed = data.loc[data["kind"] == "published", ["transition", "low", "high"]]
    spikes = pd.Series([*data["spikes"], *printed.to_numpy(float).ravel()]).dropna()
    heard = spikes[spikes >= SILENT]
    low, high = (np.log10([heard.min(), heard.max()]) if len(heard) else (0, 2)) + np.array([-0.2, 0.2])
    decades = np.arange(np.ceil(low), np.floor(high) + 1)
    decades = decades[decades % 2 == 0] if len(decades) > MOST_TICKS else decades
    ticks = {10.0**decade: style.number(10**decade) for decade in decades}
    silent = 10 ** (low - GAP) if len(heard) < len(spikes) else np.nan
    if not np.isnan(silent):
        ticks = {silent: "0", **ticks}
    for axes in column:
        axes.set_xscale("log")
        axes.set_xlim(10 ** (low - 1.5 * GAP) if silent in ticks else 10**low, 10**high)
        axes.set_xticks(list(ticks), list(ticks.values()))
        minor = np.outer(10 ** np.arange(np.floor(low), np.ceil(high)), np.arange(1, 10)).ravel()
        axes.set_xticks(minor[(minor > 10**low) & (minor < 10**high)], minor=True)
        axes.xaxis.set_minor_formatter(NullFormatter())
        if silent in ticks:  # a break in the axis between 0 and the rest
            at = 10 ** (low - GAP / 2)
            axes.plot(
                at,
                0,
                marker=[(-1, -1), (1, 1)],
                ms=7,
                mew=3.5,
                color="white",
                clip_on=False,
                transform=axes.get_xaxis_transform(),
                zorder=9,
            )
            axes.annotate(
                "//",
                (at, 0),
                xycoords=parts.XY,
                ha="center",
                va="center",
                size=style.SMALL,
                zorder=10,
                annotation_clip=False,
            )
    return silent


def _panel(axes: Axes, data: pd.DataFrame, depths: Sequence[int], silent: float) -> None:
    parts.accuracy_axis(axes)
    axes.set_ylim(0, FIRST + LINE * (len(depths) - 1) + 0.09)
    if not len(data):
        parts.empty(axes, "no runs")
        return
    parts.chance_line(axes, data["chance"].iloc[0], "")
    for place, depth in enumerate(depths):
        own, colour = data[data["hidden_layers"] == depth], _colour(depth)
        networks = own[(own["kind"] == "network") & own["test_accuracy"].notna()]
        spikes = networks["spikes"].where(networks["spikes"] >= SILENT, silent)
        axes.scatter(spikes, networks["test_accuracy"], s=7, color=colour, alpha=0.75, linewidths=0, zorder=3)
        for _, fit in own[own["kind"] == "fit"].iterrows():
            at = {
                "xy": (0.03, FIRST + LINE * (len(depths) - 1 - place)),
                "xycoords": parts.XY[::-1],
                "va": "center",
                "size": style.SMALL,
            }
            axes.annotate(_words(fit), **at, ha="left", color=colour)
            if not np.isnan(fit["transition"]):
                _curve(axes, fit, networks["spikes"].clip(lower=SILENT), colour)
    for _, paper in data[data["kind"] == "published"].iterrows():
        _mark(axes, paper)


def _curve(axes: Axes, fit: Mapping, spikes: pd.Series, colour: str) -> None:
    """Draw the sigmoid over the range of the networks, and its midpoint with the interval."""
    x = np.geomspace(spikes.min(), spikes.max(), 200)
    sigmoid = Rise(*(np.array([fit[name]]) for name in ("transition", "steepness", "plateau")), fit["chance"])
    middle = (fit["plateau"] + fit["chance"]) / 2
    vague = fit["within"] < ON_THE_RISE or fit["high"] > OPEN * fit["low"]
    accuracy = np.minimum(sigmoid.accuracy(x), 1)  # a fitted plateau may lie above 1
    axes.plot(x, accuracy, color=colour, lw=1.0, ls=style.DASHES if vague else "-", zorder=2)
    band = {"lw": 2.4, "alpha": 0.35, "zorder": 4, "solid_capstyle": "butt"}
    axes.plot([fit["low"], fit["high"]], [middle, middle], color=colour, **band)
    axes.plot(fit["transition"], middle, marker="|", ms=6, mew=1.0, color=colour, zorder=5)


def _mark(axes: Axes, paper: Mapping) -> None:
    """Draw a value of the paper, in its depth's colour if it has one; above the networks if it has no accuracy."""
    if paper["mark"] == "enough":
        axes.axvspan(paper["low"], paper["high"], ymax=1 / axes.get_ylim()[1], zorder=0, **BAND)
        return
    colour = style.INK if np.isnan(paper["hidden_layers"]) else _colour(int(paper["hidden_layers"]))
    x = paper["transition"] if paper["mark"] == "transition" else paper["spikes"]
    y = paper["test_accuracy"] if paper["mark"] == "reached" else ABOVE
    axes.plot(x, y, marker=MARKS[paper["mark"]][1], mec=colour, **MARK)


def _words(fit: Mapping) -> str:
    """Return a transition with its interval; a question mark and the number of networks if it is undetermined."""
    if np.isnan(fit["transition"]):
        return f"? (n = {int(fit['n'])})"
    return f"{_short(fit['transition'])} [{_short(fit['low'])}, {_short(fit['high'])}]"


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 9.95 else f"{value:.2g}"
