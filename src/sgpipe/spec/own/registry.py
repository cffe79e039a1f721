"""What is registered: the only state of the program that a configuration sets. It holds what the last one named.

The tables of built-in things look here too (`TASKS`, `NEURON_KNOBS` and `VERSIONS` are chained to it), so whoever looks
up a name need not know whose it is.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Own:
    """One thing of a user's own.

    Attributes:
        kind: `neuron`, `initialiser`, `data_set` or `figure`.
        name: What YAML calls it.
        file: The file that it is from, as config.yaml names it.
        code: A digest of that file, 16 hexadecimal digits: part of the id of every run that uses it.
        text: The file.
        told: What its decorator was told besides.
    """

    kind: str
    name: str
    file: str
    code: str
    text: bytes = field(repr=False)
    told: dict[str, Any] = field(hash=False)

    @property
    def component(self) -> str:
        """What `sgpipe.spec.numerics` calls it; nothing for a figure, which decides no result."""
        room = {"neuron": "neuron", "initialiser": "init", "data_set": "task"}.get(self.kind)
        return f"{room}.{self.name}" if room else ""

    @property
    def words(self) -> str:
        """What it is and what it is called, for messages."""
        return f"{self.kind.replace('_', ' ')} {self.name}"


class Registry:
    """Own things by name. Each class has its `Own` as `OWN`."""

    def __init__(self) -> None:
        self.neurons: dict[str, type] = {}
        self.initialisers: dict[str, type] = {}
        self.data_sets: dict[str, type] = {}
        self.figures: dict[str, type] = {}
        self.sections: dict[str, type] = {}  # those that have a section of knobs with their name
        self.neuron_knobs: dict[str | None, tuple[str, ...]] = {}  # those of `network` that it depends on
        self.versions: dict[str, Any] = {}  # by component: the digest of its file is its version
        self.key: tuple[tuple[str, str, str], ...] = ()  # of what caches depend on

    def fill(self, things: Iterable[Any]) -> None:
        """Hold these and no others, their names being known to be different."""
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
