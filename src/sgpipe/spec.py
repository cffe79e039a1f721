"""RunSpec: the complete, frozen description of one trained network, and the id that names it.

This is the only place that knows all knobs of a run. Each knob has a type, a default, a unit and a meaning here;
the reference table in docs/knobs.md and the error messages are made from them.

A default is part of every run id that does not mention the knob: never change one, add a knob instead.
"""

import hashlib
import json
import math
import types
import typing
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from functools import cache, cached_property
from typing import Any

from sgpipe.errors import SgpipeError, one_of
from sgpipe.surrogates import SURROGATES


def knob(default, meaning: str, unit: str = "", choices=None, above=None, least=None, below=None) -> Any:
    """Declare one knob: its default, meaning, unit, and the values it allows."""
    rule = {
        "meaning": meaning,
        "unit": unit,
        "choices": choices,
        "above": above,
        "least": least,
        "below": below,
    }
    return field(default=default, metadata=rule)


@dataclass(frozen=True)
class RandmanData:
    """Smooth random manifolds (Zenke & Vogels 2021, section 4.1.1)."""

    task: str = knob("randman", "the data set", choices=("randman",))
    source: str = knob("synthetic", "where the data come from", choices=("synthetic",))
    variant: str = knob(
        "printed",
        "spectrum and split: the paper's formula, or one of the two generators in the authors' code",
        choices=("printed", "authors_torch", "authors_numpy"),
    )
    seed: int = knob(0, "seed of the manifolds and of the points on them", least=0)
    classes: int = knob(10, "number of manifolds, one a class", least=2)
    units: int = knob(20, "input units M, the embedding dimension", least=1)
    dim: int = knob(1, "intrinsic manifold dimension D", least=1)
    alpha: float = knob(1.0, "smoothness: the spectrum falls as frequency^-alpha", above=0)
    samples_per_class: int = knob(1000, "points on each manifold: 80 % train, 10 % valid, 10 % test", least=10)
    tau: float = knob(50.0, "spike times lie in [0, tau)", "ms", above=0)
    dt: float = knob(1.0, "time step", "ms", above=0)
    steps: int = knob(100, "number of time steps", least=1)


@dataclass(frozen=True)
class Network:
    """Layers and neuron (section 4.2.1 and 4.2.2)."""

    neuron: str | None = knob(
        "lif", "hidden neuron model: current-based leaky integrate-and-fire, eq. 4.1", choices=("lif",)
    )
    hidden: tuple[int, ...] = knob((100,), "units of each hidden layer; [] for none", least=1)
    recurrent: bool = knob(False, "recurrent weights V within every hidden layer")
    tau_membrane: float | None = knob(10.0, "membrane time constant of hidden neurons", "ms", above=0)
    tau_synapse: float = knob(5.0, "synaptic time constant", "ms", above=0)
    tau_readout: float = knob(20.0, "membrane time constant of the readout", "ms", above=0)
    reset_gradient: str | None = knob(
        "detached", "whether gradients flow through the reset", choices=("detached", "attached")
    )
    recurrent_gradient: str | None = knob(
        "propagated", "whether gradients flow through V back in time", choices=("propagated", "detached")
    )
    readout_start: float = knob(0.0, "readout membrane at step 0 (the authors' library: -1e-3)")


@dataclass(frozen=True)
class SurrogateChoice:
    """The surrogate derivative (section 4.2.6)."""

    shape: str | None = knob("superspike", "its shape", choices=tuple(SURROGATES))
    beta: float | None = knob(10.0, "its slope; for beta = 0 use shape: constant", "1/threshold", above=0)


@dataclass(frozen=True)
class Init:
    """Initial weights (section 4.2.3)."""

    scheme: str = knob("uniform", "U(-1/sqrt(n), 1/sqrt(n)), n = afferents of the connection", choices=("uniform",))
    seed: int = knob(0, "seed of the initial weights", least=0)
    gain: float | None = knob(1.0, "factor on the hidden layers' feed-forward weights; 1 as printed", above=0)


@dataclass(frozen=True)
class Objective:
    """Readout head, loss and activity regularisers (sections 4.2.4 and 4.2.5)."""

    head: str = knob("max", "logit: maximum or sum of the readout membrane over time", choices=("max", "sum"))
    lower_strength: float | None = knob(100.0, "lambda_lower", least=0)
    lower_threshold: float | None = knob(1e-3, "nu_lower, per neuron", "spikes", least=0)
    upper_strength: float | None = knob(0.0, "lambda_upper", least=0)
    upper_threshold: float | None = knob(0.0, "nu_upper, on the layer's mean", "spikes", least=0)
    upper_exponent: int | None = knob(1, "L of g_upper", choices=(1, 2))


@dataclass(frozen=True)
class Optimiser:
    """The optimiser (section 4.2.6)."""

    name: str = knob("adam", "Adam with default moments", choices=("adam",))
    lr: float = knob(0.05, "learning rate eta", least=0)
    beta1: float = knob(0.9, "decay of the first moment", least=0, below=1)
    beta2: float = knob(0.999, "decay of the second moment", least=0, below=1)
    eps: float = knob(1e-8, "added to the root of the second moment", above=0)


@dataclass(frozen=True)
class Training:
    """How long, in what order and at what precision."""

    epochs: int = knob(50, "passes over the training split", least=1)
    batch_size: int = knob(250, "samples per update", least=1)
    seed: int = knob(0, "seed of the order of the samples", least=0)
    precision: str = knob("float32", "floating-point type of the network", choices=("float32", "float64"))


TASKS: dict[str, type] = {"randman": RandmanData}
SECTIONS: dict[str, type] = {
    "network": Network,
    "surrogate": SurrogateChoice,
    "init": Init,
    "objective": Objective,
    "optimiser": Optimiser,
    "training": Training,
}
SEEDS = ("data.seed", "init.seed", "training.seed")


@dataclass(frozen=True)
class RunSpec:
    """One network trained once. Build it with `RunSpec.make`, which validates; two equal specs are the same run."""

    data: RandmanData
    network: Network
    surrogate: SurrogateChoice
    init: Init
    objective: Objective
    optimiser: Optimiser
    training: Training

    @classmethod
    def make(cls, values: Mapping[str, Any], where: str = "spec") -> "RunSpec":
        """Return the run described by dotted knobs, e.g. `{"surrogate.beta": 10}`; the rest is default.

        Raises SgpipeError, naming `where` and the key, on an unknown knob, a wrong type, a value out of range
        or an impossible combination.
        """
        task = values.get("data.task", "randman")
        if not isinstance(task, str) or task not in TASKS:
            raise one_of(f"{where}: data.task", task, TASKS)
        known = knobs(task)
        given: dict[str, dict[str, Any]] = {"data": {}, **{name: {} for name in SECTIONS}}
        for key, value in values.items():
            if key not in known:
                raise one_of(f"{where}: unknown key", key, known)
            section, _, name = key.partition(".")
            given[section][name] = read_value(known[key], value, f"{where}: {key}")
        spec = cls(TASKS[task](**given["data"]), **{name: kind(**given[name]) for name, kind in SECTIONS.items()})
        return spec._without_idle_knobs(where)

    def _without_idle_knobs(self, where: str) -> "RunSpec":
        """Return the spec with knobs that cannot matter set to None, after checking the combination."""
        if self.data.tau > self.data.dt * self.data.steps * (1 + 1e-9):  # 0.03 * 81 falls short of 2.43
            raise SgpipeError(
                f"{where}: data.tau: {self.data.tau} ms is longer than data.steps x data.dt = "
                f"{self.data.dt * self.data.steps} ms; raise data.steps or lower data.tau"
            )
        changes: dict[str, dict[str, None]] = {}
        for key in self._idle(where):
            section, _, name = key.partition(".")
            changes.setdefault(section, {})[name] = None
        # Frozen dataclasses are rebuilt directly: dataclasses.replace costs more than all the rest of planning.
        sections = {name: getattr(self, name) for name in ("data", *SECTIONS)}
        for section, nulls in changes.items():
            old = sections[section]
            sections[section] = type(old)(**{**old.__dict__, **nulls})
        return RunSpec(**sections)

    def _idle(self, where: str) -> list[str]:
        """Return the knobs that cannot matter; raise SgpipeError if the combination makes no sense."""
        idle = []
        if not self.network.hidden:
            if self.network.recurrent:
                raise SgpipeError(f"{where}: network.recurrent: true needs a hidden layer; set it false")
            idle += [
                "network.neuron",
                "network.tau_membrane",
                "network.reset_gradient",
                "surrogate.shape",
                "surrogate.beta",
                "init.gain",
            ]
            idle += [f"objective.{name}" for name in vars(self.objective) if name != "head"]
        else:
            if "beta" not in SURROGATES[self.surrogate.shape].knobs:
                idle.append("surrogate.beta")
            if self.surrogate.shape == "true_derivative":  # nothing flows through any spike
                idle += ["network.reset_gradient", "network.recurrent_gradient"]
            if self.objective.lower_strength == 0:
                idle.append("objective.lower_threshold")
            if self.objective.upper_strength == 0:
                idle += ["objective.upper_threshold", "objective.upper_exponent"]
        if not self.network.recurrent:
            idle.append("network.recurrent_gradient")
        return idle

    def flat(self) -> dict[str, Any]:
        """Return every knob as `section.name: value`, None where it does not apply."""
        return {
            f"{section}.{name}": value
            for section in ("data", *SECTIONS)
            for name, value in getattr(self, section).__dict__.items()
        }

    def canonical(self) -> str:
        """Return the canonical JSON: knobs that apply and differ from their default, sorted."""
        return canonical_json(self.flat(), self.data.task)

    @cached_property
    def id(self) -> str:
        """Return the run id: 16 hexadecimal digits of the hash of the canonical JSON."""
        return digest(self.canonical())

    @cached_property
    def data_id(self) -> str:
        """Return the id of the prepared task: the run id's rule, applied to the data section alone."""
        data = {f"data.{name}": value for name, value in vars(self.data).items()}
        return digest(canonical_json(data, self.data.task))


def canonical_json(values: Mapping[str, Any], task: str) -> str:
    """Return `values` as JSON with sorted keys, leaving out defaults and knobs that do not apply."""
    defaults = _defaults(task)
    kept = {key: value for key, value in values.items() if value is not None and value != defaults[key]}
    if task != "randman":
        kept["data.task"] = task
    return json.dumps(kept, sort_keys=True, separators=(",", ":"))


def digest(text: str) -> str:
    """Return the first 16 hexadecimal digits of the SHA-256 of `text`."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@cache
def knobs(task: str) -> dict[str, Field]:
    """Return every knob of a run on `task`, by dotted name."""
    kinds = {"data": TASKS[task], **SECTIONS}
    return {f"{section}.{item.name}": item for section, kind in kinds.items() for item in fields(kind)}


@cache
def _defaults(task: str) -> dict[str, Any]:
    return {key: item.default for key, item in knobs(task).items()}


@cache
def basic_type(item_type: Any) -> type:
    """Return bool, int, float, str or tuple for a knob's annotation, whether or not it allows None."""
    if isinstance(item_type, types.UnionType):
        item_type = next(part for part in typing.get_args(item_type) if part is not types.NoneType)
    return typing.get_origin(item_type) or item_type


TYPE_WORDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a word",
    tuple: "a list of whole numbers",
}


def read_value(item: Field, value: Any, where: str) -> Any:
    """Return `value` as the knob's own type; raise SgpipeError if it is not one the knob allows."""
    kind = basic_type(item.type)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value) if abs(value) < 2**1000 else math.inf
    if kind is tuple and isinstance(value, list | tuple):
        if not all(isinstance(part, int) and not isinstance(part, bool) for part in value):
            raise SgpipeError(f"{where}: {list(value)!r} is not {TYPE_WORDS[tuple]}, e.g. [100, 100]")
        value = tuple(value)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise SgpipeError(f"{where}: {value!r} is not {TYPE_WORDS[kind]}")
    rule = item.metadata
    if rule["choices"] is not None and value not in rule["choices"]:
        raise one_of(where, value, rule["choices"])
    for part in value if kind is tuple else (value,):
        if kind in (int, float, tuple):
            _check_range(rule, part, where)
    return value


def _check_range(rule: Mapping[str, Any], value: float, where: str) -> None:
    unit = f" {rule['unit']}" if rule["unit"] else ""
    if not math.isfinite(value):
        raise SgpipeError(f"{where}: {value} is not a finite number")
    if rule["above"] is not None and value <= rule["above"]:
        raise SgpipeError(f"{where}: {value}{unit} must be above {rule['above']}{unit}")
    if rule["least"] is not None and value < rule["least"]:
        raise SgpipeError(f"{where}: {value}{unit} must be at least {rule['least']}{unit}")
    if rule["below"] is not None and value >= rule["below"]:
        raise SgpipeError(f"{where}: {value}{unit} must be below {rule['below']}{unit}")


def from_canonical(text: str) -> RunSpec:
    """Return the run whose canonical JSON is `text`, as the store keeps it."""
    return RunSpec.make(json.loads(text), "store")
