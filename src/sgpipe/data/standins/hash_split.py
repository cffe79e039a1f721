"""The rule by which Speech Commands assigns clips to splits (Warden 2018, section 7; README of the data set)."""

import re
from hashlib import sha1

BUCKETS = 2**27 - 1  # "MAX_NUM_WAVS_PER_CLASS"


def hash_split(name: str, valid: float = 10.0, test: float = 10.0) -> str:
    """Assign a clip to a split by a hash of its speaker's name.

    One speaker's clips stay together, even if more are recorded later.

    Args:
        name: The clip, `<speaker>_nohash_<n>.wav`.
        valid: Share of the validation split in percent.
        test: Share of the test split in percent.

    Returns:
        `train`, `valid` or `test`.
    """
    speaker = re.sub(r"_nohash_.*$", "", name.rpartition("/")[2])
    percent = int(sha1(speaker.encode()).hexdigest(), 16) % (BUCKETS + 1) * (100.0 / BUCKETS)
    return "valid" if percent < valid else "test" if percent < valid + test else "train"
