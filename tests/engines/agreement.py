"""What several tests ask of the C++ engine beside the reference."""

import numpy as np
import pytest
import torch

from sgpipe.engines.cpu.engine import CpuEngine
from sgpipe.engines.reference import ReferenceEngine, ReferenceSession
from sgpipe.model.network import as_tensors, forward
from sgpipe.spec.layer_settings import LayerSettings
from sgpipe.training.trainer import train_run


def drawn_settings(random, hidden, kind):
    """Return surrogates as a theory may set them, of `layers` or of single `neurons`; None for `none`."""
    if kind == "none":
        return None
    sizes = [n if kind == "neurons" else None for n in hidden]
    low = {"dampening": 0.2, "sharpness": 0.3, "tail": 1.5}
    draws = [{name: random.uniform(start, 3, n) for name, start in low.items()} for n in sizes]
    return [LayerSettings(**draw) for draw in draws]


def has_one_maximum(spec, weights, task, indices, settings, updates):
    """Return whether no class has two steps that are its maximum but for rounding, as the head `max` sees it.

    Two steps with the same spikes tie. The C++ engine adds them up alike and takes the first; a product over all steps
    may round them differently, and then the reference takes either. Exact ties stay: both take the first.
    """
    if spec.objective.head != "max":
        return True
    session = ReferenceSession(spec, task, {name: array.copy() for name, array in weights.items()}, "cpu", settings)
    session.optimiser.step_count = updates
    inputs = torch.from_numpy(session.raster(task.train, indices, True))
    factors = session._dropout(indices, task.steps) if spec.network.dropout else None
    with torch.no_grad():
        readout = torch.stack(forward(spec, as_tensors(weights), inputs, settings, factors).readout)
    largest = readout.amax(0)
    nearly = (largest - readout <= 1e-12 * largest.abs()) & (readout != largest)
    return not nearly.any()


def assert_whole_trainings_agree(spec, task):
    """Train a run in float64 by both engines and compare rows and weights."""
    slow, fast = (train_run(spec, task, engine) for engine in (ReferenceEngine(), CpuEngine()))
    assert len(slow.rows) == len(fast.rows)
    for one, other in zip(slow.rows, fast.rows, strict=True):
        assert (one.epoch, one.split, one.accuracy, one.spikes) == (
            other.epoch,
            other.split,
            other.accuracy,
            other.spikes,
        )
        assert other.loss == pytest.approx(one.loss, rel=1e-7)
    for name, weight in slow.weights.items():
        np.testing.assert_allclose(fast.weights[name], weight, rtol=1e-6, atol=1e-9, err_msg=name)
