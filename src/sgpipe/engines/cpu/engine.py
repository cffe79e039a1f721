"""The C++ engine for CPUs: one run at a time on one core, event-driven, with a hand-written reverse scan."""

from collections.abc import Mapping, Sequence

import numpy as np

from sgpipe.base.errors import SgpipeError
from sgpipe.base.rng import key
from sgpipe.data.samples import Analog, Events, Task, Words
from sgpipe.engines.cpu.lacks import lacks
from sgpipe.engines.cpu.optimisers import COMPILED
from sgpipe.engines.fraction import fraction_of
from sgpipe.engines.interface import Measures, Pause, Theory, Threads, Weights, go_on, one_thread
from sgpipe.engines.minibatch import MinibatchSession, Sums
from sgpipe.engines.reading import WordSession
from sgpipe.engines.table import lacks_table, table_of
from sgpipe.model.neurons.decay import decay
from sgpipe.spec.layer_settings import LayerSettings
from sgpipe.spec.resets import RESETS
from sgpipe.spec.run import RunSpec
from sgpipe.spec.surrogates import SURROGATES, Lowered, lower
from sgpipe.weights.time_constants import NAMES, single, time_constants

try:
    from sgpipe.engines.cpu import _cpu
except ImportError:  # no compiler at installation
    _cpu = None


def missing() -> str | None:
    """Return why the extension cannot be used here, or None if it can.

    Raises SgpipeError if SGPIPE_ISA in the environment asks for an instruction set that it does not have.
    """
    if _cpu is None:
        return "it is not built; install again with a C++ compiler at hand"
    try:
        isas = _cpu.isas()
    except ValueError as error:  # about SGPIPE_ISA: reported now, and not as the failure of every run
        raise SgpipeError(str(error)) from None
    if not isas:
        names = " and ".join(_cpu.built_isas())
        return f"it is built for {names} alone, which this processor cannot run; set up again: make setup ISA=all"
    return None


def built() -> bool:
    """Return whether the extension was built when the package was installed, and runs on this processor."""
    return missing() is None


def instruction_sets() -> str:
    """Describe which instruction sets are built and which run here, the one in use first, for `sgpipe --version`."""
    why = missing()
    if why:
        return why
    built_for, runs = ", ".join(_cpu.built_isas()), ", ".join(_cpu.isas())
    return f"built for {built_for}; this processor runs {runs}; products in mixed precision: {_cpu.products()[0]}"


class CpuEngine:
    """Threads train runs side by side: the extension releases Python's lock.

    A session may spread each batch over threads of its own; its results are bit-identical for any number of them. The
    instruction set is the best that the processor has, or the one that SGPIPE_ISA in the environment names (`base`,
    `avx2`, `avx512`). That is for tests and diagnosis, since it changes the last bits of results.
    """

    name = "cpu"
    device = "cpu"
    takes_packs = False

    def refuses(self, spec: RunSpec) -> str | None:
        shape = spec.surrogate.name
        unknown = shape and built() and SURROGATES[shape].family not in _cpu.families()
        return lacks(spec) or (f"it has no surrogate {shape}" if unknown else lacks_table(spec))

    def open(
        self,
        specs: Sequence[RunSpec],
        task: Task,
        weights: Sequence[Weights],
        theory: Theory | None = None,
        threads: Threads = one_thread,
    ) -> "CpuSession":
        (spec,), (weight,), (layers,) = specs, weights, theory or (None,)
        session = CpuWordSession if isinstance(task.train, Words) else CpuSession
        return session(spec, task, weight, threads, layers)


class CpuSession(MinibatchSession):
    """One run in the extension."""

    optimisers = COMPILED
    seconds_at_once = 0.2  # of updates between two calls of `pause`

    def __init__(
        self,
        spec: RunSpec,
        task: Task,
        weights: Weights,
        threads: Threads,
        theory: Sequence[LayerSettings] | None = None,
    ):
        super().__init__(spec, task, weights)
        self.threads, self.settings = threads, settings(spec, task, theory)
        self._keys_of, self._keys = 0, dict[int | str, int]()
        self.gradients = {name: np.zeros_like(array) for name, array in weights.items()}

    def batch(self, samples: Events | Analog, indices: np.ndarray, train: bool) -> tuple[Sums, Weights]:
        indices = np.ascontiguousarray(indices, dtype=np.int64)
        known, weights, gradients = self._given(train)
        if isinstance(samples, Events):
            given = samples.ptr, samples.step, samples.unit, samples.labels, indices
            totals = _cpu.batch(known, weights, *given, gradients, self.threads())
        else:
            *given, numbers = self._frames(samples, indices)
            totals = _cpu.batch_dense(known, weights, *given, gradients, self.threads(), numbers=numbers)
        return _sums(totals, len(indices)), self.gradients

    def train_epoch(self, orders: Sequence[np.ndarray], pause: Pause = go_on) -> list[Measures]:
        samples = self.task.train
        if self.optimiser.between_updates or not isinstance(samples, Events | Analog):
            return super().train_epoch(orders, pause)
        if isinstance(samples, Events):
            given = [samples.ptr, samples.step, samples.unit]
        elif samples.frames.dtype == self.spec.training.dtype:
            given = [np.ascontiguousarray(samples.frames)]
        else:
            return super().train_epoch(orders, pause)
        order, size = np.ascontiguousarray(orders[0], dtype=np.int64), self.spec.training.batch_size
        while self.batches_done * size < len(order):
            if not self._updates(given, samples.labels, order[self.batches_done * size :], size):
                break
            pause()
        measures = self.total.measures()
        self.batches_done, self.total = 0, Sums()
        return [measures]

    def _updates(self, given: list[np.ndarray], labels: np.ndarray, order: np.ndarray, size: int) -> bool:
        """Update after as many minibatches as take a moment; return whether the run is still sound."""
        known, weights, gradients = self._given(True)
        count, layers = -(-len(order) // size), len(self.spec.network.hidden)
        rows, moved = np.empty((count, 3 + layers)), np.zeros(self.task.classes, bool)
        how, to = self.optimiser.moving(count), {"sums": rows, "moved": moved}
        asked = known, weights, given, labels, order, size, gradients, self.threads()
        done = _cpu.updates(*asked, **how, **to, seconds=self.seconds_at_once)
        sound = bool(np.isfinite(rows[done - 1, :2].sum()))
        self.optimiser.step_count += done if sound else done - 1
        self.batches_done += done
        self.total.add_each(
            rows[:done], min(done * size, len(order)), moved if self.spec.objective.head == "max" else None
        )
        return sound

    def _given(self, train: bool) -> tuple[Mapping[str, object], list[np.ndarray], list[np.ndarray] | None]:
        """Return the network's settings for the extension, its weights and, if training, the arrays for gradients."""
        known, gradients = self.settings, None
        if train:
            gradients = list(self.gradients.values())
            if share := self.spec.network.dropout:
                layers = range(1, len(self.spec.network.hidden) + 1)
                known = {**known, "dropout": share, "dropout_keys": [self._dropout_key(layer) for layer in layers]}
            if share := self.spec.network.input_dropout:
                known = {**known, "input_dropout": share, "input_key": self._dropout_key("input")}
        return known, list(self.weights.values()), gradients

    def _dropout_key(self, of: int | str) -> int:
        """Return the key of the dropout of a hidden layer, or of the input, in this epoch."""
        if self._keys_of != self.epoch:
            self._keys_of, self._keys = self.epoch, {}
        if of not in self._keys:
            self._keys[of] = key(self.spec.training.seed, f"dropout/{self.epoch}/{of}")
        return self._keys[of]

    def _frames(self, samples: Analog, indices: np.ndarray) -> tuple[np.ndarray | None, ...]:
        """Return frames in the precision of the weights, labels, indices, and samples' numbers if other than those."""
        numbers = None
        if samples.frames.dtype != self.spec.training.dtype:
            numbers, samples, indices = indices, samples.take(indices), np.arange(len(indices))
        frames = np.ascontiguousarray(samples.frames, dtype=self.spec.training.dtype)
        return frames, samples.labels, indices, numbers


class CpuWordSession(WordSession, CpuSession):
    """One run that reads a text in the extension.

    Its state is a list of arrays (strands, units) for each layer, one after the other: outputs, voltages or cells, and
    the traces of adaptive thresholds.
    """

    def read(
        self, words: np.ndarray, targets: np.ndarray, samples: np.ndarray, train: bool, state: list[np.ndarray] | None
    ) -> tuple[Sums, Weights, list[np.ndarray]]:
        network = self.spec.network
        if state is None:
            arrays, shape = 3 if network.neuron == "alif" else 2, (len(samples),)
            state = [np.zeros((*shape, n), self.spec.training.dtype) for n in network.hidden for _ in range(arrays)]
        known, weights, gradients = self._given(train)
        text = (np.ascontiguousarray(ids.T, dtype=np.int32) for ids in (words, targets))
        totals = _cpu.batch_words(known, weights, *text, state, samples.astype(np.int64), gradients, self.threads())
        sums = _sums(totals, words.size)
        sums.penalty *= len(words)  # a strand's penalty counts for each of its words
        return sums, self.gradients, state

    def arrays_of(self, state: list[np.ndarray]) -> list[np.ndarray]:
        return state

    def state_of(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        return [array.copy() for array in arrays]


def _sums(totals: Mapping[str, object], samples: int) -> Sums:
    spikes = np.array(totals["spikes"], dtype=float)
    moved = np.array(totals["moved"]) if totals["moved"] else None
    return Sums(samples, totals["loss"], totals["regulariser"], totals["correct"], spikes, moved)


def settings(spec: RunSpec, task: Task, theory: Sequence[LayerSettings] | None = None) -> dict[str, object]:
    """Return a network's settings for the extension; knobs without effect are left out."""
    network, objective = spec.network, spec.objective
    neuron = _current_based(spec) if network.neuron in (None, "lif") else _stacked(spec)
    known = {
        "steps": task.steps,
        "inputs": network.embedding or task.units,
        "classes": task.classes,
        "hidden": list(network.hidden),
        "recurrent": network.recurrent,
        "reset": network.reset_gradient,
        "recurrent_gradient": network.recurrent_gradient,
        "head": objective.head,
        "accuracy": objective.accuracy,
        "label_smoothing": objective.label_smoothing,
        "layers": [_chosen(spec, layer) for layer in theory] if theory else None,
        "lambda_lower": objective.lower_strength,
        "nu_lower": objective.lower_threshold,
        "lambda_upper": objective.upper_strength,
        "nu_upper": objective.upper_threshold,
        "upper_power": objective.upper_exponent,
        "mixed": True if spec.training.precision == "mixed" else None,
    }
    surrogate = lowered(lower(**spec.surrogate.numbers()), spec.training.dtype) if spec.spikes else {}
    return {name: value for name, value in (known | surrogate | neuron).items() if value is not None}


def lowered(surrogate: Lowered, precision: str) -> dict[str, object]:
    """Return a surrogate derivative's settings for the extension: a formula as a fraction or a table."""
    known = surrogate._asdict()
    if surrogate.formula is not None:
        fraction, names = fraction_of(surrogate.formula.text, precision), ("over", "under", "end")
        if fraction is None:
            table = table_of(surrogate.formula.text, precision)
            names = ("rows", "edges", "one", "top", "shift", "even", "compact")
        given, of = ("table", table) if fraction is None else ("fraction", fraction)
        known[given] = {name: getattr(of, name) for name in names}
    return {name: value for name, value in known.items() if value is not None and name != "formula"}


def _current_based(spec: RunSpec) -> dict[str, object]:
    network, dt = spec.network, spec.data.dt
    return {
        "b_syn": decay(dt, network.tau_synapse),
        "b_mem": decay(dt, network.tau_membrane) if network.hidden else 0.0,
        "b_out": decay(dt, network.tau_readout),
        "readout_start": network.readout_start,
        "max_from": spec.objective.max_from,
        "trained": network.trained_neurons,
        **(_time_constants(spec) if single(spec) and not network.trained_neurons else {}),
    }


def _time_constants(spec: RunSpec) -> dict[str, list[list[float]]]:
    """Return each neuron's time constants, which are not trained, in steps."""
    layers = range(1, len(spec.network.hidden) + 1)
    return {name: [time_constants(spec, name, layer).tolist() for layer in layers] for name in NAMES}


def _stacked(spec: RunSpec) -> dict[str, object]:
    network = spec.network
    known = {"neuron": network.neuron, "words": spec.words, "tied": bool(network.embedding)}
    if network.neuron == "slstm":
        return {**known, "tanh": network.tanh}
    form = RESETS[network.reset]
    return {
        **known,
        "reset_form": [form.subtracts, form.gates_voltage, form.gates_drive, form.drive_decays],
        "biased": network.bias,
        "trained": network.trained_neurons,
        "membrane_decay": network.membrane_decay,
        "threshold": network.threshold,
        "adaptation": network.adaptation,
        # Without adaptation its time constant has no effect; any value will do.
        "adaptation_decay": decay(1.0, network.tau_adaptation or 1.0) if network.neuron == "alif" else None,
    }


def _chosen(spec: RunSpec, layer: LayerSettings) -> dict[str, float | list[float]]:
    """Return the numbers of a layer's surrogate with the knobs that a theory chose: one value, or one per unit."""
    found = lower(**spec.surrogate.numbers() | layer.surrogate())
    numbers = {"slope": found.slope, "height": found.height, "tail": found.tail}
    return {name: np.asarray(value, float).tolist() for name, value in numbers.items() if value is not None}
