"""What the C++ engine cannot train. It follows from the run alone: estimates of time ask before anything is built."""

from sgpipe.spec.run import RunSpec


def lacks(spec: RunSpec) -> str | None:
    """Return what a run has that the C++ engine does not know, None if there is no such thing."""
    network, objective = spec.network, spec.objective
    if spec.words:
        return "it reads no words"
    if network.neuron in ("slstm", "relu"):
        return f"it has no {network.neuron} neurons"
    if network.neuron in (None, "lif") and objective.head not in ("max", "sum"):
        return f"it has no {objective.head} head for current-based neurons"
    return None
