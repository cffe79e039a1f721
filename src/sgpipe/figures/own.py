"""Figures of extensions, with the interface of a figure's module."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from sgpipe.base.errors import SgpipeError
from sgpipe.figures import style
from sgpipe.spec.own.faults import faults


class OwnFigure:
    """`select` and `draw` of an extension's figure, with checks on what they return."""

    def __init__(self, made: type):
        self.own, self.NEEDS = made.OWN, getattr(made, "NEEDS", {})
        with faults(self.own.file, self.own.words):
            self._figure = made()

    def select(self, tables: Mapping[str, pd.DataFrame], experiment: Mapping[str, Any]) -> pd.DataFrame:
        """Return the plotted rows; raises SgpipeError if the user's code raises or returns none."""
        with faults(self.own.file, self.own.words):
            return self._checked(self._figure.select(tables, experiment), pd.DataFrame, "select")

    def draw(self, data: pd.DataFrame, experiment: Mapping[str, Any], note: str) -> Figure:
        """Draw the rows in the common style; raises SgpipeError if the user's code raises or returns no figure."""
        with faults(self.own.file, self.own.words), style.look():
            return self._checked(self._figure.draw(data, experiment, note), Figure, "draw")

    def _checked(self, value: Any, kind: type, function: str) -> Any:
        if not isinstance(value, kind):
            found = type(value).__name__
            raise SgpipeError(f"{self.own.file}: {self.own.words}: {function} returns {found}, not a {kind.__name__}")
        return value
