"""Mel-spaced spectrograms of speech (Zenke & Vogels 2021, section 4.1.3), as in their code and as they should be.

    y(t) = x(t) - 0.95 x(t - 1)                           pre-emphasis
    P_nk = |DFT_512(hamming y_n)|^2 / 512                 25 ms frames n, one every 10 ms
    E_nm = sum_k H_mk P_nk                                40 triangular filters, mel(f) = 2595 log10(1 + f / 700)
    z    = log10 E, then (z - mean z) / sd z              mean and sd over all frames and channels of the utterance

Before the logarithm, E is cropped, or filled by repeating its last frame, to a fixed number of frames.

variant      sample rate     frames                                  edges of the filters
authors      the file's own  longer than 512 samples: cut to 512     floor(513 f / rate) bins
corrected    16 kHz          whole, since 25 ms are 400 samples      where they are

At 48 kHz, `authors` makes each frame see 10.7 of its 25 ms, and each of the eight lowest filters a single bin.
`corrected` has the filters of librosa.filters.mel(sr=16000, n_fft=512, n_mels=40, htk=True, norm=None).
"""

from functools import cache

import numpy as np

from sgpipe.data.audio import resample

VARIANTS = ("authors", "corrected")
CHANNELS = 40
FFT = 512
FRAME_SECONDS, STRIDE_SECONDS = 0.025, 0.010
PRE_EMPHASIS = 0.95
CORRECTED_RATE = 16000


def features(signal: np.ndarray, rate: int, frames: int, variant: str) -> np.ndarray:
    """Compute the input that a network receives: the log mel spectrum, standardised to mean 0 and sd 1.

    Args:
        signal: The sound, (samples,).
        rate: Its sample rate in Hz.
        frames: Number of frames.
        variant: `authors` or `corrected`, see above.

    Returns:
        float32 (frames, 40).
    """
    if variant == "corrected":
        signal, rate = resample(signal, rate, CORRECTED_RATE), CORRECTED_RATE
    # Not a BLAS product: most weights are 0, and its threads would cost more than they do here.
    energy = (_sparse_filters(rate, variant) @ power_spectra(signal, rate, frames, variant).T).T
    energy = np.where(energy == 0, np.finfo(float).eps, energy)
    missing = frames - len(energy)
    # The last frame must count in mean and sd as often as it is repeated.
    logs = np.log10(np.concatenate([energy, np.repeat(energy[-1:], missing, axis=0)]))
    if logs.min() == logs.max():  # digital silence, which occurs in Speech Commands
        return np.zeros(logs.shape, dtype=np.float32)
    return ((logs - logs.mean()) / logs.std()).astype(np.float32)


def power_spectra(signal: np.ndarray, rate: int, most: int, variant: str) -> np.ndarray:
    """Compute the power spectra of the first frames of a sound.

    Args:
        signal: The sound, (samples,).
        rate: Its sample rate in Hz.
        most: The largest number of frames.
        variant: `authors` or `corrected`, see above.

    Returns:
        float64 (frames, 257), at least one frame.
    """
    frame, stride = round(FRAME_SECONDS * rate), round(STRIDE_SECONDS * rate)
    over = len(signal) - frame
    # By the authors' count, the last frame begins within the signal's last stride, and a tail may be left out.
    count = int(np.ceil(abs(over) / stride)) if variant == "authors" else 1 + max(over, 0) // stride
    count = min(max(count, 1), most)
    seen = min(frame, FFT)  # a DFT of 512 points uses no more samples
    emphasised = np.append(signal[0], signal[1:] - PRE_EMPHASIS * signal[:-1])
    padded = np.pad(emphasised, (0, max(0, (count - 1) * stride + seen - len(emphasised))))
    cut = np.lib.stride_tricks.sliding_window_view(padded, seen)[::stride][:count]
    return np.abs(np.fft.rfft(cut * np.hamming(frame)[:seen], FFT)) ** 2 / FFT


@cache
def filters(rate: int, variant: str) -> np.ndarray:
    """Make the triangular filters from 0 Hz to half of the sample rate.

    Args:
        rate: The sample rate in Hz.
        variant: `authors` or `corrected`, see above.

    Returns:
        float64 (40, 257).
    """
    top = 2595 * np.log10(1 + rate / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, top, CHANNELS + 2) / 2595) - 1)
    bins = np.arange(FFT // 2 + 1.0)
    if variant == "authors":
        edges = np.floor((FFT + 1) * edges / rate)
    else:
        bins *= rate / FFT
    low, peak, high = (part[:, None] for part in (edges[:-2], edges[1:-1], edges[2:]))
    # A side of width 0 has no bins of its own; at the peak, the falling side counts.
    with np.errstate(divide="ignore", invalid="ignore"):
        rising, falling = (bins - low) / (peak - low), (high - bins) / (high - peak)
    return np.where((low <= bins) & (bins < peak), rising, np.where((peak <= bins) & (bins < high), falling, 0.0))


@cache
def _sparse_filters(rate: int, variant: str):
    from scipy.sparse import csr_array  # takes a tenth of a second, which other tasks need not spend

    return csr_array(filters(rate, variant))
