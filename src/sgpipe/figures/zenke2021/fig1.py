"""Fig 1: smooth random manifolds."""

from collections.abc import Mapping

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from sgpipe.figures import parts, style
from sgpipe.results.selection import of_sweep

# See needs.py.
NEEDS = {
    "table": "manifolds",
    "all_of": ["smoothness", "classes", "raster"],
    "tasks": ["randman"],
    "least": {"data.units": 3},
}
WIDTH, HEIGHT = style.DOUBLE, 172.0
PANELS = 4  # side by side
COLUMNS = (
    *("panel", "alpha", "dim", "class"),
    *("x1", "x2", "y1", "y2", "y3"),  # a, b: intrinsic and embedding coordinates
    *("sample", "unit", "time_ms", "duration_ms"),  # c
)
VIEW = {"elev": 22, "azim": -55}


def select(tables: Mapping[str, pd.DataFrame], experiment: Mapping) -> pd.DataFrame:
    """Select the points of a and b (a row each: x1, x2 intrinsic, y1..y3 embedding) and the spikes of c."""
    points = tables["runs"]
    first = points[points["class"] == 0]
    samples = experiment["settings"].get("raster_samples", 12)
    pieces = [
        _places(of_sweep(first, "smoothness"), "a"),
        _places(of_sweep(points, "classes"), "b"),
        _raster(of_sweep(first, "raster"), samples),
    ]
    return parts.tidy(pieces, COLUMNS)


def _places(chosen: pd.DataFrame, panel: str) -> pd.DataFrame:
    data = pd.DataFrame(
        {"panel": panel, "alpha": chosen["data.alpha"], "dim": chosen["data.dim"], "class": chosen["class"]}
    )
    for axis, symbol in ((0, "x1"), (1, "x2")):
        data[symbol] = [x[axis] if len(x) > axis else np.nan for x in chosen["x"]]
    for axis in range(3):
        data[f"y{axis + 1}"] = [y[axis] for y in chosen["y"]]
    return data


def _raster(points: pd.DataFrame, samples: int) -> pd.DataFrame:
    """Return the spikes of points at evenly spaced ranks of the intrinsic coordinate."""
    ordered = points.assign(x1=[x[0] for x in points["x"]]).sort_values("x1")
    ranks = np.linspace(0, len(ordered) - 1, samples).round().astype(int)
    parts = []
    for sample, (_, point) in enumerate(ordered.iloc[ranks].iterrows()):
        units = np.arange(len(point["y"]))
        numbers = {"alpha": point["data.alpha"], "dim": point["data.dim"], "class": point["class"], "x1": point["x1"]}
        tau = point["data.tau"]
        times = {"sample": sample, "unit": units, "time_ms": tau * point["y"], "duration_ms": tau}
        parts.append(pd.DataFrame({"panel": "c", **numbers, **times}))
    return pd.concat(parts, ignore_index=True)


@style.styled
def draw(data: pd.DataFrame, experiment: Mapping, note: str) -> Figure:
    """Draw the figure from what `select` returned."""
    figure = style.new_figure(WIDTH, HEIGHT, note)
    figure.set_layout_engine("none")
    _smoothness(figure, data[data["panel"] == "a"])
    _classes(figure, data[data["panel"] == "b"])
    _spikes(_axes(figure, 13, 9, WIDTH - 15, 30), data[data["panel"] == "c"])
    for letter, height in (("a", 167), ("b", 125), ("c", 46)):
        figure.text(2 / WIDTH, height / HEIGHT, letter, size=style.LETTER, weight="bold", va="top")
    return figure


def _axes(figure: Figure, left: float, bottom: float, width: float, height: float, **kind):
    """Add axes at a place in mm: a layout engine would waste much of the page on three-dimensional axes."""
    return figure.add_axes((left / WIDTH, bottom / HEIGHT, width / WIDTH, height / HEIGHT), **kind)


def _smoothness(figure: Figure, data: pd.DataFrame) -> None:
    for column, alpha in enumerate(sorted(data["alpha"].unique(), reverse=True)[:PANELS]):
        points = data[data["alpha"] == alpha]
        panel = _scatter(figure, column, 127, f"α = {style.number(alpha)}")
        _dots(panel, points, c=points["x1"], cmap=style.COORDINATE_MAP, vmin=0, vmax=1)
    colours = ScalarMappable(Normalize(0, 1), style.COORDINATE_MAP)
    bar = figure.colorbar(colours, cax=_axes(figure, WIDTH - 9, 132, 2, 24), ticks=[0, 1])
    bar.ax.tick_params(length=0)
    bar.set_label("intrinsic coordinate x", labelpad=2)
    bar.outline.set_visible(False)


def _classes(figure: Figure, data: pd.DataFrame) -> None:
    labels = sorted(data["class"].unique())[:PANELS]
    for row, dim in enumerate(sorted(data["dim"].unique())[:2]):
        for column, last in enumerate(labels):
            words = f"{column + 1} class{'es' if column else ''}"
            panel = _scatter(figure, column, 85 - 36 * row, "" if row else words)
            for label in labels[: column + 1]:
                colour = style.CLASS_COLOURS[label % len(style.CLASS_COLOURS)]
                _dots(panel, data[(data["dim"] == dim) & (data["class"] == label)], color=colour)
            if last == labels[0]:
                panel.text2D(-0.02, 0.5, f"D = {dim}", transform=panel.transAxes, rotation=90, va="center", ha="center")


def _scatter(figure: Figure, column: int, bottom: float, title: str):
    """Return an empty unit cube with `title` above it."""
    panel = _axes(figure, 6 + 41 * column, bottom, 38, 35, projection="3d")
    panel.text2D(0.5, 1.03, title, transform=panel.transAxes, ha="center")
    panel.patch.set_visible(False)  # neighbours overlap in their empty corners
    panel.view_init(**VIEW)
    panel.set(xlim=(0, 1), ylim=(0, 1), zlim=(0, 1), xticks=[0, 0.5, 1], yticks=[0, 0.5, 1], zticks=[0, 0.5, 1])
    panel.set(xticklabels=[], yticklabels=[], zticklabels=[])
    panel.set_box_aspect((1, 1, 1), zoom=1.1)
    for axis, label in ((panel.xaxis, "y₁"), (panel.yaxis, "y₂"), (panel.zaxis, "y₃")):
        axis.set_label_text(label)
        axis.labelpad = -15
        axis.set_pane_color((0.96, 0.96, 0.96))
    return panel


def _dots(panel, points: pd.DataFrame, **look) -> None:
    # Thousands of points are stored as an image, or the vector files would take megabytes.
    places = (points["y1"], points["y2"], points["y3"])
    panel.scatter(*places, s=1.0, linewidths=0, depthshade=False, rasterized=True, **look)


def _spikes(panel: Axes, data: pd.DataFrame) -> None:
    samples = sorted(data["sample"].dropna().unique())
    gap = 1.25 * data["duration_ms"].max() if len(data) else 1.0
    colours = matplotlib.colormaps[style.COORDINATE_MAP]
    for sample in samples:
        spikes = data[data["sample"] == sample]
        start, x = sample * gap, spikes["x1"].iloc[0]
        panel.scatter(start + spikes["time_ms"], spikes["unit"] + 1, s=5, color=colours(x), marker="|", linewidths=1.0)
        duration = spikes["duration_ms"].iloc[0]
        panel.axvspan(start, start + duration, color="#F4F4F4", zorder=0, lw=0)
        panel.text(
            start + duration / 2, data["unit"].max() + 2.2, f"{x:.2f}", size=style.SMALL, ha="center", color=style.FAINT
        )
    if samples:
        duration = data["duration_ms"].max()
        panel.plot([0, duration], [-0.8, -0.8], color=style.INK, lw=1.2, clip_on=False)
        panel.text(duration / 2, -1.4, f"{style.number(duration)} ms", ha="center", va="top", size=style.SMALL)
        panel.set(xlim=(-0.1 * gap, len(samples) * gap), ylim=(-0.8, data["unit"].max() + 1.8))
        panel.set_yticks([1, int(data["unit"].max()) + 1])
    panel.set_ylabel("input neuron")
    panel.set_xticks([])
    panel.spines[["bottom", "left"]].set_visible(False)
    panel.set_title(f"{len(samples)} samples along the intrinsic coordinate x (numbers: x of each)", pad=12)
