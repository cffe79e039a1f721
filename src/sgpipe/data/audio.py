"""Audio files as arrays: WAV, FLAC and whatever else libsndfile reads."""

from pathlib import Path

import numpy as np

from sgpipe.base.errors import SgpipeError


def read_audio(path: Path | str, rate: int | None = None) -> tuple[np.ndarray, int]:
    """Return a recording as float64 (samples,) of full scale 1, and its sample rate in Hz; channels are averaged.

    Raises SgpipeError if the file is absent, empty, damaged or no audio, or if `rate` is given and is not its own.
    """
    import soundfile  # a tenth of a second that other tasks need not spend

    try:
        signal, found = soundfile.read(str(path), dtype="float64", always_2d=True)
    except (OSError, soundfile.SoundFileError) as error:
        if not Path(path).is_file():
            raise SgpipeError(f"{path}: no such file") from error
        if Path(path).stat().st_size == 0:
            raise SgpipeError(f"{path}: the file is empty; fetch it again") from error
        reason = getattr(error, "error_string", str(error)).strip().rstrip(".")
        raise SgpipeError(f"{path}: not an audio file ({reason}); fetch it again") from error
    if len(signal) == 0:
        raise SgpipeError(f"{path}: holds no samples; fetch it again")
    if rate is not None and found != rate:
        raise SgpipeError(f"{path}: sampled at {found} Hz, but this data set has {rate} Hz; is it the original file?")
    signal = signal.mean(axis=1)
    if not np.all(np.isfinite(signal)):
        raise SgpipeError(f"{path}: holds samples that are not finite numbers; fetch it again")
    return signal, found


def audio_seconds(path: Path | str) -> float:
    """Return how long a recording lasts, from its header; 0 if it has none, which `read_audio` will complain about."""
    import soundfile

    try:
        return soundfile.info(str(path)).duration
    except (OSError, soundfile.SoundFileError):
        return 0.0


def resample(signal: np.ndarray, rate: int, wanted: int) -> np.ndarray:
    """Return `signal` at another sample rate, low-passed below half the lower of both (scipy's polyphase filter)."""
    from scipy.signal import resample_poly  # half a second to import

    if rate == wanted:
        return signal
    common = np.gcd(rate, wanted)
    return resample_poly(signal, wanted // common, rate // common)
