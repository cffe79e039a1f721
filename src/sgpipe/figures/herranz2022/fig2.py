"""Fig 2: which shape is best depends on the network and the task. Curves of the validation loss."""

from collections.abc import Mapping
from string import ascii_lowercase

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from sgpipe.figures import parts, seeds, style, tasks
from sgpipe.results import selection
from sgpipe.spec.surrogates import SURROGATES
from sgpipe.weights.schemes import parameter_count

# See needs.py.
NEEDS = {
    "table": "results",
    "run": [
        {"network.neuron": "delta_lif", "data.task": "shd"},
        {"network.neuron": "alif", "data.task": "shd"},
        {"network.neuron": "slstm", "data.task": "shd"},
        {"network.neuron": "delta_lif", "data.task": "mnist_latency"},
        {"network.neuron": "delta_lif", "data.task": "ptb"},
    ],
}
WIDTH, HEIGHT = style.DOUBLE, 120.0
ROW, ROW_HEIGHT = 3, 70.0  # up to so many networks stand in one row
PAD = 27.0  # points above a panel, for three small lines below its title
COLUMNS = (
    *("panel", "kind", "neuron", "task", "name", "shape"),
    *("seed", "epoch", "loss"),  # curves: validation loss, nats (per word for a text)
    *(
        "best",
        "last",
        "n",
        "cells",
        "lost",
        "learnt",
    ),  # shapes: losses at the best and last epochs, means over seeds
    *("best_spread", "last_spread", "weights", "chance"),  # panels: sensitivity, size, and the loss of guessing
)
LEARNT = 0.05  # a shape has learnt if its best loss is below the loss of guessing by this share of it
# Network and task of each panel, as in the paper: networks in the upper row, tasks in the lower.
PANELS = {
    "a": ("delta_lif", "shd"),
    "b": ("alif", "shd"),
    "c": ("slstm", "shd"),
    "d": ("delta_lif", "shd"),
    "e": ("delta_lif", "mnist_latency"),
    "f": ("delta_lif", "ptb"),
}


def select(tables: Mapping[str, pd.DataFrame], experiment: Mapping) -> pd.DataFrame:
    """Select for each panel curves over epochs, the best and last loss of each shape, and the panel's own numbers."""
    table, pieces = tables["runs"], []
    for panel, (neuron, task) in PANELS.items():
        own = table[(table["network.neuron"] == neuron) & (table["data.task"] == task)]
        if not len(own):
            continue
        spec, chance = seeds.spec_of(own.iloc[0]), -np.log(tasks.chance(own.iloc[0]))
        valid = own[(own["split"] == "valid") & (own["status"] == "finished")].rename(columns=seeds.SHORT)
        curves = valid[["shape", "seed", "epoch", "loss"]].assign(kind="curve")
        shapes = _shapes(own)
        shapes["learnt"] = (shapes["best"] < (1 - LEARNT) * chance) * 1.0
        spreads = {f"{name}_spread": seeds.spread(shapes, name) for name in ("best", "last")}
        size = parameter_count(spec, spec.data.units, spec.data.classes)
        numbers = {
            "kind": "panel",
            "weights": size,
            "chance": chance,
            "n": shapes["n"].max(),
            "learnt": shapes["learnt"].max(),
        }
        names = {"panel": panel, "neuron": neuron, "task": task, "name": tasks.title(own.iloc[0])}
        frames = (curves, shapes, pd.DataFrame([{**numbers, **spreads}]))
        pieces += [piece.assign(**names) for piece in frames]
    return parts.tidy(pieces, COLUMNS)


def _shapes(table: pd.DataFrame) -> pd.DataFrame:
    """Return each shape's lowest and last validation loss, means over seeds."""
    runs = selection.outcomes(table).rename(columns=seeds.SHORT)
    valid = table[(table["split"] == "valid") & (table["status"] == "finished")].sort_values("epoch", kind="stable")
    losses = valid.groupby("run_id")["loss"]
    runs = runs.set_index("run_id").assign(best=losses.min(), last=losses.last()).reset_index()
    groups = seeds.over_seeds(runs, ["shape"], "best").rename(columns={"mean": "best"})
    last = seeds.over_seeds(runs, ["shape"], "last")["mean"]
    return groups.assign(last=last, kind="shape")[["shape", "best", "last", "n", "cells", "lost", "kind"]]


@style.styled
def draw(data: pd.DataFrame, experiment: Mapping, note: str) -> Figure:
    """Draw the figure from what `select` returned."""
    shapes = data[(data["kind"] == "shape") & data["panel"].isin(data.loc[data["learnt"] == 1, "panel"])]
    key = [seeds.key(shapes, "lines", "bands: sd"), "dashed: chance"]
    if (shapes["learnt"] == 0).any():
        key.append("hollow: a shape that has learnt nothing")
    figure, panels, beside = _axes(data, note, " · ".join(key))
    for letter, axes in panels.items():
        _panel(axes, data[data["panel"] == letter], letter, experiment)
        if axes.get_subplotspec().is_first_col():
            axes.set_ylabel("validation loss (nats)")
    names = seeds.in_order(data["shape"].dropna())
    handles = [Line2D([], [], color=style.SURROGATE_COLOURS[name], label=SURROGATES[name].label) for name in names]
    beside["legend"].legend(handles=handles, title="surrogate shape", loc="upper left")
    beside["legend"].axis("off")
    _sensitivity(beside["sensitivity"], data)
    for letter, axes in zip(ascii_lowercase, [*panels.values(), beside["sensitivity"]], strict=False):
        style.panel_letter(axes, letter)
    return figure


def _axes(data: pd.DataFrame, note: str, key: str) -> tuple[Figure, dict[str, Axes], dict[str, Axes]]:
    """Return the figure, the axes of its panels, and those of the legend and the sensitivity.

    An experiment with up to three of the five networks has a row of those alone.
    """
    present = set(data["panel"])
    few = [letter for letter in PANELS if letter in present and letter != "d"]
    if len(few) <= ROW:
        figure = style.new_figure(WIDTH, ROW_HEIGHT, note, key)
        places = figure.subplots(1, len(few) + 2, width_ratios=(*[1] * len(few), 0.8, 0.6), squeeze=False)[0]
        return figure, dict(zip(few, places[:-2], strict=True)), {"sensitivity": places[-2], "legend": places[-1]}
    figure = style.new_figure(WIDTH, HEIGHT, note, key)
    grid = figure.subplots(2, 4, width_ratios=(1, 1, 1, 0.8))
    panels = dict(zip(PANELS, grid[:, :3].flat, strict=True))
    return figure, panels, {"sensitivity": grid[1, 3], "legend": grid[0, 3]}


def _panel(axes: Axes, data: pd.DataFrame, letter: str, experiment: Mapping) -> None:
    neuron, task = PANELS[letter]
    if not len(data):
        axes.set_title(seeds.NEURONS[neuron], pad=PAD)
        parts.empty(axes, "no runs")
        return
    title = f"{seeds.NEURONS[neuron]} on {_name(data)}"
    lost, curves = int(data["lost"].sum()), data[data["kind"] == "curve"]
    if len(curves):
        look = {
            "hue": "shape",
            "palette": style.SURROGATE_COLOURS,
            "errorbar": "sd",
            "err_kws": {"lw": 0},
            "legend": False,
        }
        dots = {"marker": "o", "ms": 3} if curves["epoch"].nunique() == 1 else {}
        sns.lineplot(curves, x="epoch", y="loss", **look, **dots, ax=axes)
    parts.chance_line(axes, data["chance"].max(), "")
    if lost:
        total = int(data["cells"].sum())
        axes.text(
            0.98, 0.98, f"{lost} of {total} runs lost", transform=axes.transAxes, ha="right", va="top", size=style.SMALL
        )
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set(xlabel="epoch", ylabel="")
    axes.set_xlim(0, data["epoch"].fillna(1).max() + 0.5)
    axes.ticklabel_format(axis="y", useOffset=False)
    axes.set_title(title, pad=PAD)
    axes.annotate(
        _size(data, task, experiment),
        (0.5, 1),
        (0, 3),
        "axes fraction",
        textcoords="offset points",
        ha="center",
        va="bottom",
        size=style.SMALL,
        color=style.FAINT,
        linespacing=1.1,
    )


def _size(data: pd.DataFrame, task: str, experiment: Mapping) -> str:
    """Return what a panel's data stand in for, its number of weights beside the paper's, and its sensitivity."""
    own = data[data["kind"] == "panel"].iloc[0]
    printed = experiment["settings"].get(f"printed_weights.{task}")
    size = f"{int(own['weights']):,} weights" + (f" (paper: {printed})" if printed else "")
    spread = f"spread: best {own['best_spread']:.3f}, last {own['last_spread']:.3f}"
    if not own["learnt"]:
        spread = "nothing learnt"
    name = ", ".join(filter(None, [own["name"].partition("\n")[2], f"n = {int(own['n'])}"]))
    return "\n".join([name, size, "" if np.isnan(own["best_spread"]) else spread])


def _name(data: pd.DataFrame) -> str:
    """Return the name of a panel's data, without what they stand in for."""
    return data["name"].iloc[0].partition("\n")[0]


def _sensitivity(axes: Axes, data: pd.DataFrame) -> None:
    """Draw each shape's best loss relative to the best shape's, a row per network and task that has learnt at all."""
    shapes = data[(data["kind"] == "shape") & (data["panel"] != "d")]
    rows = [letter for letter in PANELS if letter in set(shapes["panel"])]
    for place, letter in enumerate(rows):
        own = shapes[shapes["panel"] == letter]
        if not own["learnt"].any():
            axes.annotate("nothing learnt", (0.04, place), xycoords=parts.XY[::-1], va="center", size=style.SMALL)
            continue
        above = own["best"] - own["best"].min()
        axes.plot([0, above.max()], [place, place], color=style.FAINT, lw=0.8, zorder=1)
        edges = [style.SURROGATE_COLOURS[name] for name in own["shape"]]
        fill = [colour if learnt else "white" for colour, learnt in zip(edges, own["learnt"], strict=True)]
        axes.scatter(above, np.full(len(own), place), s=14, color=fill, edgecolors=edges, linewidths=0.8, zorder=2)
    names = [f"{seeds.NEURONS[PANELS[letter][0]]}\n{_name(shapes[shapes['panel'] == letter])}" for letter in rows]
    axes.set_yticks(range(len(rows)), names)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("nats above the best")
    axes.set_title("sensitivity", pad=PAD)
