"""Fig 7: the inputs of the other tasks: a digit and its latency code, spoken digits as spikes and as a spectrogram."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from sgpipe.figures import parts, style
from sgpipe.spec.tasks.mnist_latency import MnistLatencyData

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
COLUMNS = ("panel", "label", "source", "time_ms", "frame", "unit", "value", "intensity")


def select(tables: Mapping[str, pd.DataFrame], experiment: Mapping) -> pd.DataFrame:
    """Select the content of each panel: a row per spike (time_ms, unit) or per frame and channel (value).

    A spike of the latency code also carries the pixel's intensity x, recovered from its time by the inverse of
    T(x) = tau log(x / (x - theta)), so that the digit can be drawn as the network is told of it.
    """
    rows, pieces = tables["runs"], []
    for panel, sweep in (("a", "digit"), ("b", "spikes"), ("c", "spectrogram")):
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
    _digit(figure, grid, data[data["panel"] == "a"])
    _spikes(figure, grid, data[data["panel"] == "b"])
    _spectrogram(figure, grid, data[data["panel"] == "c"])
    return figure


def _name(task: str, data: pd.DataFrame) -> str:
    source = data["source"].iloc[0]
    return NAMES.get((task, source), source)


def _digit(figure: Figure, grid, data: pd.DataFrame) -> None:
    image = np.zeros(SIDE * SIDE)
    image[data["unit"].astype(int)] = data["intensity"].clip(upper=1)
    picture = figure.add_subplot(grid[0, 0:2])
    picture.imshow(image.reshape(SIDE, SIDE), cmap="gray_r", vmin=0, vmax=1, interpolation="nearest")
    picture.set(xticks=[], yticks=[])
    picture.spines[["top", "right"]].set_visible(True)
    picture.set_title(f"{_name('mnist_latency', data)}: a {int(data['label'].iloc[0])}, as its spikes tell it")
    raster = figure.add_subplot(grid[1, 0:2])
    raster.scatter(data["time_ms"], data["unit"], s=1.5, color=style.INK, marker="o", linewidths=0)
    raster.set(xlim=(0, None), ylim=(MnistLatencyData.units, 0), xlabel="time (ms)", ylabel="pixel")
    raster.set_title("its latency code")
    # The picture is narrower than its place: the letter goes where the raster below begins.
    figure.text(2 / WIDTH, 1 - 2 / HEIGHT, "a", size=style.LETTER, weight="bold", va="top")


def _spikes(figure: Figure, grid, data: pd.DataFrame) -> None:
    end = data["time_ms"].max() * 1.03 if len(data) else 1
    for column, label in enumerate(sorted(data["label"].unique())[:2]):
        one = data[data["label"] == label]
        panel = figure.add_subplot(grid[0, 2 + column])
        panel.scatter(one["time_ms"], one["unit"], s=0.6, color=style.INK, linewidths=0, rasterized=True)
        panel.set(xlim=(0, end), ylim=(0, 700), xlabel="time (ms)")
        panel.set_title(f"“{WORDS[int(label) % 10]}”")
        if column:
            panel.set_yticklabels([])
        else:
            panel.set_ylabel("channel")
            style.panel_letter(panel, "b")
            panel.set_title(_name("shd", one) + f": “{WORDS[int(label) % 10]}”")


def _spectrogram(figure: Figure, grid, data: pd.DataFrame) -> None:
    table = data.pivot_table(index="unit", columns="frame", values="value")
    scaled = (table - table.to_numpy().mean()) / (table.to_numpy().std() or 1)
    panel = figure.add_subplot(grid[1, 2:4])
    image = panel.imshow(scaled, origin="lower", aspect="auto", cmap=SPECTROGRAM_MAP, interpolation="nearest")
    panel.set(xlabel="frame (10 ms of speech)", ylabel="mel channel")
    panel.set_title(f"{_name('rawhd', data)}: mel spectrogram of a “{WORDS[int(data['label'].iloc[0]) % 10]}”")
    bar = figure.colorbar(image, ax=panel, pad=0.01, aspect=14)
    bar.set_label("log power (sd)")
    bar.outline.set_visible(False)
    style.panel_letter(panel, "c")
