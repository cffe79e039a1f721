"""Shared by the tests: small runs, and a real workflow folder to run Snakemake in."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sgpipe.spec.run import RunSpec

ROOT = Path(__file__).resolve().parents[1]

# A task that trains in a fraction of a second.
TINY = {
    "data.classes": 3,
    "data.samples_per_class": 30,
    "data.units": 8,
    "data.steps": 30,
    "data.tau": 20.0,
    "data.alpha": 2.0,
    "network.hidden": [12],
    "init.gain": 5.0,
    "training.epochs": 2,
    "training.batch_size": 16,
}


def longer_after(count, values):
    """Return values for `parametrize`, of which the first ones are for `make test`, the others for `make test-long`."""
    values = list(values)
    return [*values[:count], *(pytest.param(value, marks=pytest.mark.long) for value in values[count:])]


@pytest.fixture
def tiny():
    """Return a maker of tiny runs: `tiny(**{"surrogate.beta": 5})`."""

    def make(changes=None, **more) -> RunSpec:
        return RunSpec.make({**TINY, **(changes or {}), **more})

    return make


def states_of(*specs: RunSpec, task) -> dict:
    """Return the initial states that runs with conditions ask for, as the trainer wants them."""
    from sgpipe.initial_state.make import initial_state

    return {spec.init_id: initial_state(spec, task).layers for spec in specs if spec.conditions}


def assert_no_spike_hangs_on_rounding(session, samples, indices) -> None:
    """Assert that a reference session spikes alike with its weights off by 84 eps of float32, up or down at random.

    Sums of some dozen terms round by less, so on no machine does a spike of these samples flip.
    """
    random, plain = np.random.default_rng(0), {name: array.copy() for name, array in session.weights.items()}
    spikes = []
    for shift in (0.0, 1e-5, 1e-5, 1e-5):
        for name, array in session.weights.items():
            array[...] = plain[name] * (1 + shift * random.choice([-1, 1], array.shape))
        spikes.append(session.batch(samples, indices, False)[0].spikes.tolist())
    for name, array in session.weights.items():
        array[...] = plain[name]
    assert all(one == spikes[0] for one in spikes)


class Project:
    """A workflow folder of its own, with the repository's rules and an experiment file of the test's."""

    def __init__(self, folder: Path):
        self.folder = folder
        for name in ("workflow", "profiles"):
            shutil.copytree(ROOT / name, folder / name)
        for name in ("Snakefile", "config.yaml"):
            shutil.copy(ROOT / name, folder)

    def write(self, name: str, text: str) -> None:
        """Write a file below the folder."""
        (self.folder / name).write_text(text)

    def command(self, *words: str) -> list[str]:
        """Return the command line of a Snakemake run on two cores."""
        return [sys.executable, "-m", "snakemake", "--cores", "2", *words]

    def run(self, *words: str, check: bool = True) -> subprocess.CompletedProcess:
        """Run Snakemake to its end; fail the test with its output if it fails."""
        done = subprocess.run(
            self.command(*words), cwd=self.folder, env=self.environment, capture_output=True, text=True
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def start(self, *words: str) -> subprocess.Popen:
        """Start Snakemake in a process group of its own."""
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        return subprocess.Popen(
            self.command(*words), cwd=self.folder, env=self.environment, start_new_session=True, **quiet
        )

    @property
    def environment(self) -> dict[str, str]:
        """The environment, with the sources on the path whether or not the package is installed."""
        return {**os.environ, "PYTHONPATH": str(ROOT / "src")} if not _installed() else dict(os.environ)

    def stored(self) -> dict[str, int]:
        """Return the store's result files and when each was written, in ns."""
        return {path.name: path.stat().st_mtime_ns for path in self.folder.glob("results/runs/??/*.parquet")}


def _installed() -> bool:
    import importlib.metadata

    try:
        importlib.metadata.version("sgpipe")
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


@pytest.fixture
def project(tmp_path) -> Project:
    """A fresh workflow folder."""
    return Project(tmp_path)


@pytest.fixture(scope="session")
def published():
    """Return a maker of paths to real data files: `published("mnist")`; it skips the test where they are absent."""
    folder = Path(os.environ.get("SGPIPE_DATA") or ROOT.parent / "shared" / "data")

    def find(name: str) -> Path:
        if not (folder / name).exists():
            pytest.skip(f"no {name} files in {folder}; set SGPIPE_DATA to where they are")
        return folder

    return find
