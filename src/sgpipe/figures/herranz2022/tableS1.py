"""Table S1: the shapes of surrogate derivatives, with the numbers that the theory needs for each."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from sgpipe.spec.surrogates import SURROGATES, moment

# Integral of f^2 over all v in closed form, and how f falls off far from the threshold.
NEEDS = {"table": "knobs"}  # see needs.py
CLOSED = {
    "triangular": ("2/3", r"0 from $\vert v\vert = 1$ on"),
    "exponential": ("1/2", r"$e^{-2\vert v\vert}$"),
    "gaussian": ("1/√2", r"$e^{-\pi v^2}$"),
    "dsigmoid": ("2/3", r"$4\,e^{-4\vert v\vert}$"),
    "dfast_sigmoid": ("1/3", r"$(2\vert v\vert)^{-2}$"),
    "rectangular": ("1", r"0 from $\vert v\vert = 1/2$ on"),
    "q_pseudospike": ("(q - 1)/(2q - 1)", r"$(2\vert v\vert/(q-1))^{-q}$"),
}


def select(tables: Mapping[str, pd.DataFrame], experiment: Mapping) -> pd.DataFrame:
    """Compute a row per shape: its formula, peak, area and integral of f^2 over all v, and how it falls off.

    A shape with a tail has a row for each requested tail q.
    """
    return pd.DataFrame([_row(run["surrogate.shape"], run["surrogate.tail"]) for _, run in tables["runs"].iterrows()])


def _row(name: str, tail: float) -> dict[str, object]:
    shape = SURROGATES[name]
    q = float(tail) if shape.tails else None
    closed, falls = CLOSED.get(name, ("", ""))
    return {
        "shape": name,
        "label": shape.label,
        "formula": shape.tex,
        "q": np.nan if q is None else q,
        "peak": float(shape(np.zeros(1), tail=q)[0]),
        "area": float(moment(shape, 1, -np.inf, np.inf, q)),
        "square": float(moment(shape, 2, -np.inf, np.inf, q)),
        "square_closed": closed,
        "falls": falls,
    }


def printed(data: pd.DataFrame) -> pd.DataFrame:
    """Format the table as text; a shape with a tail takes one row that lists its numbers for each tail."""
    rows = []
    for _, group in data.groupby("shape", sort=False):
        first, qs = group.iloc[0], group["q"].dropna()
        at = f" (q = {', '.join(f'{q:.4g}' for q in qs)})" if len(qs) else ""
        rows.append(
            {
                "Shape": first["label"] + at,
                "f(v)": first["formula"].replace("|v|", r"\vert v\vert").replace("|2v|", r"\vert 2v\vert"),
                "Peak": _numbers(group["peak"]),
                "Area": _numbers(group["area"]),
                "Integral of f²": " = ".join(
                    dict.fromkeys([first["square_closed"], _numbers(group["square"])])
                ).removeprefix(" = "),
                "Far from the threshold": first["falls"],
            }
        )
    return pd.DataFrame(rows)


def _numbers(values: pd.Series) -> str:
    """Format numbers with four digits, only one if all are the same."""
    return ", ".join(dict.fromkeys(f"{value:.4g}" for value in values))


def legend(data: pd.DataFrame, experiment: Mapping) -> list[str]:
    """Explain the columns."""
    return [
        "The surrogate derivative is γ f(s v): dampening γ, sharpness s, centred voltage v.",
        "The integral of f² over all voltages is what a shape adds to eq. 2; of them the paper has the exponential's.",
    ]
