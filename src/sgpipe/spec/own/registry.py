"""The registry of extensions: the program's only state that a configuration sets, always by the last one read.

The tables of built-in things look here too (`TASKS`, `NEURON_KNOBS` and `VERSIONS` are chained to it), so a lookup by
name finds both built-in things and extensions.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Own:
    """One thing that a user has registered.

    Attributes:
        kind: `neuron`, `initialiser`, `data_set` or `figure`.
        name: Its name in YAML.
        file: The file that defines it, as config.yaml names it.
        code: A digest of that file, 16 hexadecimal digits: part of the id of every run that uses it.
        text: The content of that file.
        told: The other arguments of its decorator.
    """

    kind: str
    name: str
    file: str
    code: str
    text: bytes = field(repr=False)
    told: dict[str, Any] = field(hash=False)

    @property
    def component(self) -> str:
        """Its name in `sgpipe.spec.numerics`; empty for a figure, which affects no result."""
        room = {"neuron": "neuron", "initialiser": "init", "data_set": "task"}.get(self.kind)
        return f"{room}.{self.name}" if room else ""

    @property
    def words(self) -> str:
        """Its kind and name, for messages."""
        return f"{self.kind.replace('_', ' ')} {self.name}"


class Registry:
    """The registered classes by name. Each has its `Own` as `OWN`."""

    def __init__(self) -> None:
        self.neurons: dict[str, type] = {}
        self.initialisers: dict[str, type] = {}
        self.data_sets: dict[str, type] = {}
        self.figures: dict[str, type] = {}
        self.sections: dict[str, type] = {}  # classes whose name is a section of knobs
        self.neuron_knobs: dict[str | None, tuple[str, ...]] = {}  # per neuron: knobs of `network` that it uses
        self.versions: dict[str, Any] = {}  # by component: the digest of its file
        self.key: tuple[tuple[str, str, str], ...] = ()  # part of the key of caches

    def fill(self, things: Iterable[Any]) -> None:
        """Replace the content by these classes, whose names must be different."""
        for table in vars(self).values():
            if isinstance(table, dict):
                table.clear()
        key = []
        for made in things:
            own = made.OWN
            getattr(self, f"{own.kind}s")[own.name] = made
            if own.component:
                self.versions[own.component] = own.code
            if own.kind == "neuron":
                leaky = ("tau_synapse", "tau_readout", "readout_start") if own.told["readout"] == "leaky" else ()
                self.neuron_knobs[own.name] = ("bias", *leaky)
            key.append((own.kind, own.name, own.code))
        self.sections |= {**self.neurons, **self.initialisers}
        self.key = tuple(key)


EXTENSIONS = Registry()
