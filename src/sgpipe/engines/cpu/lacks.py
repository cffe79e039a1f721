"""What the C++ engine cannot train, decided from the run alone: time is estimated before anything is built."""

from sgpipe.spec.run import RunSpec


def lacks(spec: RunSpec) -> str | None:
    """Return what in a run the C++ engine does not support; None if there is no such thing."""
    network, objective = spec.network, spec.objective
    current_based = network.neuron in (None, "lif")
    if spec.own_neuron is not None:
        return f"{network.neuron} neurons are an extension's"
    if network.neuron == "relu":
        return "it has no relu neurons"
    if current_based and spec.words:
        return "it reads no words with current-based neurons"
    if current_based and objective.head not in ("max", "sum"):
        return f"it has no {objective.head} head for current-based neurons"
    return None
