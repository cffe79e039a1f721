"""Penn Treebank at word level (Mikolov's files; herranz2022 section 2.1), or text from our own grammar.

The published text is split at spaces (only the ASCII character), and the end of a line is the word <eos>. The
vocabulary is that of the training text, 10,000 words including <eos> and <unk>, numbered from the most frequent.
"""

from collections import Counter
from pathlib import Path

import numpy as np

from sgpipe.base.errors import SgpipeError
from sgpipe.data.files.reading import FETCH_AGAIN, file_there, folder_there, missing_of, read_text
from sgpipe.data.files.sources import Found
from sgpipe.data.samples import SPLITS, Task, Words
from sgpipe.data.standins.grammar import text
from sgpipe.spec.tasks import PtbData

NAMES = {split: f"ptb.{split}.txt" for split in SPLITS}
EMBEDDED_WORDS = {"train": 200_000, "valid": 20_000, "test": 20_000}
EOS, UNKNOWN = "<eos>", "<unk>"
MOST = 100_000_000  # bytes; the published training text has a twentieth of it


def find(folder: Path, data: PtbData) -> list[Found]:
    """Find the three published files in the folder `ptb` of the data folder."""
    root = folder / "ptb"
    if not folder_there(root):
        return []
    there = tuple(root / name for name in NAMES.values() if file_there(root / name))
    return [Found("original", root, there, missing=missing_of(root, list(NAMES.values())))] if there else []


def check_file(path: Path) -> None:
    """Read one of the published files; raises SgpipeError if it is damaged."""
    read_words(path)


def make(data: PtbData, folder: Path | None = None, workers: int = 1) -> Task:
    """Make the task from the published files, or without a folder from the grammar (`sgpipe.data.prepare`)."""
    ids = _published(folder / "ptb", data.units) if folder else _generated(data.seed)
    streams = [Words(ids[split][: data.limit or None]) for split in SPLITS]
    return Task(data.units, data.classes, data.steps, *streams)


def vocabulary(words: list[str]) -> dict[str, int]:
    """Number the words of a text: 0 for the most frequent; equally frequent words in alphabetical order."""
    counts = Counter(words)
    return {word: number for number, word in enumerate(sorted(counts, key=lambda word: (-counts[word], word)))}


def _published(root: Path, size: int) -> dict[str, np.ndarray]:
    """Return the word ids of each split, int32; raises SgpipeError, naming the file, if one is bad."""
    words = {split: read_words(root / name) for split, name in NAMES.items()}
    known = vocabulary(words["train"])
    if len(known) > size:
        raise SgpipeError(
            f"{root / NAMES['train']}: has {len(known):,} different words, expected {size:,}: not the published file; "
            "rename it, and `snakemake --cores 1 download` fetches that"
        )
    return {split: _numbered(parts, known, root / NAMES[split]) for split, parts in words.items()}


def read_words(path: Path) -> list[str]:
    """Read the words of a text, with <eos> at the end of each line; raises SgpipeError if it is not a text."""
    text = read_text(path, MOST, FETCH_AGAIN)
    words = [word for word in text.replace("\n", f" {EOS} ").split(" ") if word]
    if len(words) < 2:
        raise SgpipeError(f"{path}: has no words; {FETCH_AGAIN}")
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
