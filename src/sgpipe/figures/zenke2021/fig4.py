"""Fig 4: the computational graph of one hidden layer, drawn from the links in the reference network."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Circle, FancyArrowPatch

from sgpipe.figures import style

NEEDS = {"table": "graph"}  # see needs.py
WIDTH, HEIGHT = style.DOUBLE, 104.0
COLUMNS = (
    "panel",
    "sweep",
    "recurrent",
    "reset_gradient",
    "recurrent_gradient",
    "source",
    "target",
    "delay",
    "gradient",
)
LEVELS = {"S0": 0.0, "I": 1.0, "U": 2.0, "S": 3.0}
NAMES = {"S0": "$S^{(0)}$", "I": "$I^{(1)}$", "U": "$U^{(1)}$", "S": "$S^{(1)}$"}
STEPS = ("n−1", "n", "n+1")
PITCH = 1.45  # from step to step, in units of the distance between levels
IMPLICIT, EXPLICIT, FORWARD = "#0077BB", "#EE7733", style.INK
# Per link: the kind of recurrence, its label, the label's place along it (from its source) and distance (points).
LINKS = {
    ("S0", "I"): (FORWARD, "$W^{(1)}$", 0.42, (-7, 4)),
    ("I", "U"): (FORWARD, r"$1-\beta_\mathrm{mem}$", 0.36, (-14, 5)),
    ("U", "S"): (FORWARD, r"$\Theta,\ \sigma'$", 0.58, (-10, 0)),
    ("I", "I"): (IMPLICIT, r"$\beta_\mathrm{syn}$", 0.5, (0, -6)),
    ("U", "U"): (IMPLICIT, r"$\beta_\mathrm{mem}$", 0.3, (0, -6)),
    ("S", "U"): (IMPLICIT, "reset", 0.55, (12, 3)),
    ("S", "I"): (EXPLICIT, "$V^{(1)}$", 0.26, (-3, -9)),
}
BENDS = {("S", "I"): -0.08}
LEGEND = {FORWARD: "feed-forward", IMPLICIT: "implicit recurrence: decay, reset", EXPLICIT: "explicit recurrence: V"}
KEY = "solid: gradients flow back along the link · dashed: the link is there, but detached from the gradient"


def select(tables: Mapping[str, pd.DataFrame], experiment: Mapping) -> pd.DataFrame:
    """Select a row per panel and link, with panels in the order of the sweeps."""
    links = tables["runs"]
    order = {sweep: "abcdefghij"[place] for place, sweep in enumerate(dict.fromkeys(links["sweep"]))}
    names = {f"network.{name}": name for name in ("recurrent", "reset_gradient", "recurrent_gradient")}
    data = links.rename(columns=names).assign(panel=links["sweep"].map(order))
    return data.reindex(columns=list(COLUMNS))


@style.styled
def draw(data: pd.DataFrame, experiment: Mapping, note: str) -> Figure:
    """Draw the figure from what `select` returned: the first panel large and labelled, the others beside it."""
    figure = style.new_figure(WIDTH, HEIGHT, note, KEY)
    panels = list(dict.fromkeys(data["panel"]))
    columns = max(1, (len(panels) - 1 + 1) // 2)
    grid = figure.add_gridspec(2, 1 + columns, width_ratios=(1.62, *[1] * columns))
    places = [grid[:, 0], *(grid[at // columns, 1 + at % columns] for at in range(len(panels) - 1))]
    for panel, place in zip(panels, places, strict=True):
        axes = figure.add_subplot(place)
        first = panel == panels[0]
        graph(axes, data[data["panel"] == panel], words=first)
        axes.set_title(title(data[data["panel"] == panel].iloc[0]), pad=2)
        style.panel_letter(axes, panel)
    drawn = {LINKS[link][0] for link in zip(data["source"], data["target"], strict=True)}
    handles = [Line2D([], [], color=colour, label=words) for colour, words in LEGEND.items() if colour in drawn]
    style.legend_above(figure, handles, columnspacing=2)
    return figure


def title(row: Mapping) -> str:
    """Say in words what a panel shows, with the names of Fig 5."""
    attached, flows = row["reset_gradient"] == "attached", row["recurrent_gradient"] == "propagated"
    if not row["recurrent"]:
        return f"feed-forward ({'DR' if attached else 'Ctl'})\nreset {row['reset_gradient']}"
    if flows and attached:
        return "recurrent\nnothing detached"
    return f"recurrent ({'Prop' if flows else 'Ctl'})\nV {row['recurrent_gradient']}, reset {row['reset_gradient']}"


def graph(axes: Axes, links: pd.DataFrame, words: bool) -> None:
    """Draw the links of one layer over three steps, time from left to right.

    Args:
        axes: The panel.
        links: A row per link.
        words: Whether to write what the links compute.
    """
    last = (len(STEPS) - 1) * PITCH
    axes.set(xlim=(-0.62, last + 0.62), ylim=(-0.95 if words else -0.5, 3.45), aspect="equal")
    axes.axis("off")
    nodes = {
        (name, step): Circle((step * PITCH, level), 0.25 if words else 0.27, fc="white", ec=style.INK, lw=0.8, zorder=4)
        for name, level in LEVELS.items()
        for step in range(-1, len(STEPS) + 1)
    }
    for link in links.itertuples():
        for step in range(-1, len(STEPS) + 1 - link.delay):
            patch = arrow(link, nodes[link.source, step], nodes[link.target, step + link.delay])
            patch.set_gid(f"{link.panel}{step}:{link.source}-{link.target}-{link.delay}-{link.gradient}")
            axes.add_patch(patch)
    for (name, step), node in nodes.items():
        if 0 <= step < len(STEPS):
            axes.add_patch(node)
            size = style.NORMAL if words else style.SMALL
            axes.text(*node.center, NAMES[name], ha="center", va="center_baseline", size=size, zorder=5)
    if words:
        _label_links(axes, links)
        for step, label in enumerate(STEPS):
            axes.text(step * PITCH, -0.46, label, ha="center", va="center", size=style.SMALL)
        look = {"arrowstyle": "-|>", "lw": 0.7, "mutation_scale": 6, "color": style.FAINT}
        axes.annotate("", (last + 0.5, -0.68), (-0.5, -0.68), arrowprops=look)
        axes.text(last / 2, -0.82, "time step", ha="center", va="center", size=style.SMALL, color=style.FAINT)


def arrow(link, source: Circle, target: Circle) -> FancyArrowPatch:
    """Make the arrow of one link; at the edge of the panel it is cut off."""
    colour = LINKS[link.source, link.target][0]
    bend = BENDS.get((link.source, link.target), 0.0)
    return FancyArrowPatch(
        source.center,
        target.center,
        patchA=source,
        patchB=target,
        shrinkA=0,
        shrinkB=0.5,
        connectionstyle=f"arc3,rad={bend}",
        arrowstyle="-|>",
        mutation_scale=6,
        lw=1.1 if link.gradient else 0.8,
        ls="-" if link.gradient else (0, (3, 2)),
        color=colour if link.gradient else style.tint(colour, 0.6),
        zorder=2 if link.gradient else 1,
        clip_on=True,
    )


def _label_links(axes: Axes, links: pd.DataFrame) -> None:
    """Write beside each link its factor, between the first and second of the steps shown."""
    for link in links.itertuples():
        colour, words, along, offset = LINKS[link.source, link.target]
        x0, y0 = 0.0, LEVELS[link.source]
        x1, y1 = link.delay * PITCH, LEVELS[link.target]
        axes.annotate(
            words,
            (x0 + along * (x1 - x0), y0 + along * (y1 - y0)),
            offset,
            textcoords="offset points",
            ha="center",
            va="center",
            size=style.SMALL,
            color=colour,
            zorder=6,
        )
