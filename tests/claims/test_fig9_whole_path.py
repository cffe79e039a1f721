"""Every claim about Fig 9 can hold and can fail on the whole way from raw tables over fitted sigmoids to the verdict.

The networks are those that the experiment declares, a part of them and with a third initialisation; their accuracies
are accuracies, none above 1. A measure that its estimator holds in place, whatever the networks do, is seen here.
"""

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from sgpipe.claims import judge
from sgpipe.claims.declare import claim_files, load_claims
from sgpipe.claims.tables import read_tables
from sgpipe.data.files.published import COMPLETE, COUNTS
from sgpipe.results import transition
from sgpipe.results.store import Result
from sgpipe.results.tables import experiment_table, runs_table, write_table
from sgpipe.spec.experiments import load_experiments
from tests.conftest import ROOT

NAME = "zenke2021_fig9"
CLAIMS = {claim.id: claim for claim in load_claims(claim_files(ROOT)) if claim.experiments == (NAME,)}
CHANCE = {"randman": 0.1, "mnist": 0.1, "shd": 0.05, "rawhd": 0.05, "rawsc": 1 / 35}
PRINTED = {("randman", False, 1): 36, ("randman", False, 2): 76, ("randman", True, 1): 26}
SPLITS = ("train", "valid", "test")


def as_printed(task, recurrent, layers):
    """Return transition, steepness, plateau and spikes without regulariser, in units of those at the transition."""
    gains = {"rawhd": layers - 1, "rawsc": layers - 1 + 2 * recurrent}.get(task, 0)
    usual = {"mnist": 3, "rawsc": 110 if recurrent else 2500}.get(task, 40) * layers
    return PRINTED.get((task, recurrent, layers), usual), 10, 0.85 + 0.04 * gains, 140


def the_contrary(task, recurrent, layers):
    """A wide rise at many spikes; a second layer saves spikes and costs accuracy; recurrence does what it should not."""
    gain = 0.1 * recurrent * (-1 if task == "rawsc" else 1) - 0.1 * (layers - 1)
    return 360 * (5 if recurrent else 1) / (3 if layers > 1 else 1), 1.2, 0.85 + gain, 40


def few_are_enough(task, recurrent, layers):
    """A few hundred spikes do for all."""
    return 300, 10, 0.9, 140


def knobs_of_the_runs():
    """Return a row per run: the curves' networks with one exponent, and those without regulariser."""
    specs = load_experiments([ROOT / "workflow/experiments/zenke2021.yaml"], "paper")[NAME]
    chosen = [spec for spec in specs.runs.values() if _exponent(spec) in (None, 1)]
    missing = runs_table([Result(spec, "missing", ()) for spec in chosen])
    runs = experiment_table(missing, {spec.id: specs.sweeps[spec.id] for spec in chosen}).to_pandas()
    third = runs[runs["init.seed"] == 0].assign(**{"init.seed": 2})
    third["run_id"] = third["run_id"].str[::-1]
    runs = pd.concat([runs, third], ignore_index=True)
    spoken = {"rawhd": f"{COUNTS['rawhd']}-0", "rawsc": f"{COUNTS['rawsc']}-0"}
    for task in ("mnist_latency", "shd", *spoken):
        own = runs["data.task"] == task
        runs.loc[own, "data.files"] = spoken.get(task) or min(COMPLETE[task])
        runs.loc[own, "data.source"], runs.loc[own, "data.limit"] = "original", 0
    return runs


def _exponent(spec):
    return spec.objective.upper_exponent if spec.objective.upper_strength else None


def raw_table(runs, world, path, busy_fail=False):
    """Write the raw table of a world: a row per run, epoch and split; `busy_fail`: above 2,000 spikes nothing works."""
    parts = []
    task = runs["sweeps"].map(lambda names: names[0])
    layers = runs["network.hidden"].astype(str).str.count(r"\d+")
    for (name, recurrent, depth), own in runs.groupby([task, runs["network.recurrent"].astype(bool), layers]):
        middle, steepness, plateau, free = world(name, recurrent, depth)
        own = own.sort_values(["objective.upper_strength", "objective.upper_threshold", "init.seed"])
        regular = (own["objective.upper_strength"] > 0).to_numpy()
        reach = np.log10(81) / steepness + 0.8
        spikes = np.full(len(own), float(middle * free))
        spikes[regular] = middle * np.logspace(-reach, reach, regular.sum())
        noise = 0.004 * np.cos(np.arange(len(own)) * 2.4)
        accuracy = CHANCE[name] + (plateau - CHANCE[name]) / (1 + (middle / spikes) ** steepness) + noise
        accuracy = np.where(busy_fail & (spikes > 2000), 0.5, np.clip(accuracy, 0, 1))
        per_layer = [[value / depth] * depth for value in spikes * (1 + 0.01 * own["init.seed"])]
        parts.append(own.assign(accuracy=accuracy, spikes=per_layer))
    frame = pd.concat([pd.concat(parts).assign(split=split, epoch=1) for split in SPLITS], ignore_index=True)
    frame = frame.assign(status="finished", best=True, loss=1 - frame["accuracy"], penalty=0.0)
    about = {"id": NAME, "scale": "paper", "best": None}
    write_table(pa.Table.from_pandas(frame, preserve_index=False), path, {"sgpipe.experiment": json.dumps(about)})


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory):
    """The verdicts on every claim in every world, from files on disk."""
    runs, found = knobs_of_the_runs(), {name: {} for name in CLAIMS}
    worlds = {
        "as printed": (as_printed, False),
        "the contrary": (the_contrary, False),
        "busy networks fail": (few_are_enough, True),
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transition, "RESAMPLES", 40)
        for world, (curves, busy_fail) in worlds.items():
            folder = tmp_path_factory.mktemp("world")
            raw_table(runs, curves, folder / f"{NAME}.parquet", busy_fail)
            tables = read_tables(folder, [NAME])
            for name, claim in CLAIMS.items():
                judged = judge.judge(claim, tables, [NAME])
                found[name][world] = (judged.verdict, judged.reason)
    return found


@pytest.mark.long
@pytest.mark.parametrize("name", CLAIMS)
def test_networks_can_make_the_claim_hold_and_others_fail(name, verdicts):
    seen = {verdict for verdict, _ in verdicts[name].values()}
    assert {judge.REPLICATED, judge.NOT_REPLICATED} <= seen, verdicts[name]
