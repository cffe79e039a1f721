"""Heat maps of how much better a variant is at each cell of a grid."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from sgpipe.figures import parts, style

COLOURS = "RdBu"  # red where the variant is worse
ACROSS = 4
LEAST = 0.05  # the least value of half the colour range


def difference_maps(figure: Any, maps: Mapping[str, pd.DataFrame], letter: str) -> None:
    """Draw the difference in test accuracy at the points of some grids, hatched where there is no common point.

    Args:
        figure: The figure to draw in.
        maps: Points by title: `axis`, `x`, `other_axis`, `y` and both accuracies. Points at one
            place, which differ in their seeds, are averaged.
        letter: The panel's letter.
    """
    cells = {title: _cells(points) for title, points in maps.items()}
    known = np.concatenate([grid.to_numpy().ravel() for grid in cells.values()])
    reach = max(LEAST, np.nanmax(np.abs(known), initial=0.0))
    lines = -(-len(maps) // ACROSS)
    panels = figure.subplots(lines, min(ACROSS, len(maps)), squeeze=False)
    for axes in panels.flat[len(maps) :]:
        axes.axis("off")
    for axes, (title, grid) in zip(panels.flat, cells.items(), strict=False):
        edges = [np.arange(count + 1) - 0.5 for count in grid.shape[::-1]]
        values = np.ma.masked_invalid(grid.to_numpy())
        mesh = axes.pcolormesh(*edges, values, cmap=COLOURS, vmin=-reach, vmax=reach, ec="white", lw=0.4)
        for row, column in zip(*np.nonzero(values.mask), strict=True) if np.ma.is_masked(values) else ():
            parts.mark_cell(axes, column, row, None)
        axes.set_xticks(range(grid.shape[1]), [style.number(value) for value in grid.columns])
        axes.set_yticks(range(grid.shape[0]), [style.number(value) for value in grid.index])
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.set(title=title, xlabel=maps[title]["axis"].iloc[0], ylabel=maps[title]["other_axis"].iloc[0])
    bar = figure.colorbar(mesh, ax=list(panels.flat), aspect=14, pad=0.015)
    bar.set_label("variant − baseline,\ntest accuracy")
    bar.outline.set_visible(False)
    style.panel_letter(panels[0, 0], letter)


def _cells(points: pd.DataFrame) -> pd.DataFrame:
    apart = points.assign(apart=points["test_accuracy"] - points["baseline_accuracy"])
    return apart.pivot_table(index="y", columns="x", values="apart", dropna=False).sort_index().sort_index(axis=1)
