"""The decorators of `sgpipe.extend`. They only note what a file declares; `sgpipe.spec.extensions` makes use of it."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

NOTES = "__sgpipe_declared__"  # the name in a module under which its declarations are noted
Class = TypeVar("Class", bound=type)


@dataclass(frozen=True)
class Declaration:
    """One decorated class: what it is, its name in YAML, and what the decorator was told besides."""

    kind: str
    name: Any
    made: type
    told: dict[str, Any] = field(default_factory=dict)


def neuron(
    name: str, *, state: str = "voltage spikes", readout: Literal["linear", "leaky"] = "linear"
) -> Callable[[Class], Class]:
    """Register a neuron: a frozen dataclass of knobs with a method `step`.

    `step(self, state, drive, fire)` returns the state after a time step as a tuple, in the order of the names. Each
    part is a tensor (batch, units), 0 before the first step. `drive` (batch, units) is all that arrives: W z + V s + b.
    `fire` makes spikes of the centred membrane, 1 where it is above 0, with the run's surrogate derivative.

    Args:
        name: The value of `network.neuron`, and the section of its knobs.
        state: Names of the parts of its state; `voltage` and `spikes` are among them.
        readout: The layer behind it: linear with a bias, as in herranz2022, or zenke2021's leaky one.
    """
    return _noted("neuron", name, {"state": state, "readout": readout})


def initialiser(name: str) -> Callable[[Class], Class]:
    """Register an initialiser: a frozen dataclass of knobs with a method `draw`.

    `draw(self, shape, generator, weights)` returns a matrix of the shape (units out, units in). The generator is
    numpy's; `weights` names the matrix: W1, V1, W2, ..., W_out.

    Args:
        name: The value of `init.scheme`, and the section of its knobs.
    """
    return _noted("initialiser", name)


def data_set(name: str) -> Callable[[Class], Class]:
    """Register a data set: a frozen dataclass of knobs with a method `make`, and `find` if it is read from files.

    `make(self, folder)` returns a `Task`; `folder` holds the data files, and is None without `find`.
    `find(self, folder)` returns the paths of all files that it reads. `units`, `classes`, `steps` and `train_samples`
    are knobs, class variables or properties. The knobs `seed` and `dt` (ms) are added where they are missing.

    Args:
        name: The value of `data.task`.
    """
    return _noted("data_set", name)


def figure(name: str) -> Callable[[Class], Class]:
    """Register a figure: a class with methods `select` and `draw`, and `NEEDS` if it needs anything in particular.

    `select(self, tables, experiment)` returns the plotted rows as a DataFrame, from tables by name (`runs`, ...).
    `draw(self, data, experiment, note)` returns a matplotlib Figure of them; `note` is for its corner.

    Args:
        name: What `draw:` of an experiment says: two words with a dot between them, e.g. `mine.curves`. It draws the
            experiment `mine_curves` unasked.
    """
    return _noted("figure", name)


def _noted(kind: str, name: str, told: dict[str, Any] | None = None) -> Callable[[Class], Class]:
    def note(made: Class) -> Class:
        # In the module itself, so that what a later class of the same name hides is seen as well.
        declared = sys.modules[made.__module__].__dict__.setdefault(NOTES, [])
        declared.append(Declaration(kind, name, made, told or {}))
        return made

    return note
