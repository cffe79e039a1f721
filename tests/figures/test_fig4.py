"""Fig 4 draws the links that the model has: turning a knob of reset or recurrence changes the drawing accordingly."""

import itertools
import json
import warnings

import pandas as pd
import pytest
import torch
from matplotlib.patches import FancyArrowPatch

from sgpipe.base.errors import SgpipeError
from sgpipe.figures import make
from sgpipe.figures.zenke2021 import fig4
from sgpipe.model.graph import layer_links
from sgpipe.model.network import forward, neuron_of
from sgpipe.model.neurons.lif import ReadoutState
from sgpipe.plan.plan import make_plan
from sgpipe.rules.describe import describe
from sgpipe.spec.config import load_config
from sgpipe.spec.run import RunSpec
from tests.conftest import ROOT

FILE = ROOT / "workflow" / "experiments" / "zenke2021.yaml"
SWITCHES = list(itertools.product([False, True], ["detached", "attached"], ["detached", "propagated"]))
INPUT, MEMBRANE, CURRENT = 0.37, 0.8, 0.9  # the membrane is below threshold: a spike would close the leak
RECURRENT = 0.6


def network(recurrent, reset, gradient):
    return RunSpec.make(
        {
            "network.hidden": [1],
            "network.recurrent": recurrent,
            "network.reset_gradient": reset,
            **({"network.recurrent_gradient": gradient} if recurrent else {}),
            "training.precision": "float64",
        }
    )


def derivatives(spec):
    """Return the derivatives of current and membrane at step 1 with respect to all nodes of step 0, by autograd."""
    membrane, current, arriving = (
        torch.tensor([[value]], dtype=torch.float64, requires_grad=True) for value in (MEMBRANE, CURRENT, INPUT)
    )
    weights = {"W1": torch.ones(1, 1), "V1": torch.full((1, 1), RECURRENT), "W_out": torch.ones(1, 1)}
    weights = {name: weight.double() for name, weight in weights.items()}
    out = ReadoutState(torch.zeros(1, 1).double(), torch.zeros(1, 1).double())
    hidden = neuron_of(spec, weights, 1, None).at(membrane, current)
    activity = forward(spec, weights, arriving[None], state=[hidden, out])
    after = activity.state[0]
    nodes = {"U": membrane, "I": current, "S0": arriving, "S": activity.spikes[0][0]}
    found = {}
    for target, tensor in {"I": after.current, "U": after.voltage, "S": nodes["S"]}.items():
        given = torch.autograd.grad(tensor.sum(), list(nodes.values()), retain_graph=True, allow_unused=True)
        found |= {
            (source, target): 0.0 if value is None else value.item() for source, value in zip(nodes, given, strict=True)
        }
    return found


@pytest.mark.parametrize("recurrent, reset, gradient", SWITCHES)
def test_gradients_flow_along_exactly_the_solid_links(recurrent, reset, gradient):
    spec = network(recurrent, reset, gradient)
    found = derivatives(spec)
    slope = found["U", "S"]  # the surrogate derivative
    leak = torch.exp(torch.tensor(-0.1, dtype=torch.float64)).item()
    total = leak * MEMBRANE + (1 - leak) * CURRENT
    flows = {(link.source, link.target): link.gradient for link in layer_links(spec)}
    # S of step 0 is a node of its own: what reaches a later node through it is no straight link.
    straight = {
        **{link: found[link] for link in [("S0", "I"), ("I", "I"), ("I", "U"), ("U", "S"), ("S", "U"), ("S", "I")]},
        ("U", "U"): found["U", "U"] - slope * found["S", "U"],
        ("U", "I"): found["U", "I"] - slope * found["S", "I"],
    }
    assert {link for link, value in straight.items() if abs(value) > 1e-12} == {
        link for link, solid in flows.items() if solid
    }
    assert straight["U", "U"] == pytest.approx(leak) and straight["I", "U"] == pytest.approx(1 - leak)
    assert found["S", "U"] == pytest.approx(-total if reset == "attached" else 0.0)
    assert found["S", "I"] == pytest.approx(RECURRENT if recurrent and gradient == "propagated" else 0.0)


@pytest.mark.parametrize("recurrent, reset, gradient", SWITCHES)
def test_detaching_a_link_leaves_it_in_the_graph(recurrent, reset, gradient):
    links = {
        (link.source, link.target, link.delay): link.gradient
        for link in layer_links(network(recurrent, reset, gradient))
    }
    always = {("S0", "I", 1), ("I", "I", 1), ("I", "U", 1), ("U", "U", 1), ("U", "S", 0), ("S", "U", 1)}
    assert set(links) == always | ({("S", "I", 1)} if recurrent else set())
    assert links["S", "U", 1] == (reset == "attached")
    assert links.get(("S", "I", 1), False) == (recurrent and gradient == "propagated")


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fig4")
    changes = {"scale": "smoke", "experiments": [str(FILE)], "data": "embedded", "results": str(folder)}
    plan = make_plan(load_config(ROOT / "config.yaml", changes))
    describe(plan, "zenke2021_fig4", folder / "fig4.parquet")
    return make.read_tables({"runs": folder / "fig4.parquet"})


def drawn(data, experiment):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = fig4.draw(data, experiment, "note")
        figure.draw_without_rendering()
    return figure


def arrows(figure):
    """Return the links that a figure shows: panel to the set of (source, target, delay, whether it is solid)."""
    found = {}
    for patch in figure.findobj(FancyArrowPatch):
        if patch.get_gid():
            place, _, link = patch.get_gid().partition(":")
            source, target, delay, _ = link.split("-")
            found.setdefault(place[0], set()).add((source, target, int(delay), patch.get_linestyle() == "-"))
    return found


def test_the_drawn_links_are_those_of_the_networks(table):
    frames, experiment = table
    data = fig4.select(frames, experiment)
    assert tuple(data.columns) == fig4.COLUMNS
    shown = arrows(drawn(data, experiment))
    assert list(shown) == list("abcde")
    for panel, rows in data.groupby("panel"):
        row = rows.iloc[0]
        spec = network(bool(row["recurrent"]), row["reset_gradient"], row["recurrent_gradient"])
        assert shown[panel] == {tuple(link) for link in layer_links(spec)}
    assert len({frozenset(links) for links in shown.values()}) == 5  # no two panels are alike


def test_every_arrow_has_a_name_of_its_own(table):
    frames, experiment = table
    names = [patch.get_gid() for patch in drawn(fig4.select(frames, experiment), experiment).findobj(FancyArrowPatch)]
    assert len(set(names)) == len(names)


@pytest.mark.long
def test_it_can_be_drawn_from_its_own_numbers(table, tmp_path):
    frames, experiment = table
    data = fig4.select(frames, experiment)
    data.to_parquet(tmp_path / "numbers.parquet")
    read = pd.read_parquet(tmp_path / "numbers.parquet")
    assert arrows(drawn(read, experiment)) == arrows(drawn(data, experiment))
    assert json.dumps(experiment)  # plain values


def test_other_neurons_are_one_clear_line():
    for knobs in ({"network.neuron": "slstm"}, {"network.hidden": []}):
        with pytest.raises(SgpipeError, match="current-based neurons in a hidden layer"):
            layer_links(RunSpec.make(knobs))
