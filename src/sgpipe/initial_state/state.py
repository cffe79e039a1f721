"""Initial states that conditions ask for, as tables: a row per hidden layer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sgpipe.base.errors import SgpipeError
from sgpipe.base.files import atomic
from sgpipe.base.parquet import read_whole
from sgpipe.spec.layer_settings import LayerSettings

NAMES = tuple(field.name for field in fields(LayerSettings))


@dataclass(frozen=True)
class InitialState:
    """The settings of each hidden layer, and what is known of it.

    `found` has a flat row per layer: how well each condition is met, and by what. Its `messages`, joined by `; `, say
    which conditions have no solution; the text is empty if all is well.
    """

    layers: tuple[LayerSettings, ...]
    found: tuple[Mapping[str, object], ...]

    @property
    def messages(self) -> list[str]:
        """One line per layer that falls short."""
        lines = enumerate((row["messages"] for row in self.found), start=1)
        return [f"hidden layer {layer}: {text}" for layer, text in lines if text]


def write_state(state: InitialState, path: Path | str, metadata: Mapping[str, str] | None = None) -> None:
    """Write a Parquet table: `layer` (from 1), the fields of LayerSettings, and the columns of `found`.

    A field that is None is null; one with a value per neuron in any layer is a list in every layer.

    Args:
        state: The initial state.
        path: The file.
        metadata: Added to its schema.
    """
    columns: dict[str, object] = {"layer": pa.array(range(1, len(state.layers) + 1), pa.int32())}
    for name in NAMES:
        values = [getattr(settings, name) for settings in state.layers]
        lists = any(isinstance(value, np.ndarray) for value in values)
        kind = pa.list_(pa.float64()) if lists else pa.float64()
        columns[name] = pa.array([_plain(value, lists) for value in values], kind)
    for name in dict.fromkeys(name for row in state.found for name in row if name not in NAMES):
        columns[name] = pa.array([row.get(name) for row in state.found])
    table = pa.table(columns).replace_schema_metadata(dict(metadata) if metadata else None)
    with atomic(path) as temporary:
        pq.write_table(table, temporary)


def read_state(path: Path | str) -> tuple[LayerSettings, ...]:
    """Read what a table sets for each hidden layer; raises as `read_whole` does."""
    rows = read_whole(path, list(NAMES)).to_pylist()
    return tuple(LayerSettings(**{name: _value(value) for name, value in row.items()}) for row in rows)


def _plain(value, lists: bool):
    return np.atleast_1d(value).tolist() if lists and value is not None else value


def _value(value):
    if not isinstance(value, Sequence):
        return value
    return np.array(value) if len(value) > 1 else value[0]


def setting_of(states: Mapping[str, Sequence[LayerSettings]], init_id: str | None) -> Sequence[LayerSettings] | None:
    """Look up the initial state of a run.

    Args:
        states: The initial states by init id.
        init_id: The run's init id; None without conditions.

    Returns:
        The settings of each hidden layer; None without conditions.

    Raises:
        SgpipeError: The state is not among `states`.
    """
    if init_id is None:
        return None
    if init_id not in states:
        raise SgpipeError(
            f"initial state {init_id}: not made yet; make it with `sgpipe.initial_state.make.initial_state`"
        )
    return states[init_id]
