"""RunSpec: the complete, frozen description of one trained network, and the id that names it.

This is the only place that knows all knobs of a run. Each knob has a type, a default, a unit and a meaning here;
the reference table in docs/knobs.md and the error messages are made from them.

A default is part of every run id that does not mention the knob: never change one, add a knob instead.
"""

import hashlib
import json
from collections import ChainMap
from collections.abc import Mapping
from dataclasses import Field, dataclass, fields
from functools import cache, cached_property
from typing import Any

from sgpipe.base.errors import OtherVersion, SgpipeError, one_of
from sgpipe.spec.condition_choices import CHOICES, idle_conditions, state_is_drawn
from sgpipe.spec.initialisers import INITIALISERS
from sgpipe.spec.knob import MOST_SEED, knob, read_value, with_choices
from sgpipe.spec.own.registry import EXTENSIONS, Own
from sgpipe.spec.resets import RESETS
from sgpipe.spec.surrogates import FORMULA, SURROGATES
from sgpipe.spec.tasks import TASKS

BUILT_IN_NEURONS = ("lif", "delta_lif", "alif", "slstm", "relu")


@dataclass(frozen=True)
class Network:
    """Layers and neuron (zenke2021 sections 4.2.1-2; herranz2022 sections 2.1, 2.5 and appendix B)."""

    neuron: str | None = knob(
        "lif",
        "hidden neuron model: zenke2021's current-based leaky integrate-and-fire, eq. 4.1; herranz2022's eq. 1, whose "
        "voltage jumps with each spike; the same with an adaptive threshold; its LSTM of steps; or the rectified "
        "linear units of a conventional network",
        choices=BUILT_IN_NEURONS,
    )
    hidden: tuple[int, ...] = knob(
        (100,), "units of each hidden layer; [] for none", least=1, most=100_000, longest=100
    )
    recurrent: bool = knob(False, "recurrent weights V within every hidden layer")
    tau_membrane: float | None = knob(10.0, "membrane time constant of hidden neurons", "ms", above=0, most=1e6)
    tau_synapse: float | None = knob(5.0, "synaptic time constant", "ms", above=0, most=1e6)
    tau_membrane_shape: float | None = knob(
        0.0,
        "lif: shape of the gamma distribution about tau_membrane that each neuron's own is drawn from "
        "(Perez-Nieves et al. 2021: 3); 0: all have the same",
        least=0,
        most=1e6,
        rare=True,
    )
    tau_synapse_shape: float | None = knob(
        0.0, "lif: likewise of tau_synapse, of hidden neurons alone", least=0, most=1e6, rare=True
    )
    tau_readout: float | None = knob(20.0, "membrane time constant of the readout", "ms", above=0, most=1e6)
    reset_gradient: str | None = knob(
        "detached", "whether gradients flow through the reset", choices=("detached", "attached")
    )
    recurrent_gradient: str | None = knob(
        "propagated", "whether gradients flow through V back in time", choices=("propagated", "detached")
    )
    readout_start: float | None = knob(
        0.0, "readout membrane at step 0 (the authors' library: -1e-3)", least=-1e6, most=1e6
    )
    membrane_decay: float | None = knob(
        0.9, "alpha_decay of delta_lif and alif (the authors' code: 4.5e-5)", "per step", least=0, below=1
    )
    threshold: float | None = knob(1.0, "thr of delta_lif and alif (the authors' code: 0.01)", above=0, most=1e6)
    reset: str | None = knob(
        "subtractive",
        "how a spike acts on the voltage of delta_lif and alif: eq. 1, or a form of B.7 (docs/errata.md)",
        choices=tuple(RESETS),
    )
    adaptation: float | None = knob(
        1.8, "alif: by how much lasting activity raises the threshold", "threshold's", least=0, most=1e6
    )
    tau_adaptation: float | None = knob(
        100.0, "alif: time constant of that; half of the steps in the authors' code", "steps", above=0, most=1e9
    )
    trained_neurons: bool | None = knob(
        False,
        "train decay, threshold and adaptation of each neuron, from a truncated normal about the values given; of lif "
        "its two time constants, from what tau_membrane, tau_synapse and their shapes give",
    )
    bias: bool | None = knob(False, "trained current b of eq. 1 or of relu, from 0; slstm always has its biases")
    tanh: str | None = knob(
        "coded", "slstm: what stands for tanh: 2 H - 1 as coded, or 1 - 2 H as printed", choices=("coded", "printed")
    )
    dropout: float | None = knob(
        0.0, "share of the inputs of each hidden layer that training drops, anew in every step", least=0, below=1
    )
    input_dropout: float | None = knob(
        0.0,
        "share of the input's spikes that training leaves out, drawn anew in every epoch; the others keep their size",
        least=0,
        below=1,
        rare=True,
    )
    embedding: int | None = knob(
        0,
        "word tasks: size of the learned embedding, whose transpose is the readout; 0 for none",
        least=0,
        most=100_000,
    )


# The knobs that each kind of hidden neuron uses, among those that another kind may not use. None: no hidden layer, only
# zenke2021's readout. Extensions are included.
_EQ_1 = ("membrane_decay", "threshold", "reset", "reset_gradient", "trained_neurons", "bias")
_OWN_TIMES = ("tau_membrane_shape", "tau_synapse_shape")
_READOUT = ("tau_synapse", "tau_readout", "readout_start")
NEURON_KNOBS: Mapping[str | None, tuple[str, ...]] = ChainMap(
    EXTENSIONS.neuron_knobs,
    {
        None: _READOUT,
        "lif": ("tau_membrane", *_OWN_TIMES, "trained_neurons", "reset_gradient", *_READOUT),
        "delta_lif": _EQ_1,
        "alif": (*_EQ_1, "adaptation", "tau_adaptation"),
        "slstm": ("tanh",),
        "relu": ("bias",),
    },
)


def _canonical_formula(text: str) -> str:
    from sgpipe.spec.formulas.formula import formula  # here: see sgpipe.spec.surrogates

    return formula(text).text


@dataclass(frozen=True)
class SurrogateChoice:
    """The surrogate derivative h(x) (zenke2021 section 4.2.6; herranz2022 Table S1)."""

    shape: str | None = knob("superspike", "its shape", choices=(*SURROGATES, FORMULA))
    beta: float | None = knob(
        10.0, "slope of a shape of zenke2021; for beta = 0 use shape: constant", "1/threshold", above=0, most=1e9
    )
    dampening: float | None = knob(1.0, "factor gamma on the height of any shape", above=0, most=1e9)
    sharpness: float | None = knob(1.0, "slope s of a shape of herranz2022", "1/threshold", above=0, most=1e9)
    tail: float | None = knob(2.0, "exponent q of q_pseudospike; 2 makes it dfast_sigmoid", above=1, most=1e6)
    formula: str | None = knob(
        "",
        "shape formula: h = dampening f(v), v = slope (U - threshold), e.g. 1/(1 + abs(v))**3 (docs/formulas.md)",
        spelling=_canonical_formula,
        rare=True,
    )
    slope: str | None = knob(
        "sharpness", "shape formula: the knob that stretches v", choices=("sharpness", "beta"), rare=True
    )

    @property
    def name(self) -> str | None:
        """The key in `SURROGATES`: the shape's name, or the formula itself."""
        return self.formula if self.shape == FORMULA else self.shape

    def numbers(self) -> dict[str, Any]:
        """Collect the arguments of `lower`."""
        return {
            "shape": self.name,
            "beta": None if self.slope == "sharpness" else self.beta,  # a formula would prefer beta
            "dampening": self.dampening,
            "sharpness": self.sharpness,
            "tail": self.tail,
        }

    @property
    def used(self) -> tuple[str, ...]:
        """The knobs that the shape depends on."""
        if self.shape == FORMULA:
            return ("shape", "formula", "slope", "dampening", self.slope)
        return ("shape", *SURROGATES[self.shape].knobs)


@dataclass(frozen=True)
class Init:
    """Initial weights and surrogate (zenke2021 section 4.2.3; herranz2022 sections 2.3, 2.6, 3.3 and appendix B)."""

    scheme: str = knob(
        "uniform",
        "zenke2021's U(-1/sqrt(n), 1/sqrt(n)), n = afferents of the connection; or Glorot, He, orthogonal by name",
        choices=("uniform", *INITIALISERS),
    )
    seed: int = knob(0, "seed of the initial weights", least=0, most=MOST_SEED)
    gain: float | None = knob(1.0, "factor on the hidden layers' feed-forward weights; 1 as printed", above=0, most=1e9)
    conditions: str = knob(
        "none",
        "which of herranz2022's conditions the initial state is to meet: half of the neurons fire (I), as much "
        "variance from V as from W (II), gradients keep their maximum (III) and their variance (IV)",
        choices=CHOICES,
    )
    method: str | None = knob(
        "theory",
        "how: by the formulas for delta_lif and alif, or for any neuron by measuring on a batch of training samples",
        choices=("theory", "calibrated"),
    )
    readings: str | None = knob(
        "corrected",
        "theory: its equations as they hold, as printed, or as in the authors' code (docs/errata.md)",
        choices=("corrected", "printed", "authors"),
    )
    extrema: str | None = knob(
        "ensemble",
        "theory: III and IV for the distribution of the weights, or for each neuron by the weights drawn",
        choices=("ensemble", "sample"),
    )
    infeasible: str | None = knob(
        "skip",
        "where a condition has no solution: leave it out, come as near as possible, or stop",
        choices=("skip", "clip", "error"),
    )
    rate: float | None = knob(
        0.5,
        "calibrated: the share of neurons that fire at a step where I is met; half in herranz2022, more than sparse "
        "input can wake in a layer without V",
        above=0,
        most=0.5,
        rare=True,
    )
    free: str | None = knob(
        "sharpness", "what IV is solved for; the tail of q_pseudospike alone", choices=("sharpness", "tail")
    )


@dataclass(frozen=True)
class Objective:
    """Readout head, loss and activity regularisers (zenke2021 sections 4.2.4-5; herranz2022 section 2.5)."""

    head: str | None = knob(
        "max",
        "what cross-entropy sees: maximum or sum of the readout over time, or the readout of all steps, one by one",
        choices=("max", "sum", "steps"),
    )
    max_from: int | None = knob(
        0,
        "head max: the first step whose readout counts; at 0 its constant start does",
        "steps",
        least=0,
        most=1_000_000,
    )
    label_smoothing: float = knob(0.0, "share of the target spread evenly over all classes", least=0, below=1)
    accuracy: str | None = knob(
        "summed",
        "head steps: the class of the largest sum of logits, as coded, or the one ahead at most steps, as printed",
        choices=("summed", "mode"),
    )
    lower_strength: float | None = knob(100.0, "lambda_lower", least=0, most=1e12)
    lower_threshold: float | None = knob(1e-3, "nu_lower, per neuron", "spikes", least=0, most=1e9)
    upper_strength: float | None = knob(0.0, "lambda_upper", least=0, most=1e12)
    upper_threshold: float | None = knob(0.0, "nu_upper, on the layer's mean", "spikes", least=0, most=1e9)
    upper_exponent: int | None = knob(1, "L of g_upper", choices=(1, 2))


@dataclass(frozen=True)
class Optimiser:
    """The optimiser (zenke2021 section 4.2.6; herranz2022 section 2.5)."""

    name: str = knob(
        "adam",
        "Adam, AdaBelief without rectification, or SMORMS3 (zenke2021's scripts)",
        choices=("adam", "adabelief", "smorms3"),
    )
    lr: float = knob(0.05, "learning rate eta", least=0, most=1e30)
    beta1: float | None = knob(0.9, "decay of the first moment", least=0, below=1)
    beta2: float | None = knob(0.999, "decay of the second moment", least=0, below=1)
    eps: float = knob(1e-8, "added to the root of the second moment; adabelief: to that moment too", above=0, most=1e6)
    weight_decay: float = knob(
        0.0, "share by which lr times it shrinks the weights, not biases or neurons, in each update", least=0, most=1e6
    )
    clip: float = knob(0.0, "largest norm of the gradient, which is scaled down to it; 0 for any", least=0, most=1e12)
    clip_scope: str | None = knob(
        "global",
        "that norm over all weights, or over each matrix alone as in herranz2022's code",
        choices=("global", "variable"),
    )
    average: str = knob("none", "weights to evaluate: the latest, or their mean so far", choices=("none", "swa"))
    average_start: int | None = knob(0, "swa: updates before the first that may count", "updates", least=0, most=10**12)
    average_period: int | None = knob(10, "swa: every which update counts", "updates", least=1, most=10**12)


@dataclass(frozen=True)
class Training:
    """How long, in what order and at what precision."""

    epochs: int = knob(50, "passes over the training split", least=1, most=1_000_000)
    batch_size: int = knob(250, "samples per update", least=1, most=1_000_000)
    seed: int = knob(0, "seed of the order of the samples", least=0, most=MOST_SEED)
    precision: str = knob(
        "float32",
        "floating-point type of the network; mixed: float32, but products back through weights take bfloat16 numbers",
        choices=("float32", "float64", "mixed"),
    )

    @property
    def dtype(self) -> str:
        """The type of weights, membranes and gradients: `float32` or `float64`."""
        return "float32" if self.precision == "mixed" else self.precision


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
    """One network, trained once. Build it with `RunSpec.make`, which validates; two equal specs are the same run."""

    data: Any  # one of the sections in sgpipe.spec.tasks
    network: Network
    surrogate: SurrogateChoice
    init: Init
    objective: Objective
    optimiser: Optimiser
    training: Training
    own: tuple[Any, ...] = ()  # knobs of its neuron and initialiser if these are extensions

    @classmethod
    def make(cls, values: Mapping[str, Any], where: str = "spec") -> "RunSpec":
        """Make a run from dotted knobs, e.g. `{"surrogate.beta": 10}`; all other knobs take their defaults.

        Args:
            values: Knobs by dotted name.
            where: Names the run in the error message.

        Raises:
            SgpipeError: A knob is unknown, a value has the wrong type or is out of range, or the combination is
                impossible.
        """
        task = values.get("data.task", "randman")
        if not isinstance(task, str) or task not in TASKS:
            raise one_of(f"{where}: data.task", task, TASKS)
        known = knobs(task)
        given: dict[str, dict[str, Any]] = {name: {} for name in ("data", *SECTIONS, *EXTENSIONS.sections)}
        for key, value in values.items():
            if key not in known:
                raise one_of(f"{where}: unknown key", key, known)
            section, _, name = key.partition(".")
            given[section][name] = read_value(known[key], value, f"{where}: {key}")
        if values.get("surrogate.shape") == FORMULA and not values.get("surrogate.formula"):
            raise SgpipeError(f"{where}: surrogate.shape: {FORMULA} needs surrogate.formula, e.g. 1/(1 + abs(v))**3")
        if values.get("surrogate.formula") and "surrogate.shape" not in values:
            raise SgpipeError(f"{where}: surrogate.formula: needs surrogate.shape: {FORMULA} beside it")
        data = _made(TASKS[task], given["data"], f"{where}: data")
        spec = cls(data, **{name: kind(**given[name]) for name, kind in SECTIONS.items()})
        chosen = (spec.network.neuron if spec.network.hidden else None, spec.init.scheme)
        own = {name: EXTENSIONS.sections[name] for name in chosen if name in EXTENSIONS.sections}
        made = tuple(_made(kind, given[name], f"{where}: {name}") for name, kind in own.items())
        return RunSpec(**{**spec.__dict__, "own": made})._without_idle_knobs(where)

    def with_source(self, source: str, files: str | None, where: str) -> "RunSpec":
        """Make the same run on data from another source.

        Args:
            source: The value of `data.source`.
            files: The value of `data.files`, the digest of the files; None if there are none.
            where: Names the run in the error message.
        """
        data = type(self.data)(**{**self.data.__dict__, "source": source, "files": files})
        return RunSpec(data, *(getattr(self, name) for name in SECTIONS), self.own)._without_idle_knobs(where)

    def _without_idle_knobs(self, where: str) -> "RunSpec":
        """Return the spec with knobs that cannot matter set to None, after checking the combination."""
        self.data.check(where)
        changes: dict[str, dict[str, None]] = {}
        for key in self._idle(where):
            section, _, name = key.partition(".")
            changes.setdefault(section, {})[name] = None
        # Frozen dataclasses are rebuilt directly: dataclasses.replace would take longer than the rest of planning.
        sections = {name: getattr(self, name) for name in ("data", *SECTIONS)}
        for section, nulls in changes.items():
            old = sections[section]
            sections[section] = type(old)(**{**old.__dict__, **nulls})
        return RunSpec(**sections, own=self.own)

    def _idle(self, where: str) -> list[str]:
        """Return the knobs that cannot matter; raise SgpipeError if the combination makes no sense."""
        idle = [f"data.{name}" for name in self.data.idle()]
        idle += self._idle_network(where) + self._idle_objective(where)
        idle += [f"init.{name}" for name in idle_conditions(self, where)]
        if not self.spikes:
            idle += [f"surrogate.{name}" for name in vars(self.surrogate)]
            idle += [] if self.network.hidden else ["init.gain"]
        else:
            used = self.surrogate.used
            idle += [f"surrogate.{name}" for name in vars(self.surrogate) if name not in used]
        if self.training.precision == "mixed" and (self.leaky or not self.spikes):
            raise SgpipeError(
                f"{where}: training.precision: mixed is for neurons with a linear readout (delta_lif, alif, slstm); "
                "set float32"
            )
        if self.optimiser.name == "smorms3":
            idle += ["optimiser.beta1", "optimiser.beta2"]
        if self.optimiser.clip == 0:
            idle.append("optimiser.clip_scope")
        if self.optimiser.average == "none":
            idle += ["optimiser.average_start", "optimiser.average_period"]
        return idle

    def _idle_network(self, where: str) -> list[str]:
        network = self.network
        neuron = network.neuron if network.hidden else None
        used = NEURON_KNOBS[neuron]
        idle = [name for name in dict.fromkeys(sum(NEURON_KNOBS.values(), ())) if name not in used]
        if not network.hidden:
            if network.recurrent:
                raise SgpipeError(f"{where}: network.recurrent: true needs a hidden layer; set it false")
            idle += ["neuron", "dropout"]
        elif neuron == "relu" and network.recurrent:
            raise SgpipeError(
                f"{where}: network.recurrent: true is not for relu, which has no memory; set it false, or another "
                "network.neuron"
            )
        elif self.surrogate.shape == "true_derivative":  # no gradient flows through spikes
            idle += ["reset_gradient", "recurrent_gradient"]
        if not network.recurrent:
            idle.append("recurrent_gradient")
        # Knobs added later do not appear in the tables of runs that do not use them.
        if not network.input_dropout:
            idle.append("input_dropout")
        elif self.words:
            raise SgpipeError(f"{where}: network.input_dropout is not for texts, whose words are no spikes; set it 0")
        if neuron == "lif":
            idle += [name for name in (*_OWN_TIMES, "trained_neurons") if not getattr(network, name)]
        if neuron == "alif" and network.adaptation == 0 and not network.trained_neurons:
            idle.append("tau_adaptation")
        if not self.words or not network.hidden:
            idle.append("embedding")
        elif network.embedding not in (0, network.hidden[-1]):
            raise SgpipeError(
                f"{where}: network.embedding: {network.embedding} is not the size of the last hidden layer, "
                f"{network.hidden[-1]}, whose spikes its transpose reads out; set them equal, or 0 for a readout"
            )
        return [f"network.{name}" for name in idle]

    def _idle_objective(self, where: str) -> list[str]:
        objective, idle = self.objective, []
        if self.words:  # there is only one way to predict the next word at every step
            idle += ["head", "accuracy"]
        elif objective.head != "steps":
            idle.append("accuracy")
        if self.words or objective.head != "max" or not self.leaky:
            idle.append("max_from")
        elif (objective.max_from or 0) >= self.data.steps:
            raise SgpipeError(
                f"{where}: objective.max_from: {objective.max_from} is not one of the steps 0 to {self.data.steps - 1}"
            )
        if not self.spikes:
            idle += ["lower_strength", "upper_strength"]
        if not self.spikes or objective.lower_strength == 0:
            idle.append("lower_threshold")
        if not self.spikes or objective.upper_strength == 0:
            idle += ["upper_threshold", "upper_exponent"]
        return [f"objective.{name}" for name in idle]

    @property
    def conditions(self) -> tuple[str, ...]:
        """The conditions that the initial state must meet, e.g. `("I", "III")`."""
        return () if self.init.conditions == "none" else tuple(self.init.conditions.split("+"))

    @property
    def spikes(self) -> bool:
        """Whether it has neurons that spike."""
        return bool(self.network.hidden) and self.network.neuron != "relu"

    @property
    def leaky(self) -> bool:
        """Whether it ends in zenke2021's leaky readout."""
        return "tau_readout" in NEURON_KNOBS[self.network.neuron if self.network.hidden else None]

    @property
    def own_neuron(self) -> Any:
        """The knobs of an extension's neuron; None for any other."""
        return next((one for one in self.own if one.OWN.kind == "neuron"), None)

    @property
    def own_initialiser(self) -> Any:
        """The knobs of an extension's initialiser; None for any other."""
        return next((one for one in self.own if one.OWN.kind == "initialiser"), None)

    @property
    def extensions(self) -> tuple[Own, ...]:
        """Its parts that come from extensions: neuron, initialiser and data set."""
        return tuple(own for one in (*self.own, self.data) if (own := getattr(type(one), "OWN", None)))

    @property
    def words(self) -> bool:
        """Whether the task is a text, in which every word must be predicted from the words before it."""
        return self.data.words

    def flat(self) -> dict[str, Any]:
        """List every knob as `section.name: value`, None where it does not apply; rare knobs only where they apply."""
        rare = rare_knobs()
        values = {
            key: value
            for section in ("data", *SECTIONS)
            for name, value in getattr(self, section).__dict__.items()
            if (key := f"{section}.{name}") not in rare or value is not None
        }
        for one in self.own:
            values |= {f"{one.OWN.name}.{name}": value for name, value in vars(one).items()}
        return values

    def canonical(self) -> str:
        """Write the canonical JSON: the knobs that apply and differ from their default, sorted."""
        return canonical_json(self.flat(), self.data.task)

    @cached_property
    def id(self) -> str:
        """The run id: 16 hexadecimal digits of the hash of the canonical JSON."""
        return digest(self.canonical())

    @cached_property
    def data_id(self) -> str:
        """The id of the prepared task: computed like the run id, but from the data section alone."""
        data = {f"data.{name}": value for name, value in vars(self.data).items()}
        return digest(canonical_json(data, self.data.task))

    @cached_property
    def init_id(self) -> str | None:
        """The id of the initial state, a hash of what that state depends on; None without conditions."""
        parts = ("data", "network", "surrogate", "init", *(one.OWN.name for one in self.own))
        flat = {key: value for key, value in self.flat().items() if key.partition(".")[0] in parts}
        if not state_is_drawn(self):
            flat["init.seed"] = None
        return digest(canonical_json(flat, self.data.task)) if self.conditions else None


def canonical_json(values: Mapping[str, Any], task: str) -> str:
    """Write knobs as JSON with sorted keys, leaving out defaults and knobs that do not apply.

    Args:
        values: Knobs by dotted name; None where one does not apply.
        task: The data set, whose knobs have their own defaults.
    """
    defaults = _defaults(task)
    kept = {key: value for key, value in values.items() if value is not None and value != defaults[key]}
    if task != "randman":
        kept["data.task"] = task
    return json.dumps(kept, sort_keys=True, separators=(",", ":"))


def digest(text: str) -> str:
    """Compute the first 16 hexadecimal digits of the SHA-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def knobs(task: str) -> dict[str, Field]:
    """List every knob of a run on a task by dotted name, including those of extensions."""
    return _knobs(task, EXTENSIONS.key)


@cache
def _knobs(task: str, registered: tuple) -> dict[str, Field]:
    kinds = {"data": TASKS[task], **SECTIONS, **EXTENSIONS.sections}
    found = {f"{section}.{item.name}": item for section, kind in kinds.items() for item in fields(kind)}
    for key, more in {"network.neuron": EXTENSIONS.neurons, "init.scheme": EXTENSIONS.initialisers}.items():
        found[key] = with_choices(found[key], more)
    return found


def _defaults(task: str) -> dict[str, Any]:
    return _known_defaults(task, EXTENSIONS.key)


@cache
def _known_defaults(task: str, registered: tuple) -> dict[str, Any]:
    return {key: item.default for key, item in knobs(task).items()}


def rare_knobs() -> frozenset[str]:
    """Name the knobs that have a column in a table only if one of its runs uses them."""
    return _rare_knobs(EXTENSIONS.key)


@cache
def _rare_knobs(registered: tuple) -> frozenset[str]:
    own = tuple(f"{name}." for name in EXTENSIONS.sections)
    return frozenset(key for key, item in knobs("randman").items() if item.metadata["rare"] or key.startswith(own))


def _made(kind: type, given: Mapping[str, Any], where: str) -> Any:
    """Make a section from its values; for an extension they include the digest of its file.

    Raises:
        OtherVersion: The values belong to another version of the extension.
    """
    own = getattr(kind, "OWN", None)
    if own is None:
        return kind(**given)
    code = given.get("code")
    if code not in (None, own.code):
        raise OtherVersion(f"{where}.code: {own.file} is another version now ({own.code}, not {code})")
    return kind(**{**given, "code": own.code})


def from_canonical(text: str) -> RunSpec:
    """Make the run whose canonical JSON is `text`, as kept in the store."""
    return RunSpec.make(json.loads(text), "store")
