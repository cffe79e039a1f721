"""The sounds and words of the synthesised speech: an inventory of phoneme-like targets, and anagrams made from it.

A word has two syllables, and the words of a family share their sounds: the consonants m, s and the vowels a, i make
m-a-s-i, s-i-m-a, m-i-s-a and s-a-m-i. All words of a family have the same average spectrum, so only the order of the
sounds separates them: a listener has to hear transitions, and to remember. The words have the names of the digits and
commands that they stand in for, but do not sound like them.
"""

from dataclasses import dataclass
from itertools import chain

DIGITS = 10
LANGUAGES = ("english", "german")
COMMANDS = (
    *("backward", "bed", "bird", "cat", "dog", "down", "eight", "five", "follow", "forward", "four", "go", "happy"),
    *("house", "learn", "left", "marvin", "nine", "no", "off", "on", "one", "right", "seven", "sheila", "six", "stop"),
    *("three", "tree", "two", "up", "visual", "wow", "yes", "zero"),
)


@dataclass(frozen=True)
class Sound:
    """The target of one phoneme: resonances of the vocal tract, and what excites them.

    Frequencies are in Hz, for a vocal tract of average length; strengths are relative to the voice of a vowel.
    """

    formants: tuple[float, float, float]
    seconds: float
    voice: float = 0.0  # glottal pulses, through the formants
    breath: float = 0.0  # noise, through the formants
    hiss: float = 0.0  # noise, through its own band
    band: tuple[float, float] = (3000.0, 2000.0)  # centre and width of that band
    burst: bool = False  # a stop: silence, then the noise all at once


# Vowels follow the averages of Peterson & Barney (1952, Table II, men); consonants follow the usual loci of F2 and the
# noise bands in Stevens, Acoustic Phonetics (1998), rounded.
SOUNDS: dict[str, Sound] = {
    "a": Sound((730, 1090, 2440), 0.16, voice=1.0),
    "e": Sound((530, 1840, 2480), 0.15, voice=1.0),
    "i": Sound((270, 2290, 3010), 0.15, voice=1.0),
    "o": Sound((570, 840, 2410), 0.16, voice=1.0),
    "u": Sound((300, 870, 2240), 0.15, voice=1.0),
    "er": Sound((490, 1350, 1690), 0.16, voice=1.0),
    "m": Sound((250, 900, 2200), 0.09, voice=0.4),
    "n": Sound((250, 1700, 2600), 0.09, voice=0.4),
    "l": Sound((360, 1050, 2800), 0.08, voice=0.6),
    "r": Sound((400, 1150, 1550), 0.08, voice=0.6),
    "w": Sound((300, 650, 2200), 0.08, voice=0.6),
    "s": Sound((300, 1700, 2600), 0.11, hiss=0.5, band=(6500, 2500)),
    "sh": Sound((300, 1900, 2500), 0.11, hiss=0.5, band=(3200, 1500)),
    "f": Sound((300, 1000, 2300), 0.10, hiss=0.2, band=(5000, 6000)),
    "z": Sound((300, 1700, 2600), 0.09, voice=0.3, hiss=0.25, band=(6500, 2500)),
    "h": Sound((500, 1500, 2500), 0.08, breath=0.4),
    "p": Sound((300, 800, 2200), 0.08, hiss=0.4, band=(900, 1200), burst=True),
    "t": Sound((300, 1800, 2600), 0.08, hiss=0.6, band=(4500, 3000), burst=True),
    "k": Sound((300, 2000, 2400), 0.09, hiss=0.5, band=(2200, 1200), burst=True),
}

# (consonant, consonant, vowel, vowel): four words each.
DIGIT_FAMILIES = (
    ("m", "s", "a", "i"),
    ("t", "l", "o", "e"),
    ("n", "k", "u", "a"),
    ("f", "r", "i", "o"),
    ("w", "sh", "e", "er"),
)
COMMAND_FAMILIES = (
    *DIGIT_FAMILIES,
    *(("p", "n", "er", "i"), ("k", "z", "a", "e"), ("h", "m", "u", "o"), ("t", "r", "a", "u")),
)


def family(first: str, second: str, one: str, other: str) -> tuple[tuple[str, ...], ...]:
    """Make the four two-syllable words that use each of two consonants and two vowels once.

    Args:
        first: A consonant.
        second: Another consonant.
        one: A vowel.
        other: Another vowel.
    """
    return (
        (first, one, second, other),
        (second, other, first, one),
        (first, other, second, one),
        (second, one, first, other),
    )


def digit_word(language: str, digit: int) -> tuple[str, ...]:
    """Spell a digit in sounds; the words of a family are spread over both languages."""
    words = tuple(chain.from_iterable(family(*sounds) for sounds in DIGIT_FAMILIES))
    return words[len(LANGUAGES) * digit + LANGUAGES.index(language)]


def command_word(word: str) -> tuple[str, ...]:
    """Spell a command in sounds."""
    words = tuple(chain.from_iterable(family(*sounds) for sounds in COMMAND_FAMILIES))
    return words[COMMANDS.index(word)]
