"""Write spikes of one's own as data/own/train.h5 and test.h5: a dot runs over 30 units, in one of four ways."""

import os

import h5py
import numpy as np

os.makedirs("data/own", exist_ok=True)
random = np.random.default_rng(0)
for split, samples in (("train", 200), ("test", 80)):
    labels = np.arange(samples) % 4  # up or down, slowly or fast
    with h5py.File(f"data/own/{split}.h5", "w") as file:
        times = file.create_dataset("spikes/times", (samples,), h5py.vlen_dtype(np.float32))  # s
        units = file.create_dataset("spikes/units", (samples,), h5py.vlen_dtype(np.uint16))
        for row, label in enumerate(labels):
            path = np.arange(30) if label < 2 else np.arange(30)[::-1]
            times[row] = np.arange(30) * (0.001 if label % 2 else 0.003) + random.uniform(0, 0.005)
            units[row] = np.clip(path + random.integers(-2, 3, 30), 0, 29)
        file["labels"] = labels
