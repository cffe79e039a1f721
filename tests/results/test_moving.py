"""Stores of two machines whose numbers differ in the last bit, merged in both directions.

The other machine is another engine, or the same one with another instruction set: both add in another order.
"""

import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from sgpipe.data import prepare
from sgpipe.engines.cpu import engine as cpu
from sgpipe.engines.reference import ReferenceEngine
from sgpipe.results.exporting import export_runs
from sgpipe.results.importing import import_runs
from sgpipe.results.store import Store
from sgpipe.results.tables import runs_table, write_table
from sgpipe.training.pack import Workshop, train_pack
from tests.conftest import ROOT
from tests.faults.victim import SPECS as LONG

pytestmark = pytest.mark.skipif(not cpu.built(), reason="the compiled CPU engine is not built")


@pytest.fixture
def specs(tiny):
    return [tiny({"surrogate.beta": beta, "training.epochs": 3}) for beta in (1, 5, 20)]


def trained(store, specs, engine):
    train_pack(specs, prepare(specs[0]), Workshop(store, lambda spec: engine))
    return store


def files(store):
    return {path.relative_to(store.root): path.read_bytes() for path in store.root.glob("??/*")}


def table(store, specs, path):
    """Write the table of a store's runs; return its bytes and its rows."""
    write_table(runs_table([store.get(spec) for spec in specs]), path)
    return path.read_bytes(), pd.read_parquet(path)


def carried(source, specs, target, path):
    export_runs(source, specs, path)
    return import_runs(target, path)


def test_runs_of_two_machines_have_the_same_ids_and_each_store_keeps_its_own(tmp_path, specs):
    here = trained(Store(tmp_path / "here"), specs[:2], cpu.CpuEngine())
    there = trained(Store(tmp_path / "there"), specs[1:], ReferenceEngine())
    mine, theirs = files(here), files(there)
    assert len(mine.keys() & theirs.keys()) == 2  # rows and weights of the run that both have
    to, fro = (
        carried(here, specs, there, tmp_path / "a.tar"),
        carried(there, specs, here, tmp_path / "b.tar"),
    )
    assert (to.new, to.known, to.problems) == (1, 1, ()) and (fro.new, fro.known, fro.problems) == (1, 2, ())
    assert mine.items() <= files(here).items() and theirs.items() <= files(there).items()
    assert files(here).keys() == files(there).keys()


def test_a_store_that_was_carried_gives_the_tables_of_where_it_was_trained_and_trains_nothing(tmp_path, specs):
    there = trained(Store(tmp_path / "there"), specs, ReferenceEngine())
    here = Store(tmp_path / "here")
    carried(there, specs, here, tmp_path / "runs.tar")

    def none_needed(spec):
        raise AssertionError(f"{spec.id} is trained again")

    train_pack(specs, prepare(specs[0]), Workshop(here, none_needed))
    assert table(here, specs, tmp_path / "a.parquet")[0] == table(there, specs, tmp_path / "b.parquet")[0]


def test_what_differs_between_machines_is_measured_numbers_in_their_last_bits(tmp_path, specs):
    stores = [trained(Store(tmp_path / engine.name), specs, engine) for engine in (cpu.CpuEngine(), ReferenceEngine())]
    compare(*(table(store, specs, tmp_path / f"{store.root.name}.parquet")[1] for store in stores))


MEASURED = ["loss", "penalty", "accuracy", "spikes", "best", "dead"]


def compare(one, other):
    """Assert that two tables are of the same runs, epochs and knobs, and their losses alike to rounding."""
    pd.testing.assert_frame_equal(one.drop(columns=MEASURED), other.drop(columns=MEASURED))
    np.testing.assert_allclose(one["loss"], other["loss"], rtol=1e-3)


def sets() -> list[str]:
    """List the instruction sets that are built and run here, the best first."""
    return list(cpu._cpu.isas()) if cpu.built() else []


@pytest.mark.skipif(len(sets()) < 2, reason="one instruction set is built: make setup ISA=all builds the others")
def test_another_instruction_set_makes_runs_of_the_same_ids(tmp_path):
    stores = {}
    for isa in ("base", sets()[0]):
        stores[isa] = Store(tmp_path / isa)
        stores[isa].root.mkdir()
        command = [sys.executable, "-m", "tests.faults.victim", str(stores[isa].root)]
        subprocess.run(command, cwd=ROOT, env={**os.environ, "SGPIPE_ISA": isa}, check=True)
    base, best = stores.values()
    assert files(base).keys() - {"table.parquet"} == files(best).keys() - {"table.parquet"}
    first = [
        table(store, LONG, tmp_path / f"{store.root.name}.parquet")[1].query("epoch == 1") for store in (base, best)
    ]
    compare(*first)
