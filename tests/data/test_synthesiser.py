"""Synthesised speech: real audio files, the same for a seed, whose words differ in the order of their sounds."""

from collections import Counter

import numpy as np
import pytest
import soundfile

from sgpipe.base.rng import stream
from sgpipe.data.mel import features
from sgpipe.data.standins.hash_split import hash_split
from sgpipe.data.standins.phonemes import COMMANDS, LANGUAGES, SOUNDS, command_word, digit_word
from sgpipe.data.standins.recordings import Speech, write_commands, write_digits
from sgpipe.data.standins.synthesiser import say, voice

RATE = 16000


def utterance(sounds, speaker=0, take=0):
    return say(sounds, voice(0, speaker), stream(take, "tests/say"), RATE)


def lines(path):
    return path.read_text().split()


def test_digits_are_a_tree_like_the_heidelberg_digits(tmp_path):
    write_digits(tmp_path, Speech(3, 6, 1, RATE), only=())
    train, test = (lines(tmp_path / f"{split}_filenames.txt") for split in ("train", "test"))
    assert len({*train, *test}) == len(train) + len(test) == 6 * 2 * 10
    assert not any("speaker-04" in name or "speaker-05" in name for name in train)
    assert any("speaker-04" not in name and "speaker-05" not in name for name in test)


def test_every_listed_digit_is_a_flac_file_of_the_asked_rate(tmp_path):
    write_digits(tmp_path, Speech(3, 1, 1, 48000))
    names = lines(tmp_path / "train_filenames.txt") + lines(tmp_path / "test_filenames.txt")
    assert sorted(names) == sorted(path.name for path in (tmp_path / "audio").iterdir())
    lengths = set()
    for name in names:
        info = soundfile.info(tmp_path / "audio" / name)
        assert (info.format, info.samplerate, info.channels) == ("FLAC", 48000, 1)
        assert 0.3 < info.duration < 1.4
        lengths.add(info.frames)
    assert len(lengths) > 10


def test_commands_are_a_tree_like_speech_commands_whose_lists_follow_the_hash_rule(tmp_path):
    names = write_commands(tmp_path, Speech(3, 10, 2, RATE), only=())
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == sorted(COMMANDS) == list(COMMANDS)
    splits = Counter(hash_split(name) for name in names)
    assert splits == {"train": 8 * 70, "valid": 70, "test": 70}
    assert {hash_split(name) for name in lines(tmp_path / "validation_list.txt")} == {"valid"}
    assert {hash_split(name) for name in lines(tmp_path / "testing_list.txt")} == {"test"}


def test_clips_of_commands_last_a_second_or_less(tmp_path):
    names = write_commands(tmp_path, Speech(3, 1, 1, RATE))
    lengths = [soundfile.info(tmp_path / name).frames for name in names]
    assert max(lengths) == RATE and 0 < sum(length < RATE for length in lengths) < 15


def test_a_seed_gives_the_same_speech_whatever_else_is_spoken_and_another_seed_another(tmp_path):
    one = "lang-german_speaker-00_trial-0_digit-7.flac"
    write_digits(tmp_path / "all", Speech(1, 2, 1, RATE), workers=2)
    write_digits(tmp_path / "one", Speech(1, 1, 1, RATE), only={one})
    write_digits(tmp_path / "other", Speech(2, 1, 1, RATE), only={one})
    first, alone, other = (soundfile.read(tmp_path / folder / "audio" / one)[0] for folder in ("all", "one", "other"))
    np.testing.assert_array_equal(first, alone)
    assert len(other) != len(first) or not np.array_equal(other, first)


def test_no_two_words_are_alike_and_each_has_anagrams():
    for words in (
        [digit_word(language, digit) for language in LANGUAGES for digit in range(10)],
        [command_word(word) for word in COMMANDS],
    ):
        assert len(set(words)) == len(words)
        assert min(Counter(tuple(sorted(word)) for word in words).values()) > 1


def test_anagrams_share_their_average_spectrum_but_not_their_course():
    first, second = digit_word("english", 0), digit_word("german", 0)
    assert sorted(first) == sorted(second)
    words = {
        word: [features(utterance(word, take=take), RATE, 40, "authors") for take in range(4)]
        for word in (first, second)
    }
    courses = {word: np.mean(made, axis=0) for word, made in words.items()}
    far = np.abs(courses[first] - courses[second]).mean()
    near = np.abs(courses[first].mean(axis=0) - courses[second].mean(axis=0)).mean()
    assert near < far / 2


@pytest.mark.parametrize("rate", [16000, 48000])
@pytest.mark.parametrize("sound", ["a", "i", "u"])
def test_a_vowel_has_its_formants_where_its_targets_are(sound, rate):
    who = voice(0, 0)
    clip = say((sound,) * 6, who, stream(0, "tests/vowel"), rate)
    middle = clip[len(clip) // 4 : -len(clip) // 4]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle)))) ** 2
    hertz = np.fft.rfftfreq(len(middle), 1 / rate)
    for formant in SOUNDS[sound].formants[:2]:
        centre = formant * who.throat
        near = spectrum[np.abs(hertz - centre) < 0.12 * centre + 60].max()
        above = spectrum[np.abs(hertz - 1.5 * centre) < 50].max() if formant == SOUNDS[sound].formants[1] else 0
        assert near > 3 * above


def test_speech_stays_within_full_scale_and_no_two_takes_are_alike():
    clips = [
        utterance(digit_word("english", 3), speaker=speaker, take=take) for speaker in range(3) for take in range(2)
    ]
    assert all(0.05 < np.abs(clip).max() < 1 for clip in clips)
    assert len({len(clip) for clip in clips}) > 3
