"""The decorators of `sgpipe.extend`. They only record what a file declares; `sgpipe.spec.extensions` uses it."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

NOTES = "__sgpipe_declared__"  # the module attribute that lists its declarations
Class = TypeVar("Class", bound=type)


@dataclass(frozen=True)
class Declaration:
    """One decorated class: its kind, its name in YAML, and the decorator's other arguments."""

    kind: str
    name: Any
    made: type
    told: dict[str, Any] = field(default_factory=dict)


def neuron(
    name: str, *, state: str = "voltage spikes", readout: Literal["linear", "leaky"] = "linear"
) -> Callable[[Class], Class]:
    """Register a neuron: a frozen dataclass of knobs with a method `step`.

    `step(self, state, drive, fire)` returns the state after a time step as a tuple, in the order of the names in
    `state`. Each part is a tensor (batch, units), and 0 before the first step. `drive` (batch, units) is the whole
    input, W z + V s + b. `fire` takes membrane minus threshold and returns spikes, 1 where it is positive, with the
    run's surrogate derivative.

    Args:
        name: The value of `network.neuron`, and the section of its knobs.
        state: The names of the parts of its state, which must include `voltage` and `spikes`.
        readout: The output layer: linear with a bias, as in herranz2022, or leaky, as in zenke2021.
    """
    return _noted("neuron", name, {"state": state, "readout": readout})


def initialiser(name: str) -> Callable[[Class], Class]:
    """Register an initialiser: a frozen dataclass of knobs with a method `draw`.

    `draw(self, shape, generator, weights)` returns a matrix of the shape (units out, units in). `generator` is a numpy
    generator; `weights` names the matrix: W1, V1, W2, ..., W_out.

    Args:
        name: The value of `init.scheme`, and the section of its knobs.
    """
    return _noted("initialiser", name)


def data_set(name: str) -> Callable[[Class], Class]:
    """Register a data set: a frozen dataclass of knobs with a method `make`, and also `find` if it is read from files.

    `make(self, folder)` returns a `Task`; `folder` holds the data files, and is None without `find`.
    `find(self, folder)` returns the paths of all files that it reads. `units`, `classes`, `steps` and `train_samples`
    are knobs, class variables or properties. The knobs `seed` and `dt` (ms) are added where they are missing.

    Args:
        name: The value of `data.task`.
    """
    return _noted("data_set", name)


def figure(name: str) -> Callable[[Class], Class]:
    """Register a figure: a class with methods `select` and `draw`, and optionally `NEEDS`.

    `select(self, tables, experiment)` returns the plotted rows as a DataFrame, from tables by name (`runs`, ...).
    `draw(self, data, experiment, note)` draws them as a matplotlib Figure; `note` is a text for its corner.

    Args:
        name: The value of `draw:` in an experiment: two words with a dot between them, e.g. `mine.curves`. By default,
            it draws the experiment `mine_curves`.
    """
    return _noted("figure", name)


def _noted(kind: str, name: str, told: dict[str, Any] | None = None) -> Callable[[Class], Class]:
    def note(made: Class) -> Class:
        # Kept in the module itself, so that a class hidden by a later one of the same name is found too.
        declared = sys.modules[made.__module__].__dict__.setdefault(NOTES, [])
        declared.append(Declaration(kind, name, made, told or {}))
        return made

    return note
