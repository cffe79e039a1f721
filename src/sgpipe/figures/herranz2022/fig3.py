"""Fig 3: accuracy over dampening, sharpness and tail of the surrogate derivative, and what the theory would choose."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from sgpipe.figures import parts, seeds, style, tasks
from sgpipe.initial_state.layers import lowest
from sgpipe.initial_state.theory.asked import Asked
from sgpipe.initial_state.theory.solve import solve
from sgpipe.results import selection
from sgpipe.spec.surrogates import SURROGATES

NEEDS = {"table": "results", "any_of": ["dampening", "sharpness", "tail"]}  # see needs.py
WIDTH, HEIGHT = style.DOUBLE, 76.0
COLUMNS = ("panel", "kind", "shape", "x", "seed", "valid_accuracy", *seeds.SUMMARY, "chance", "condition", "message")
PANELS = {"a": "dampening", "b": "sharpness", "c": "tail"}
LABELS = {"dampening": "dampening γ", "sharpness": "sharpness s", "tail": "tail q (axis: q − 1)"}
IGNORED = "dampening ignored"
CONDITION = {"dampening": "III", "sharpness": "IV", "tail": "IV"}
KEY = "dashed: what a condition asks of the first layer, ◂ ▸ beyond the axis · grey: chance"


def select(tables: Mapping[str, pd.DataFrame], experiment: Mapping) -> pd.DataFrame:
    """Select a point per shape and value, and a mark for each value that the theory predicts for the first layer."""
    runs = selection.outcomes(tables["runs"]).rename(columns=seeds.SHORT)
    pieces = []
    for panel, knob in PANELS.items():
        own = selection.of_sweep(runs, knob)
        if not len(own):
            continue
        table = tables["runs"].drop_duplicates("run_id").set_index("run_id").loc[own["run_id"]].reset_index()
        about = {"panel": panel, "chance": tasks.chance(table.iloc[0])}
        own = own.rename(columns={knob: "x"}).assign(message="")
        if knob == "dampening":
            # Shapes that ignore the knob, as in the authors' code, have the same result at each value.
            same = selection.of_sweep(runs, "undampened")
            own = pd.concat([own, *(same.assign(x=value, message=IGNORED) for value in own["x"].unique() if len(same))])
        points = seeds.over_seeds(own, ["shape", "x", "message"], "valid_accuracy").sort_values(["shape", "x"])
        networks = own[["shape", "x", "seed", "valid_accuracy", "message"]]
        for kind, piece in (("network", networks), ("point", points), ("mark", marks(table, knob))):
            pieces.append(piece.assign(kind=kind, **about))
    return parts.tidy(pieces, COLUMNS)


def marks(runs: pd.DataFrame, knob: str) -> pd.DataFrame:
    """Compute, for each shape, the value of a knob of the first layer that meets a condition.

    Condition III fixes the dampening, IV the sharpness or the tail, at a dampening of 1 and Glorot weights. The theory
    is that of the LIF neuron: an adaptive threshold is taken at its resting value.

    Args:
        runs: The experiment's runs.
        knob: `dampening`, `sharpness` or `tail`.

    Returns:
        A row per shape; `x` is missing where there is no solution.
    """
    rows = []
    for name, group in runs.groupby("surrogate.shape", sort=False):
        spec, condition = seeds.spec_of(group.iloc[0]), CONDITION[knob]
        free = "tail" if knob == "tail" else "sharpness"
        solution = solve(lowest(spec), name, Asked((condition,), infeasible="skip", free=free))
        problem = "; ".join(solution.messages)
        value = np.nan if problem else float(getattr(solution, knob))
        rows.append({"shape": name, "x": value, "condition": condition, "message": problem})
    return pd.DataFrame(rows)


@style.styled
def draw(data: pd.DataFrame, experiment: Mapping, note: str) -> Figure:
    """Draw the figure from what `select` returned."""
    points = data[data["kind"] == "point"]
    key = seeds.key(points, "points", "whiskers: sd")
    figure = style.new_figure(WIDTH, HEIGHT, note, f"{key} · {KEY}")
    *grid, beside = figure.subplots(1, 4, width_ratios=(1, 1, 1, 0.42))
    for axes in grid[1:]:
        axes.sharey(grid[0])
        axes.tick_params(labelleft=False)
    for axes, (letter, knob) in zip(grid, PANELS.items(), strict=True):
        own = data[data["panel"] == letter]
        style.panel_letter(axes, letter)
        if not len(own):
            parts.empty(axes, "no runs")
            continue
        _points(axes, own, knob)
        parts.chance_line(axes, own["chance"].max(), "")
        _marks(axes, own[own["kind"] == "mark"], knob)
    grid[0].set_ylabel("best validation accuracy")
    beside.axis("off")
    handles = [
        Line2D([], [], ms=3.5, label=SURROGATES[name].label, **_look(name)) for name in seeds.in_order(points["shape"])
    ]
    place = {"loc": "center left", "bbox_to_anchor": (-0.3, 0.5), "title": "surrogate shape"}
    beside.legend(handles=handles, **place)
    return figure


def _look(name: str) -> dict:
    return {"color": style.SURROGATE_COLOURS[name], "marker": style.SURROGATE_MARKERS[name]}


def _points(axes: Axes, data: pd.DataFrame, knob: str) -> None:
    values = pd.Series(sorted(data.loc[data["kind"] == "point", "x"].unique()))
    networks = data[(data["kind"] == "network") & data["valid_accuracy"].notna()]
    networks = networks.assign(place=_place(networks["x"], knob))
    if knob == "tail":
        axes.set_xscale("log")
    for name in seeds.in_order(networks["shape"]):
        look = {"x": "place", "y": "valid_accuracy", "native_scale": True, "errorbar": parts.spread, "ax": axes}
        own = networks[networks["shape"] == name]
        sns.pointplot(own, **look, **_look(name), ms=3.5, lw=1, err_kws={"lw": 0.6}, legend=False)
    axes.set_xlabel(LABELS[knob])
    axes.set_ylim(0, 1)
    axes.minorticks_off()
    axes.set_xticks(_place(values, knob), [f"{value:.4g}" for value in values], rotation=90)
    data = data[data["kind"] == "point"]
    lost = int(data["lost"].sum())
    if lost:
        words = f"{lost} of {int(data['cells'].sum())} runs lost"
        axes.text(0.98, 0.02, words, transform=axes.transAxes, ha="right", va="bottom", size=style.SMALL)
    if (data["message"] == IGNORED).any():
        names = [SURROGATES[name].label for name in seeds.in_order(data.loc[data["message"] == IGNORED, "shape"])]
        axes.set_title(f"{IGNORED}: {', '.join(names)}", size=style.SMALL)


def _place(x: pd.Series, knob: str) -> pd.Series:
    return x - 1 if knob == "tail" else x


def _marks(axes: Axes, data: pd.DataFrame, knob: str) -> None:
    """Draw the theory's values: as lines within the axis, as words at its end for values beyond it."""
    low, high = axes.get_xlim()
    axes.set_xlim(low, high)
    condition = CONDITION[knob]
    solved = data.dropna(subset="x")
    if solved.empty:
        _at_edge(axes, f"{condition}: no solution", 0.5)
        return
    same = knob == "dampening"  # whatever the shape
    solved = solved.assign(place=_place(solved["x"], knob))
    inside = solved[solved["place"].between(low, high)]
    for _, mark in (inside.head(1) if same else inside).iterrows():
        colour = style.INK if same else style.SURROGATE_COLOURS[mark["shape"]]
        axes.axvline(mark["place"], color=colour, lw=0.8, ls=style.DASHES, zorder=1)
    for beyond, sign, side in (
        (solved[solved["place"] < low], "◂ ", 0.08),
        (solved[solved["place"] > high], " ▸", 0.98),
    ):
        if len(beyond):
            ends = [f"{value:.2g}" for value in (beyond["x"].min(), beyond["x"].max())]
            words = f"{condition}: {' to '.join(dict.fromkeys(ends))}"
            _at_edge(axes, sign + words if side < 0.5 else words + sign, side)
    missing = len(data) - len(solved)
    if missing and not same:
        _at_edge(axes, f"{condition}: no solution for {missing} shape{'s' if missing > 1 else ''}", 0.5)


def _at_edge(axes: Axes, words: str, side: float) -> None:
    place = {0.08: "left", 0.5: "center", 0.98: "right"}[side]
    axes.text(side, 1.01, words, transform=axes.transAxes, ha=place, va="bottom", size=style.SMALL, color=style.INK)
