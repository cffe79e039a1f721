"""Spike-latency MNIST (zenke2021 section 4.1.2; herranz2022's sl-MNIST): the brighter a pixel, the earlier its spike.

A pixel of intensity x charges a leaky integrator, which reaches its threshold theta once, or never, at

    T(x) = tau log(x / (x - theta))   for x > theta.

variant             x                     step                          raster
coded               pixel / 255           floor(T / dt)                 (step, pixel)
printed             tau pixel / 256       floor(T / dt)                 (step, pixel)
authors             tau pixel / 255       round(10 T) - 1, not -1       (pixel, step) reshaped to (step, pixel)
authors_corrected   the same              the same                      (step, pixel)
pixels              pixel / 255           no spikes: x is a current, the same at every step

`coded` is the code of zenke2021's authors, and the default. As `printed`, x lies in [0, tau), nearly all spikes fall in
the first millisecond, and only steps of 0.1 ms or less separate bright from dark. `authors` is herranz2022's code: T is
in tenths of a millisecond, and a one-hot array of pixels by steps is reshaped where a transpose was meant. So a spike's
step and unit are the quotient and remainder of (pixel x window + step) by 784.
"""

from pathlib import Path

import numpy as np

from sgpipe.base.errors import SgpipeError
from sgpipe.base.rng import permutation, stream
from sgpipe.data.files.reading import file_there, folder_there, missing_of, packed_or_not
from sgpipe.data.files.sources import Found
from sgpipe.data.idx import read_idx
from sgpipe.data.samples import Analog, Events, Task
from sgpipe.spec.tasks import MnistLatencyData

NAMES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
SIDE = 28
AUTHORS_STEPS_PER_MS = 10
PRINTED = {"train": 8_000, "valid": 2_000, "test": 2_000}  # herranz2022 section 2.5
EMBEDDED_TRAIN_SHARE = 0.8
Images = tuple[np.ndarray, np.ndarray]  # pixels uint8 (samples, 784) and labels int64 (samples,)


def find(folder: Path, data: MnistLatencyData) -> list[Found]:
    """Find the four published files, gzipped or not, in the folder `mnist` of the data folder."""
    root = folder / "mnist"
    if not folder_there(root):
        return []
    files = [packed_or_not(root, name) for names in NAMES.values() for name in names]
    there = tuple(path for path in files if file_there(path))
    return [Found("original", root, there, missing=missing_of(root, [path.name for path in files]))] if there else []


def check_file(path: Path) -> None:
    """Read one of the published files; raises SgpipeError if it is damaged."""
    read_idx(path, (None, SIDE, SIDE) if "images" in path.name else (None,))


def make(data: MnistLatencyData, folder: Path | None = None, workers: int = 1) -> Task:
    """Make the task from published files, or without a folder from scikit-learn's digits (`sgpipe.data.prepare`)."""
    train, test = _published(folder / "mnist") if folder else _bundled(data)
    kept, held_out = _split(data, len(train[1]))
    shown = _tested(data, len(test[1]))
    splits = [
        (train[0][kept], train[1][kept]),
        (train[0][held_out], train[1][held_out]),
        (test[0][shown], test[1][shown]),
    ]
    parts = [_encode(data, pixels[: data.limit or None], labels[: data.limit or None]) for pixels, labels in splits]
    return Task(data.units, data.classes, data.steps, *parts)


def latencies(data: MnistLatencyData) -> np.ndarray:
    """Compute the time step of the spike for each of the 256 pixel values (section 4.1.2).

    Returns:
        int64 (256,); -1 for no spike within the window.
    """
    pixel = np.arange(256.0)
    x = {"coded": pixel / 255, "printed": data.tau * pixel / 256}.get(data.variant, data.tau * pixel / 255)
    time = np.full(256, np.inf)
    bright = x > data.theta
    time[bright] = data.tau * np.log(x[bright] / (x[bright] - data.theta))
    if data.variant in ("coded", "printed"):
        step = np.floor(time / data.dt)
    else:
        step = np.rint(time * AUTHORS_STEPS_PER_MS) - 1
    return np.where((step >= 0) & (step < data.window), step, -1).astype(np.int64)


def _encode(data: MnistLatencyData, pixels: np.ndarray, labels: np.ndarray) -> Events | Analog:
    if data.variant == "pixels":
        return Analog((pixels[:, None] / 255).astype(np.float32), labels, data.steps)
    steps = latencies(data).astype(np.int32)[pixels]
    sample, unit = np.nonzero(steps >= 0)
    step = steps[sample, unit]
    if data.variant == "authors":
        step, unit = np.divmod(unit * data.window + step, data.units)
    if data.hold > 1:
        sample, unit = np.repeat(sample, data.hold), np.repeat(unit, data.hold)
        step = (step[:, None] * data.hold + np.arange(data.hold)).ravel()
    return Events.from_spikes(sample, step, unit, labels)


def _split(data: MnistLatencyData, samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Return which training samples are kept and which are held out for validation."""
    order = np.arange(samples)
    if data.split != "tail":
        order = permutation(stream(data.seed, "data/mnist_latency/split"), samples)
    if data.split == "printed":
        kept = min(PRINTED["train"], int(samples * 0.8))
        return order[:kept], order[kept : kept + PRINTED["valid"]]
    held_out = min(max(round(samples * data.valid_share), 1), samples - 1)
    return order[: samples - held_out], order[samples - held_out :]


def _tested(data: MnistLatencyData, samples: int) -> np.ndarray | slice:
    """Return which test samples there are."""
    if data.split != "printed":
        return slice(None)
    return permutation(stream(data.seed, "data/mnist_latency/tested"), samples)[: PRINTED["test"]]


def _published(root: Path) -> tuple[Images, Images]:
    """Return the training and the test set; raises SgpipeError, naming the file, if one is bad."""
    return tuple(_images(*(packed_or_not(root, name) for name in NAMES[part])) for part in ("train", "test"))


def _images(image_path: Path, label_path: Path) -> Images:
    images = read_idx(image_path, (None, SIDE, SIDE))
    labels = read_idx(label_path, (None,))
    if len(images) != len(labels) or len(labels) < 2:
        raise SgpipeError(f"{label_path}: has {len(labels)} labels, but {image_path.name} {len(images)} images")
    if labels.max() > 9:
        raise SgpipeError(f"{label_path}: has a label {labels.max()}, expected 0 to 9")
    return images.reshape(len(images), SIDE * SIDE), labels.astype(np.int64)


def _bundled(data: MnistLatencyData) -> tuple[Images, Images]:
    """Return scikit-learn's 1,797 digits, 8 x 8 scaled to 28 x 28: 80 % of each class for training, the rest for test.

    Like MNIST's digits, they are 20 x 20 with an empty margin around them.
    """
    from scipy.ndimage import zoom  # both are needed only here
    from sklearn.datasets import load_digits

    digits = load_digits()
    large = zoom(digits.images, (1, 20 / 8, 20 / 8), order=1) * (255 / 16)
    margin = (SIDE - 20) // 2
    padded = np.pad(large, ((0, 0), (margin, margin), (margin, margin)))
    pixels = np.rint(padded).astype(np.uint8).reshape(len(padded), SIDE * SIDE)
    labels = digits.target.astype(np.int64)
    order = permutation(stream(data.seed, "data/mnist_latency/embedded"), len(labels))
    place = np.empty(len(labels), dtype=np.int64)  # a sample's position within its class, in this order
    for label in np.unique(labels):
        mine = order[labels[order] == label]
        place[mine] = np.arange(len(mine))
    trains = place[order] < np.floor(EMBEDDED_TRAIN_SHARE * np.bincount(labels))[labels[order]]
    return tuple((pixels[rows], labels[rows]) for rows in (order[trains], order[~trains]))
