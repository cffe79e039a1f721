"""Spike-latency MNIST: the closed formula, the published counts, both papers' rasters, and networks that learn it."""

import gzip
import struct

import numpy as np
import pytest

from sgpipe.base.errors import SgpipeError
from sgpipe.data import mnist_latency, prepare
from sgpipe.data.idx import read_idx
from sgpipe.data.mnist_latency import find, latencies, make
from sgpipe.engines.choose import chooser
from sgpipe.plan.plan import make_plan
from sgpipe.spec.run import RunSpec
from sgpipe.spec.tasks import MnistLatencyData
from sgpipe.training.trainer import train_run

FILES = {
    "train-images-idx3-ubyte": (60, 28, 28),
    "train-labels-idx1-ubyte": (60,),
    "t10k-images-idx3-ubyte": (20, 28, 28),
    "t10k-labels-idx1-ubyte": (20,),
}


def idx(shape, seed=0):
    top = 256 if len(shape) == 3 else 10
    body = np.random.default_rng(seed).integers(0, top, shape, dtype=np.uint8).tobytes()
    return struct.pack(f">BBBB{len(shape)}I", 0, 0, 8, len(shape), *shape) + body


@pytest.fixture
def folder(tmp_path):
    """A data folder with a small set in MNIST's format, gzipped."""
    (tmp_path / "mnist").mkdir()
    for name, shape in FILES.items():
        (tmp_path / "mnist" / f"{name}.gz").write_bytes(gzip.compress(idx(shape)))
    return tmp_path


def original(**knobs):
    return MnistLatencyData(source="original", **knobs)


def pixels(folder):
    return read_idx(folder / "mnist/train-images-idx3-ubyte.gz", (None, 28, 28)).reshape(-1, 784)


# ----------------------------------------------------------------------------------------------------------------
# The encoding


@pytest.mark.parametrize(("tau", "theta", "dt", "steps"), [(50, 0.2, 1, 100), (20, 0.2, 1, 100), (50, 0.1, 0.5, 300)])
def test_a_pixel_fires_when_the_leaky_integrator_reaches_its_threshold(tau, theta, dt, steps):
    table = latencies(MnistLatencyData(tau=tau, theta=theta, dt=dt, steps=steps))
    for pixel in range(256):
        x = pixel / 255
        # U(t) = x (1 - exp(-t / tau)) is at theta at T.
        time = tau * np.log(x / (x - theta)) if x > theta else np.inf
        if np.isfinite(time):
            assert x * (1 - np.exp(-time / tau)) == pytest.approx(theta)
        assert table[pixel] == (int(time / dt) if time < steps * dt else -1)


def test_latencies_of_known_pixels():
    table = latencies(MnistLatencyData())
    assert table[255] == 11 and table[80] == 50  # 11.2 and 50.7 ms
    assert table[58] == -1 and table[59] == 99  # x above 0.231 fires within 100 ms
    assert np.all(np.diff(table[table >= 0]) <= 0), "the brighter, the earlier"


def test_as_printed_most_spikes_come_within_the_first_millisecond():
    printed = latencies(MnistLatencyData(variant="printed"))
    assert np.mean(printed[1:] == 0) == pytest.approx(0.8, abs=0.01)  # of all intensities; ink is brighter than that
    assert len(set(latencies(MnistLatencyData(variant="printed", dt=0.1)).tolist())) > 30
    x = 50 * 128 / 256
    assert latencies(MnistLatencyData(variant="printed", dt=0.01))[128] == int(50 * np.log(x / (x - 0.2)) / 0.01)


def test_herranz_latencies_are_those_of_their_formula():
    table = latencies(MnistLatencyData(variant="authors_corrected"))
    for pixel in range(1, 256):
        x = pixel / 255 * 50
        time = np.round(50 * np.log(x / (x - 0.2)) * 10) if x > 0.2 else np.inf
        assert table[pixel] == (time - 1 if 0 < time <= 100 else -1)


def test_every_pixel_fires_at_most_once_at_its_latency(folder):
    data = original(valid_share=0.25)
    task, table, images = make(data, folder), latencies(data), pixels(folder)
    dense = task.train.dense(100, 784)
    assert dense.max() == 1 and dense.sum(axis=0).max() == 1
    for sample, image in enumerate(images[:45]):
        for unit, step in enumerate(table[image]):
            assert dense[:, sample, unit].argmax() == max(step, 0) and dense[:, sample, unit].any() == (step >= 0)


def test_herranz_raster_is_reshaped_and_the_corrected_one_transposed(folder):
    knobs = {"steps": 100, "valid_share": 0.25}
    scrambled = make(original(variant="authors", **knobs), folder).train.dense(100, 784)
    corrected = make(original(variant="authors_corrected", **knobs), folder).train.dense(100, 784)
    for sample in range(45):
        by_pixel = corrected[:, sample].T  # (784, 100), as they made it
        np.testing.assert_array_equal(scrambled[:, sample], by_pixel.reshape(100, 784))
        assert not np.array_equal(scrambled[:, sample], corrected[:, sample])


@pytest.mark.parametrize("variant", ["coded", "authors"])
def test_holding_repeats_every_step(folder, variant):
    once = make(original(variant=variant, steps=50), folder)
    held = make(original(variant=variant, steps=150, hold=3), folder)
    assert held.steps == 150
    np.testing.assert_array_equal(held.train.dense(150, 784), np.repeat(once.train.dense(50, 784), 3, axis=0))


def test_steps_must_hold_whole_steps_of_the_encoding():
    with pytest.raises(SgpipeError, match="here: data.steps: 100 is not a multiple of data.hold = 3"):
        RunSpec.make({"data.task": "mnist_latency", "data.hold": 3}, "here")


# ----------------------------------------------------------------------------------------------------------------
# The splits


def test_the_validation_split_is_the_tail_or_random_by_seed(folder):
    labels = read_idx(folder / "mnist/train-labels-idx1-ubyte.gz", (None,))
    tail = make(original(valid_share=0.2), folder)
    np.testing.assert_array_equal(np.concatenate([tail.train.labels, tail.valid.labels]), labels)
    assert (len(tail.train), len(tail.valid), len(tail.test)) == (48, 12, 20)
    drawn = [make(original(split="random", valid_share=0.2, seed=seed), folder) for seed in (0, 0, 1)]
    for task in drawn:
        assert sorted(np.concatenate([task.train.labels, task.valid.labels])) == sorted(labels)
    np.testing.assert_array_equal(drawn[0].valid.unit, drawn[1].valid.unit)
    assert not np.array_equal(drawn[0].valid.unit, drawn[2].valid.unit)


def test_the_printed_split_draws_as_many_samples_as_herranz2022_prints(folder, monkeypatch):
    assert mnist_latency.PRINTED == {"train": 8_000, "valid": 2_000, "test": 2_000}
    whole = make(original(split="printed"), folder)  # of 60 and 20 digits
    assert (len(whole.train), len(whole.valid), len(whole.test)) == (48, 12, 20)
    monkeypatch.setattr(mnist_latency, "PRINTED", {"train": 16, "valid": 4, "test": 5})
    one, again, other = (make(original(split="printed", seed=seed), folder) for seed in (0, 0, 1))
    assert (len(one.train), len(one.valid), len(one.test)) == (16, 4, 5)
    for split in ("train", "valid", "test"):
        own, same, new = (getattr(task, split).unit for task in (one, again, other))
        np.testing.assert_array_equal(own, same)
        assert not np.array_equal(own, new)


def test_a_limit_keeps_the_first_samples(folder):
    whole, part = make(original(), folder), make(original(limit=5), folder)
    assert (len(part.train), len(part.valid), len(part.test)) == (5, 5, 5)
    for split in ("train", "valid", "test"):
        first = getattr(whole, split).take(np.arange(5))
        np.testing.assert_array_equal(getattr(part, split).dense(100, 784), first.dense(100, 784))


def test_plain_files_are_as_good_as_gzipped_ones(folder):
    packed = make(original(), folder)
    for path in list((folder / "mnist").iterdir()):
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    (found,) = find(folder, original())
    assert not found.missing and len(found.files) == 4
    np.testing.assert_array_equal(make(original(), folder).train.step, packed.train.step)


def test_the_bundled_digits_are_like_mnist_and_split_evenly():
    task = make(MnistLatencyData())
    assert (len(task.train), len(task.valid), len(task.test)) == (1290, 143, 364)
    for split in (task.train, task.valid, task.test):
        assert np.bincount(split.labels, minlength=10).min() >= 0.06 * len(split)
    assert np.abs(np.bincount(task.test.labels) - 36).max() <= 1
    raster = task.train.dense(100, 784).any(axis=0).reshape(-1, 28, 28)
    assert not raster[:, :4].any() and not raster[:, :, -4:].any(), "an empty margin, as MNIST has it"
    assert 0.05 < raster.mean() < 0.35
    other = make(MnistLatencyData(seed=1))
    assert not np.array_equal(other.test.labels, task.test.labels)


def test_the_published_files_have_the_published_counts(published):
    folder = published("mnist")
    train, test = (read_idx(folder / f"mnist/{name}-labels-idx1-ubyte.gz", (None,)) for name in ("train", "t10k"))
    assert np.bincount(train).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert np.bincount(test).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    task = make(original(), folder)
    assert (len(task.train), len(task.valid), len(task.test)) == (54_000, 6_000, 10_000)
    assert task.check("mnist") is task


# ----------------------------------------------------------------------------------------------------------------
# Bad files


def bad_files():
    good = gzip.compress(idx((60, 28, 28)))
    plain = idx((60, 28, 28))
    flipped = bytearray(good)
    flipped[len(good) // 2] ^= 0xFF
    return {
        "truncated": (good[:-1000], "not a whole gzip file"),
        "damaged": (bytes(flipped), "not a whole gzip file"),
        "bad gzip sum": (good[:-8] + b"\0" * 8, "not a whole gzip file"),
        "plain, truncated": (plain[:-10], r"has 47,046 bytes, not what its header \(60, 28, 28\) says"),
        "header alone": (plain[:9], "not what its header"),
        "empty": (b"", "begins with nothing, not 00000803"),
        "labels for images": (idx((60,)), "begins with 00000801, not 00000803"),
        "a web page": (b"<html>not found</html>", "begins with 3c68746d, not 00000803"),
        "other size": (idx((60, 20, 20)), r"has shape \(60, 20, 20\), expected \('any', 28, 28\)"),
    }


@pytest.mark.parametrize("kind", bad_files())
def test_a_bad_file_is_one_line_that_names_it(folder, kind):
    content, message = bad_files()[kind]
    path = folder / "mnist/train-images-idx3-ubyte.gz"
    path.write_bytes(content)
    with pytest.raises(SgpipeError, match=message) as caught:
        make(original(), folder)
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [(idx((59,)), "has 59 labels, but .* 60 images"), (b"\0\0\x08\x01\0\0\0\x3c" + b"\x0a" * 60, "has a label 10")],
)
def test_labels_that_do_not_fit_are_refused(folder, content, message):
    (folder / "mnist/train-labels-idx1-ubyte.gz").write_bytes(content)
    with pytest.raises(SgpipeError, match=message):
        make(original(), folder)


def test_files_without_a_folder_are_refused():
    with pytest.raises(SgpipeError, match="source original needs the folder of the data files"):
        prepare(RunSpec.make({"data.task": "mnist_latency", "data.source": "original"}))


# ----------------------------------------------------------------------------------------------------------------
# A trained network


def accuracy(folder, **knobs):
    values = {"data.task": "mnist_latency", "optimiser.lr": 0.005, "training.batch_size": 50, **knobs}
    spec = RunSpec.make(values)
    result = train_run(spec, prepare(spec, folder), chooser("auto", "cpu")(spec))
    assert result.status == "finished"
    return next(row.accuracy for row in result.rows if row.split == "test")


def test_a_network_learns_the_bundled_digits():
    assert accuracy(None, **{"training.epochs": 5}) > 0.6


@pytest.mark.parametrize("variant", ["coded", "authors", "authors_corrected"])
def test_a_network_learns_the_published_digits(published, variant):
    knobs = {"data.source": "original", "data.limit": 2000, "training.epochs": 4, "data.variant": variant}
    assert accuracy(published("mnist"), **knobs) > 0.3


@pytest.mark.long
@pytest.mark.workflow
def test_snakemake_trains_on_both_sources_and_says_so_in_table_and_figure(project, published):
    import pyarrow.parquet as pq

    project.write(
        "mine.yaml",
        """
paper: mine
base:
  data: {task: mnist_latency, limit: 300}
  network: {hidden: [16]}
  training: {epochs: 2, batch_size: 50}
experiments:
  mine_fig1:
    title: Two sources
    draw: zenke2021.fig3
    sweeps:
      shapes:
        grid: {surrogate.beta: [1, 10], surrogate.shape: [superspike], data.source: [original, embedded]}
""",
    )
    table = "results/smoke/mine_fig1.parquet"
    folder = published("mnist")
    project.run(table, "--config", "scale=smoke", "experiments=[mine.yaml]", f"data_dir={folder}")
    rows = pq.read_table(project.folder / table).to_pandas()
    assert set(zip(rows["data.source"], rows["data.files"].fillna("").str[:2], strict=True)) == {
        ("original", "4-"),
        ("embedded", ""),
    }
    from sgpipe.figures.make import source_words

    assert source_words(rows) == [
        "MNIST (≤ 300 training samples): stand-in made for this project, not the paper's files",
        "MNIST (≤ 300 training samples): original files",
    ]


def test_a_plan_settles_mnist_in_a_blink(tmp_path, published, monkeypatch):
    (tmp_path / "mine.yaml").write_text(
        "paper: mine\nexperiments:\n  mine_fig1:\n    title: t\n    sweeps:\n"
        "      one: {base: {data: {task: mnist_latency}}, grid: {init.seed: [0, 1, 2]}}\n"
    )
    from sgpipe.data.files.sources import Found
    from sgpipe.spec.config import read_config

    settings = {
        "experiments": [str(tmp_path / "mine.yaml")],
        "results": str(tmp_path),
        "data_dir": str(published("mnist")),
    }
    first = make_plan(read_config(settings))
    monkeypatch.setattr(Found, "digest", lambda self: pytest.fail("read the files again"))
    assert make_plan(read_config(settings)).packs == first.packs
