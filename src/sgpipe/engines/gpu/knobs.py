"""The parameters in which runs of a pack may differ, as one table on the device."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from sgpipe.engines.table import table_of
from sgpipe.model.neurons.decay import decay
from sgpipe.spec.run import RunSpec
from sgpipe.spec.surrogates import Lowered, lower

# The surrogates' families that the kernels know; in a table of knobs a family is given by its place here.
FAMILIES = ("inverse_square", "logistic", "exponential", "gaussian", "triangle", "rectangle", "power", "formula")


class Row(NamedTuple):
    """The knobs of one run, as numbers; a switch is 1 or 0, and what does not apply is 0."""

    membrane_decay: float
    membrane_gain: float  # 1 - decay, rounded once
    synapse_decay: float
    readout_decay: float
    readout_gain: float
    readout_start: float
    family: int  # of the surrogate: place in FAMILIES
    slope: float  # factor on |x|
    height: float
    tail: float
    reset_attached: bool
    recurrent_propagated: bool
    max_head: bool
    max_from: int
    lower_strength: float
    lower_threshold: float
    upper_strength: float
    upper_threshold: float
    upper_squared: bool

    @classmethod
    def of(cls, spec: RunSpec) -> "Row":
        """Read the knobs of a run."""
        network, objective, dt = spec.network, spec.objective, spec.data.dt
        membrane = decay(dt, network.tau_membrane) if network.hidden else 0.0
        readout = decay(dt, network.tau_readout)
        surrogate = lower(**spec.surrogate.numbers()) if spec.spikes else Lowered(FAMILIES[0], 0.0, 0.0, None)
        return cls(
            membrane_decay=membrane,
            membrane_gain=1 - membrane,
            synapse_decay=decay(dt, network.tau_synapse),
            readout_decay=readout,
            readout_gain=1 - readout,
            readout_start=network.readout_start,
            family=FAMILIES.index(surrogate.family),
            slope=_slope(surrogate),
            height=surrogate.height,
            tail=surrogate.tail or 0.0,
            reset_attached=network.reset_gradient == "attached",
            recurrent_propagated=network.recurrent_gradient == "propagated",
            max_head=objective.head == "max",
            max_from=objective.max_from or 0,
            lower_strength=objective.lower_strength or 0.0,
            lower_threshold=objective.lower_threshold or 0.0,
            upper_strength=objective.upper_strength or 0.0,
            upper_threshold=objective.upper_threshold or 0.0,
            upper_squared=objective.upper_exponent == 2,
        )


class Place(NamedTuple):
    """Where a run's formula lies in `Formulas`, and what its table is like."""

    rows: int  # place of its first coefficient
    edges: int  # place of its `one`, followed by its `top` and its edges
    count: int  # of edges
    cells: int
    shift: int
    first: int
    even: bool


class Formulas(NamedTuple):
    """The tables of formulas (`sgpipe.engines.table`) of all runs of a pack, one behind the other."""

    rows: torch.Tensor  # coefficients
    edges: torch.Tensor  # of each table: one, top and its edges
    places: torch.Tensor  # (runs, len(Place._fields)), int64

    @classmethod
    def of(cls, specs: Sequence[RunSpec], like: torch.Tensor) -> "Formulas":
        """Gather the tables in the type and on the device of a tensor; runs with the same formula share one."""
        rows, edges, places = [], [], {None: Place(*[0] * len(Place._fields))}
        precision = str(like.dtype).removeprefix("torch.")
        for text in dict.fromkeys(spec.surrogate.formula for spec in specs if spec.surrogate.formula):
            table = table_of(text, precision)
            start, edge = sum(part.size for part in rows), sum(map(len, edges))
            count, cells = len(table.edges), table.rows.shape[1]
            places[text] = Place(start, edge, count, cells, table.shift, table.first, table.even)
            rows.append(table.rows.ravel())
            edges.append([table.one, table.top, *table.edges.tolist()])
        own = [[int(value) for value in places[spec.surrogate.formula]] for spec in specs]
        return cls(
            torch.from_numpy(np.concatenate(rows)).to(like),
            torch.tensor([value for part in edges for value in part], dtype=torch.float64).to(like),
            torch.tensor(own, dtype=torch.int64, device=like.device),
        )


class Knobs:
    """The knobs of all runs of a pack."""

    table: torch.Tensor  # (runs, len(Row._fields)), in the runs' precision

    def __init__(self, specs: Sequence[RunSpec], device: str):
        rows = [[float(value) for value in Row.of(spec)] for spec in specs]
        self.table = torch.tensor(rows, dtype=getattr(torch, specs[0].training.precision), device=device)
        self.surrogates = [lower(**spec.surrogate.numbers()) for spec in specs if spec.spikes]
        self.formulas = Formulas.of(specs, self.table) if any(spec.surrogate.formula for spec in specs) else None

    def __getitem__(self, name: str) -> torch.Tensor:
        """Return one knob of all runs, (runs, 1, 1)."""
        return self.table[:, Row._fields.index(name), None, None]


def _slope(surrogate: Lowered) -> float:
    """Return the factor on |x|, the family's own factor included: a kernel in float32 would lose its digits."""
    if surrogate.family == "gaussian":
        return surrogate.slope * math.sqrt(math.pi)
    if surrogate.family == "power":
        return 2 * surrogate.slope / (surrogate.tail - 1)
    return surrogate.slope
