"""The rule by which Speech Commands sorts its clips (Warden 2018, section 7; README of the data set)."""

import re
from hashlib import sha1

BUCKETS = 2**27 - 1  # "MAX_NUM_WAVS_PER_CLASS"


def hash_split(name: str, valid: float = 10.0, test: float = 10.0) -> str:
    """Return the split of a clip, `<speaker>_nohash_<n>.wav`, for shares in percent.

    Only the speaker counts, so that one speaker's clips stay together whatever is recorded later.
    """
    speaker = re.sub(r"_nohash_.*$", "", name.rpartition("/")[2])
    percent = int(sha1(speaker.encode()).hexdigest(), 16) % (BUCKETS + 1) * (100.0 / BUCKETS)
    return "valid" if percent < valid else "test" if percent < valid + test else "train"
