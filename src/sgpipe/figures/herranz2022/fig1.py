"""Fig 1: shapes of surrogate derivatives, the tails of the q-PseudoSpike, and initial distributions."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy.special import ndtr

from sgpipe.figures import parts, style
from sgpipe.results.selection import of_sweep
from sgpipe.spec.surrogates import SURROGATES
from sgpipe.weights.distributions import FAMILIES, VARIANCES

# See needs.py.
NEEDS = {"table": "knobs", "any_of": ["shapes", "tails", "weights"], "settings": ["units_in", "units_out"]}
WIDTH, HEIGHT = style.DOUBLE, 92.0
COLUMNS = ("panel", "shape", "tail", "v", "f", "scheme", "weight", "density")
NEAR, FAR = 1.5, (1e-2, 1e3)  # of v: the paper's panel ends at 1.5
LINES = {"normal": (0, (4, 1.5)), "truncated_normal": (0, (4, 1.5)), "uniform": ":", "bigamma": "-"}
SCALES = {"he": ("He", "#228833"), "glorot": ("Glorot", "#0077BB")}
NAMES = {"normal": "normal", "truncated_normal": "normal, cut", "uniform": "uniform", "bigamma": "BiGamma"}


def select(tables: Mapping[str, pd.DataFrame], experiment: Mapping) -> pd.DataFrame:
    """Compute the curves: shapes (a), tails near the threshold (b) and far from it (d), densities of weights (c)."""
    points, reach = tables["runs"], experiment["settings"].get("weight_reach", 0.25)
    shapes = of_sweep(points, "shapes")["surrogate.shape"]
    tails = of_sweep(points, "tails")["surrogate.tail"]
    shape = (experiment["settings"]["units_in"], experiment["settings"]["units_out"])
    pieces = [_curve(name, np.linspace(-NEAR, NEAR, 601)).assign(panel="a") for name in shapes]
    for panel, v in (("b", np.linspace(0, NEAR, 301)), ("d", np.geomspace(*FAR, 301))):
        pieces += [_curve("q_pseudospike", v, q).assign(panel=panel) for q in tails]
    pieces += [_density(name, shape, reach) for name in of_sweep(points, "weights")["init.scheme"]]
    return parts.tidy(pieces, COLUMNS)


def _curve(name: str, v: np.ndarray, tail: float | None = None) -> pd.DataFrame:
    return pd.DataFrame(
        {"shape": name, "tail": np.nan if tail is None else tail, "v": v, "f": SURROGATES[name](v, tail=tail)}
    )


def _density(scheme: str, shape: tuple[int, int], reach: float) -> pd.DataFrame:
    """Return the density of a scheme's weights within `reach`, from quantiles; `shape` is (units in, units out)."""
    scale, _, name = scheme.partition("_")
    near_zero = 0.5 + np.outer([-1, 1], np.geomspace(1e-12, 0.1, 200))  # where the BiGamma density is almost 0
    probability = np.union1d(ndtr(np.linspace(-5, 5, 1200)), near_zero)
    weight = VARIANCES[scale](shape[::-1]) ** 0.5 * FAMILIES[name].quantile(probability)
    density = np.gradient(probability, weight)
    if FAMILIES[name].bound is not None:  # it ends in a step
        weight, density = np.pad(weight, 1, mode="edge"), np.pad(density, 1)
    inside = np.abs(weight) <= reach
    return pd.DataFrame({"panel": "c", "scheme": scheme, "weight": weight[inside], "density": density[inside]})


@style.styled
def draw(data: pd.DataFrame, experiment: Mapping, note: str) -> Figure:
    """Draw the figure from what `select` returned."""
    figure = style.new_figure(WIDTH, HEIGHT, note)
    grid = figure.subplots(2, 2)
    _shapes(grid[0, 0], data[data["panel"] == "a"])
    _tails(grid[0, 1], data[data["panel"] == "b"], "near the threshold")
    _tails(grid[1, 1], data[data["panel"] == "d"], "far from it")
    _weights(grid[1, 0], data[data["panel"] == "c"], experiment)
    for letter, axes in zip("abcd", grid.flat, strict=True):
        style.panel_letter(axes, letter)
    return figure


def _shapes(axes: Axes, data: pd.DataFrame) -> None:
    for name, curve in data.groupby("shape", sort=False):
        axes.plot(curve["v"], curve["f"], color=style.SURROGATE_COLOURS[name], label=SURROGATES[name].label)
    axes.set(xlabel="centred voltage v", ylabel="f(v)", ylim=(0, 1.04))
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    axes.set_title("shapes, peak 1 and area 1")


def _tails(axes: Axes, data: pd.DataFrame, where: str) -> None:
    colours = style.ordered_colours(data["tail"])
    for tail, colour in colours.items():
        curve = data[data["tail"] == tail]
        axes.plot(curve["v"], curve["f"], color=colour, label=f"{tail:.4g}")
    if data["v"].max() > NEAR:
        axes.set(xscale="log", yscale="log", ylim=(1e-7, 2))
    else:
        axes.set(ylim=(0, 1.04))
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), title="tail q")
    axes.set(xlabel="centred voltage v", ylabel="f(v)")
    axes.set_title(f"q-PseudoSpike, {where}")


def _weights(axes: Axes, data: pd.DataFrame, experiment: Mapping) -> None:
    for scheme, curve in data.groupby("scheme", sort=False):
        scale, _, name = scheme.partition("_")
        axes.plot(curve["weight"], curve["density"], color=SCALES[scale][1], ls=LINES[name])
    drawn = [scheme.partition("_") for scheme in data["scheme"].unique()]
    names = [name for name in LINES if name in {part[2] for part in drawn}]
    handles = [Line2D([], [], color=style.INK, ls=LINES[name], label=NAMES[name]) for name in names]
    scales = [scale for scale in SCALES if scale in {part[0] for part in drawn}]
    handles += [Line2D([], [], color=SCALES[scale][1], lw=3, label=SCALES[scale][0]) for scale in scales]
    axes.legend(handles=handles, loc="center left", bbox_to_anchor=(1.0, 0.5))
    settings = experiment["settings"]
    axes.set(xlabel="weight", ylabel="density", ylim=(0, None))
    axes.set_title(f"initial weights, {settings['units_in']} units in, {settings['units_out']} out")
