"""Numerics versions: one number per component, raised whenever that component's results would change.

They are part of the store key (not of the run id), so raising one sends only the runs that use the component
back to training. `tests/test_numerics.py` notices a change of results and says which number to raise.
"""

from sgpipe.spec import RunSpec

VERSIONS: dict[str, int] = {
    "trainer": 1,
    "task.randman": 1,
    "neuron.lif": 1,
    "readout": 1,
    "surrogate.superspike": 1,
    "surrogate.sigmoid": 1,
    "surrogate.esser": 1,
    "surrogate.asymptotic_superspike": 1,
    "surrogate.constant": 1,
    "surrogate.true_derivative": 1,
    "init.uniform": 1,
    "optimiser.adam": 1,
}


def components(spec: RunSpec) -> tuple[str, ...]:
    """Return the names of the components whose arithmetic decides a run's result."""
    names = [
        "trainer",
        f"task.{spec.data.task}",
        "readout",
        f"init.{spec.init.scheme}",
        f"optimiser.{spec.optimiser.name}",
    ]
    if spec.network.hidden:
        names += [f"neuron.{spec.network.neuron}", f"surrogate.{spec.surrogate.shape}"]
    return tuple(sorted(names))


def versions(spec: RunSpec) -> str:
    """Return the numerics versions of a run as one canonical string, e.g. `init.uniform=1,...`."""
    return ",".join(f"{name}={VERSIONS[name]}" for name in components(spec))
