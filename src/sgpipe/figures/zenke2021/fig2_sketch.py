"""Fig 2a: the network and its loss, drawn from the sizes of its layers."""

from itertools import pairwise

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Circle, FancyBboxPatch

from sgpipe.figures import style

SHOWN = 7  # most circles drawn for a layer
RADIUS = 0.034
PITCH = 0.105
ARROW = {"arrowstyle": "-|>", "lw": 0.6, "mutation_scale": 5, "shrinkA": 0, "shrinkB": 0, "color": style.INK}


def draw(axes: Axes, layers: pd.DataFrame) -> None:
    """Draw layers from the input at the bottom to the readout, then maximum over time, softmax and loss."""
    axes.set(xlim=(0.02, 1.34), ylim=(0, 1.0), aspect="equal")
    axes.axis("off")
    heights = np.linspace(0.05, 0.5, len(layers))
    places = [_places(units) for units in layers["units"]]
    for (lower, upper), (y0, y1) in zip(pairwise(places), pairwise(heights), strict=True):
        for x0 in lower:
            for x1 in upper:
                axes.plot([x0, x1], [y0 + RADIUS, y1 - RADIUS], color="#BBBBBB", lw=0.35, zorder=1)
    words = {"input": "input spikes", "readout": "leaky readouts, no spikes"}
    for layer, x, y in zip(layers.itertuples(), places, heights, strict=True):
        for place, centre in enumerate(x):
            colour = style.CLASS_COLOURS[place % len(style.CLASS_COLOURS)] if layer.layer == "readout" else "white"
            axes.add_patch(Circle((centre, y), RADIUS, facecolor=colour, edgecolor=style.INK, lw=0.7, zorder=3))
        if layer.units > SHOWN:
            axes.text(x[-1] + 0.05, y, "…", ha="left", va="center")
        axes.text(
            0.86, y, f"{int(layer.units)} {words.get(layer.layer, 'hidden LIF neurons')}", va="center", size=style.SMALL
        )
    _traces(axes, places[-1], heights[-1])
    _boxes(axes)


def _places(units: int) -> np.ndarray:
    shown = min(units, SHOWN)
    pitch = PITCH if units > 3 else 2.4 * PITCH
    return 0.42 + (np.arange(shown) - (shown - 1) / 2) * pitch


def _traces(axes: Axes, x: np.ndarray, y: float) -> None:
    """Draw each readout unit's membrane potential over time, a dot at the maximum, and the arrow to the loss."""
    time = np.linspace(0, 1, 60)
    width = 0.7 * (x[1] - x[0])
    for place, centre in enumerate(x):
        colour = style.CLASS_COLOURS[place % len(style.CLASS_COLOURS)]
        membrane = time**2 * np.exp(-4 * time) * (1.0 if place % 2 == 0 else 0.45)
        membrane = 0.10 * membrane / (0.25 * np.exp(-2))
        left, base = centre - width / 2, y + 0.075
        axes.plot(left + width * time, base + membrane, color=colour, lw=1.0)
        peak = int(membrane.argmax())
        axes.plot(left + width * time[peak], base + membrane[peak], "o", ms=2.8, color=colour)
        axes.annotate("", (centre, 0.79), (centre, base + 0.11), arrowprops=ARROW)
    axes.text(0.86, y + 0.12, r"maximum over time, $\max_n\,U^{\mathrm{out}}_i[n]$", va="center", size=style.SMALL)


def _boxes(axes: Axes) -> None:
    box = FancyBboxPatch(
        (0.2, 0.805), 0.44, 0.055, boxstyle="round,pad=0.012", facecolor="#F4F4F4", edgecolor=style.INK, lw=0.6
    )
    axes.add_patch(box)
    axes.text(0.42, 0.832, "softmax", ha="center", va="center", size=style.SMALL)
    axes.annotate("", (0.42, 0.935), (0.42, 0.875), arrowprops=ARROW)
    axes.text(0.42, 0.945, r"$\mathcal{L}_{\mathrm{CE}} = -\log\, p_{\mathrm{class}}$", ha="center", va="bottom")
    axes.text(0.86, 0.832, "cross-entropy loss", va="center", size=style.SMALL)
