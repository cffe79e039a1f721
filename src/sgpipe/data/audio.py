"""Audio files as arrays: WAV, FLAC and whatever else libsndfile reads."""

from pathlib import Path

import numpy as np

from sgpipe.base.audio_library import audio_library
from sgpipe.base.errors import SgpipeError
from sgpipe.data.files.reading import FETCH_SET_AGAIN, size_of

LONGEST = 20.0  # s; these data sets have single words
HIGHEST_RATE = 192_000  # Hz
MOST_CHANNELS = 8


def read_audio(path: Path | str, rate: int | None = None) -> tuple[np.ndarray, int]:
    """Read a recording and average its channels.

    Args:
        path: The file.
        rate: The sample rate in Hz that it must have; None for any.

    Returns:
        The signal, float64 (samples,) with full scale 1, and its sample rate in Hz.

    Raises:
        SgpipeError: The file is missing, empty, damaged or not audio, is far longer than a word, or has another sample
            rate.
    """
    soundfile = audio_library()
    path = Path(path)
    if size_of(path) == 0:
        raise SgpipeError(f"{path}: the file is empty; {FETCH_SET_AGAIN}")
    try:
        with soundfile.SoundFile(path) as file:
            found = file.samplerate
            _check(file, path, rate)
            signal = file.read(dtype="float64", always_2d=True)
    except (OSError, soundfile.SoundFileError) as error:
        reason = " ".join(getattr(error, "error_string", str(error)).split()).rstrip(".")
        raise SgpipeError(f"{path}: not an audio file ({reason}); {FETCH_SET_AGAIN}") from error
    if len(signal) == 0:
        raise SgpipeError(f"{path}: holds no samples; {FETCH_SET_AGAIN}")
    signal = signal.mean(axis=1)
    if not np.all(np.isfinite(signal)):
        raise SgpipeError(f"{path}: holds samples that are not finite numbers; {FETCH_SET_AGAIN}")
    return signal, found


def _check(file, path: Path, rate: int | None) -> None:
    """Raise SgpipeError if an open recording cannot belong to the data set, before its samples take any memory."""
    found = file.samplerate
    if rate is not None and found != rate:
        raise SgpipeError(f"{path}: sampled at {found} Hz, but this data set has {rate} Hz; is it the original file?")
    if not 0 < found <= HIGHEST_RATE or file.channels > MOST_CHANNELS or file.frames > LONGEST * found:
        raise SgpipeError(
            f"{path}: promises {file.frames:,} samples of {file.channels} channels at {found} Hz, more than the "
            f"{LONGEST:g} s of a spoken word; {FETCH_SET_AGAIN}"
        )


def audio_seconds(path: Path | str) -> float:
    """Read the duration of a recording in s from its header; 0 if there is no header, which `read_audio` reports."""
    soundfile = audio_library()
    if not Path(path).is_file():
        return 0.0
    try:
        return soundfile.info(path).duration
    except (OSError, soundfile.SoundFileError):
        return 0.0


def resample(signal: np.ndarray, rate: int, wanted: int) -> np.ndarray:
    """Resample a signal, low-passed below half of the lower sample rate (scipy's polyphase filter).

    Args:
        signal: (samples,).
        rate: Its sample rate in Hz.
        wanted: The sample rate of the result in Hz.
    """
    from scipy.signal import resample_poly  # takes half a second to import

    if rate == wanted:
        return signal
    common = np.gcd(rate, wanted)
    return resample_poly(signal, wanted // common, rate // common)
