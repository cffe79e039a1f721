"""Penn Treebank at word level (Mikolov's files; herranz2022 section 2.1), or text from a grammar of ours.

The published text is cut at spaces, the end of a line is the word <eos>. The vocabulary is that of the training text,
10,000 words with <eos> and <unk>, numbered from the most frequent.
"""

from collections import Counter
from pathlib import Path

import numpy as np

from sgpipe.base.errors import SgpipeError
from sgpipe.data.files.sources import Found, missing_of
from sgpipe.data.samples import SPLITS, Task, Words
from sgpipe.data.standins.grammar import text
from sgpipe.spec.tasks import PtbData

NAMES = {split: f"ptb.{split}.txt" for split in SPLITS}
EMBEDDED_WORDS = {"train": 200_000, "valid": 20_000, "test": 20_000}
EOS, UNKNOWN = "<eos>", "<unk>"
REMEDY = "fetch it with `snakemake --cores 1 download`"


def find(folder: Path, data: PtbData) -> list[Found]:
    """Return the three published files, if any of them is in `ptb/`."""
    root = folder / "ptb"
    there = tuple(root / name for name in NAMES.values() if (root / name).is_file())
    return [Found("original", root, there, missing=missing_of(root, list(NAMES.values())))] if there else []


def make(data: PtbData, folder: Path | None = None, workers: int = 1) -> Task:
    """Return the task, from the published files below `folder` or from the grammar."""
    ids = _published(folder / "ptb", data.units) if folder else _generated(data.seed)
    streams = [Words(ids[split][: data.limit or None]) for split in SPLITS]
    return Task(data.units, data.classes, data.steps, *streams)


def vocabulary(words: list[str]) -> dict[str, int]:
    """Return the id of each word: 0 for the most frequent; equally frequent ones in the order of the alphabet."""
    counts = Counter(words)
    return {word: number for number, word in enumerate(sorted(counts, key=lambda word: (-counts[word], word)))}


def _published(root: Path, size: int) -> dict[str, np.ndarray]:
    """Return the word ids of each split, int32; raises SgpipeError, naming the file, if one is bad."""
    words = {split: _words(root / name) for split, name in NAMES.items()}
    known = vocabulary(words["train"])
    if len(known) > size:
        raise SgpipeError(
            f"{root / NAMES['train']}: has {len(known):,} different words, expected {size:,}: not the published file; "
            + REMEDY
        )
    return {split: _numbered(parts, known, root / NAMES[split]) for split, parts in words.items()}


def _words(path: Path) -> list[str]:
    try:
        content = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SgpipeError(f"{path}: cannot be read as text ({error}); {REMEDY}") from error
    words = content.replace("\n", f" {EOS} ").split()
    if len(words) < 2:
        raise SgpipeError(f"{path}: has no words; {REMEDY}")
    return words


def _numbered(words: list[str], known: dict[str, int], path: Path) -> np.ndarray:
    other = known.get(UNKNOWN, -1)
    ids = np.array([known.get(word, other) for word in words], dtype=np.int32)
    if np.any(ids < 0):
        strange = words[int(np.argmin(ids))]
        raise SgpipeError(f"{path}: the word {strange!r} is not in {NAMES['train']}, which has no {UNKNOWN} either")
    return ids


def _generated(seed: int) -> dict[str, np.ndarray]:
    whole = text(seed, sum(EMBEDDED_WORDS.values()))
    parts = np.split(whole, np.cumsum(list(EMBEDDED_WORDS.values()))[:-1])
    return dict(zip(EMBEDDED_WORDS, parts, strict=True))
