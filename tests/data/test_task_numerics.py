"""Data sets against recorded numbers: whoever changes one is told which version in sgpipe/spec/numerics.py to raise.

To record anew, after raising it: `python tests/data/test_task_numerics.py`.
"""

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

from sgpipe.data import Words, prepare
from sgpipe.data.shd_files import write_spikes
from sgpipe.spec.numerics import VERSIONS
from sgpipe.spec.run import RunSpec
from sgpipe.spec.tasks import TASKS

FILE = Path(__file__).parents[1] / "recorded" / "tasks.json"
PARTS = {
    "mnist_latency": {"variant": ["coded", "printed", "authors", "authors_corrected"]},
    "ptb": {},
    "rawhd": {"variant": ["authors", "corrected"]},
    "rawsc": {"variant": ["authors", "corrected"]},
    "shd": {"variant": ["zenke2021", "herranz2022"]},
    "spikes": {},
}
CASES = [(task, variant) for task, parts in PARTS.items() for variant in parts.get("variant", [None])]
TOLERANCE = 1e-4  # machines round differently, which may move a spike by a step


def write_own_spikes(folder):
    """Write a small set for the task `spikes`, which has no stand-in; by arithmetic, so that it is always the same."""
    for split in ("train", "valid", "test"):
        spikes = [np.arange(7 * row) for row in range(30)]
        samples = ((row, ((place * 37 % 800) / 1000, place * 53 % 700)) for row, place in enumerate(spikes))
        write_spikes(folder / "ssc" / f"{split}.h5", samples, np.arange(30))


def measure(task, variant):
    """Return sums over every array of every split of a small embedded set, and its version."""
    knobs = {"data.task": task, "data.limit": 20, **({"data.variant": variant} if variant else {})}
    with TemporaryDirectory() as folder:
        if task == "spikes":
            write_own_spikes(Path(folder))
        made = prepare(RunSpec.make(knobs), folder)
    sums = {}
    for split in ("train", "valid", "test"):
        samples = getattr(made, split)
        sums[split] = [len(samples)]
        for array in (samples.ids,) if isinstance(samples, Words) else vars(samples).values():
            values = np.ravel(array).astype(float)
            # The last one depends on the order of the entries too.
            sums[split] += [len(values), values.sum(), float(values @ np.linspace(0, 1, len(values)))]
    return {"version": VERSIONS[f"task.{task}"], "sums": sums}


def agree(one, other):
    """Return whether two measurements are the same but for rounding.

    The values of a spectrogram have mean 0 and deviation 1, both taken in single precision: each value may be off by
    some 8 eps (1e-6), all to the same side, so their sum by so much for each.
    """
    return all(
        len(one[split]) == len(other[split])
        and np.allclose(one[split], other[split], rtol=TOLERANCE, atol=1e-2 + 1e-6 * one[split][1])
        for split in one
    )


@pytest.fixture(scope="module")
def recorded():
    return json.loads(FILE.read_text())


# The other variants read the same speech.
LONG = (("shd", "herranz2022"), ("rawhd", "corrected"), ("rawsc", "corrected"))


@pytest.mark.parametrize(
    ("task", "variant"), [pytest.param(*case, marks=pytest.mark.long) if case in LONG else case for case in CASES]
)
def test_a_data_set_is_what_was_recorded(task, variant, recorded):
    before, now = recorded[f"{task} {variant}"], measure(task, variant)
    if before["version"] != now["version"]:
        pytest.fail("its version has been raised, so record anew: python tests/data/test_task_numerics.py")
    assert agree(before["sums"], now["sums"]), (
        f"{task} has changed. If that is meant, raise in VERSIONS of src/sgpipe/spec/numerics.py "
        f'"task.{task}": {now["version"] + 1}, or stored results of the old data are taken for the new. '
        "Then record anew: python tests/data/test_task_numerics.py"
    )


def test_every_data_set_is_recorded(recorded):
    assert set(PARTS) == set(TASKS) - {"randman"}  # which tests/spec/test_numerics.py trains on
    assert recorded.keys() == {f"{task} {variant}" for task, variant in CASES}


if __name__ == "__main__":
    FILE.write_text(
        json.dumps({f"{task} {variant}": measure(task, variant) for task, variant in CASES}, indent=1) + "\n"
    )
    sys.exit(0)
