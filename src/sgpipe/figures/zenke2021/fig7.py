"""Fig 7: the inputs of the other tasks: a digit and its latency code, spoken digits as spikes and as a spectrogram."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sgpipe.figures import parts, style
from sgpipe.spec.tasks.mnist_latency import MnistLatencyData
from sgpipe.spec.tasks.shd import ShdData

NEEDS = {"table": "samples", "all_of": ["digit", "spikes", "spectrogram"]}  # see needs.py
WIDTH, HEIGHT = style.DOUBLE, 112.0
SIDE = 28  # pixels of a digit
SPECTROGRAM_MAP = "magma"
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
NAMES = {
    ("mnist_latency", "original"): "MNIST",
    ("mnist_latency", "embedded"): "bundled digit (stand-in)",
    ("shd", "original"): "SHD",
    ("shd", "derived"): "SHD-like, from recordings",
    ("shd", "embedded"): "synthesised (stand-in)",
    ("rawhd", "original"): "Heidelberg Digits",
    ("rawhd", "embedded"): "synthesised (stand-in)",
}
PANELS = {"a": "digit", "b": "digit", "c": "spikes", "d": "spectrogram"}
COLUMNS = ("panel", "label", "source", "time_ms", "frame", "unit", "value", "intensity")


def select(tables: Mapping[str, pd.DataFrame], experiment: Mapping) -> pd.DataFrame:
    """Select the content of each panel: a row per spike (time_ms, unit) or per frame and channel (value).

    A spike of the latency code also carries the pixel's intensity x, recovered from its time by the inverse of
    T(x) = tau log(x / (x - theta)), so that the digit can be drawn as the network receives it.
    """
    rows, pieces = tables["runs"], []
    for panel, sweep in PANELS.items():
        chosen = rows[rows["sweep"] == sweep]
        piece = chosen[["label", "unit", "value"]].assign(panel=panel, source=chosen["data.source"])
        piece["time_ms"] = chosen["step"] * chosen["data.dt"]
        if sweep == "digit":
            piece["intensity"] = intensity(piece["time_ms"], chosen["data.tau"], chosen["data.theta"])
        if sweep == "spectrogram":
            piece["frame"] = chosen["step"] // chosen["data.hold"]
        pieces.append(piece)
    return parts.tidy(pieces, COLUMNS)


def intensity(time, tau, theta):
    """Compute the pixel intensity x that fires at `time` (section 4.1.2); `time` and `tau` in the same unit."""
    return theta / (1 - np.exp(-np.maximum(time, 1e-9) / tau))


@style.styled
def draw(data: pd.DataFrame, experiment: Mapping, note: str) -> Figure:
    """Draw the figure from what `select` returned."""
    figure = style.new_figure(WIDTH, HEIGHT, note)
    grid = figure.add_gridspec(2, 4, width_ratios=(0.8, 1.0, 1.25, 1.25), height_ratios=(1, 1))
    panel = {letter: data[data["panel"] == letter] for letter in PANELS}
    _digit(figure.add_subplot(grid[0, 0:2]), panel["a"])
    _raster(figure.add_subplot(grid[1, 0:2]), panel["b"])
    _spikes([figure.add_subplot(grid[0, 2 + column]) for column in (0, 1)], panel["c"])
    _spectrogram(figure.add_subplot(grid[1, 2:4]), panel["d"])
    for letter, axes in zip("abcd", (figure.axes[0], figure.axes[1], figure.axes[2], figure.axes[4]), strict=True):
        style.panel_letter(axes, letter)
    return figure


def _name(task: str, data: pd.DataFrame) -> str:
    source = data["source"].iloc[0]
    return NAMES.get((task, source), source)


def _digit(axes: Axes, data: pd.DataFrame) -> None:
    image = np.zeros(SIDE * SIDE)
    image[data["unit"].astype(int)] = data["intensity"].clip(upper=1)
    axes.imshow(image.reshape(SIDE, SIDE), cmap="gray_r", vmin=0, vmax=1, interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    axes.spines[["top", "right"]].set_visible(True)
    axes.set_title(f"{_name('mnist_latency', data)}: a {int(data['label'].iloc[0])}, as its spikes tell it")


def _raster(axes: Axes, data: pd.DataFrame) -> None:
    axes.scatter(data["time_ms"], data["unit"], s=1.5, color=style.INK, marker="o", linewidths=0)
    axes.set(xlim=(0, None), ylim=(MnistLatencyData.units, 0), xlabel="time (ms)", ylabel="pixel")
    axes.set_title("its latency code")


def _spikes(panels: Sequence[Axes], data: pd.DataFrame) -> None:
    end = data["time_ms"].max() * 1.03 if len(data) else 1
    for panel, label in zip(panels, sorted(data["label"].unique()), strict=False):
        one = data[data["label"] == label]
        panel.scatter(one["time_ms"], one["unit"], s=0.6, color=style.INK, linewidths=0, rasterized=True)
        panel.set(xlim=(0, end), ylim=(0, ShdData.units), xlabel="time (ms)")
        name = f"{_name('shd', one)}: " if panel is panels[0] else ""
        panel.set_title(f"{name}“{WORDS[int(label) % 10]}”")
    panels[0].set_ylabel("channel")
    panels[1].set_yticklabels([])


def _spectrogram(axes: Axes, data: pd.DataFrame) -> None:
    table = data.pivot_table(index="unit", columns="frame", values="value")
    scaled = (table - table.to_numpy().mean()) / (table.to_numpy().std() or 1)
    image = axes.imshow(scaled, origin="lower", aspect="auto", cmap=SPECTROGRAM_MAP, interpolation="nearest")
    axes.set(xlabel="frame (10 ms of speech)", ylabel="mel channel")
    axes.set_title(f"{_name('rawhd', data)}: mel spectrogram of a “{WORDS[int(data['label'].iloc[0]) % 10]}”")
    bar = axes.figure.colorbar(image, ax=axes, pad=0.01, aspect=14)
    bar.set_label("log power (sd)")
    bar.outline.set_visible(False)
