"""Numerics versions: one number per component, raised whenever that component's results would change.

They are part of the store key (not of the run id), so raising one retrains only the runs that use the component.
`tests/spec/test_numerics.py` detects a change of results and says which number to raise. The surrogates' versions are
in their own table, `sgpipe.spec.surrogates`.
"""

from collections import ChainMap
from collections.abc import Mapping

from sgpipe.spec.own.registry import EXTENSIONS
from sgpipe.spec.run import RunSpec
from sgpipe.spec.surrogates import FORMULA, SURROGATES

# Not part of the store key: for a figure's simulated initial networks (`sgpipe.initial_state.observe`).
SIMULATION = 1

BUILT_IN_VERSIONS: dict[str, int] = {
    "trainer": 1,
    "task.randman": 1,
    "task.mnist_latency": 1,
    "task.ptb": 1,
    "task.shd": 2,
    "task.rawsc": 1,
    "task.rawhd": 1,
    "task.spikes": 1,
    "neuron.lif": 1,
    "neuron.delta_lif": 1,
    "neuron.alif": 1,
    "neuron.slstm": 1,
    "neuron.relu": 1,
    "neuron.trained": 1,
    "neuron.time_constants": 1,
    "dropout": 1,
    "input_dropout": 1,
    "embedding": 1,
    "readout": 1,
    "readout.linear": 1,
    "head.steps": 1,
    "accuracy.mode": 1,
    "label_smoothing": 1,
    **{f"surrogate.{name}": shape.version for name, shape in SURROGATES.items()},
    f"surrogate.{FORMULA}": 1,
    "init.uniform": 1,
    "init.glorot_uniform": 1,
    "init.glorot_normal": 1,
    "init.glorot_truncated_normal": 1,
    "init.glorot_bigamma": 1,
    "init.he_uniform": 1,
    "init.he_normal": 1,
    "init.he_truncated_normal": 1,
    "init.he_bigamma": 1,
    "init.orthogonal_uniform": 1,
    "init.orthogonal_normal": 1,
    "init.orthogonal_bigamma": 1,
    "init.theory": 1,
    "init.calibrated": 3,
    "optimiser.adam": 1,
    "optimiser.adabelief": 1,
    "optimiser.smorms3": 1,
    "weight_decay": 1,
    "clip": 1,
    "average.swa": 1,
    "precision.mixed": 1,
}
# The version of an extension is the digest of its file.
VERSIONS: Mapping[str, int | str] = ChainMap(EXTENSIONS.versions, BUILT_IN_VERSIONS)


def components(spec: RunSpec) -> tuple[str, ...]:
    """List the components whose arithmetic affects a run's result, sorted by name."""
    network, objective, optimiser = spec.network, spec.objective, spec.optimiser
    names = ["trainer", f"task.{spec.data.task}", f"init.{spec.init.scheme}", f"optimiser.{optimiser.name}"]
    if network.hidden:
        names.append(f"neuron.{network.neuron}")
    if spec.spikes:
        names.append(f"surrogate.{spec.surrogate.shape}")
    used = {
        f"init.{spec.init.method}": spec.conditions,
        "neuron.trained": network.trained_neurons,
        "neuron.time_constants": network.tau_membrane_shape or network.tau_synapse_shape,
        "dropout": network.dropout,
        "input_dropout": network.input_dropout,
        "embedding": network.embedding,
        "readout": spec.leaky,
        "readout.linear": not spec.leaky and not network.embedding,
        "head.steps": objective.head in (None, "steps"),
        "accuracy.mode": objective.accuracy == "mode",
        "label_smoothing": objective.label_smoothing,
        "weight_decay": optimiser.weight_decay,
        "clip": optimiser.clip,
        f"average.{optimiser.average}": optimiser.average != "none",
        "precision.mixed": spec.training.precision == "mixed",
    }
    names += [name for name, uses in used.items() if uses]
    return tuple(sorted(names))


def init_version(spec: RunSpec) -> str:
    """Write the numerics versions on which a run's initial state depends as one canonical string."""
    parts = ("task.", "neuron.", "surrogate.", "init.", "embedding")
    return ",".join(f"{name}={VERSIONS[name]}" for name in components(spec) if name.startswith(parts))


def versions(spec: RunSpec) -> str:
    """Write the numerics versions of a run as one canonical string, e.g. `init.uniform=1,...`."""
    return ",".join(f"{name}={VERSIONS[name]}" for name in components(spec))
