"""The C++ engine for CPUs: one run at a time on one core, event-driven, with a hand-written reverse scan."""

from collections.abc import Sequence

import numpy as np

from sgpipe.data.samples import Analog, Events, Task
from sgpipe.engine import MinibatchSession, Sums, Theory, Weights, only_in_the_reference
from sgpipe.neurons.decay import decay
from sgpipe.spec import RunSpec

try:
    from sgpipe.kernels import _cpu
except ImportError:  # no compiler at installation
    _cpu = None


def built() -> bool:
    """Return whether the extension was built when the package was installed."""
    return _cpu is not None


class CpuEngine:
    """Threads train runs side by side: the extension lets go of Python's lock.

    A session may spread each batch over `threads` of its own; its results have the same bits for any number.
    """

    name = "cpu"
    device = "cpu"
    takes_packs = False

    def __init__(self, threads: int = 1):
        self.threads = threads

    def refuses(self, spec: RunSpec) -> str | None:
        return "it takes no conditions on the initial state" if spec.conditions else only_in_the_reference(spec)

    def open(
        self, specs: Sequence[RunSpec], task: Task, weights: Sequence[Weights], theory: Theory | None = None
    ) -> "CpuSession":
        (spec,), (weight,) = specs, weights
        return CpuSession(self, spec, task, weight)


class CpuSession(MinibatchSession):
    """One run in the extension."""

    def __init__(self, engine: CpuEngine, spec: RunSpec, task: Task, weights: Weights):
        super().__init__(spec, task, weights)
        self.engine, self.settings = engine, settings(spec, task)
        self.gradients = {name: np.zeros_like(array) for name, array in weights.items()}

    def batch(self, samples: Events | Analog, indices: np.ndarray, train: bool) -> tuple[Sums, Weights]:
        indices = np.ascontiguousarray(indices, dtype=np.int64)
        if isinstance(samples, Events):
            run, given = _cpu.batch, (samples.ptr, samples.step, samples.unit, samples.labels, indices)
        else:
            run, given = _cpu.batch_dense, self._frames(samples, indices)
        gradients = list(self.gradients.values()) if train else None
        totals = run(self.settings, list(self.weights.values()), *given, gradients, self.engine.threads)
        spikes = np.array(totals["spikes"], dtype=float)
        sums = Sums(len(indices), totals["loss"], totals["regulariser"], totals["correct"], spikes)
        return sums, self.gradients

    def _frames(self, samples: Analog, indices: np.ndarray) -> tuple[np.ndarray, ...]:
        """Return frames in the precision of the weights, labels and indices."""
        if samples.frames.dtype != self.spec.training.precision:
            samples, indices = samples.take(indices), np.arange(len(indices))
        frames = np.ascontiguousarray(samples.frames, dtype=self.spec.training.precision)
        return frames, samples.labels, indices


def settings(spec: RunSpec, task: Task) -> dict[str, object]:
    """Return what the extension needs to know of a network; idle knobs are left out."""
    network, objective, surrogate, dt = spec.network, spec.objective, spec.surrogate, spec.data.dt
    known = {
        "steps": task.steps,
        "inputs": task.units,
        "classes": task.classes,
        "hidden": list(network.hidden),
        "recurrent": network.recurrent,
        "reset": network.reset_gradient,
        "recurrent_gradient": network.recurrent_gradient,
        "head": objective.head,
        "surrogate": surrogate.shape,
        "beta": surrogate.beta,
        "sharpness": surrogate.sharpness,
        "dampening": surrogate.dampening,
        "tail": surrogate.tail,
        "b_syn": decay(dt, network.tau_synapse),
        "b_mem": decay(dt, network.tau_membrane) if network.hidden else 0.0,
        "b_out": decay(dt, network.tau_readout),
        "readout_start": network.readout_start,
        "lambda_lower": objective.lower_strength,
        "nu_lower": objective.lower_threshold,
        "lambda_upper": objective.upper_strength,
        "nu_upper": objective.upper_threshold,
        "upper_power": objective.upper_exponent,
    }
    return {name: value for name, value in known.items() if value is not None}
