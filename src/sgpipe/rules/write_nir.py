"""The command `nir`: a trained network of the store in the Neuromorphic Intermediate Representation."""

from pathlib import Path

from sgpipe.base.errors import SgpipeError
from sgpipe.base.files import atomic
from sgpipe.results.listing import spec_of
from sgpipe.results.store import Store


def write_nir(store: Store, run_id: str, path: Path | str, euler: bool = False, dt: float | None = None) -> list[str]:
    """Write a trained network, at its best validation epoch, to a file.

    Args:
        store: The store that has the network.
        run_id: The run.
        path: The file.
        euler: Whether time constants are those of forward Euler steps, which other libraries take.
        dt: The length of a step in s; by default that of the run.

    Returns:
        A line for each property of the network that the file cannot express.

    Raises:
        SgpipeError: The run is not in the store or did not finish, NIR cannot express the network, or the package
            `nir` is not installed.
    """
    from sgpipe.model.nir_graph import graph, package, unsaid  # here: they take torch

    nir, spec = package(), spec_of(store, run_id)
    result = store.get(spec)
    if result is None:
        raise SgpipeError(f"run {run_id}: was trained by another version of sgpipe; `snakemake` trains it again")
    if result.status != "finished":
        raise SgpipeError(f"run {run_id}: {result.status}, and so not a network to hand on")
    made = graph(spec, store.weights(spec), euler, dt)
    with atomic(path) as temporary:
        nir.write(temporary, made)
    return unsaid(spec, euler)
