"""Folders of synthesised words, laid out like the published sets of recordings."""

from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np

from sgpipe.base.audio_library import audio_library
from sgpipe.base.rng import stream, uniform
from sgpipe.data.standins.hash_split import hash_split
from sgpipe.data.standins.phonemes import COMMANDS, DIGITS, LANGUAGES, command_word, digit_word
from sgpipe.data.standins.synthesiser import say, voice

SPEECH_SEED = 0  # each stand-in is one fixed data set, like the original: only splits have their own seeds
FULL_CLIPS = 0.9  # the share of clips that last a whole second


@dataclass(frozen=True)
class Speech:
    """Who speaks: `speakers` people say every word `trials` times, at a sample rate in Hz."""

    seed: int
    speakers: int
    trials: int
    rate: int


OF_DIGITS = Speech(SPEECH_SEED, speakers=12, trials=6, rate=48000)
OF_COMMANDS = Speech(SPEECH_SEED, speakers=20, trials=2, rate=16000)


def write_digits(
    folder: Path | str, speech: Speech = OF_DIGITS, only: Collection[str] | None = None, workers: int = 1
) -> None:
    """Write a folder like the Heidelberg Digits: audio/*.flac, train_filenames.txt and test_filenames.txt.

    As in the original, some speakers (two in twelve) occur only in the test set, along with a twentieth of the others'
    recordings.

    Args:
        folder: The folder.
        speech: Who speaks, how often and at which sample rate.
        only: Names of the recordings to synthesise; None for all. The lists always name all.
        workers: Parallel workers; the result does not depend on their number.
    """
    folder, lists, jobs = Path(folder), {"train": [], "test": []}, []
    held_out = {4, 5} if speech.speakers > 5 else {speech.speakers - 1}
    for language in LANGUAGES:
        for speaker in range(speech.speakers):
            chosen = stream(speech.seed, f"data/speech/test/{language}/{speaker}")
            for trial in range(speech.trials):
                for digit in range(DIGITS):
                    name = f"lang-{language}_speaker-{speaker:02d}_trial-{trial}_digit-{digit}.flac"
                    lists["test" if chosen.random() < 0.05 or speaker in held_out else "train"].append(name)
                    jobs.append((folder / "audio" / name, name, digit_word(language, digit), speaker, None))
    _speak(jobs, speech, only, workers)
    for split, names in lists.items():
        (folder / f"{split}_filenames.txt").write_text("\n".join(names) + "\n")


def write_commands(
    folder: Path | str, speech: Speech = OF_COMMANDS, only: Collection[str] | None = None, workers: int = 1
) -> list[str]:
    """Write a folder like Speech Commands: <word>/<speaker>_nohash_<n>.wav, validation_list.txt and testing_list.txt.

    Clips last one second, some of them less. One speaker in ten is in the validation list and one in the test list;
    their names are chosen so that the original's hash rule puts them there.

    Args:
        folder: The folder.
        speech: Who speaks, how often and at which sample rate.
        only: Names of the clips to synthesise; None for all.
        workers: Parallel workers; the result does not depend on their number.

    Returns:
        The names of all clips, sorted.
    """
    folder, lists, jobs = Path(folder), {"valid": [], "test": [], "train": []}, []
    for speaker in range(speech.speakers):
        split = {8: "valid", 9: "test"}.get(speaker % 10, "train")
        name = _speaker_name(speech.seed, speaker, split)
        for word in COMMANDS:
            for trial in range(speech.trials):
                clip = f"{word}/{name}_nohash_{trial}.wav"
                lists[split].append(clip)
                jobs.append((folder / clip, clip, command_word(word), speaker, speech.rate))
    _speak(jobs, speech, only, workers)
    for split, name in (("valid", "validation"), ("test", "testing")):
        (folder / f"{name}_list.txt").write_text("\n".join(sorted(lists[split])) + "\n")
    return sorted(name for names in lists.values() for name in names)


def _speaker_name(seed: int, speaker: int, split: str) -> str:
    """Return 8 hexadecimal digits that the hash rule assigns to `split`."""
    attempt = 0
    while True:
        name = sha256(f"{seed}/{speaker}/{attempt}".encode()).hexdigest()[:8]
        if hash_split(name) == split:
            return name
        attempt += 1


def _speak(jobs: list[tuple], speech: Speech, only: Collection[str] | None, workers: int) -> None:
    """Write the recordings (path, name, sounds, speaker, samples) that are named in `only`, or all of them."""
    soundfile = audio_library()
    voices = {speaker: voice(speech.seed, speaker) for *_, speaker, _ in jobs}

    def write(job: tuple) -> None:
        path, name, sounds, speaker, samples = job
        draws = stream(speech.seed, f"data/speech/{name}")
        clip = say(sounds, voices[speaker], draws, speech.rate)
        if samples is not None and draws.random() < FULL_CLIPS:
            room = np.abs(clip[-speech.rate // 100 :]).max() * uniform(draws, -1.0, 1.0, (samples,))
            clip = np.concatenate([clip, room])
        clip = (np.clip(clip, -1, 1) * 32767).astype(np.int16)
        soundfile.write(path, clip[:samples], speech.rate, subtype="PCM_16")

    wanted = [job for job in jobs if only is None or job[1] in only]
    for folder in {job[0].parent for job in jobs}:
        folder.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(max(workers, 1)) as pool:
        for _ in pool.map(write, wanted):
            pass
